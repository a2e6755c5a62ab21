import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from ._graph import Graph
from ._kernel import AbstractKernel

# A pass over the state adds up to 6 neighbours: more, and their pointers spill out of the
# registers; fewer, and the totals are read and written too often. (Measured, as all here, on CPU.)
_GROUP = 6
# Products of rates are summed over time and batch for 8 trials apart, and across these last. A
# plain sum over time and batch would not be vectorised: 40 times slower.
_LANES = 8
# So many products are added to a sum before it is stored.
_TERMS = 16
# So many of its neighbours at a time: with fewer, deltas and rates are copied too often (at 16,384
# neurons twice the time); with more, the sums of small networks leave the cache.
_NEIGHBOURS = 64


class GatherKernel(AbstractKernel):
    """Fetches the rows of the neurons that each neuron hears, a few at a time; for the
    transpose, of those that hear it. For any graph; time and memory follow the
    neurons times the largest fan-in and fan-out.
    """

    heard: Int32[Array, "passes_in group_in neurons"]  # the neurons that each neuron hears
    heard_by: Int32[Array, "passes_in group_in neurons"]  # ... and by which synapse
    hearers: Int32[Array, "passes_out group_out neurons"]
    hearers_by: Int32[Array, "passes_out group_out neurons"]

    def __init__(self, graph: Graph, room: tuple[int, int] = (0, 0)):
        """**Arguments:**

        - `graph`: The graph.
        - `room`: The fan-in and fan-out to have room for at least, so that kernels of graphs that are
            equally large have equal shapes and can be stacked.
        """
        sources, targets = np.asarray(graph.sources), np.asarray(graph.targets)
        self.heard, self.heard_by = _lists(
            targets, sources, np.arange(len(sources)), graph.size, room[0]
        )
        # Stable, so that targets stay in order; of numbers of 16 bits NumPy makes a radix sort.
        by_source = np.argsort(sources.astype(np.min_scalar_type(graph.size)), kind="stable")
        self.hearers, self.hearers_by = _lists(
            sources[by_source], targets[by_source], by_source, graph.size, room[1]
        )

    @property
    def room(self) -> tuple[int, int]:
        """The fan-in and fan-out that there is room for."""
        (passes_in, group_in, _), (passes_out, group_out, _) = self.heard.shape, self.hearers.shape
        return passes_in * group_in, passes_out * group_out

    def layout(self, weights):
        # Where a list is shorter than the longest, its synapse is out of range: weight 0.
        fetch = weights.at[self.heard_by].get(mode="fill", fill_value=0)
        again = jax.lax.stop_gradient(weights)
        return fetch, again.at[self.hearers_by].get(mode="fill", fill_value=0)

    def product(self, layout, rates):
        return _weighted_sum(self.heard, layout[0], rates)

    def transpose(self, layout, delta):
        return _weighted_sum(self.hearers, layout[1], delta)

    def outer(self, delta, rates, steps):
        dtype = jnp.result_type(delta, rates)
        return _sums(self.heard, delta, rates, steps), jnp.zeros(self.hearers.shape, dtype)


def _lists(owners, others, synapses, size, room):
    """The others of each owner, and the synapses that join them: `[passes, group, size]`."""
    fans = np.bincount(owners, minlength=size)
    # Never one pass: XLA would dissolve the loop, and compute the rates anew for each neighbour.
    most = max(int(fans.max()), room)
    passes = max(2, -(-most // _GROUP))
    group = -(-most // passes)
    neurons = np.tile(np.arange(size, dtype=np.int32)[:, None], passes * group)
    by = np.full((size, passes * group), len(owners), np.int32)
    present = np.arange(passes * group) < fans[:, None]  # lists come one after the other
    neurons[present], by[present] = others, synapses
    return [jnp.asarray(x.T.reshape(passes, group, size)) for x in (neurons, by)]


def rows(array: Float[Array, "neurons ..."], neurons: Int32[Array, "..."]):
    """The rows of these neurons."""
    # `array[neurons]` would test every index for being negative, at each use.
    ndim = neurons.ndim
    dimensions = jax.lax.GatherDimensionNumbers(
        offset_dims=tuple(range(ndim, ndim + array.ndim - 1)),
        collapsed_slice_dims=(0,),
        start_index_map=(0,),
    )
    return jax.lax.gather(
        array, neurons[..., None], dimensions, (1, *array.shape[1:]), mode="promise_in_bounds"
    )


def _weighted_sum(neighbours, weights, rates):
    def add(total, group):
        for neurons, weight in zip(*group, strict=True):
            total = total + weight[:, None] * rows(rates, neurons)
        return total, None

    total = jnp.zeros(rates.shape, jnp.result_type(weights, rates))
    return jax.lax.scan(add, total, (neighbours, weights))[0]


def _sums(heard, delta, rates, steps):
    """`delta_i rates_j`, for all j in the lists of i, summed over the first steps and over the batch."""
    time, neurons, batch = delta.shape
    passes, group, _ = heard.shape
    lanes = min(batch, _LANES * -(-batch // (_LANES * _TERMS)))
    strips = -(-batch // lanes)
    span = min(time, max(2, -(-_TERMS // strips)))
    whole = (0, -time % span), (0, 0), (0, -batch % lanes)
    delta, rates = (
        jnp.pad(x, whole).reshape(-1, span, neurons, strips, lanes) for x in (delta, rates)
    )

    def fetch(chunk):
        both = (jax.lax.dynamic_index_in_dim(x, chunk, keepdims=False) for x in (delta, rates))
        return [x.swapaxes(0, 1).reshape(neurons, span * strips, lanes) for x in both]

    def block(places):
        def add(chunk, carry):
            total, (delta, rates) = carry
            for term in range(span * strips):
                total = total + delta[:, None, term] * rows(rates[:, term], places)
            # Carried to the next round, for a carry is stored: used where it is fetched, XLA may
            # fetch it anew for each term and neighbour, at 7 times the cost. (The fetch after the
            # last chunk is clamped to the last, and unused.)
            return total, fetch(chunk + 1)

        total = jnp.zeros((*places.shape, lanes), jnp.result_type(delta, rates))
        total = jax.lax.fori_loop(0, -(-steps // span), add, (total, fetch(0)))[0]
        return total @ jnp.ones(lanes, total.dtype)

    flat = heard.reshape(passes * group, neurons)
    size = -(-len(flat) // -(-len(flat) // _NEIGHBOURS))
    blocks = jnp.pad(flat, ((0, -len(flat) % size), (0, 0))).reshape(-1, size, neurons)
    sums = jax.lax.map(block, blocks.swapaxes(1, 2)).swapaxes(1, 2)
    return sums.reshape(-1, neurons)[: len(flat)].reshape(heard.shape)
