"""Clusters of like neurons, and whether they lie together in space."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from .._space import AbstractSpace
from ._subject import Cannot, require


class Clusters(NamedTuple):
    """Clusters, largest first: a number for each profile, and the mean silhouette by how many."""

    labels: Int[np.ndarray, " profiles"]
    silhouettes: dict[int, float]


def cluster(
    profiles: Float[np.ndarray, "profiles tasks"], most: int = 20, seed: int = 0
) -> Clusters:
    """K-means clusters, as many as make the mean silhouette largest.

    As Yang et al. (2019) cluster task variance; the silhouette is that of Rousseeuw, Journal of
    Computational and Applied Mathematics 20 (1987).

    **Arguments:**

    - `profiles`: one row per neuron, such as its normalised task variance.
    - `most`: the largest number of clusters tried, from 2; no more than a quarter of the profiles.
    - `seed`: of the starts of k-means.

    **Returns:**

    `Clusters(labels, silhouettes)`.

    **Raises:**

    `Cannot` if there are fewer than three different profiles, or without scikit-learn.

    !!! example

        ```python
        labels, silhouettes = cluster(profiles)
        best = max(silhouettes, key=silhouettes.get)
        ```
    """
    learn, metrics = (require(f"sklearn.{m}", "scikit-learn") for m in ("cluster", "metrics"))
    different = len(np.unique(profiles, axis=0))
    if different < 3:
        raise Cannot(f"clusters need at least three different neurons; {different} were active.")
    points, found, silhouettes = profiles.astype(np.float32), {}, {}
    distances = metrics.pairwise_distances(points)
    np.fill_diagonal(distances, 0)
    for k in range(2, max(2, min(most, different // 4)) + 1):
        found[k] = learn.KMeans(k, n_init=10, random_state=seed).fit_predict(points)
        silhouettes[k] = float(metrics.silhouette_score(distances, found[k], metric="precomputed"))
    labels = found[max(silhouettes, key=lambda k: silhouettes[k])]
    order = np.argsort(-np.bincount(labels), kind="stable")
    return Clusters(np.argsort(order)[labels], silhouettes)


class Agreement(NamedTuple):
    """Mean similarity over pairs, the same with the neurons shuffled, and the p of one as large."""

    mean: float
    shuffled: Float[np.ndarray, " shuffles"]
    p: float


def agreement(
    similarity: Num[np.ndarray, "members members"] | Bool[np.ndarray, "members members"],
    member: Bool[np.ndarray, " neurons"],
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    *,
    shuffles: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Are certain pairs of neurons, such as neighbours, more similar than chance has it?

    The cross-product statistic of Hubert, Golledge & Costanzo, Geographical Analysis 13 (1981), by
    permutation. With `labels[:, None] == labels` as similarity it is the join count, with
    correlations the many-variable form of Moran's I.

    **Arguments:**

    - `similarity`: between the neurons that take part.
    - `member`: which those are; pairs with another do not count.
    - `first`, `second`: the pairs, such as those of [`ctrnn.analysis.neighbour_pairs`][].
    - `shuffles`, `seed`: how many permutations of the neurons, and their seed.

    **Returns:**

    `Agreement(mean, shuffled, p)` with p one-sided and never below `1 / (shuffles + 1)`.

    **Raises:**

    `Cannot` if no pair takes part, or if a similarity is not a number.

    !!! example

        ```python
        same = labels[:, None] == labels
        mean, shuffled, p = agreement(same, active, *neighbour_pairs(network.graph.space))
        ```
    """
    place = np.cumsum(member) - 1
    both = member[first] & member[second]
    first, second = place[first[both]], place[second[both]]
    if not len(first) or np.isnan(similarity).any():
        raise Cannot("no two of these neurons are active and paired, with a similarity to compare.")
    rng = np.random.default_rng(seed)
    orders = (rng.permutation(len(similarity)) for _ in range(shuffles))
    shuffled = np.array([similarity[order[first], order[second]].mean() for order in orders])
    mean = similarity[first, second].mean()
    p = (1 + np.sum(shuffled >= mean)) / (1 + shuffles)
    return Agreement(float(mean), shuffled, float(p))


def neighbour_pairs(
    space: AbstractSpace, k: int = 8
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Every neuron with each of its `k` nearest (8 on a sheet: those that touch it, corners too).

    !!! example

        ```python
        first, second = neighbour_pairs(ctrnn.Sheet(32, 32))
        ```
    """
    k = min(k, space.size - 1)
    indices, _ = space.neighbours(k + 1)
    own = np.arange(space.size)[:, None]
    # Where neurons share a place, the first of the nearest need not be the neuron itself.
    order = np.argsort(indices == own, axis=1, kind="stable")
    return np.repeat(own.ravel(), k), np.take_along_axis(indices, order, 1)[:, :k].ravel()


def agreement_by_distance(
    similarity: Num[np.ndarray, "members members"] | Bool[np.ndarray, "members members"],
    member: Bool[np.ndarray, " neurons"],
    space: AbstractSpace,
    *,
    bins: int = 14,
    shuffles: int = 100,
    seed: int = 0,
) -> Float[np.ndarray, "4 bins"]:
    """[`ctrnn.analysis.agreement`][] of all pairs (of 300,000 drawn from them) by their distance.

    **Returns:**

    The middle of each bin in mm, the mean similarity, and where 95 % of the shuffled ones lie.

    !!! example

        ```python
        distance, mean, low, high = agreement_by_distance(similarity, active, space)
        ```
    """
    first, second = np.triu_indices(space.size, 1)
    both = member[first] & member[second]
    first, second = first[both], second[both]
    if not len(first):
        raise Cannot("fewer than two of these neurons are active.")
    if len(first) > 300_000:
        kept = np.random.default_rng(seed).choice(len(first), 300_000, replace=False)
        first, second = first[kept], second[kept]
    distance = np.asarray(space.distance(first, second))
    edges = np.linspace(0, distance.max() * (1 + 1e-6), bins + 1)
    bin_of, rows = np.digitize(distance, edges) - 1, []
    for i in np.unique(bin_of):
        inside = bin_of == i
        found = agreement(
            similarity, member, first[inside], second[inside], shuffles=shuffles, seed=seed
        )
        rows.append(
            [edges[i : i + 2].mean(), found.mean, *np.quantile(found.shuffled, [0.025, 0.975])]
        )
    return np.array(rows).T
