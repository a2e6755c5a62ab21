from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ._conventions import Conventions
from ._family import PERIODS, Plan, RING


_DECISION = PERIODS.index("decision")
_INPUTS = 1 + 2 * RING


class Scene(NamedTuple):
    """One trial laid out by period: what the inputs show, the spread of their noise, and the frame
    at which each period ends."""

    field: Float[Array, "*batch 5 33"]
    spread: Float[Array, "*batch 5 33"]
    ends: Int[Array, "*batch 5"]
    response: Int[Array, "*batch"]
    go: Bool[Array, "*batch"]
    sequence: Int[Array, "*batch"]


class Frame(NamedTuple):
    """One frame of one trial."""

    inputs: Float[Array, "*batch 33"]
    labels: Int[Array, "*batch"]
    direction: Float[Array, "*batch"]
    period: Int[Array, "*batch"]
    mask: Bool[Array, "*batch"]
    decision: Bool[Array, "*batch"]


def scene(plan: Plan, durations: Int[Array, "5"], noisy: Bool[Array, "5"], dt: float) -> Scene:
    """Lays out one planned trial, whose periods last `durations` ms."""
    away = (jnp.arange(RING) - plan.position[:, None] + RING / 2) % RING - RING / 2
    bumps = 0.8 * jnp.exp(-0.5 * away**2)
    rings = jnp.einsum("pbr,bc->prc", plan.strength, bumps, precision="highest")
    fixation = (jnp.arange(len(PERIODS)) < _DECISION)[:, None]
    spread = jnp.repeat(plan.noise, np.array([1, RING, RING]), total_repeat_length=_INPUTS)
    return Scene(
        field=jnp.concatenate([fixation, rings.reshape(len(PERIODS), 2 * RING)], axis=1),
        # White noise: its spread grows as the steps get shorter.
        spread=noisy[:, None] * spread * (100 / dt) ** 0.5,
        ends=jnp.cumsum(durations * round(100 / dt) // 100),
        response=plan.response,
        go=plan.go,
        sequence=plan.sequence,
    )


def padded(
    scenes: Scene,
    steps: int,
    noisy_steps: tuple[int, ...],
    key: PRNGKeyArray | None,
    dt: float,
    conventions: Conventions,
) -> Frame:
    """Frames `[batch, steps]` of a batch of scenes, each from its start."""
    noise = None
    if key is not None and any(noisy_steps):
        noise = _cycled_noise(key, len(scenes.go), steps, noisy_steps)
    read = eqx.filter_vmap(_frame, in_axes=(None, 0, 0, None, None))
    read = eqx.filter_vmap(read, in_axes=(0, None, 0, None, None))
    return read(scenes, jnp.arange(steps), noise, dt, conventions)


def joined(
    scenes: Scene, steps: int, key: PRNGKeyArray, dt: float, conventions: Conventions
) -> tuple[Frame, Int[Array, "batch steps"]]:
    """Frames `[batch, steps]` of scenes `[batch, trials]`, shown one after the other; and which
    trial each frame belongs to. The scenes have to last long enough."""
    ends = jnp.cumsum(scenes.ends[..., -1], axis=1)
    starts = ends - scenes.ends[..., -1]
    index = jnp.arange(steps)
    trial = jnp.sum(index[:, None] >= ends[:, None], axis=-1)

    def of_its_trial(leaf):
        return jax.vmap(lambda row, trial: row[trial])(leaf, trial)

    unit = jr.normal(key, (*trial.shape, _INPUTS))
    read = eqx.filter_vmap(_frame, in_axes=(0, 0, 0, None, None))
    read = eqx.filter_vmap(read, in_axes=(0, 0, 0, None, None))
    elapsed = index - of_its_trial(starts)
    noise = (unit,) * len(PERIODS)
    return read(jax.tree.map(of_its_trial, scenes), elapsed, noise, dt, conventions), trial


def _frame(
    scene: Scene,
    index: Int[Array, ""],
    noise: tuple[Float[Array, "33"] | None, ...] | None,
    dt: float,
    conventions: Conventions,
) -> Frame:
    """Reads one frame of a scene. `noise` is unit noise by period, `None` where there is none."""
    period = jnp.sum(index >= scene.ends)
    inside = period < len(PERIODS)
    decision = period == _DECISION
    shown = list(scene.field)
    for place, unit in enumerate(noise or ()):
        if unit is not None:
            shown[place] += scene.spread[place] * unit
    turns = (index - scene.ends[_DECISION - 1]) // round(100 / dt)
    answer = (scene.response + scene.sequence * turns) % RING
    responding = decision & scene.go
    label = (1 + answer) % RING if conventions.colliding_label else 1 + answer
    return Frame(
        inputs=jax.lax.select_n(period, *shown, jnp.zeros_like(shown[0])),
        labels=jnp.where(responding, label, 0),
        direction=jnp.where(responding, answer * (2 * np.pi / RING), jnp.nan),
        period=jnp.where(inside, period, -1),
        mask=inside,
        decision=decision,
    )


def _cycled_noise(
    key: PRNGKeyArray, batch: int, steps: int, noisy_steps: tuple[int, ...]
) -> tuple[Float[Array, "batch steps 33"] | None, ...]:
    # Noise is drawn for the frames that can be noisy and no others: a noisy period of up to n
    # frames reads its own n rows in a cycle, so none twice. The rows are drawn one after the
    # other, or XLA would draw them anew for every frame that might read them.
    keys = jr.split(key, sum(noisy_steps))
    unit = jax.lax.map(lambda key: jr.normal(key, (batch, _INPUTS)), keys)
    rows = jnp.split(jnp.moveaxis(unit, 0, 1), np.cumsum(noisy_steps)[:-1], axis=1)
    return tuple(
        jnp.tile(row, (1, -(-steps // n), 1))[:, :steps] if n else None
        for row, n in zip(rows, noisy_steps, strict=True)
    )
