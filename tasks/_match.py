import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from ._conventions import Conventions
from ._family import RING, AbstractFamily, Plan, Timing, strengths, turn, uniforms
from ._reach import turning
from ._spec import TrialSpec


class Match(AbstractFamily):
    """Compare a sample with a test after a delay: respond towards the test, or keep fixating.

    **Arguments:**

    - `category`: the two match if they lie in the same half of the ring; else if they are equal.
    - `go_on_match`: respond if they match; else if they do not.
    - `integrate`: +1 or -1 to turn the response by one ring unit per 100 ms of the delay.
    - `sequence`: +1 or -1 to keep turning it during the decision.

    !!! example

        ```python
        tasks.Battery({"dnms": tasks.Match(go_on_match=False)}).describe("dnms")
        ```
    """

    noisy: ClassVar[tuple[str, ...]] = ("stimulus", "test")

    category: bool | Bool[Array, "*rows"] = False
    go_on_match: bool | Bool[Array, "*rows"] = True
    integrate: int | Int[Array, "*rows"] = 0
    sequence: int | Int[Array, "*rows"] = 0

    def timing(self, conventions: Conventions) -> Timing:
        del conventions
        delay = range(0 if self.integrate else 200, 1101, 100)
        return Timing(300, 500, delay, 500, 1000 if self.sequence else 900)

    def draw(self, key: PRNGKeyArray, spec: TrialSpec, conventions: Conventions) -> TrialSpec:
        half = RING // 2
        counts = np.array([2, 2, RING, half])
        modality, other, first, place = jnp.floor(uniforms(key)[:4] * counts).astype(jnp.int32)
        same_category = (self._sample_category(first, conventions) + other) % 2 * half + place
        same = (first + other * half) % RING
        second = jnp.where(self.category, same_category, same)
        return dataclasses.replace(
            spec, modality=modality, first=first, second=second, match=other == 0
        )

    def plan(self, spec: TrialSpec, conventions: Conventions) -> Plan:
        sample = self._sample_category(spec.first, conventions)
        match = jnp.where(
            self.category, sample == spec.second // (RING // 2), spec.first == spec.second
        )
        ring = jnp.arange(2) == spec.modality
        bump = jnp.array([[True], [False]])
        return Plan(
            position=jnp.stack([spec.first, spec.second]).astype(float),
            strength=strengths(stimulus=ring & bump, test=ring & ~bump),
            response=(spec.second + self.integrate * turn(spec.delay)) % RING,
            go=match == self.go_on_match,
            sequence=jnp.asarray(self.sequence),
            noise=jnp.concatenate([jnp.zeros(1), 0.1 * ring]),
        )

    def _sample_category(self, first: Int[Array, ""], conventions: Conventions) -> Int[Array, ""]:
        return (first + (0 if conventions.split_category else 1) > RING // 2).astype(jnp.int32)

    def describe(self) -> str:
        rule = "lies in the same half of the ring as" if self.category else "equals"
        if not self.go_on_match:
            rule = "lies in the other half of the ring than" if self.category else "differs from"
        text = f"Respond towards the test if it {rule} the sample, else keep fixating"
        return text + turning(int(self.integrate), int(self.sequence), "delay")
