import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from ._conventions import Conventions
from ._family import RING, AbstractFamily, Plan, Timing, strengths, turn, uniforms
from ._reach import turning
from ._spec import TrialSpec

_CONTRASTS = (0.08, 0.16, 0.32, 0.64)
_LEVELS = (0.3, 0.6, 1.0)
# All that a ring can show: (first, second) strengths. Either list is closed under exchange of the
# two, and the pair at i is the exchange of the pair at its mirror place, counted from the end.
_AT_ONCE = np.array([(0.5 + c / 2, 0.5 - c / 2) for c in _CONTRASTS])
_AT_ONCE = np.concatenate([_AT_ONCE, _AT_ONCE[::-1, ::-1]])
_IN_TURN = np.array([(a, b) for a in _LEVELS for b in _LEVELS if a > b])
_IN_TURN = np.concatenate([_IN_TURN, _IN_TURN[::-1, ::-1]])


class Decision(AbstractFamily):
    """Respond towards the stronger of two directions, shown at once or one after the other.

    **Arguments:**

    - `shown_1`, `shown_2`: whether ring 1, ring 2 show the stimuli.
    - `attend_1`, `attend_2`: whether their strengths count.
    - `delayed`: show the two directions one after the other, with a delay between them.
    - `integrate`: +1 or -1 to turn the response by one ring unit per 100 ms of the delay.
    - `sequence`: +1 or -1 to keep turning it during the decision.

    !!! example

        ```python
        tasks.Battery({"ctxdm1": tasks.Decision(attend_2=False)}).describe("ctxdm1")
        ```
    """

    noisy: ClassVar[tuple[str, ...]] = ("stimulus", "test")

    shown_1: bool | Bool[Array, "*rows"] = True
    shown_2: bool | Bool[Array, "*rows"] = True
    attend_1: bool | Bool[Array, "*rows"] = True
    attend_2: bool | Bool[Array, "*rows"] = True
    delayed: bool | Bool[Array, "*rows"] = False
    integrate: int | Int[Array, "*rows"] = 0
    sequence: int | Int[Array, "*rows"] = 0

    def timing(self, conventions: Conventions) -> Timing:
        fixation, decision = range(200, 401, 100), 1000 if self.sequence else 200
        if not self.delayed:
            return Timing(fixation, 500, 0, 0, decision)
        timed = self.integrate and not conventions.constant_interval
        return Timing(fixation, 500, range(0, 1101, 100) if timed else 500, 500, decision)

    def draw(self, key: PRNGKeyArray, spec: TrialSpec, conventions: Conventions) -> TrialSpec:
        uniform = uniforms(key)

        def below(count, place):
            return jnp.floor(uniform[place] * count).astype(jnp.int32)

        first = below(RING, 0)
        second = (first + 1 + below(RING - 1, 1)) % RING
        count = jnp.where(self.delayed, len(_IN_TURN), len(_AT_ONCE))
        pair_1 = below(count, 2)
        if conventions.tied_evidence:
            pair_2 = below(count, 3)
        else:
            # The sums tie only if ring 2 shows ring 1's strengths exchanged: leave that pair out.
            adding = jnp.logical_and(self.attend_1, self.attend_2)
            adding = adding & jnp.logical_and(self.shown_1, self.shown_2)
            exchanged = count - 1 - pair_1
            pair_2 = below(count - adding, 3)
            pair_2 = pair_2 + (adding & (pair_2 >= exchanged))
        pairs = jnp.stack([pair_1, pair_2])
        coherence = (
            jnp.where(
                jnp.asarray(self.delayed),
                jnp.asarray(_IN_TURN, jnp.float32)[pairs % len(_IN_TURN)],
                jnp.asarray(_AT_ONCE, jnp.float32)[pairs],
            ).T
            * self._shown()
        )
        return dataclasses.replace(
            spec, first=first, second=second, coherence=coherence, first_wins=uniform[4] < 0.5
        )

    def plan(self, spec: TrialSpec, conventions: Conventions) -> Plan:
        coherence = jnp.where(self._shown(), spec.coherence, 0.0)
        evidence = jnp.sum(coherence * jnp.array([self.attend_1, self.attend_2]), axis=1)
        tie = evidence[0] == evidence[1]
        chosen = jnp.where(
            jnp.where(tie, spec.first_wins, evidence[0] > evidence[1]), spec.first, spec.second
        )
        delayed, bump = jnp.asarray(self.delayed), jnp.array([[True], [False]])
        ring_noise = jnp.full(3, 0.1)
        return Plan(
            position=jnp.stack([spec.first, spec.second]).astype(float),
            strength=strengths(
                stimulus=coherence * (bump | ~delayed), test=coherence * (~bump & delayed)
            ),
            response=(chosen + self.integrate * turn(spec.delay)) % RING,
            go=jnp.array(True),
            sequence=jnp.asarray(self.sequence),
            noise=ring_noise if conventions.noisy_fixation else ring_noise.at[0].set(0.0),
        )

    def _shown(self) -> Bool[Array, "2"]:
        return jnp.array([self.shown_1, self.shown_2])

    def describe(self) -> str:
        shown = "in turn" if self.delayed else "at once"
        if not (self.shown_1 and self.shown_2):
            ring = f"ring {1 if self.shown_1 else 2}"
        elif self.attend_1 and self.attend_2:
            ring = "both rings, whose strengths add up"
        else:
            attended = 1 if self.attend_1 else 2
            ring = f"both rings, of which ring {attended} counts"
        text = f"Respond towards the stronger of two directions, shown {shown} in {ring}"
        return text + turning(int(self.integrate), int(self.sequence), "delay")
