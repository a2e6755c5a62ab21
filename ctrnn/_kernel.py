import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Int32, PyTree

from ._graph import Graph

# So many steps at a time are summed into the gradient of a matrix: a product large enough to be
# fast (measured on CPU), and less than that is done in vain if the solve ends early.
_CHUNK = 8


class AbstractKernel(eqx.Module):
    """A way to multiply a batch of rates by the weights of a graph.

    Kernels differ in speed and memory, and [`ctrnn.HalfKernel`][] in rounding. All take weights as
    one number per synapse, in the order of the [`ctrnn.Graph`][], and arrange them once per solve
    (`layout`) for the products of every step. States are neuron-major, `[neurons, batch]`: a neuron's
    row is then contiguous, and can be fetched whole.
    """

    @abc.abstractmethod
    def layout(self, weights: Float[Array, " synapses"]) -> PyTree[Float[Array, "..."]]:
        """The weights as this kernel wants them: linear, and differentiable by JAX."""

    @abc.abstractmethod
    def product(
        self, layout: PyTree[Float[Array, "..."]], rates: Float[Array, "neurons batch"]
    ) -> Float[Array, "neurons batch"]:
        """What each neuron hears: `sum_j W_ij rates_j`."""

    @abc.abstractmethod
    def transpose(
        self, layout: PyTree[Float[Array, "..."]], delta: Float[Array, "neurons batch"]
    ) -> Float[Array, "neurons batch"]:
        """What each neuron is told of its effects: `sum_i W_ij delta_i`."""

    @abc.abstractmethod
    def outer(
        self,
        delta: Float[Array, "time neurons batch"],
        rates: Float[Array, "time neurons batch"],
        steps: int | Int[Array, ""],
    ) -> PyTree[Float[Array, "..."]]:
        """The cotangent of the layout: `delta_i rates_j` at every synapse, summed over the batch
        and the first `steps` of time; past these `delta` is 0, and need not be looked at. It may be of
        a wider type than the layout, so that such sums can be summed before they are rounded. Where a
        layout holds a weight twice, once for `product` and once for `transpose`, the first takes
        all of the cotangent and the second none.
        """


def apply(
    kernel: AbstractKernel,
    layout: PyTree[Float[Array, "..."]],
    rates: Float[Array, "neurons batch"],
) -> Float[Array, "neurons batch"]:
    """`kernel.product`, with its reverse-mode derivative made of `kernel.transpose` and
    `kernel.outer`.

    !!! example

        ```python
        kernel = ctrnn.choose_kernel(graph)
        heard = ctrnn.apply(kernel, kernel.layout(weights), rates)
        ```

    **Arguments:**

    - `kernel`: The kernel.
    - `layout`: The weights, as arranged by `kernel.layout`.
    - `rates`: The rates, `[neurons, batch]`.

    **Returns:**

    `sum_j W_ij rates_j`, of shape `[neurons, batch]`.
    """
    return _product((layout, rates), kernel)


@eqx.filter_custom_vjp
def _product(operands, kernel):
    layout, rates = operands
    return kernel.product(layout, rates)


@_product.def_fwd
def _product_forward(perturbed, operands, kernel):
    del perturbed
    return _product(operands, kernel), None


@_product.def_bwd
def _product_backward(residuals, delta, perturbed, operands, kernel):
    del residuals
    (layout, rates), (layout_perturbed, rates_perturbed) = operands, perturbed
    wanted = any(jax.tree.leaves(layout_perturbed))
    layout_bar = jax.tree.map(lambda _: None, layout)
    if wanted:
        layout_bar = as_wide_as(layout, kernel.outer(delta[None], rates[None], 1))
    return layout_bar, kernel.transpose(layout, delta) if rates_perturbed else None


def wide(x: Array) -> DTypeLike:
    """The type in which products of these are summed: theirs, and no narrower than float32."""
    return jnp.promote_types(x.dtype, jnp.float32)


def as_wide_as(layout, layout_bar):
    """A cotangent of the types that JAX wants of it."""
    return jax.tree.map(lambda x, bar: bar.astype(x.dtype), layout, layout_bar)


def sum_chunks(product: Callable, delta, rates, steps: int | Int[Array, ""]) -> Float[Array, "..."]:
    """The sum of `product(delta, rates)` over so many steps of time, some of them at a time."""
    time = len(delta)
    parts = -(-time // _CHUNK)
    chunk = -(-time // parts)

    def add(i, total):
        start = jnp.minimum(i * chunk, time - chunk)
        both = [jax.lax.dynamic_slice_in_dim(x, start, chunk) for x in (delta, rates)]
        # The last chunk begins early, to be whole: what the one before had of it is left out.
        both[0] = jnp.where(start + jnp.arange(chunk)[:, None, None] < i * chunk, 0, both[0])
        return total + product(*both)

    if parts == 1:
        return product(delta, rates)
    sums = jax.eval_shape(product, delta[:chunk], rates[:chunk])
    return jax.lax.fori_loop(0, -(-steps // chunk), add, jnp.zeros(sums.shape, sums.dtype))


class AbstractMatrixKernel(AbstractKernel):
    """A kernel whose layout is the weight matrix and its transpose. XLA on CPU would
    otherwise transpose the matrix anew in every step: five times the time of the product.
    """

    @abc.abstractmethod
    def matrix(self, weights: Float[Array, " synapses"]) -> Float[Array, "neurons neurons"]:
        """The weights as a matrix, `[target, source]`."""

    def layout(self, weights):
        matrix = self.matrix(weights)
        return matrix, jax.lax.stop_gradient(matrix).T

    def product(self, layout, rates):
        return jnp.matmul(layout[0], rates, preferred_element_type=wide(rates))

    def transpose(self, layout, delta):
        return jnp.matmul(layout[1], delta, preferred_element_type=wide(delta))

    def outer(self, delta, rates, steps):
        def product(delta, rates):
            delta, rates = (x.swapaxes(0, 1).reshape(x.shape[1], -1) for x in (delta, rates))
            return jnp.matmul(delta, rates.T, preferred_element_type=wide(delta))

        matrix = sum_chunks(product, delta, rates, steps)
        return matrix, jnp.zeros_like(matrix)


class DenseKernel(AbstractMatrixKernel):
    """The matrix product, for a graph with every synapse: its weights are the matrix."""

    size: int = eqx.field(static=True)

    def __init__(self, graph: Graph):
        if graph.synapses != graph.size**2:
            raise ValueError(
                f"The dense kernel needs all {graph.size**2} synapses and the graph has "
                f"{graph.synapses}: use 'masked'."
            )
        self.size = graph.size

    def matrix(self, weights):
        return weights.reshape(self.size, self.size)


class MaskedKernel(AbstractMatrixKernel):
    """The matrix product with zeros where there is no synapse, for any graph. Time and memory
    follow the square of the neurons.
    """

    graph: Graph

    def matrix(self, weights):
        absent = jnp.zeros((self.graph.size, self.graph.size), weights.dtype)
        present = absent.at[self.graph.targets, self.graph.sources]
        return present.set(weights, unique_indices=True, indices_are_sorted=True)


class DiagonalKernel(AbstractKernel):
    """The elementwise product, for a graph of autapses alone."""

    neurons: Int32[Array, " synapses"]
    size: int = eqx.field(static=True)

    def __init__(self, graph: Graph):
        if (np.asarray(graph.targets) != np.asarray(graph.sources)).any():
            raise ValueError("The diagonal kernel takes autapses alone: use 'auto'.")
        self.neurons = graph.targets
        self.size = graph.size

    def layout(self, weights):
        return jnp.zeros(self.size, weights.dtype).at[self.neurons].set(weights)

    def product(self, layout, rates):
        return layout[:, None] * rates

    def transpose(self, layout, delta):
        return layout[:, None] * delta

    def outer(self, delta, rates, steps):
        del steps
        return (delta * rates).sum((0, 2))
