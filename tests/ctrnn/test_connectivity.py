"""Graphs: exactly as dense as asked, wired by the rule, the same for the same key."""

import itertools
import tracemalloc

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ctrnn
from ctrnn._draw import _below

SHEET = ctrnn.Sheet(16, 15)
SIDES = st.integers(1, 12)
SHEETS = st.builds(ctrnn.Sheet, SIDES, SIDES, periodic=st.booleans())
RULES = [
    ctrnn.Locality(0.1),
    ctrnn.Locality(0.1, ctrnn.Gaussian(0.1)),
    ctrnn.Locality(0.1, ctrnn.Exponential(0.1)),
    ctrnn.RandomSparse(0.1),
    ctrnn.Rewired(0.1),
    ctrnn.Autapse(),
    ctrnn.Dense(),
]


def pairs(graph):
    return set(zip(graph.targets.tolist(), graph.sources.tolist(), strict=True))


# In NumPy, for JAX would compile anew for every size that hypothesis draws.
def fans(graph):
    both = np.asarray(graph.targets), np.asarray(graph.sources)
    return [np.bincount(neurons, minlength=graph.size) for neurons in both]


def distances_in(space):
    gaps = np.abs(space.positions[:, None] - space.positions)
    if space.box is not None:
        gaps = np.minimum(gaps, space.box - gaps)
    return np.linalg.norm(gaps, axis=-1)


@pytest.mark.parametrize("rule", RULES)
def test_graphs_are_sorted_simple_and_set_by_the_key(rule):
    graph = rule(SHEET, key=jr.key(3))
    code = np.asarray(graph.targets) * graph.size + np.asarray(graph.sources)
    assert (np.diff(code) > 0).all()
    assert pairs(rule(SHEET, key=jr.key(3))) == pairs(graph)
    if not isinstance(rule, ctrnn.Autapse | ctrnn.Dense):
        assert pairs(rule(SHEET, key=jr.key(4))) != pairs(graph)


@pytest.mark.parametrize("rule", [ctrnn.Locality, ctrnn.RandomSparse, ctrnn.Rewired])
@given(sheet=SHEETS, density=st.floats(0.001, 1), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_every_neuron_has_the_same_fan_in(rule, sheet, density, seed):
    graph = rule(density)(sheet, key=jr.key(seed))
    fan_in = max(1, round(density * sheet.size))
    assert (fans(graph)[0] == fan_in).all()
    assert graph.synapses == fan_in * sheet.size
    assert graph.density == fan_in / sheet.size


@given(
    density=st.floats(0.01, 1),
    columns=st.integers(1, 12),
    periodic=st.booleans(),
    seed=st.integers(0, 9),
)
# So many neurons choose in more than one block.
@example(density=0.5, columns=50, periodic=False, seed=0)
@settings(max_examples=25, deadline=None)
def test_locality_hears_the_nearest_and_itself(density, columns, periodic, seed):
    sheet = ctrnn.Sheet(9, columns, periodic=periodic)
    graph = ctrnn.Locality(density)(sheet, key=jr.key(seed))
    distances = distances_in(sheet)
    mask = np.zeros(distances.shape, bool)
    mask[graph.targets, graph.sources] = True
    assert mask.diagonal().all()
    farthest_heard = np.where(mask, distances, -np.inf).max(1)
    nearest_unheard = np.where(mask, np.inf, distances).min(1)
    assert (farthest_heard <= nearest_unheard + 1e-6).all()


def test_ties_at_the_edge_fall_evenly():
    # Three of the four next neighbours, whichever: each is heard in three draws out of four.
    rule, sheet = ctrnn.Locality(4 / 64), ctrnn.Sheet(8, 8)
    masks = np.stack([rule(sheet, key=key).mask() for key in jr.split(jr.key(0), 40)])
    beside = distances_in(sheet).round(3) == 0.05
    heard = masks.mean(0)[beside]
    assert heard.mean() == pytest.approx(0.75)
    assert abs(heard - 0.75).max() < 5 * np.sqrt(0.75 * 0.25 / 40)


@pytest.mark.parametrize("kernel", [ctrnn.Gaussian(0.15), ctrnn.Exponential(0.1)])
def test_distance_kernels_set_density_exactly_and_probability_by_distance(kernel):
    sheet, density = ctrnn.Sheet(40, 40), 0.01
    graph = ctrnn.Locality(density, kernel)(sheet, key=jr.key(0))
    assert graph.synapses == round(density * sheet.size**2)
    assert np.ptp(graph.fan_in) > 0
    lengths = np.asarray(graph.lengths)
    every = np.asarray(sheet.distance(jnp.zeros(sheet.size, int), jnp.arange(sheet.size)))
    # Drawn without replacement, a pair is present with probability 1 - exp(-c k(d)).
    edges = np.array([0.04, 0.12, 0.2, 0.3, 0.4])
    present = np.histogram(lengths, edges)[0] / (sheet.size * np.histogram(every, edges)[0])
    hazard = -np.log1p(-present)
    weights = [
        kernel(every[(every >= a) & (every < b)]).mean() for a, b in itertools.pairwise(edges)
    ]
    ratio = hazard / weights
    np.testing.assert_allclose(ratio / ratio[0], 1, atol=0.15)


@given(sheet=SHEETS, density=st.floats(0.001, 1), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_distance_kernels_draw_exactly_as_many_synapses_as_asked(sheet, density, seed):
    graph = ctrnn.Locality(density, ctrnn.Exponential(0.2))(sheet, key=jr.key(seed))
    assert graph.synapses == max(1, round(density * sheet.size**2))


def inclusion(counts, odds, draws):
    """How many pairs of each class are expected among so many drawn one by one without replacement."""
    if draws == 0:
        return np.zeros(len(counts))
    chances = counts * odds / (counts * odds).sum()
    expected = np.zeros(len(counts))
    for i in np.flatnonzero(chances):
        left = counts - (np.arange(len(counts)) == i)
        expected += chances[i] * inclusion(left, odds, draws - 1)
    return expected + chances


@pytest.mark.parametrize("limited", [False, True])
def test_the_draw_by_distance_is_that_of_one_synapse_after_another(limited, monkeypatch):
    if limited:  # too few lie below the first limit, so that it is doubled until enough do
        monkeypatch.setattr(np, "quantile", lambda *args, **kwargs: 1e-3)
    sheet, kernel = ctrnn.Sheet(4, 4), ctrnn.Gaussian(0.06)
    classes, counts = np.unique(distances_in(sheet).round(6), return_counts=True)
    rule, draws = ctrnn.Locality(3 / 256, kernel), 400
    graphs = [rule(sheet, key=key) for key in jr.split(jr.key(0), draws)]
    lengths = np.concatenate([graph.lengths for graph in graphs])
    nearest = np.abs(lengths[:, None] - classes).argmin(1)
    seen = np.bincount(nearest, minlength=len(classes))
    expected = draws * inclusion(counts, kernel(classes), 3)
    # Chi-square of 5 degrees of freedom at one in a thousand.
    likely = expected > 5
    assert likely.sum() >= 4
    assert ((seen - expected)[likely] ** 2 / expected[likely]).sum() < 20.5


def test_a_limit_forgets_later_times_and_changes_no_other():
    def odds(targets, sources):
        return np.linspace(0, 2, 40, dtype=np.float32)[targets] * np.ones(40, np.float32)[sources]

    every, pairs_of_every = _below(np.inf, odds, 40, seed=5)
    early, pairs_of_early = _below(0.7, odds, 40, seed=5)
    np.testing.assert_array_equal(pairs_of_early, pairs_of_every[every <= 0.7])
    np.testing.assert_allclose(early, every[every <= 0.7], rtol=1e-4, atol=1e-5)


def test_no_synapse_where_the_odds_are_none():
    near = ctrnn.Locality(0.02, lambda d: (d < 0.12).astype(np.float32))
    for key in jr.split(jr.key(0), 20):
        assert np.asarray(near(SHEET, key=key).lengths).max() < 0.12
    # As many pairs have odds as synapses are wanted: all of them.
    sheet = ctrnn.Sheet(10, 10)
    among = distances_in(sheet) < 0.12
    all_of_them = ctrnn.Locality(float(among.mean()), lambda d: 1.0 * (d < 0.12))
    assert (all_of_them(sheet, key=jr.key(0)).mask() == among).all()


@given(density=st.floats(0.02, 1), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_rewiring_keeps_fan_in_and_forgets_distance(density, seed):
    graph = ctrnn.Rewired(density)(SHEET, key=jr.key(seed))
    assert (fans(graph)[0] == max(1, round(density * SHEET.size))).all()
    distances = distances_in(SHEET)
    assert distances[graph.targets, graph.sources].mean() == pytest.approx(
        distances.mean(), rel=0.1
    )


def test_rewiring_keeps_fan_out():
    # On an open sheet the neurons inside are heard by more than those at the corners.
    sheet = ctrnn.Sheet(12, 12, periodic=False)
    rewired = ctrnn.Rewired(0.05)(sheet, key=jr.key(0)).fan_out
    local = ctrnn.Locality(0.05)(sheet, key=jr.key(0)).fan_out
    np.testing.assert_array_equal(rewired, local)
    assert np.ptp(local) > 2


def test_autapse_and_dense_are_the_two_ends():
    assert (ctrnn.Autapse()(SHEET, key=jr.key(0)).mask() == np.eye(SHEET.size)).all()
    assert ctrnn.Dense()(SHEET, key=jr.key(0)).mask().all()
    assert ctrnn.Locality(1.0)(SHEET, key=jr.key(0)).density == 1


def test_lengths_are_those_of_the_space():
    graph = ctrnn.Locality(0.05)(SHEET, key=jr.key(0))
    np.testing.assert_allclose(graph.lengths, SHEET.distance(graph.sources, graph.targets))
    assert ctrnn.Graph([0, 1], [1, 0], size=2).lengths is None


def test_fans_count_synapses():
    graph = ctrnn.Graph([0, 0, 2], [1, 2, 1], size=3)
    assert graph.fan_in.tolist() == [0, 2, 1]
    assert graph.fan_out.tolist() == [2, 0, 1]
    assert graph.mask().tolist() == [[False] * 3, [True, False, True], [True, False, False]]


def test_a_graph_holds_integers_alone():
    leaves = jax.tree.leaves(ctrnn.Locality(0.1)(ctrnn.Points(SHEET.positions), key=jr.key(0)))
    assert [leaf.dtype for leaf in leaves] == [jnp.int32, jnp.int32]


@pytest.mark.parametrize("rule", [ctrnn.Locality, ctrnn.RandomSparse, ctrnn.Rewired])
@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_impossible_densities_are_refused(rule, density):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        rule(density)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ctrnn.Gaussian(0.0), "positive"),
        (lambda: ctrnn.Locality(0.5, ctrnn.Gaussian(1e-3))(SHEET, key=jr.key(0)), "too narrow"),
        (lambda: ctrnn.Locality(0.1, lambda d: -d)(SHEET, key=jr.key(0)), "not negative"),
        (lambda: ctrnn.Locality(0.1, lambda d: d + np.inf)(SHEET, key=jr.key(0)), "finite"),
        (lambda: ctrnn.Locality(1.0, np.sqrt)(SHEET, key=jr.key(0)), "too narrow"),
        (lambda: ctrnn.Graph([0, 0], [1, 1], size=2), "not two"),
        (lambda: ctrnn.Graph([0, 2], [1, 1], size=2), "sources must be between 0 and 1"),
        (lambda: ctrnn.Graph([], [], size=2), "not empty"),
        (lambda: ctrnn.Graph([0], [1], size=2, space=SHEET), "240 neurons"),
    ],
)
def test_impossible_graphs_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("size", [1, 2, 11, 12, 181, 182, 46340, 46341, 100_000])
def test_synapses_between_the_last_neurons_of_any_size(size):
    # Numbers of synapses have 8, 16, 32 or 64 bits: these sizes are on both sides of each change.
    last = np.arange(max(0, size - 2), size)
    sources, targets = np.meshgrid(last, last)
    graph = ctrnn.Graph(sources.ravel(), targets.ravel(), size)
    assert pairs(graph) == set(itertools.product(last.tolist(), last.tolist()))
    with pytest.raises(ValueError, match="not two"):
        ctrnn.Graph([size - 1] * 2, [size - 1] * 2, size)


def peak_of_building(rule, sheet):
    tracemalloc.start()
    try:
        rule(sheet, key=jr.key(0))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        ctrnn.Locality,
        lambda density: ctrnn.Locality(density, ctrnn.Gaussian(0.15)),
        ctrnn.RandomSparse,
        ctrnn.Rewired,
    ],
)
def test_memory_follows_the_synapses(rule):
    dense = peak_of_building(rule(0.04), ctrnn.Sheet(64, 64))
    sparse = peak_of_building(rule(0.01), ctrnn.Sheet(128, 64))
    # As many synapses among four times the pairs.
    assert sparse < 1.5 * dense
    assert sparse < 0.5 * (128 * 64) ** 2  # bytes
