"""How synapses are drawn. In NumPy, some rows at a time: graphs are built once, outside of JAX."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from ._graph import number_type
from ._space import AbstractSpace

_TIE = 1e-9  # distances that differ by less of themselves are equal


def nearest(
    space: AbstractSpace, k: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " synapses"], Int[np.ndarray, " synapses"]]:
    """Sources and targets of synapses from the `k` nearest neurons to each, itself first among them."""
    # Ask for more neighbours until all that tie with the k-th are among them.
    candidates = k
    while True:
        candidates = min(candidates + 32, space.size)
        indices, distances = space.neighbours(candidates)
        edge = distances[:, k - 1]
        if candidates == space.size or (np.abs(distances[:, -1] - edge) > _TIE * edge).all():
            break
    targets = np.arange(space.size, dtype=np.int32)
    sources = np.empty((space.size, k), np.int32)
    for rows in _blocks(space.size, candidates):
        sources[rows] = _choose(targets[rows], indices[rows], distances[rows], k, rng)
    return sources.ravel(), np.repeat(targets, k)


def _choose(targets, indices, distances, k: int, rng: np.random.Generator):
    """The `k` that each target hears, of candidates sorted by distance."""
    edge = distances[:, k - 1 : k]
    tied = np.abs(distances - edge) <= _TIE * edge
    nearer = (distances < edge) & ~tied
    # Columns that hold nearer neighbours in every row need no choice: at large fan-in, nearly all.
    sure = int(nearer.sum(1).min())
    order = np.where(tied, rng.random(tied.shape), np.where(nearer, -1.0, 2.0))[:, sure:]
    order = np.where(indices[:, sure:] == targets[:, None], -2.0, order)
    chosen = sure + np.argpartition(order, k - sure - 1, axis=1)[:, : k - sure]
    return np.hstack([indices[:, :sure], np.take_along_axis(indices, chosen, axis=1)])


def by_distance(
    space: AbstractSpace,
    synapses: int,
    kernel: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " synapses"], Int[np.ndarray, " synapses"]]:
    """Sources and targets of so many synapses, drawn without replacement with odds `kernel(distance)`.

    They are those with the smallest times E / odds, E ~ Exponential(1). So that memory follows the
    synapses, times are forgotten beyond a limit that a sample of pairs gives, below which about 1.5
    times as many lie as are wanted; if there are too few, the limit is doubled.
    """
    positions, size = space.positions.T.astype(np.float32), space.size
    box = np.asarray(space.box or (np.inf,) * len(positions), np.float32)

    def odds(targets, sources):
        square = np.float32(0)
        for place, period in zip(positions, box, strict=True):
            gap = np.abs(place[targets] - place[sources])
            square = square + np.minimum(gap, period - gap) ** 2
        found = kernel(np.sqrt(square))
        if not (found.min() >= 0 and found.max() < np.inf):
            raise ValueError(
                "A distance kernel gives odds, which are finite and not negative: mend it."
            )
        return found

    limit, expected = np.inf, (1.5 * synapses + 100) / size**2
    if expected < 1:
        sample = odds(*rng.integers(size, size=(2, 2**18)))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            times = rng.standard_exponential(sample.shape) / sample
            # Of 32 bits, as times are: doubled beyond them, it is no limit.
            limit = np.float32(np.quantile(np.fmin(times, np.inf), expected, method="higher"))
    seed = int(rng.integers(2**62))
    times, codes = _below(limit, odds, size, seed)
    while len(times) < synapses and limit < np.inf:
        with np.errstate(over="ignore"):
            limit = 2 * limit
        times, codes = _below(limit, odds, size, seed)
    if len(times) < synapses:
        raise ValueError(
            f"The distance kernel is too narrow for {synapses} synapses among {size} neurons: "
            "widen it or lower the density."
        )
    targets, sources = np.divmod(codes[np.argpartition(times, synapses - 1)[:synapses]], size)
    return sources, targets


def _below(limit: float | np.floating, odds: Callable, size: int, seed: int):
    """Times, of all pairs with odds, that are not beyond the limit, and the numbers of these pairs. The
    same seed looks at the same times, to about 1e-7.
    """
    coarse, fine = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    pool = list[tuple[np.ndarray, np.ndarray]]()
    for rows in _blocks(size, size):
        here = odds((rows, None), slice(None))
        # -log(1 - U) is an E, and at least U, whose first 24 bits rule out most pairs. Where odds are
        # 0 and there is no limit, their product is not a number, and no U is below it.
        bits = coarse.random(here.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.flatnonzero(bits <= limit * here)
        uniform = bits.ravel()[found] + fine.random(len(found)) / 2**24
        with np.errstate(divide="ignore", over="ignore"):
            times = (-np.log1p(-uniform) / here.ravel()[found]).astype(np.float32)
        early = (times <= limit) & (times < np.inf)
        pool.append((times[early], (found[early] + rows.start * size).astype(number_type(size))))
    return [np.concatenate(parts) for parts in zip(*pool, strict=True)]


def exchange(
    codes: Int[np.ndarray, " synapses"], size: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " synapses"], int]:
    """Pairs synapses, given by their numbers, at random and swaps the sources of each pair where that
    makes two new ones. Returns all numbers, in no order, and how many are new.
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
    return np.concatenate([first + swap, second - swap, odd]), 2 * int(np.count_nonzero(swap))


def _blocks(rows: int, columns: int) -> list[slice]:
    """The rows of a matrix, some at a time: arrays of so few numbers stay in the cache."""
    step = max(1, 2**16 // columns)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
