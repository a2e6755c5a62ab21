from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

RING = 16  # directions of a ring; direction i lies at 2 pi i / 16


class TrialSpec(eqx.Module):
    """What a trial is, with no time in it. Every field has the same leading batch shape.

    A family reads the fields that it needs; the others stay at their defaults.

    **Arguments:**

    - `task`: the task's place in the battery.
    - `fixation`, `stimulus`, `delay`: how long these periods last, in ms (the test and the
        decision last as long as the task says).
    - `modality`: the ring that shows the stimulus, 0 or 1 (reach, match).
    - `first`: ring direction, 0 to 15: the response as the decision begins (reach), the first
        option (decision), the sample (match).
    - `second`: ring direction, 0 to 15: the second option (decision), the test (match).
    - `coherence`: strength of each option in each ring (decision).
    - `match`: whether a match was drawn (match). The answer follows from the two directions.
    - `first_wins`: whether the first option wins if the two tie exactly (decision).
    """

    task: Int[Array, "*batch"]
    fixation: Int[Array, "*batch"]
    stimulus: Int[Array, "*batch"]
    delay: Int[Array, "*batch"]
    modality: Int[Array, "*batch"]
    first: Int[Array, "*batch"]
    second: Int[Array, "*batch"]
    coherence: Float[Array, "*batch 2 2"]
    match: Bool[Array, "*batch"]
    first_wins: Bool[Array, "*batch"]


def check_tasks(task_ids: Int[Array, "..."], names: Sequence[str]) -> None:
    """Raises `ValueError` if a task is not in the battery; under `jax.jit` the shape is all that
    can be looked at."""
    if task_ids.ndim != 1:
        raise ValueError(f"tasks are given as an array [batch], not one of shape {task_ids.shape}")
    if not _in_range(task_ids, len(names)):
        raise ValueError(f"this battery has tasks 0 to {len(names) - 1}")


def check_spec(spec: TrialSpec, durations: Int[Array, "batch 5"], dt: float, steps: int) -> None:
    """Raises `ValueError` if a trial, whose periods last `durations` ms, cannot be shown."""
    for name, count in (("modality", 2), ("first", RING), ("second", RING)):
        if not _in_range(getattr(spec, name), count):
            raise ValueError(f"`{name}` of a spec has to lie in 0 to {count - 1}")
    if isinstance(durations, Tracer):
        return
    milliseconds = np.asarray(durations)
    if np.any(milliseconds < 0) or np.any(milliseconds % dt):
        raise ValueError(f"durations of a spec have to be multiples of dt, {dt:g} ms")
    if np.any(milliseconds.sum(axis=1) > steps * dt):
        raise ValueError(f"trials of this battery last at most {steps * dt:g} ms; shorten the spec")


def _in_range(values: Int[Array, "..."], count: int) -> bool:
    if isinstance(values, Tracer):
        return True
    return bool(np.all((np.asarray(values) >= 0) & (np.asarray(values) < count)))
