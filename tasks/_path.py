import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Real


class GridPath(diffrax.AbstractPath):
    """Inputs over time: values on a uniform grid, read at any time in between.

    Node `k` sits at `k * dt` and the path runs from 0 to `times * dt`, so that the last value is
    held for its whole step. Finding the interval is one division, whatever the number of nodes.

    - `"step"` holds each value for its step. At a boundary `left=False` asks for the value that
        begins there, as a step that starts there needs; by default, as everywhere in Diffrax, it is
        the value that ends there.
    - `"linear"` joins the values by straight lines.
    - `"cubic"` joins them smoothly: a Hermite spline with backward differences, as in
        `diffrax.backward_hermite_coefficients`, after Morrill et al. (2021),
        arXiv:2106.11028. It never looks ahead by more than one node.

    **Arguments:**

    - `values`: time first, `[times, ...]`.
    - `dt`: ms between two nodes.
    - `kind`: `"step"`, `"linear"` or `"cubic"`.

    **Raises:**

    `ValueError` if `kind` is none of these, or if there are no values.

    !!! example

        ```python
        path = trial.path("linear")
        path.evaluate(250.0)  # [batch, 33]
        ```
    """

    values: Float[Array, "times ..."]
    dt: float = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="step")

    def __check_init__(self):
        if self.kind not in ("step", "linear", "cubic"):
            raise ValueError(f"a path is 'step', 'linear' or 'cubic', not {self.kind!r}")
        if self.values.shape[0] == 0:
            raise ValueError("a path needs at least one value; `values` is [times, ...]")

    @property
    def t0(self) -> float:
        """Where the path begins: 0 ms."""
        return 0.0

    @property
    def t1(self) -> float:
        """Where it ends, in ms."""
        return self.values.shape[0] * self.dt

    @property
    def jump_ts(self) -> Float[Array, " jumps"] | None:
        """Times, in ms, at which the path (`"step"`) or its slope (`"linear"`) may jump.

        An adaptive solver has to be told: `diffrax.ClipStepSizeController(..., jump_ts=)`. `None`
        for `"cubic"`, whose slope is continuous.
        """
        if self.kind == "cubic":
            return None
        return jnp.arange(1, self.values.shape[0]) * self.dt

    def evaluate(
        self,
        t0: Real[ArrayLike, ""],
        t1: Real[ArrayLike, ""] | None = None,
        left: bool = True,
    ) -> Float[Array, "..."]:
        """The value at `t0`, or the increment from `t0` to `t1`.

        **Arguments:**

        - `t0`, `t1`: times in ms.
        - `left`: at a jump, take the value before it instead of the one after.

        **Returns:**

        An array of the shape of one value, `[batch, 33]` for a batch of trials.
        """
        if t1 is not None:
            return self.evaluate(t1, left=left) - self.evaluate(t0, left=left)
        index, elapsed = self._locate(t0, left)
        if self.kind == "step":
            return self.values[index]
        start, rise, bend = self._segment(index)
        x = elapsed / self.dt
        if self.kind == "linear":
            return start + rise * x
        return start + x * (rise - bend * (1 - x) ** 2)

    def derivative(self, t: Real[ArrayLike, ""], left: bool = True) -> Float[Array, "..."]:
        """The slope at `t`, per ms. Zero for `"step"`, whose changes are jumps.

        **Arguments:**

        - `t`: time in ms.
        - `left`: at a kink, take the slope before it instead of the one after.
        """
        index, elapsed = self._locate(t, left)
        start, rise, bend = self._segment(index)
        x = elapsed / self.dt
        if self.kind == "step":
            return jnp.zeros_like(start)
        if self.kind == "linear":
            return rise / self.dt
        return (rise - bend * (1 - x) * (1 - 3 * x)) / self.dt

    def _locate(self, t, left: bool) -> tuple[Int[Array, ""], Float[Array, ""]]:
        t = jnp.asarray(t, jnp.result_type(t, float))
        index = jnp.floor(t / self.dt)
        # The quotient may round across a boundary; the products decide.
        index = index - (t < index * self.dt) + (t >= (index + 1) * self.dt)
        if left:
            index = index - (t == index * self.dt)
        index = jnp.clip(index, 0, self.values.shape[0] - 1)
        return index.astype(jnp.int32), (t - index * self.dt).astype(self.values.dtype)

    def _segment(self, index: Int[Array, ""]):
        last = self.values.shape[0] - 1
        start = self.values[index]
        rise = self.values[jnp.minimum(index + 1, last)] - start
        before = start - self.values[jnp.maximum(index - 1, 0)]
        return start, rise, rise - jnp.where(index == 0, rise, before)
