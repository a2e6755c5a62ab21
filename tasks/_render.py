from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ._conventions import Conventions
from ._family import PERIODS, RING, Plan

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


class Answer(NamedTuple):
    """What one frame of one trial asks for."""

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
) -> tuple[Float[Array, "batch steps 33"], Answer]:
    """Inputs and answers of a batch of scenes, each from its start and padded at its end."""
    ends = scenes.ends[:, None]
    index = jnp.broadcast_to(jnp.arange(steps), (len(ends), steps))
    period = jnp.sum(index[..., None] >= ends, axis=-1)
    shown = [field[:, None] for field in jnp.moveaxis(scenes.field, 1, 0)]
    if key is not None:
        for place, unit in _cycled_noise(key, len(ends), steps, noisy_steps):
            shown[place] += scenes.spread[:, None, place] * unit
    shape = (*period.shape, _INPUTS)
    shown = [jnp.broadcast_to(field, shape) for field in [*shown, jnp.zeros(shape)]]
    inputs = jax.lax.select_n(jnp.broadcast_to(period[..., None], shape), *shown)
    scenes = jax.tree.map(lambda leaf: leaf[:, None], scenes)
    return inputs, _answer(scenes, index, period, dt, conventions)


def joined(
    scenes: Scene, steps: int, key: PRNGKeyArray, dt: float, conventions: Conventions
) -> tuple[Float[Array, "batch steps 33"], Answer, Int[Array, "batch steps"]]:
    """Inputs and answers of scenes `[batch, trials]` shown one after the other, and which trial
    each frame belongs to. The scenes have to last for `steps`."""
    ends = jnp.cumsum(scenes.ends[..., -1], axis=1)
    index = jnp.arange(steps)
    trial = jnp.sum(index[:, None] >= ends[:, None], axis=-1)

    def at(rows, place):
        return jax.vmap(lambda rows, place: rows[place])(rows, place)

    index = index - at(ends - scenes.ends[..., -1], trial)
    period = jnp.sum(index[..., None] >= at(scenes.ends, trial), axis=-1)
    place = trial * len(PERIODS) + period
    field, spread = (at(rows.reshape(len(rows), -1, _INPUTS), place) for rows in scenes[:2])
    inputs = field + spread * jr.normal(key, field.shape)
    scenes = jax.tree.map(lambda rows: at(rows, trial), scenes)
    return inputs, _answer(scenes, index, period, dt, conventions), trial


def _answer(
    scenes: Scene,
    index: Int[Array, "batch steps"],
    period: Int[Array, "batch steps"],
    dt: float,
    conventions: Conventions,
) -> Answer:
    turns = (index - scenes.ends[..., _DECISION - 1]) // round(100 / dt)
    direction = (scenes.response + scenes.sequence * turns) % RING
    inside, decision = period < len(PERIODS), period == _DECISION
    responding = decision & scenes.go
    label = (1 + direction) % RING if conventions.colliding_label else 1 + direction
    return Answer(
        labels=jnp.where(responding, label, 0),
        direction=jnp.where(responding, direction * (2 * np.pi / RING), jnp.nan),
        period=jnp.where(inside, period, -1),
        mask=inside,
        decision=decision,
    )


def _cycled_noise(
    key: PRNGKeyArray, batch: int, steps: int, noisy_steps: tuple[int, ...]
) -> list[tuple[int, Float[Array, "batch steps 33"]]]:
    """Unit noise for each noisy period."""
    # Noise is drawn for the frames that can be noisy and no others: a noisy period of up to n
    # frames reads its own n rows in a cycle, so none twice. The rows are drawn one after the
    # other, or XLA would draw them anew for every frame that might read them.
    noisy = [(place, n) for place, n in enumerate(noisy_steps) if n]
    if not noisy:
        return []
    keys = jr.split(key, sum(noisy_steps))
    unit = jax.lax.map(lambda key: jr.normal(key, (batch, _INPUTS)), keys)
    rows = jnp.split(jnp.moveaxis(unit, 0, 1), np.cumsum([n for _, n in noisy])[:-1], axis=1)
    return [
        (place, jnp.tile(row, (1, -(-steps // n), 1))[:, :steps])
        for row, (place, n) in zip(rows, noisy, strict=True)
    ]
