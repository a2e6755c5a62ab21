"""Trials made to measure: alike but for what is asked about."""

import dataclasses
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.signal import resample

from .._battery import Battery
from ._subject import Cannot, task_spec


def alike(spec: Any, count: int, **fields: Any) -> Any:
    """A spec of `count` trials like the first of `spec`, but for the fields given.

    !!! example

        ```python
        delays = alike(task_spec(battery, "dlygointr", 1, key=key), 12, delay=100 * jnp.arange(12))
        ```
    """
    spec = jax.tree.map(lambda x: jnp.repeat(x[:1], count, 0), spec)
    return dataclasses.replace(spec, **fields)


def ring_spec(battery: Battery, task: str, *, key: PRNGKeyArray) -> Any:
    """One trial of a task for every direction that the battery can ask for, alike in all else.

    **Raises:**

    `Cannot` if the trials of this battery have no directions (`first`, `second`).
    """
    spec = task_spec(battery, task, 1, key=key)
    if not (hasattr(spec, "first") and hasattr(spec, "second")):
        raise Cannot(f"trials of {task} have no ring directions (`first` and `second`).")
    count = battery.out_size - 1  # the other answer is to keep fixating
    first = jnp.arange(count, dtype=spec.first.dtype)
    second = (first + spec.second[0] - spec.first[0]) % count
    return alike(spec, count, first=first, second=second)


def longest_delays(battery: Battery, *, key: PRNGKeyArray) -> dict[str, int]:
    """The tasks whose trials have a delay and two ring directions, and the longest of 128 in ms."""
    tasks = len(battery.names)
    spec = battery.sample(key, jnp.repeat(jnp.arange(tasks), 128))
    if not all(
        hasattr(spec, name) for name in ("fixation", "stimulus", "delay", "first", "second")
    ):
        return {}
    longest = np.asarray(spec.delay).reshape(tasks, -1).max(1)
    return {name: int(ms) for name, ms in zip(battery.names, longest, strict=True) if ms}


def memory_task(battery: Battery, *, key: PRNGKeyArray) -> tuple[str, int]:
    """A task that holds a direction through a delay, and its longest delay in ms: dlygo, if it is there.

    **Raises:**

    `Cannot` if no task has a delay and ring directions.
    """
    delays = longest_delays(battery, key=key)
    if not delays:
        raise Cannot("no task of this battery has a delay and ring directions.")
    task = "dlygo" if "dlygo" in delays else next(iter(delays))
    return task, delays[task]


class _Upon(diffrax.AbstractPath):
    """A path made of another, over the same time."""

    path: diffrax.AbstractPath

    @property
    def t0(self):
        return self.path.t0

    @property
    def t1(self):
        return self.path.t1

    @property
    def jump_ts(self):
        return getattr(self.path, "jump_ts", None)


class Between(_Upon):
    """Inputs between those of a ring of trials: band-limited interpolation from trial to trial."""

    mixture: Float[Array, "points batch"]

    def __init__(self, path: diffrax.AbstractPath, batch: int, points: int):
        self.path = path
        self.mixture = jnp.asarray(resample(np.eye(batch), points), jnp.float32)

    def evaluate(self, t0, t1=None, left=True):
        return self.mixture @ self.path.evaluate(t0, t1, left)


class Pulsed(_Upon):
    """A path with one more input: a boxcar of each trial's strength from its `start` to `stop`."""

    start: Float[Array, " batch"]
    stop: Float[Array, " batch"]
    strength: Float[Array, " batch"]

    @property
    def jump_ts(self):
        jumps = super().jump_ts
        own = [self.start, self.stop]
        return jnp.concatenate(own if jumps is None else [*own, jumps])

    def evaluate(self, t0, t1=None, left=True):
        if t1 is not None:
            return self.evaluate(t1, left=left) - self.evaluate(t0, left=left)
        on = (
            (self.start < t0) & (t0 <= self.stop) if left else (self.start <= t0) & (t0 < self.stop)
        )
        pulse = jnp.where(on, self.strength, 0.0)[:, None]
        return jnp.concatenate([self.path.evaluate(t0, left=left), pulse], 1)
