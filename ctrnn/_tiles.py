import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32
from scipy.spatial import KDTree

from ._gather import rows
from ._graph import Graph, numbered
from ._kernel import AbstractKernel, sum_chunks, wide

# Measured on a GPU, at 1,024 to 16,384 neurons: with 32 to a tile rates are fetched too often, with 128
# there are too many zeros; either was within a fifth.
_TILE = 64


class TileKernel(AbstractKernel):
    """Neurons in tiles of near ones, and for each tile one matrix product with the rates of all
    that it hears; for the transpose, with all that hear it. For any graph; time and memory follow the
    neurons times those that a tile hears, which are few where neurons hear their neighbours.

    !!! example

        ```python
        kernel = ctrnn.TileKernel(graph)
        heard = ctrnn.apply(kernel, kernel.layout(weights), rates)
        ```
    """

    tiles: Int32[Array, "tiles tile"]  # the neurons of each tile
    place: Int32[Array, " neurons"]  # where in `tiles` each neuron is
    heard: Int32[Array, "tiles heard"]  # the neurons that each tile hears
    heard_at: Int32[Array, " synapses"]  # where in the matrices of the tiles each synapse is
    hearers: Int32[Array, "tiles hearers"]
    hearers_at: Int32[Array, " synapses"]

    def __init__(self, graph: Graph, room: tuple[int, int] = (0, 0)):
        """**Arguments:**

        - `graph`: The graph. Neurons of a tile are near each other in its space, or without one in
            their numbers.
        - `room`: How many neurons that a tile hears, and that hear it, to have room for at least, so
            that kernels of graphs that are equally large have equal shapes and can be stacked.

        **Raises:** `ValueError` if there are 2^31 pairs of a neuron and another that its tile hears.
        """
        sources, targets = np.asarray(graph.sources), np.asarray(graph.targets)
        order = np.arange(graph.size)
        if graph.space is not None:
            # Its leaves, from left to right: neurons near one another are near in this order.
            order = KDTree(graph.space.positions, leafsize=1).indices
        place = np.argsort(order)
        # The last tile may not be full: neuron 0 stands in, and what it hears there is not looked at.
        tiles = np.pad(order, (0, -graph.size % _TILE)).reshape(-1, _TILE)
        self.tiles, self.place = (jnp.asarray(x.astype(np.int32)) for x in (tiles, place))
        self.heard, self.heard_at = _lists(place[targets], sources, graph.size, room[0])
        self.hearers, self.hearers_at = _lists(place[sources], targets, graph.size, room[1])

    @property
    def room(self) -> tuple[int, int]:
        """How many neurons a tile hears at most, and how many hear it."""
        return self.heard.shape[1], self.hearers.shape[1]

    def layout(self, weights):
        again = jax.lax.stop_gradient(weights)
        return (
            _matrices(weights, self.heard_at, self.heard),
            _matrices(again, self.hearers_at, self.hearers),
        )

    def product(self, layout, rates):
        return self._product(layout[0], rates, self.heard)

    def transpose(self, layout, delta):
        return self._product(layout[1], delta, self.hearers)

    def _product(self, matrices, rates, others):
        fetched = rows(rates, others)
        sums = jnp.einsum("nij,njb->nib", matrices, fetched, preferred_element_type=wide(rates))
        return rows(sums.reshape(-1, rates.shape[1]), self.place)

    def outer(self, delta, rates, steps):
        def product(delta, rates):
            delta, rates = (
                rows(x.swapaxes(0, 1).reshape(x.shape[1], -1), neurons)
                for x, neurons in ((delta, self.tiles), (rates, self.heard))
            )
            return jnp.einsum("nib,njb->nij", delta, rates, preferred_element_type=wide(delta))

        matrices = sum_chunks(product, delta, rates, steps)
        return matrices, jnp.zeros((*self.tiles.shape, self.room[1]), matrices.dtype)


def _lists(places, others, size, room):
    """The other neurons that each tile has synapses with, and where in its matrix each synapse is."""
    tiles = -(-size // _TILE)
    pairs, which = np.unique(numbered(others, places // _TILE, size), return_inverse=True)
    tile, other = np.divmod(pairs, size)
    column = np.arange(len(pairs)) - np.searchsorted(tile, np.arange(tiles))[tile]
    most = max(int(column.max()) + 1, room)
    if tiles * _TILE * most >= 2**31:
        raise ValueError(
            f"The matrices of tiles that hear {most} of {size} neurons are too large; use 'gather'."
        )
    lists = np.zeros((tiles, most), np.int32)
    lists[tile, column] = other
    at = places * most + column[which]
    return jnp.asarray(lists), jnp.asarray(at.astype(np.int32))


def _matrices(weights, at, others) -> Float[Array, "tiles tile others"]:
    flat = jnp.zeros(others.size * _TILE, weights.dtype)
    return flat.at[at].set(weights, unique_indices=True).reshape(len(others), _TILE, -1)
