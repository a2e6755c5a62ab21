import abc
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ._graph import Graph, numbered
from ._space import AbstractSpace

_TIE = 1e-9  # distances that differ by less of themselves are equal


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
    - `kernel`: odds by distance in mm, such as [`ctrnn.Gaussian`][].

    **Raises:**

    `ValueError` if the density is not in (0, 1].

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
            targets, sources = _nearest(space, _fan_in(self.density, space.size), rng)
            return Graph(sources, targets, space.size, space)
        return _by_distance(space, max(1, round(self.density * space.size**2)), self.kernel, rng)


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
        targets, sources = _nearest(space, _fan_in(self.density, size), rng)
        codes = np.sort(numbered(sources, targets, size))
        # Where most pairs have a synapse few swaps are free; the absent ones can be rewired instead.
        crowded = len(codes) > size**2 / 2
        if crowded:
            codes = np.setdiff1d(np.arange(size**2), codes)
        wanted, swapped, accepted = 2 * len(codes), 0, 1
        while swapped < wanted and accepted:
            codes, accepted = _exchange(codes, size, rng)
            swapped += accepted
        if crowded:
            codes = np.setdiff1d(np.arange(size**2), codes)
        return Graph(codes % size, codes // size, size, space)


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


def _blocks(rows: int, columns: int) -> list[slice]:
    """The rows of a matrix, some at a time: arrays of so few numbers stay in the cache."""
    step = max(1, 2**16 // columns)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _generator(key: PRNGKeyArray) -> np.random.Generator:
    # NumPy draws: graphs are built once, outside of JAX, at sizes where a dense sort would hurt.
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def _nearest(space: AbstractSpace, k: int, rng: np.random.Generator):
    """The targets and sources of the `k` nearest synapses of every neuron."""
    # Ask for more neighbours until all that tie with the k-th are among them.
    candidates = k
    while True:
        candidates = min(candidates + 32, space.size)
        indices, distances = space.neighbours(candidates)
        edge = distances[:, k - 1]
        if candidates == space.size or (np.abs(distances[:, -1] - edge) > _TIE * edge).all():
            break
    sources = np.empty((space.size, k), np.int32)
    for rows in _blocks(space.size, candidates):
        sources[rows] = _choose(indices[rows], distances[rows], k, rows.start, rng)
    return np.repeat(np.arange(space.size, dtype=np.int32), k), sources.ravel()


def _choose(indices, distances, k: int, first: int, rng: np.random.Generator):
    """The `k` that the neurons from `first` on hear, of candidates sorted by distance."""
    edge = distances[:, k - 1 : k]
    tied = np.abs(distances - edge) <= _TIE * edge
    nearer = (distances < edge) & ~tied
    # Columns that hold nearer neighbours in every row need no choice: at large fan-in, nearly all.
    sure = int(nearer.sum(1).min())
    order = np.where(tied, rng.random(tied.shape), np.where(nearer, -1.0, 2.0))[:, sure:]
    itself = first + np.arange(len(indices))
    order = np.where(indices[:, sure:] == itself[:, None], -2.0, order)
    chosen = sure + np.argpartition(order, k - sure - 1, axis=1)[:, : k - sure]
    return np.hstack([indices[:, :sure], np.take_along_axis(indices, chosen, axis=1)])


def _by_distance(
    space: AbstractSpace,
    synapses: int,
    kernel: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> Graph:
    # The synapses with the smallest E / kernel(d), E ~ Exponential(1), are the weighted draw
    # without replacement. So that memory follows the synapses, a sample of pairs says what about half
    # as many again as are wanted will not exceed, and the others are forgotten as they are drawn.
    positions, size = space.positions.T.astype(np.float32), space.size
    box = np.asarray(space.box or (np.inf,) * len(positions), np.float32)

    def odds(targets, sources):
        square = np.float32(0)
        for place, period in zip(positions, box, strict=True):
            gap = np.abs(place[targets] - place[sources])
            square = square + np.minimum(gap, period - gap) ** 2
        return kernel(np.sqrt(square))

    def below(limit):
        pool = list[tuple[np.ndarray, np.ndarray]]()
        for rows in _blocks(size, size):
            here = odds((rows, None), slice(None))
            # -log(1 - U) is an E, and at least U, whose first 24 bits rule out most pairs.
            bits = rng.random(here.shape, np.float32)
            found = np.flatnonzero(bits <= limit * here)
            uniform = bits.ravel()[found] + rng.random(len(found)) / 2**24
            times = -np.log1p(-uniform) / here.ravel()[found]
            codes = (found + rows.start * size).astype(np.min_scalar_type(-(size**2)))
            pool.append((times.astype(np.float32), codes))
        return (np.concatenate(parts) for parts in zip(*pool, strict=True))

    with np.errstate(all="ignore"):  # odds may be 0, and E over them infinite
        sample = odds(*rng.integers(size, size=(2, 2**18)))
        expected = min(1.0, (1.5 * synapses + 100) / size**2)
        limit = rng.standard_exponential(sample.shape, np.float32) / sample
        limit = np.quantile(limit, expected, method="higher") if expected < 1 else np.inf
        times, codes = below(limit)
        while len(times) < synapses and limit < np.inf:
            limit = 2 * limit
            times, codes = below(limit)
    if len(times) < synapses:
        raise ValueError(
            f"The distance kernel is too narrow for {synapses} synapses among {size} neurons: "
            "widen it or lower the density."
        )
    chosen = np.argpartition(times, synapses - 1)[:synapses]
    targets, sources = np.divmod(codes[chosen], size)
    return Graph(sources, targets, size, space)


def _exchange(codes, size: int, rng: np.random.Generator):
    """Pairs the synapses (sorted codes) at random and swaps the sources of each pair where
    that makes two new synapses. Returns the synapses, sorted, and how many are new.
    """
    # Sorted by random bits in front of them: a third of the time of a shuffle.
    bits = (size**2 - 1).bit_length()
    shuffled = rng.integers(1 << 63 - bits, size=len(codes)) << bits
    shuffled |= codes
    shuffled.sort()
    shuffled = (shuffled & (1 << bits) - 1).astype(codes.dtype)
    first, second, odd = np.split(shuffled, [len(codes) // 2, len(codes) // 2 * 2])
    swap = second % size - first % size
    proposed = np.concatenate([first + swap, second - swap])
    # What is there (place 0) and what is proposed (its place) in one sort of plain numbers, which
    # in NumPy takes a fraction of an argsort or a search: those that clash are then side by side.
    # (Code and place fit 63 bits for up to 100,000 neurons with 4 % of all synapses.)
    shift = len(codes).bit_length()
    everything = np.concatenate([codes, proposed], dtype=np.int64)
    everything <<= shift
    everything[len(codes) :] |= np.arange(1, len(proposed) + 1)
    everything.sort()
    clash = np.flatnonzero((everything[1:] ^ everything[:-1]) < 1 << shift)
    fresh = np.ones(len(proposed) + 1, bool)
    fresh[everything[[clash, clash + 1]] & ((1 << shift) - 1)] = False
    swap *= fresh[1 : len(first) + 1] & fresh[len(first) + 1 :]
    return np.sort(np.concatenate([first + swap, second - swap, odd])), 2 * np.count_nonzero(swap)
