import jax
import jax.numpy as jnp

from ._kernel import AbstractKernel, AbstractMatrixKernel
from ._tiles import TileKernel


class HalfKernel(AbstractKernel):
    """The products of another kernel with its operands rounded to bfloat16, and sums in float32.

    A network too large for a GPU's cache is as fast as its weights can be read, and these are half as
    many bytes. States stay as they are. Each product is off by 0.24 % of its norm, where the matrix
    units of a GPU round to 0.03 % anyway. So is the gradient of the weights, which is rounded once it is
    summed; that of an adaptive solve at each of its steps.

    !!! example

        ```python
        kernel = ctrnn.HalfKernel(ctrnn.TileKernel(graph))
        heard = ctrnn.apply(kernel, kernel.layout(weights), rates)
        ```
    """

    kernel: AbstractMatrixKernel | TileKernel

    def __init__(self, kernel: AbstractKernel):
        """**Arguments:**

        - `kernel`: A kernel made of matrix products.

        **Raises:** `ValueError` if it is of another kind.
        """
        if not isinstance(kernel, AbstractMatrixKernel | TileKernel):
            raise ValueError(
                f"bfloat16 is for matrix products, and {type(kernel).__name__} makes none; choose "
                "kernel tiles or masked, or dense for a dense graph."
            )
        self.kernel = kernel

    def layout(self, weights):
        return _half(self.kernel.layout(weights))

    def product(self, layout, rates):
        return self.kernel.product(layout, _half(rates)).astype(rates.dtype)

    def transpose(self, layout, delta):
        return self.kernel.transpose(layout, _half(delta)).astype(delta.dtype)

    def outer(self, delta, rates, steps):
        return self.kernel.outer(_half(delta), _half(rates), steps)


def _half(arrays):
    return jax.tree.map(lambda x: x.astype(jnp.bfloat16), arrays)
