import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PyTree

from ._graph import Graph


class AbstractKernel(eqx.Module):
    """A way to multiply a batch of rates by the weights of a graph.

    Kernels differ in speed alone. All take weights as one number per synapse, in the order
    of the [`ctrnn.Graph`][], and arrange them once per solve (`layout`) for the
    products of every step. States are neuron-major, `[neurons, batch]`: a neuron's
    row is then contiguous, and can be fetched whole.
    """

    @abc.abstractmethod
    def layout(self, weights: Float[Array, " synapses"]) -> PyTree[Float[Array, "..."]]:
        """The weights as this kernel wants them: linear, and differentiable by JAX."""

    @abc.abstractmethod
    def product(
        self, layout: PyTree[Float[Array, "..."]], rates: Float[Array, "neurons batch"]
    ) -> Float[Array, "neurons batch"]:
        """What each neuron hears: `sum_j W_ij r_j`."""

    @abc.abstractmethod
    def transpose(
        self, layout: PyTree[Float[Array, "..."]], delta: Float[Array, "neurons batch"]
    ) -> Float[Array, "neurons batch"]:
        """What each neuron is told of its effects: `sum_i W_ij delta_i`."""

    @abc.abstractmethod
    def outer(
        self, delta: Float[Array, "time neurons batch"], rates: Float[Array, "time neurons batch"]
    ) -> PyTree[Float[Array, "..."]]:
        """The cotangent of the layout: `sum_t,b delta_i r_j` at every synapse."""


def apply(
    kernel: AbstractKernel,
    layout: PyTree[Float[Array, "..."]],
    rates: Float[Array, "neurons batch"],
) -> Float[Array, "neurons batch"]:
    """`kernel.product`, with reverse-mode derivatives by `kernel.transpose` and
    `kernel.outer`.

    **Arguments:**

    - `kernel`: The kernel.
    - `layout`: The weights, as arranged by `kernel.layout`.
    - `rates`: The rates, `[neurons, batch]`.

    **Returns:**

    `sum_j W_ij r_j`, `[neurons, batch]`.
    """
    return _product((layout, rates), kernel)


@eqx.filter_custom_vjp
def _product(operands, kernel):
    layout, rates = operands
    return kernel.product(layout, rates)


@_product.def_fwd
def _forward(perturbed, operands, kernel):
    del perturbed
    return _product(operands, kernel), None


@_product.def_bwd
def _backward(residuals, delta, perturbed, operands, kernel):
    del residuals
    layout, rates = operands
    by_layout, by_rates = perturbed
    layout_cotangent = None
    if any(jax.tree.leaves(by_layout)):
        layout_cotangent = kernel.outer(delta[None], rates[None])
    rates_cotangent = kernel.transpose(layout, delta) if by_rates else None
    return layout_cotangent, rates_cotangent


class AbstractMatrixKernel(AbstractKernel):
    """A kernel whose layout is the weight matrix, `[neurons, neurons]`."""

    def product(self, layout, rates):
        return layout @ rates

    def transpose(self, layout, delta):
        return layout.T @ delta

    def outer(self, delta, rates):
        return jnp.einsum("tib,tjb->ij", delta, rates)


class DenseKernel(AbstractMatrixKernel):
    """The matrix product, for a graph that has every synapse: its weights are the matrix."""

    size: int = eqx.field(static=True)

    def __init__(self, graph: Graph):
        if graph.synapses != graph.size**2:
            raise ValueError("The dense kernel needs every synapse; for this graph use 'masked'.")
        self.size = graph.size

    def layout(self, weights):
        return weights.reshape(self.size, self.size)


class MaskedKernel(AbstractMatrixKernel):
    """The matrix product with zeros where there is no synapse. Cost and memory are N^2."""

    graph: Graph

    def layout(self, weights):
        absent = jnp.zeros((self.graph.size, self.graph.size), weights.dtype)
        place = absent.at[self.graph.targets, self.graph.sources]
        return place.set(weights, unique_indices=True, indices_are_sorted=True)


class DiagonalKernel(AbstractKernel):
    """The elementwise product, for a graph of autapses alone."""

    neurons: Int32[Array, " synapses"]
    size: int = eqx.field(static=True)

    def __init__(self, graph: Graph):
        if (np.asarray(graph.targets) != np.asarray(graph.sources)).any():
            raise ValueError("The diagonal kernel needs autapses alone; for this graph use 'auto'.")
        self.neurons = graph.targets
        self.size = graph.size

    def layout(self, weights):
        return jnp.zeros(self.size, weights.dtype).at[self.neurons].set(weights)

    def product(self, layout, rates):
        return layout[:, None] * rates

    def transpose(self, layout, delta):
        return layout[:, None] * delta

    def outer(self, delta, rates):
        return jnp.einsum("tib,tib->i", delta, rates)


class GatherKernel(AbstractKernel):
    """Fetches the rows of a neuron's neighbours one by one, and of those that hear it for the
    transpose. Cost and memory are N times the largest fan."""

    heard: Int32[Array, "fan_in neurons"]  # the neuron at each place of a neuron's list
    hearers: Int32[Array, "fan_out neurons"]
    heard_by: Int32[Array, "fan_in neurons"]  # the synapse there; out of range for none
    hearers_by: Int32[Array, "fan_out neurons"]

    def __init__(self, graph: Graph):
        sources, targets = np.asarray(graph.sources), np.asarray(graph.targets)
        synapses = np.arange(graph.synapses)
        self.heard, self.heard_by = _lists(targets, sources, synapses, graph.size)
        order = np.lexsort((targets, sources))
        self.hearers, self.hearers_by = _lists(
            sources[order], targets[order], synapses[order], graph.size
        )

    def layout(self, weights):
        fetch = weights.at[self.heard_by].get(mode="fill", fill_value=0)
        return fetch, weights.at[self.hearers_by].get(mode="fill", fill_value=0)

    def product(self, layout, rates):
        return _weigh(self.heard, layout[0], rates)

    def transpose(self, layout, delta):
        return _weigh(self.hearers, layout[1], delta)

    def outer(self, delta, rates):
        def one(_, neighbour):
            return None, jnp.einsum("tib,tib->i", delta, rates[:, neighbour])

        cotangent = jax.lax.scan(one, None, self.heard)[1]
        return cotangent, jnp.zeros(self.hearers.shape, cotangent.dtype)


def _lists(owners, others, synapses, size):
    """Per owner (sorted), the others and the synapses that join them: [longest, size]."""
    fans = np.bincount(owners, minlength=size)
    rank = np.arange(len(owners)) - np.repeat(np.cumsum(fans) - fans, fans)
    neurons = np.zeros((fans.max(), size), np.int32)
    by = np.full((fans.max(), size), len(owners), np.int32)
    neurons[rank, owners], by[rank, owners] = others, synapses
    return jnp.asarray(neurons), jnp.asarray(by)


def _weigh(neighbours, weights, rates):
    def one(total, place):
        neighbour, weight = place
        return total + weight[:, None] * rates[neighbour], None

    return jax.lax.scan(one, jnp.zeros_like(rates), (neighbours, weights))[0]


def choose_kernel(graph: Graph, batch: int = 64, backend: str | None = None) -> AbstractKernel:
    """The kernel that was measured fastest for a graph of this kind.

    **Arguments:**

    - `graph`: The graph.
    - `batch`: How many trials are solved together.
    - `backend`: `"cpu"`, `"gpu"` or `"tpu"`; by default, the one that JAX uses.

    **Returns:**

    A kernel.
    """
    if graph.synapses == graph.size**2:
        return DenseKernel(graph)
    if bool((graph.targets == graph.sources).all()):
        return DiagonalKernel(graph)
    return MaskedKernel(graph)


_KERNELS = dict(
    auto=choose_kernel, dense=DenseKernel, masked=MaskedKernel, gather=GatherKernel
)


def kernel_named(name: str, graph: Graph) -> AbstractKernel:
    """The kernel of a given name, for a graph.

    **Arguments:**

    - `name`: `"auto"` for the fastest as measured, or `"dense"`, `"masked"`, `"gather"`.
    - `graph`: The graph.

    **Returns:**

    A kernel.

    **Raises:** `ValueError` if there is no such kernel, or if it is not for such a graph.
    """
    if name not in _KERNELS:
        raise ValueError(f"Unknown kernel {name!r}; choose one of {', '.join(_KERNELS)}.")
    return _KERNELS[name](graph)
