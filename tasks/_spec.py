from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int


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
    """Raises `ValueError` if a task is not in the battery, as far as the values are known."""
    if task_ids.ndim != 1:
        raise ValueError(f"tasks are given as one array [batch], not {task_ids.shape}")
    if isinstance(task_ids, jax.core.Tracer):
        return
    if np.any((np.asarray(task_ids) < 0) | (np.asarray(task_ids) >= len(names))):
        raise ValueError(f"tasks are numbered 0 to {len(names) - 1} in this battery")


def check_spec(spec: TrialSpec, dt: float) -> None:
    """Raises `ValueError` if a trial cannot be, as far as the values are known."""
    for name, count in (("modality", 2), ("first", 16), ("second", 16)):
        value = getattr(spec, name)
        if not isinstance(value, jax.core.Tracer):
            if np.any((np.asarray(value) < 0) | (np.asarray(value) >= count)):
                raise ValueError(f"`{name}` of a spec has to lie in 0 to {count - 1}")
    for name in ("fixation", "stimulus", "delay"):
        value = getattr(spec, name)
        if not isinstance(value, jax.core.Tracer):
            if np.any((np.asarray(value) < 0) | (np.asarray(value) % dt != 0)):
                raise ValueError(f"`{name}` of a spec has to be a multiple of dt, {dt:g} ms")
