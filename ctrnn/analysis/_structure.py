"""How a network is wired: over distance, in modules, in its spectrum; and what training changed."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from .._graph import Graph
from .._network import RateNetwork
from .._space import AbstractSpace
from ._fixed_points import dense_weights
from ._modules import modules, small_world, strongest, undirected
from ._style import OKABE_ITO, draw_sheet, group_colours
from ._subject import Cannot, Section, Subject, require

_MOST = 50_000  # synapses; modules and paths of denser graphs are those of their strongest ones


class DistanceProfile(NamedTuple):
    """By distance: the middle of the bin in mm, how probable a synapse is, mean |W| of those."""

    distance: Float[np.ndarray, " bins"]
    probability: Float[np.ndarray, " bins"]
    weight: Float[np.ndarray, " bins"]


def by_distance(
    graph: Graph, weights: Float[np.ndarray, " synapses"], bins: int = 20
) -> DistanceProfile:
    """How probable a synapse is, and how strong, against the distance it spans. Autapses aside.

    Probability as Perin, Berger & Markram, PNAS 108 (2011), measure it: synapses over ordered pairs.

    **Arguments:**

    - `graph`, `weights`: who hears whom, and how strongly, such as `network.synaptic_weights`.
    - `bins`: how many, of equal width; those that no pair of neurons falls into are left out.

    **Raises:**

    `Cannot` if the neurons are nowhere.

    !!! example

        ```python
        profile = by_distance(network.graph, np.asarray(network.synaptic_weights))
        ```
    """
    if graph.space is None or graph.lengths is None:
        raise Cannot("these neurons have no positions, so that their synapses have no length.")
    lengths, other = np.asarray(graph.lengths), np.asarray(graph.sources != graph.targets)
    pairs, edges = _pair_counts(graph.space, bins)
    synapses = np.histogram(lengths[other], edges)[0]
    strength = np.histogram(lengths[other], edges, weights=np.abs(weights)[other])[0]
    some = pairs > 0  # on a small lattice, not every distance exists
    with np.errstate(invalid="ignore"):
        weight = np.where(synapses > 0, strength / synapses, np.nan)
    middles = (edges[1:] + edges[:-1]) / 2
    return DistanceProfile(middles[some], synapses[some] / pairs[some], weight[some])


def _pair_counts(space: AbstractSpace, bins: int):
    """Ordered pairs of neurons by distance, a block of rows at a time; and the edges of the bins."""
    block, everyone = max(1, 2**20 // space.size), np.arange(space.size)

    def blocks():
        for i in range(0, space.size, block):
            yield space.distance(*np.broadcast_arrays(everyone[i : i + block, None], everyone))

    longest = max(float(distance.max()) for distance in blocks())
    edges = np.linspace(0, longest * (1 + 1e-6), bins + 1)
    counts = np.sum([np.histogram(distance, edges)[0] for distance in blocks()], axis=0)
    counts[0] -= space.size  # each neuron with itself
    return counts, edges


def weight_matrix(network: RateNetwork) -> Float[np.ndarray, "neurons neurons"]:
    """W as a dense `[target, source]` matrix, signed by Dale's law if it holds.

    !!! example

        ```python
        eigenvalues = spectrum(weight_matrix(network))
        ```
    """
    return np.array(dense_weights(network), np.float64)


def spectrum(
    matrix: Float[np.ndarray, "neurons neurons"],
) -> Complex[np.ndarray, " neurons"]:
    """Eigenvalues of W, largest real part first.

    Around a state in which all neurons are active, an eigenvalue λ is a mode of time constant
    tau / (1 - Re λ) and frequency Im λ / (2 pi tau); the spectrum of a random matrix fills a disc
    (Rajan & Abbott, Physical Review Letters 97, 2006).

    !!! example

        ```python
        slowest = 100.0 / (1 - spectrum(weight_matrix(network))[0].real)  # ms, if all are active
        ```
    """
    eigenvalues = np.asarray(np.linalg.eigvals(matrix), complex)
    return eigenvalues[np.argsort(-np.real(eigenvalues), kind="stable")]


def wiring_length(network: RateNetwork) -> tuple[float, float]:
    """The length of all synapses, sum of d in mm, and that weighted by strength, sum of |W| d.

    Wiring economy: Chklovskii, Schikorski & Stevens, Neuron 34 (2002).

    **Raises:**

    `Cannot` if the neurons are nowhere.

    !!! example

        ```python
        length, cost = wiring_length(network)
        ```
    """
    if network.graph.lengths is None:
        raise Cannot("these neurons have no positions, so that their synapses have no length.")
    lengths = np.asarray(network.graph.lengths, np.float64)
    return float(lengths.sum()), float(lengths @ np.abs(np.asarray(network.synaptic_weights)))


def _small_worlds(ties: np.ndarray) -> dict[str, Any]:
    """Small-worldness and what it is made of, of all ties and of the strongest quarter of them.

    The graph of all synapses stays as it is through training; that of the strongest does not.
    """
    about: dict[str, Any] = {}
    quarter = strongest(ties, int(np.count_nonzero(ties)) // 8)
    for which, graph in (("all synapses", ties), ("the strongest quarter", quarter)):
        try:
            world = small_world(graph > 0)
        except Cannot as reason:
            about[f"small-worldness, {which}"] = str(reason)
        else:
            about[f"clustering, {which}"] = world.clustering
            about[f"the same, rewired ({which})"] = world.control_clustering
            about[f"pairs joined, {which}"] = world.joined
            about[f"path length, {which}"] = world.path_length
            about[f"path length, rewired ({which})"] = world.control_path_length
            about[f"small-worldness, {which}"] = world.small_worldness
    return about


def structure_section(subject: Subject) -> Section:
    """Distance, spectrum, modules, small-worldness and wiring, before and after training."""
    space = subject.network.graph.space
    numbers: dict[str, Any] = {}
    drawn: dict[str, Any] = {}
    for when, network in (("before", subject.untrained), ("after", subject.network)):
        matrix = weight_matrix(network)
        weights = np.asarray(network.synaptic_weights, np.float64)
        autapses = np.asarray(network.graph.sources == network.graph.targets)
        eigenvalues = spectrum(matrix)
        ties = strongest(undirected(matrix), _MOST)
        own_modules, worlds = None, {}
        try:
            require("networkx", "networkx")
            worlds = _small_worlds(ties)
            own_modules = modules(ties)
        except Cannot as reason:
            numbers["no modules"] = str(reason)
        numbers[f"{when} training"] = about = {
            "synapses": len(weights),
            "mean |W|": float(np.abs(weights).mean()),
            "excitatory fraction of synapses": float(np.mean(weights > 0)),
            "mean weight of autapses": float(weights[autapses].mean()) if autapses.any() else None,
            "spectral radius": float(np.abs(eigenvalues).max()),
            "largest real part of an eigenvalue": float(eigenvalues[0].real),
        }
        if own_modules:
            about["modules"] = int(own_modules.labels.max()) + 1
            about["modularity Q"] = own_modules.modularity
        about |= worlds
        if space is not None:
            length, cost = wiring_length(network)
            about["wiring, sum d (mm)"], about["wiring, sum |W| d (mm)"] = length, cost
        profile = by_distance(network.graph, weights) if space is not None else None
        drawn[when] = (eigenvalues, own_modules and own_modules.labels, weights, profile)
    if space is not None:
        profile = drawn["after"][3]
        numbers["by distance"] = {
            "distance (mm)": profile.distance.tolist(),
            "synapses per pair": profile.probability.tolist(),
            "mean |W| before training": drawn["before"][3].weight.tolist(),
            "mean |W| after training": profile.weight.tolist(),
        }
    fan_in, fan_out = (
        np.asarray(subject.network.graph.fan_in),
        np.asarray(subject.network.graph.fan_out),
    )
    numbers["fan-in, smallest to largest"] = f"{fan_in.min()} to {fan_in.max()}"
    numbers["fan-out, smallest to largest"] = f"{fan_out.min()} to {fan_out.max()}"
    figures = {"spectrum": _draw_spectrum(drawn)}
    if space is not None:
        figures["distance"] = _draw_distance(drawn, fan_in, fan_out)
        if space.positions.shape[1] == 2 and all(drawn[when][1] is not None for when in drawn):
            figures["modules"] = _draw_modules(drawn, space)
    return Section(
        "Structure",
        "Who is joined to whom, how strongly and how far away, before and after training. Where all "
        "neurons are active, an eigenvalue of W with a real part above 1 (dotted) grows. Modules: "
        "Louvain on |W|. Small-worldness: clustering over path length, relative to graphs rewired "
        "with the same degrees (above 1: a small world). Training moves no synapse, so that the graph "
        "of all synapses stays; that of the strongest quarter does not.",
        numbers,
        figures,
    )


_WHEN = (("before", OKABE_ITO[1]), ("after", OKABE_ITO[0]))


def _draw_distance(drawn, fan_in, fan_out) -> Figure:
    figure = Figure(figsize=(10, 7), layout="constrained")
    (top, right), (left, last) = figure.subplots(2, 2)
    profile = drawn["after"][3]
    top.plot(profile.distance, profile.probability, "o-", color=OKABE_ITO[0], markersize=4)
    top.set(
        xlabel="distance (mm)", ylabel="synapses per pair", title="Who is joined", ylim=(0, None)
    )
    most = max(fan_in.max(), fan_out.max())
    edges = np.linspace(-0.5, most + 0.5, min(most + 2, 60))
    for values, label, colour in (
        (fan_in, "fan-in", OKABE_ITO[0]),
        (fan_out, "fan-out", OKABE_ITO[1]),
    ):
        right.hist(values, edges, histtype="step", linewidth=1.5, color=colour, label=label)
    right.set(xlabel="synapses of a neuron", ylabel="neurons", title="Degree")
    right.set_xlim(max(0, min(fan_in.min(), fan_out.min()) - 3), most + 3)
    right.legend()
    largest = max(np.abs(drawn[when][2]).max() for when, _ in _WHEN)
    for when, colour in _WHEN:
        _, _, weights, profile = drawn[when]
        label = f"{when} training"
        left.plot(profile.distance, profile.weight, "o-", color=colour, markersize=4, label=label)
        bins = np.linspace(-largest, largest, 81)
        last.hist(weights, bins, histtype="step", linewidth=1.5, color=colour, label=label)
    left.set(xlabel="distance (mm)", ylabel="mean |W|", title="How strongly", ylim=(0, None))
    left.set_xlim(top.get_xlim())
    last.set(xlabel="W", ylabel="synapses", yscale="log", title="Weights")
    left.legend()
    last.legend()
    return figure


def _draw_spectrum(drawn) -> Figure:
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, 2, sharex=True, sharey=True))
    for panel, (when, colour) in zip(axes, _WHEN, strict=True):
        eigenvalues = drawn[when][0]
        panel.axvline(1, color="0.6", linestyle=":")
        panel.scatter(
            eigenvalues.real, eigenvalues.imag, s=8, color=colour, alpha=0.6, linewidths=0
        )
        panel.set(xlabel="real part", aspect="equal", title=f"Eigenvalues of W, {when} training")
    axes[0].set_ylabel("imaginary part")
    return figure


def _draw_modules(drawn, space: AbstractSpace) -> Figure:
    before, after = (drawn[when][1] for when, _ in _WHEN)
    # A module keeps its colour where it keeps most of its neurons.
    shared = np.zeros((after.max() + 1, max(before.max(), after.max()) + 1), int)
    np.add.at(shared, (after, before), 1)
    row, colour = linear_sum_assignment(-shared)
    matched = {"before": before, "after": colour[np.argsort(row)][after]}
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for panel, (when, labels) in zip(figure.subplots(1, 2), matched.items(), strict=True):
        draw_sheet(panel, space, group_colours(labels))
        panel.set_title(f"{drawn[when][1].max() + 1} modules, {when} training", fontsize=10)
    return figure
