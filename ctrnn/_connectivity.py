import abc
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ._draw import by_distance, exchange, nearest
from ._graph import Graph, numbered
from ._space import AbstractSpace


class AbstractConnectivity(eqx.Module):
    """A rule that draws a [`ctrnn.Graph`][] on a space. Subclass it to wire as you like.

    !!! example

        ```python
        class Upstream(ctrnn.AbstractConnectivity):  # each neuron hears the one before it
            def __call__(self, space, *, key):
                i = np.arange(space.size)
                return ctrnn.Graph(np.roll(i, 1), i, space.size, space)
        ```
    """

    @abc.abstractmethod
    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Draws the graph.

        **Arguments:**

        - `space`: Where the neurons are.
        - `key`: A JAX random key. The same key draws the same graph.

        **Returns:**

        A [`ctrnn.Graph`][].
        """


class Locality(AbstractConnectivity):
    """Each neuron hears the neurons near it.

    Without a `kernel`, the nearest: fan-in is `round(density * neurons)` (at least 1) for
    all, each neuron itself first among those it hears, and ties at the largest distance
    broken at random. With one, `round(density * neurons^2)` synapses are drawn without
    replacement, with odds in proportion to `kernel(distance)`: the density is exact and
    fan-in varies.

    **Arguments:**

    - `density`: the fraction of all `neurons^2` possible synapses that exist.
    - `kernel`: odds by distance in mm, such as [`ctrnn.Gaussian`][]: finite, and not negative.

    **Raises:**

    `ValueError` if the density is not in (0, 1]; at the call, if the kernel's odds are negative or not
    finite, or positive for fewer pairs than synapses are asked for.

    !!! example

        ```python
        graph = ctrnn.Locality(0.04)(ctrnn.Sheet(32, 32), key=jr.key(0))
        graph = ctrnn.Locality(0.04, ctrnn.Gaussian(0.2))(ctrnn.Sheet(32, 32), key=jr.key(0))
        ```

    ??? cite "References"

        The idea of the nearest-neighbour mask: Khona, Chandra, Ma & Fiete, "Winning the
        lottery with neural connectivity constraints", Neural Computation 35(11), 2023.
        The draw: Efraimidis & Spirakis, "Weighted random sampling with a reservoir",
        Information Processing Letters 97(5), 2006.
    """

    density: float = eqx.field(static=True, default=0.04)
    kernel: Callable[[np.ndarray], np.ndarray] | None = None

    def __check_init__(self):
        _check_density(self.density)

    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Draws the graph. See [`ctrnn.AbstractConnectivity.__call__`][]."""
        rng = _generator(key)
        if self.kernel is None:
            sources, targets = nearest(space, _fan_in(self.density, space.size), rng)
        else:
            synapses = max(1, round(self.density * space.size**2))
            sources, targets = by_distance(space, synapses, self.kernel, rng)
        return Graph(sources, targets, space.size, space)


class RandomSparse(AbstractConnectivity):
    """Each neuron hears `round(density * neurons)` neurons (at least 1), drawn evenly from
    all without replacement, itself among them.

    **Arguments:**

    - `density`: the fraction of all possible synapses that exist; 0.04 by default.

    !!! example

        ```python
        graph = ctrnn.RandomSparse(0.04)(ctrnn.Sheet(32, 32), key=jr.key(0))
        ```
    """

    density: float = eqx.field(static=True, default=0.04)

    def __check_init__(self):
        _check_density(self.density)

    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Draws the graph. See [`ctrnn.AbstractConnectivity.__call__`][]."""
        rng, size = _generator(key), space.size
        fan_in = _fan_in(self.density, size)
        sources = [rng.choice(size, fan_in, replace=False, shuffle=False) for _ in range(size)]
        return Graph(np.concatenate(sources), np.repeat(np.arange(size), fan_in), size, space)


class Rewired(AbstractConnectivity):
    """The control for [`ctrnn.Locality`][]: the same fan-in and fan-out for every neuron,
    and no locality. Pairs of synapses of a nearest-neighbour graph exchange their
    sources, twice each on average, wherever that makes no synapse twice.

    **Arguments:**

    - `density`: the fraction of all possible synapses that exist; 0.04 by default.

    !!! example

        ```python
        graph = ctrnn.Rewired(0.04)(ctrnn.Sheet(32, 32), key=jr.key(0))
        ```

    ??? cite "Reference"

        Maslov & Sneppen, "Specificity and stability in topology of protein networks",
        Science 296(5569), 2002.
    """

    density: float = eqx.field(static=True, default=0.04)

    def __check_init__(self):
        _check_density(self.density)

    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Draws the graph. See [`ctrnn.AbstractConnectivity.__call__`][]."""
        rng, size = _generator(key), space.size
        codes = numbered(*nearest(space, _fan_in(self.density, size), rng), size)
        # Where most pairs have a synapse few swaps are free; the absent ones can be rewired instead.
        crowded = len(codes) > size**2 / 2
        if crowded:
            codes = np.setdiff1d(np.arange(size**2), codes)
        wanted, swapped, accepted = 2 * len(codes), 0, 1
        while swapped < wanted and accepted:
            codes, accepted = exchange(codes, size, rng)
            swapped += accepted
        if crowded:
            codes = np.setdiff1d(np.arange(size**2), codes)
        targets, sources = np.divmod(codes, size)
        return Graph(sources, targets, size, space)


class Autapse(AbstractConnectivity):
    """Each neuron hears itself alone.

    !!! example

        ```python
        graph = ctrnn.Autapse()(ctrnn.Sheet(32, 32), key=jr.key(0))
        ```
    """

    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Makes the graph, for which no randomness is needed."""
        del key
        return Graph(np.arange(space.size), np.arange(space.size), space.size, space)


class Dense(AbstractConnectivity):
    """Every neuron hears every neuron, itself among them.

    !!! example

        ```python
        graph = ctrnn.Dense()(ctrnn.Sheet(16, 16), key=jr.key(0))
        ```
    """

    def __call__(self, space: AbstractSpace, *, key: PRNGKeyArray) -> Graph:
        """Makes the graph, for which no randomness is needed."""
        del key
        targets, sources = np.indices((space.size, space.size))
        return Graph(sources.ravel(), targets.ravel(), space.size, space)


def _check_density(density: float) -> None:
    if not 0 < density <= 1:
        raise ValueError(
            f"density is the fraction of synapses present, above 0 and at most 1; got {density}."
        )


def _fan_in(density: float, size: int) -> int:
    return max(1, round(density * size))


def _generator(key: PRNGKeyArray) -> np.random.Generator:
    # NumPy draws: graphs are built once, outside of JAX, at sizes where a dense sort would hurt.
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
