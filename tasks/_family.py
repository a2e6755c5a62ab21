import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from ._conventions import Conventions
from ._spec import RING as RING
from ._spec import TrialSpec

PERIODS = ("fixation", "stimulus", "delay", "test", "decision")
"""The periods of a trial, in order; `trial.period` holds places in this list."""


class Timing(NamedTuple):
    """How long each period of a trial lasts, in ms; 0 leaves a period out.

    The first three may be a `range` of durations, drawn evenly. `test` is the second stimulus. All
    must be multiples of the battery's `dt`.

    !!! example

        ```python
        tasks.Timing(fixation=500, stimulus=500, delay=range(0, 1101, 100), decision=500)
        ```
    """

    fixation: int | range = 0
    stimulus: int | range = 0
    delay: int | range = 0
    test: int = 0
    decision: int = 0


class Plan(eqx.Module):
    """What happens in one trial: what is shown and what is to be done. No time grid in it.

    **Arguments:**

    - `position`: where the two bumps of activity sit, in ring units (need not be whole).
    - `strength`: how strong they are, by period, bump and ring.
    - `response`: the ring direction to answer with as the decision begins, 0 to 15.
    - `go`: whether to answer at all; if not, the answer is to keep fixating.
    - `sequence`: by how many ring units the answer moves per 100 ms of the decision.
    - `noise`: standard deviation, in a step of 100 ms, of the noise in the fixation input, ring 1
        and ring 2, during the family's `noisy` periods.
    """

    position: Float[Array, "*batch 2"]
    strength: Float[Array, "*batch 5 2 2"]
    response: Int[Array, "*batch"]
    go: Bool[Array, "*batch"]
    sequence: Int[Array, "*batch"]
    noise: Float[Array, "*batch 3"]


class AbstractFamily(eqx.Module):
    """A family of tasks: subclass it to add your own.

    An instance is one task; its fields (numbers and truth values) say which. A battery stacks the
    tasks of a family, so that in `draw` and `plan` the fields are JAX scalars (use `jnp.where`,
    not `if`); in `timing` and `describe` they are what they were given as.

    `noisy` names the periods in which the inputs carry noise.
    """

    noisy: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def timing(self, conventions: Conventions) -> Timing:
        """How long each period of a trial lasts, in ms."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, spec: TrialSpec, conventions: Conventions) -> TrialSpec:
        """Draws one trial.

        **Arguments:**

        - `key`: a key for this trial alone.
        - `spec`: the trial so far: task and durations are drawn, all else is at its default.
        - `conventions`: see [`tasks.Conventions`][].

        **Returns:**

        `spec` with the fields that this family uses filled in (`dataclasses.replace`).
        """

    @abc.abstractmethod
    def plan(self, spec: TrialSpec, conventions: Conventions) -> Plan:
        """What one drawn trial shows and asks for; nothing is random here."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What the task asks, in one sentence."""


def strengths(**periods: Shaped[Array, "2 2"]) -> Float[Array, "5 2 2"]:
    """Strengths for a [`tasks.Plan`][], from those (bump by ring) of the periods that show any.

    **Raises:**

    `ValueError` if there is no such period.

    !!! example

        ```python
        tasks.strengths(stimulus=jnp.array([[1.0, 0.0], [0.0, 0.0]]))  # bump 1, in ring 1
        ```
    """
    if not set(periods) <= set(PERIODS):
        raise ValueError(f"the periods are {', '.join(PERIODS)}, not {', '.join(periods)}")
    dark = jnp.zeros((2, 2))
    return jnp.stack([periods.get(name, dark).astype(dark.dtype) for name in PERIODS])


def uniforms(key: PRNGKeyArray) -> Float[Array, "5"]:
    """As many uniform numbers as any of our families needs to draw a trial. They all ask for the
    same, so that XLA compiles and draws it once."""
    return jr.uniform(key, (5,))


def turn(interval: Int[Array, ""]) -> Int[Array, ""]:
    """Ring units that an interval in ms stands for: one per 100 ms."""
    return interval // 100
