"""Structure, on graphs whose answers are known."""

import sys

import jax
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn import analysis

networkx = pytest.importorskip("networkx")
KEY = jax.random.key(0)


def network(graph, **options):
    return ctrnn.RateNetwork(graph, 2, 0, 2, key=KEY, **options)


def adjacency(graph) -> np.ndarray:
    return networkx.to_numpy_array(graph, dtype=bool, weight=None)


@pytest.mark.parametrize("space", [ctrnn.Sheet(8, 8), ctrnn.Sheet(6, 9, periodic=False)])
def test_every_synapse_is_counted_at_its_distance(space):
    graph = ctrnn.Locality(0.2)(space, key=KEY)
    profile = analysis.by_distance(graph, np.ones(graph.synapses), bins=8)
    everyone = analysis.by_distance(
        ctrnn.Dense()(space, key=KEY), np.full(space.size**2, -2.0), bins=8
    )
    distances = np.asarray(space.distance(*np.indices((space.size, space.size))))
    edges = np.linspace(0, distances.max() * (1 + 1e-6), 9)
    pairs = np.histogram(distances[~np.eye(space.size, dtype=bool)], edges)[0]
    np.testing.assert_array_equal(everyone.probability, 1)
    np.testing.assert_allclose(everyone.weight, 2)
    found = profile.probability
    assert found[0] == 1 and found[-1] == 0
    others = np.sum(np.asarray(graph.sources != graph.targets))
    np.testing.assert_allclose((found * pairs[pairs > 0]).sum(), others)


def test_neurons_that_are_nowhere():
    graph = ctrnn.Graph([0, 1], [1, 0], size=2)
    for ask in (
        lambda: analysis.by_distance(graph, np.ones(2)),
        lambda: analysis.wiring_length(network(graph)),
    ):
        with pytest.raises(analysis.Cannot, match="no positions"):
            ask()


@pytest.mark.parametrize("fraction", [None, 0.8])
def test_the_weight_matrix_does_what_the_network_does(fraction):
    net = network(ctrnn.Locality(0.2)(ctrnn.Sheet(5, 5), key=KEY), excitatory_fraction=fraction)
    rates = jax.random.normal(KEY, (25, 3))
    expected = ctrnn.apply(net.kernel, net.kernel.layout(net.synaptic_weights), rates)
    np.testing.assert_allclose(
        analysis.weight_matrix(net) @ np.asarray(rates), expected, rtol=1e-4, atol=1e-5
    )


def test_the_spectrum_of_a_rotation():
    matrix = np.array([[0.5, -2.0, 0], [2.0, 0.5, 0], [0, 0, -3.0]])
    found = analysis.spectrum(matrix)
    np.testing.assert_allclose(found.real, [0.5, 0.5, -3])
    np.testing.assert_allclose(np.sort(found.imag), [-2, 0, 2])


def test_wiring_length_by_hand():
    graph = ctrnn.Graph([0, 1, 3], [0, 0, 0], size=4, space=ctrnn.Sheet(2, 2, periodic=False))
    net = network(graph)
    length, cost = analysis.wiring_length(net)
    np.testing.assert_allclose(length, 0.05 * (1 + np.sqrt(2)), rtol=1e-6)
    weights = np.abs(np.asarray(net.weights))
    np.testing.assert_allclose(cost, 0.05 * (weights[1] + np.sqrt(2) * weights[2]), rtol=1e-6)


def test_two_cliques_are_two_modules():
    """Apart, modularity is 1 - 1/2 exactly."""
    ties = np.kron(np.eye(2), 1 - np.eye(6))
    found = analysis.modules(ties)
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1], 6))
    np.testing.assert_allclose(found.modularity, 0.5)
    assert analysis.modules(ties + 0.02 * (1 - np.eye(12))).modularity < 0.5


def test_the_strongest_ties():
    ties = analysis.undirected(np.random.default_rng(0).normal(size=(20, 20)))
    kept = analysis.strongest(ties, 30)
    assert np.count_nonzero(kept) == 60 and (kept == kept.T).all()
    assert kept[kept > 0].min() >= np.sort(ties[np.triu_indices(20, 1)])[-30]
    assert analysis.strongest(ties, 10**6) is ties
    assert not analysis.strongest(ties, 0).any()


def test_a_ring_lattice_has_the_clustering_and_path_of_watts_and_strogatz():
    found = analysis.small_world(adjacency(networkx.watts_strogatz_graph(200, 6, 0.0)), sources=200)
    np.testing.assert_allclose(found.clustering, 0.6)
    steps = np.ceil(np.minimum(np.arange(1, 200), 200 - np.arange(1, 200)) / 3)
    np.testing.assert_allclose(found.path_length, steps.mean())


def test_small_worlds_are_told_from_random_graphs():
    small = analysis.small_world(adjacency(networkx.watts_strogatz_graph(300, 8, 0.1, seed=0)))
    random = analysis.small_world(adjacency(networkx.gnp_random_graph(300, 0.04, seed=0)))
    assert small.small_worldness > 3 and 0.6 < random.small_worldness < 1.6
    # The controls have the degrees of the graph, and nothing else of it.
    assert small.control_clustering < 0.2 * small.clustering


def test_nothing_to_rewire():
    for graph in (np.zeros((9, 9), bool), ~np.eye(9, dtype=bool)):
        with pytest.raises(analysis.Cannot, match="to rewire"):
            analysis.small_world(graph)
    with pytest.raises(analysis.Cannot, match="no modules"):
        analysis.modules(np.zeros((9, 9)))


def test_without_networkx_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(analysis.Cannot, match=r"networkx.*pip install 'ctrnn-jax\[analysis\]'"):
        analysis.modules(np.ones((3, 3)))


def test_without_networkx_the_rest_of_the_structure_is_there_and_says_so_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    made = analysis.structure_section(subject(ctrnn.Locality(0.2)(ctrnn.Sheet(5, 5), key=KEY)))
    said = [v for v in made.numbers.values() if isinstance(v, str) and "pip install" in v]
    assert said == [
        "this analysis needs networkx; install it with `pip install 'ctrnn-jax[analysis]'`."
    ]
    assert "pip" not in str(made.numbers["after training"])
    assert set(made.figures) == {"spectrum", "distance"}


def test_autapses_alone_have_a_structure_but_no_modules():
    graph = ctrnn.Graph(np.arange(16), np.arange(16), size=16, space=ctrnn.Sheet(4, 4))
    made = analysis.structure_section(subject(graph))
    assert "hear none but themselves" in made.numbers["no modules"]
    assert made.numbers["after training"]["wiring, sum d (mm)"] == 0


def subject(graph):
    battery = tasks.Battery.select("go")
    nets = (ctrnn.RateNetwork(graph, 33, 1, 17, key=jax.random.key(i)) for i in (0, 1))
    return analysis.Subject(*nets, battery, ctrnn.Integration(dt=50.0), KEY)
