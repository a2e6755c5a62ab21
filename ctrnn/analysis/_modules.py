"""A network as an undirected graph: its modules, and whether it is a small world."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from ._subject import Cannot, require


def undirected(
    matrix: Float[np.ndarray, "neurons neurons"],
) -> Float[np.ndarray, "neurons neurons"]:
    """|W| + |W|ᵀ without autapses.

    !!! example

        ```python
        ties = undirected(weight_matrix(network))
        ```
    """
    ties = np.abs(matrix) + np.abs(matrix).T
    np.fill_diagonal(ties, 0)
    return ties


def strongest(
    ties: Float[np.ndarray, "neurons neurons"], count: int
) -> Float[np.ndarray, "neurons neurons"]:
    """The `count` strongest ties of an undirected graph; the others are zero.

    !!! example

        ```python
        skeleton = strongest(undirected(weight_matrix(network)), 5000)
        ```
    """
    values = ties[np.triu_indices(len(ties), 1)]
    if count >= np.count_nonzero(values):
        return ties
    if count == 0:
        return np.zeros_like(ties)
    return np.where(ties >= np.partition(values, -count)[-count], ties, 0)


class Modules(NamedTuple):
    """Modularity Q, and each neuron's module, largest first."""

    modularity: float
    labels: Int[np.ndarray, " neurons"]


def modules(ties: Float[np.ndarray, "neurons neurons"], seed: int = 0) -> Modules:
    """Modules of a weighted undirected graph by the Louvain method, and Newman's modularity Q of
    them: how much more weight lies within them than if ties were drawn by strength alone.

    By Blondel, Guillaume, Lambiotte & Lefebvre, Journal of Statistical Mechanics P10008 (2008), as
    networkx has it; Newman, Physical Review E 70 (2004).

    **Arguments:**

    - `ties`: from [`ctrnn.analysis.undirected`][].
    - `seed`: of the order in which neurons are looked at.

    **Raises:**

    `Cannot` if there are no ties, or without networkx.

    !!! example

        ```python
        q, labels = modules(undirected(weight_matrix(network)))
        ```
    """
    networkx = require("networkx", "networkx")
    if not ties.any():
        raise Cannot("these neurons hear none but themselves: there are no modules to find.")
    graph = networkx.from_numpy_array(ties)
    found = networkx.community.louvain_communities(graph, seed=seed)
    labels = np.empty(len(ties), int)
    for i, members in enumerate(sorted(found, key=lambda members: (-len(members), min(members)))):
        labels[list(members)] = i
    return Modules(float(networkx.community.modularity(graph, found)), labels)


class SmallWorld(NamedTuple):
    """Mean clustering coefficient and mean number of steps between neurons, the same in rewired
    controls, and the small-worldness: the ratio of the former two over that of the latter two.
    `joined` is the fraction of pairs that a path joins, over which path lengths are means."""

    clustering: float
    path_length: float
    control_clustering: float
    control_path_length: float
    small_worldness: float
    joined: float


def small_world(
    adjacency: Bool[np.ndarray, "neurons neurons"],
    *,
    controls: int = 2,
    sources: int = 128,
    seed: int = 0,
) -> SmallWorld:
    """Is a graph as clustered as a lattice and yet as short of path as a random one?

    By Watts & Strogatz, Nature 393 (1998), and Humphries & Gurney, PLoS ONE 3 (2008), whose ratio is
    above 1 in a small world. Controls keep every neuron's degree (Maslov & Sneppen, Science 296,
    2002). Path lengths are means over pairs that a path joins.

    **Arguments:**

    - `adjacency`: an undirected graph: symmetric, with an empty diagonal.
    - `controls`: how many graphs are rewired.
    - `sources`: how many neurons paths are followed from.
    - `seed`: of the rewiring and the choice of sources.

    **Raises:**

    `Cannot` if more than half of all pairs are joined, which leaves little to rewire, or less than
    one pair in a hundred neurons; if paths join fewer than half of all pairs; if it cannot be
    rewired; or without networkx.

    !!! example

        ```python
        small_world(undirected(weight_matrix(network)) > 0).small_worldness
        ```
    """
    networkx = require("networkx", "networkx")
    edges, size = np.count_nonzero(adjacency) // 2, len(adjacency)
    if edges > size * (size - 1) / 4 or edges < 4 or edges < size / 100:
        raise Cannot(f"{edges} ties among {size} neurons are too many or too few to rewire.")
    rng = np.random.default_rng(seed)
    starts = rng.choice(size, min(sources, size), replace=False)
    clustering, length, joined = _clustering_and_path(adjacency, starts)
    if joined < 0.5:
        raise Cannot(f"paths join only {joined:.0%} of all pairs of neurons.")
    drawn = []
    for i in range(controls):
        graph = networkx.from_numpy_array(adjacency)
        try:
            networkx.double_edge_swap(graph, 2 * edges, max_tries=200 * edges, seed=seed + i)
        except networkx.NetworkXException as reason:
            raise Cannot(f"this graph cannot be rewired: {reason}") from None
        rewired = networkx.to_numpy_array(graph, dtype=bool, weight=None)
        drawn.append(_clustering_and_path(rewired, starts))
    control = np.mean(drawn, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(clustering, control[0]) / np.divide(length, control[1])
    return SmallWorld(
        clustering, length, float(control[0]), float(control[1]), float(ratio), joined
    )


def _clustering_and_path(adjacency: np.ndarray, starts: np.ndarray) -> tuple[float, float, float]:
    links = csr_array(adjacency.astype(np.int32))
    degree = np.asarray(adjacency.sum(1))
    triangles = np.asarray((links @ links * links).sum(1))
    pairs = np.maximum(degree * (degree - 1), 1)
    steps = shortest_path(links, unweighted=True, indices=starts)
    joined = np.isfinite(steps) & (steps > 0)
    length = steps[joined].mean() if joined.any() else np.nan
    everyone = len(starts) * (len(adjacency) - 1)
    return float(np.mean(triangles / pairs)), float(length), float(joined.sum() / everyone)
