import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32

from ._space import AbstractSpace


def number_type(size: int) -> np.dtype:
    """The smallest signed integers that can number all pairs of neurons: half as wide, half the time."""
    return np.min_scalar_type(-(size**2))


def numbered(sources, targets, size: int) -> Int[np.ndarray, " synapses"]:
    """The number of each synapse, `target * size + source`."""
    numbers = np.asarray(targets).astype(number_type(size))
    numbers *= size
    numbers += np.asarray(sources).astype(numbers.dtype, copy=False)
    return numbers


class Graph(eqx.Module):
    """Who hears whom: a list of synapses, with no weights yet. Synapse `s` carries
    the rate of neuron `sources[s]` to neuron `targets[s]`.

    Synapses are sorted by target, then by source. A network's weights are one number per
    synapse in this order.

    !!! example

        ```python
        graph = ctrnn.Graph([0, 1], [1, 0], size=2)  # two neurons that hear each other
        graph.density  # 0.5
        ```
    """

    sources: Int32[Array, " synapses"]
    targets: Int32[Array, " synapses"]
    size: int = eqx.field(static=True)
    space: AbstractSpace | None

    def __init__(self, sources, targets, size: int, space: AbstractSpace | None = None):
        """**Arguments:**

        - `sources`, `targets`: The neuron that speaks and the neuron that hears, for each
            synapse, in any order.
        - `size`: The number of neurons.
        - `space`: Where the neurons are, if they are anywhere.

        **Raises:** `ValueError` if a synapse joins neurons that do not exist, if two
        synapses join the same pair, if there are none, or if `space` has another size.
        """
        sources, targets = np.asarray(sources), np.asarray(targets)
        if sources.ndim != 1 or sources.shape != targets.shape or sources.size == 0:
            raise ValueError(
                "sources and targets must be one-dimensional, equally long and not empty; "
                f"got shapes {sources.shape} and {targets.shape}."
            )
        for name, neurons in (("sources", sources), ("targets", targets)):
            if neurons.min() < 0 or neurons.max() >= size:
                raise ValueError(f"{name} must be between 0 and {size - 1}, as size={size}.")
        if space is not None and space.size != size:
            raise ValueError(f"The space has {space.size} neurons but the graph has {size}.")
        synapses = numbered(sources, targets, size)
        synapses.sort()
        if (synapses[1:] == synapses[:-1]).any():
            raise ValueError("A pair of neurons may have one synapse in each direction, not two.")
        targets, sources = np.divmod(synapses, size)
        self.sources = jnp.asarray(sources.astype(np.int32))
        self.targets = jnp.asarray(targets.astype(np.int32))
        self.size = size
        self.space = space

    @property
    def synapses(self) -> int:
        """The number of synapses."""
        return self.sources.shape[0]

    @property
    def density(self) -> float:
        """The fraction of all ordered pairs of neurons, autapses included, with a synapse."""
        return self.synapses / self.size**2

    @property
    def fan_in(self) -> Int32[Array, " neurons"]:
        """How many neurons each neuron hears."""
        return jnp.bincount(self.targets, length=self.size).astype(jnp.int32)

    @property
    def fan_out(self) -> Int32[Array, " neurons"]:
        """How many neurons hear each neuron."""
        return jnp.bincount(self.sources, length=self.size).astype(jnp.int32)

    @property
    def lengths(self) -> Float[Array, " synapses"] | None:
        """The length of every synapse in mm, as the crow flies; `None` without a space."""
        return None if self.space is None else self.space.distance(self.targets, self.sources)

    def mask(self) -> Bool[Array, "neurons neurons"]:
        """The synapses as a dense `[target, source]` matrix: for plots and small networks."""
        absent = jnp.zeros((self.size, self.size), bool)
        return absent.at[self.targets, self.sources].set(True)
