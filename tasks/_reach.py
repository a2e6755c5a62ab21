import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from ._conventions import Conventions
from ._family import RING, AbstractFamily, Plan, Timing, strengths, turn, uniforms
from ._spec import TrialSpec


class Reach(AbstractFamily):
    """Respond towards the direction shown on one of the rings, or away from it.

    **Arguments:**

    - `anti`: respond opposite to the stimulus.
    - `reaction`: respond at once, while the stimulus is on.
    - `delayed`: wait for a delay after the stimulus.
    - `integrate`: +1 or -1 to turn the response by one ring unit per 100 ms of the delay (of the
        stimulus where there is no delay); 0 not to.
    - `sequence`: +1 or -1 to keep turning it during the decision; 0 not to.

    !!! example

        ```python
        tasks.Battery({"dlyanti": tasks.Reach(anti=True, delayed=True)}).describe("dlyanti")
        ```
    """

    anti: bool | Bool[Array, "*rows"] = False
    reaction: bool | Bool[Array, "*rows"] = False
    delayed: bool | Bool[Array, "*rows"] = False
    integrate: int | Int[Array, "*rows"] = 0
    sequence: int | Int[Array, "*rows"] = 0

    def timing(self, conventions: Conventions) -> Timing:
        decision = 1000 if self.sequence else 500
        if self.reaction:
            return Timing(500, decision=500 if conventions.short_sequence else decision)
        if self.delayed:
            return Timing(500, 500, range(0, 1101, 100) if self.integrate else 500, 0, decision)
        delay = 500 if conventions.waiting_go else 0
        return Timing(500, range(100, 1201, 100) if self.integrate else 500, delay, 0, decision)

    def draw(self, key: PRNGKeyArray, spec: TrialSpec, conventions: Conventions) -> TrialSpec:
        del conventions
        counts = np.array([2, RING])
        modality, first = jnp.floor(uniforms(key)[:2] * counts).astype(jnp.int32)
        return dataclasses.replace(spec, modality=modality, first=first)

    def plan(self, spec: TrialSpec, conventions: Conventions) -> Plan:
        turns = turn(jnp.where(self.delayed, spec.delay, spec.stimulus))
        if conventions.shifted_stimulus:
            # 0.01 rad/ms is 8 / pi ring units per 100 ms. The 2.5 that are exact are wrapped
            # apart from the rest, so that single precision keeps the bump to within 1e-6.
            shift = (turns * 2.5 + RING / 2) % RING - RING / 2 + turns * (8 / np.pi - 2.5)
        else:
            shift = -turns.astype(float)
        opposite = (spec.first + RING // 2 * jnp.asarray(self.anti)) % RING
        position = opposite - RING / 2 + self.integrate * shift + RING / 2
        first_bump = jnp.array([[1.0], [0.0]]) * (jnp.arange(2) == spec.modality)
        on = jnp.asarray(self.reaction)
        return Plan(
            position=jnp.stack([position, jnp.zeros_like(position)]),
            strength=strengths(stimulus=first_bump * ~on, decision=first_bump * on),
            response=spec.first,
            go=jnp.array(True),
            sequence=jnp.asarray(self.sequence),
            noise=jnp.zeros(3),
        )

    def describe(self) -> str:
        where = "away from" if self.anti else "towards"
        when = "at once, while it is shown" if self.reaction else "when fixation ends"
        if self.delayed:
            when = "after a delay"
        timed = "delay" if self.delayed else "stimulus"
        text = f"Respond {where} the direction shown, {when}"
        return text + turning(int(self.integrate), int(self.sequence), timed)


def turning(integrate: int, sequence: int, interval: str) -> str:
    """The end of a description: how the answer is turned beforehand and as it is given."""
    before = f", turned by {integrate:+d} ring unit per 100 ms of the {interval}"
    during = f", turning on by {sequence:+d} ring unit per 100 ms"
    return before * bool(integrate) + during * bool(sequence) + "."
