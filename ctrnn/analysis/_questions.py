"""What can be asked of which task: found out by asking the battery what changes in a trial's right
answer, or in its inputs, when its coherence or a duration does."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._battery import Battery, Trials
from ._subject import Cannot

_FIELDS = ("fixation", "stimulus", "delay", "first", "second", "coherence")


class Questions(NamedTuple):
    """What can be asked of which task, by name: the rings [2] whose coherence decides; the field of
    the spec that is timed and its values in ms; tasks whose stimulus comes with the decision."""

    coherence: dict[str, Bool[np.ndarray, " rings"]]
    interval: dict[str, tuple[str, Int[np.ndarray, " intervals"]]]
    reaction: list[str]


def questions(battery: Battery, *, key: PRNGKeyArray, trials: int = 8) -> Questions:
    """Which tasks have a psychometric curve, which time an interval, which have a reaction time.

    Tasks whose answer moves on through the decision are left out of the first two.

    **Arguments:**

    - `battery`: its specs have the fields of `tasks.TrialSpec`.
    - `key`, `trials`: draws the trials that are looked at; how many per task.

    **Raises:**

    `Cannot` if the specs have no such fields.

    !!! example

        ```python
        questions(tasks.Battery.named("132"), key=key).interval["dlygointr"]  # delay, 0 to 1100 ms
        ```
    """
    names, count = battery.names, len(battery.names)
    spec = battery.sample(key, jnp.repeat(jnp.arange(count), trials))
    if missing := [name for name in _FIELDS if not hasattr(spec, name)]:
        raise Cannot(f"the trials of this battery have no {', '.join(missing)} to vary.")
    fixation = jnp.repeat(spec.fixation.reshape(count, -1).min(1), trials)
    onset = np.asarray(fixation / battery.dt).astype(int)
    spec = dataclasses.replace(spec, fixation=fixation)

    def look(spec: Any) -> tuple[np.ndarray, np.ndarray]:
        """The right answer at the end, and the first frame shown after fixation."""
        trial = battery.render(spec)
        shown = frame_inputs(battery, trial)[np.arange(len(onset)), onset]
        return answers(trial)[1].reshape(count, -1), shown.reshape(count, trials, -1)

    trial = battery.render(spec)
    first, last = (labels.reshape(count, -1) for labels in answers(trial))
    steady = (first == last).all(1)

    coherence = np.ones((count, 2), bool)
    for ring, only in enumerate(np.eye(2, dtype=bool)):
        for_first, for_second = (
            look(with_coherence(spec, jnp.full(len(onset), c), only))[0] for c in (0.6, -0.6)
        )
        coherence[:, ring] = (for_first != for_second).all(1)

    interval: dict[str, tuple[str, np.ndarray]] = {}
    drawn = battery.sample(key, jnp.repeat(jnp.arange(count), 128))
    for field in ("delay", "stimulus"):
        values = [np.unique(row) for row in np.asarray(getattr(drawn, field)).reshape(count, -1)]
        two = [[v[min(i, len(v) - 1)] for v in values] for i in (0, 1)]
        # A reach task keeps its answer and moves its stimulus; the others do the reverse.
        short, long = (
            look(dataclasses.replace(spec, **{field: jnp.repeat(jnp.array(ms), trials)}))
            for ms in two
        )
        moved = (np.abs(short[1] - long[1]) > 1e-6).any((1, 2))
        for i in np.flatnonzero(((short[0] != long[0]).any(1) | moved) & steady):
            interval.setdefault(names[i], (field, values[i]))

    undecided = np.cumsum(np.asarray(trial.decision), 1) == 0
    before = frame_inputs(battery, trial) * undecided[..., None]
    alike = (np.ptp(before.reshape(count, trials, -1), axis=1) < 1e-6).all(1)
    decides = coherence.any(1) & steady
    return Questions(
        {n: coherence[i] for i, n in enumerate(names) if decides[i] and n not in interval},
        interval,
        [n for i, n in enumerate(names) if alike[i] and np.ptp(first[i]) > 0],
    )


def with_coherence(spec: Any, coherence: Array, rings: np.ndarray) -> Any:
    """Strengths 0.5 ± coherence / 2 of the two options in some rings; an even 0.5 if in none."""
    even = jnp.full_like(spec.coherence, 0.5)
    strengths = 0.5 + 0.5 * coherence[:, None, None] * jnp.array([[1.0], [-1.0]])
    return dataclasses.replace(spec, coherence=jnp.where(rings, strengths, even))


def last_decision(trial: Trials) -> Int[np.ndarray, " batch"]:
    """The last frame of each trial's decision."""
    decision = np.asarray(trial.decision)
    return decision.shape[1] - 1 - decision[:, ::-1].argmax(1)


def answers(trial: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Labels in the first and in the last frame of the decision."""
    labels, rows = np.asarray(trial.labels), np.arange(len(trial.labels))
    return labels[rows, np.asarray(trial.decision).argmax(1)], labels[rows, last_decision(trial)]


def frame_inputs(battery: Battery, trial: Trials) -> Float[np.ndarray, "batch time inputs"]:
    """What a trial shows in each frame.

    !!! example

        ```python
        frame_inputs(battery, battery.render(spec)).shape  # (batch, battery.steps, battery.in_size)
        ```
    """
    path, starts = trial.path("step"), battery.dt * jnp.arange(battery.steps)
    return np.asarray(jax.vmap(lambda t: path.evaluate(t, left=False), out_axes=1)(starts))


def input_noise(
    battery: Battery, spec: Any, groups: int = 1, *, key: PRNGKeyArray, repeats: int = 8
) -> Float[np.ndarray, "groups time inputs"]:
    """The standard deviation of the noise in each frame and channel, as the battery draws it.

    **Arguments:**

    - `battery`, `spec`: trials, in `groups` equal runs of the same timing.
    - `key`, `repeats`: draws each trial's noise that many times.

    !!! example

        ```python
        input_noise(battery, spec, key=key).max()  # 0.1 in the battery's decision tasks at 100 ms
        ```
    """
    clean = frame_inputs(battery, battery.render(spec))
    noisy = [frame_inputs(battery, battery.render(spec, k)) for k in jr.split(key, repeats)]
    squares = np.mean([(n - clean) ** 2 for n in noisy], axis=0)
    return np.sqrt(squares.reshape(groups, -1, *squares.shape[1:]).mean(1))
