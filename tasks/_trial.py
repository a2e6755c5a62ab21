import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._path import GridPath


class Trial(eqx.Module):
    """A batch of trials over time, all on one time grid; shorter ones are padded at the end.

    Frame `k` covers `[times[k], times[k] + dt)`.

    **Arguments:**

    - `times`: the start of each frame in ms.
    - `inputs`: fixation (1 until the decision begins), ring 1 (16 channels), ring 2 (16). Zero
        past the end of a trial.
    - `rule`: which task this is, one-hot. In a stream the task changes with time, and so does it.
    - `labels`: the answer: 0 to keep fixating, 1 to 16 for the ring directions. 0 past the end.
    - `direction`: the answer as an angle in radians, NaN while fixating.
    - `period`: place in `tasks.PERIODS`, -1 past the end.
    - `mask`: inside the trial.
    - `decision`: inside the trial and in the decision period, where the answer counts.
    - `length`: number of frames of each trial.
    - `dt`: ms per frame.
    """

    times: Float[Array, " time"]
    inputs: Float[Array, "batch time 33"]
    rule: Float[Array, "batch tasks"] | Float[Array, "batch time tasks"]
    labels: Int[Array, "batch time"]
    direction: Float[Array, "batch time"]
    period: Int[Array, "batch time"]
    mask: Bool[Array, "batch time"]
    decision: Bool[Array, "batch time"]
    length: Int[Array, " batch"]
    dt: float = eqx.field(static=True)

    def path(self, kind: str = "step") -> GridPath:
        """The inputs as a function of continuous time: see [`tasks.GridPath`][].

        **Arguments:**

        - `kind`: `"step"`, `"linear"` or `"cubic"`.

        **Returns:**

        A `diffrax.AbstractPath` from 0 to `time * dt` ms with values `[batch, 33]`.

        **Raises:**

        `ValueError` if `kind` is none of these.
        """
        return GridPath(jnp.moveaxis(self.inputs, 1, 0), self.dt, kind)
