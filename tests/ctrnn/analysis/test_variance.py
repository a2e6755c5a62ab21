"""Task variance by its definition; clusters and their place where both are planted."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn import analysis
from ctrnn.analysis import _variance

SHEET = ctrnn.Sheet(10, 10)


def test_task_variance_is_the_variance_over_trials_averaged_over_time():
    rng = np.random.default_rng(0)
    rates, inside = rng.normal(size=(6, 5, 3)), rng.random((6, 5)) < 0.6
    inside[0] = [True, False, False, False, False]  # one trial: no variance to speak of
    expected = np.mean(
        [rates[t, inside[t]].var(0) for t in range(6) if inside[t].sum() > 1], axis=0
    )
    found = analysis.task_variance(jnp.array(rates, jnp.float32), jnp.array(inside))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_silent_neuron_is_inactive():
    battery = tasks.Battery.select("go,dm1,dms")
    network = ctrnn.Config(neurons="6x6", sparsity=0.2).network(33, 3, 17, key=jax.random.key(0))
    network = eqx.tree_at(
        lambda n: (n.weights, n.input_weights, n.context_weights),
        network,
        (
            jnp.where(network.graph.targets == 5, 0.0, network.weights),
            network.input_weights.at[5].set(0.0),
            network.context_weights.at[5].set(0.0),
        ),
    )
    integration = ctrnn.Integration(dt=100.0)
    variance = analysis.task_variances(
        network, battery, integration=integration, key=jax.random.key(1), trials=8
    )
    assert variance.shape == (36, 3) and variance[5].max() == 0 and (variance >= 0).all()
    profiles, active = analysis.normalised_variance(variance)
    assert not active[5] and active.sum() == len(profiles)
    np.testing.assert_array_equal(profiles.max(1), 1)


def test_planted_clusters_are_found_and_numbered_by_size():
    rng = np.random.default_rng(1)
    truth = rng.permutation(np.repeat([0, 1, 2, 3], [40, 30, 20, 10]))
    profiles = np.eye(4)[truth] + 0.05 * rng.normal(size=(100, 4))
    labels, silhouettes = analysis.cluster(profiles, most=8)
    np.testing.assert_array_equal(labels, truth)
    assert max(silhouettes, key=lambda k: silhouettes[k]) == 4


def test_too_few_profiles_to_cluster():
    with pytest.raises(analysis.Cannot, match="three different"):
        analysis.cluster(np.ones((10, 3)))


def test_without_scikit_learn_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(analysis.Cannot, match=r"scikit-learn.*pip install 'ctrnn-jax\[analysis\]'"):
        analysis.cluster(np.eye(5))


def test_neighbours_on_a_sheet_are_the_eight_that_touch():
    first, second = analysis.neighbour_pairs(SHEET)
    rows = np.abs(first // 10 - second // 10) % 9 <= 1
    columns = np.abs(first % 10 - second % 10) % 9 <= 1
    assert len(first) == 800 and (rows & columns & (first != second)).all()


def test_agreement_tells_local_labels_from_scattered_ones():
    pairs, everyone = analysis.neighbour_pairs(SHEET), np.ones(100, bool)
    halves = np.arange(100) // 50
    for labels, local in ((halves, True), (np.random.default_rng(2).permutation(halves), False)):
        same = labels[:, None] == labels
        found = analysis.agreement(same, everyone, *pairs, shuffles=200)
        by_hand = np.mean([labels[i] == labels[j] for i, j in zip(*pairs, strict=True)])
        np.testing.assert_allclose(found.mean, by_hand)
        assert (found.p == 1 / 201) if local else (found.p > 0.02)
        # Shuffled, a pair agrees as two neurons drawn at random do.
        np.testing.assert_allclose(found.shuffled.mean(), (same.sum() - 100) / 9900, atol=0.01)


def test_pairs_with_a_neuron_that_takes_no_part_do_not_count():
    member = np.arange(100) < 50
    similarity = np.random.default_rng(3).normal(size=(50, 50))
    first, second = analysis.neighbour_pairs(SHEET)
    inside = (first < 50) & (second < 50)
    found = analysis.agreement(similarity, member, first, second, shuffles=5)
    np.testing.assert_allclose(found.mean, similarity[first[inside], second[inside]].mean())


def test_agreement_by_distance_falls_where_likeness_does():
    positions = SHEET.positions
    similarity = -np.array(SHEET.distance(*np.indices((100, 100))))
    distance, mean, low, high = analysis.agreement_by_distance(
        similarity, np.ones(100, bool), SHEET, bins=6, shuffles=50
    )
    assert (np.diff(mean) < 0).all() and mean[0] > high[0] and mean[-1] < low[-1]
    assert 0 < distance[0] < distance[-1] < positions.max()


def test_no_pairs_and_no_numbers_are_no_evidence():
    pairs, member = (np.array([0]), np.array([1])), np.array([True, False, True])
    with pytest.raises(analysis.Cannot, match="paired"):
        analysis.agreement(np.eye(2), member, *pairs)
    with pytest.raises(analysis.Cannot, match="paired"):
        analysis.agreement(np.full((3, 3), np.nan), np.ones(3, bool), *pairs)


def test_task_clusters_are_those_planted_and_silent_neurons_are_in_none(monkeypatch):
    truth = np.repeat([0, 1, 2, -1], [20, 12, 8, 5])
    noise = 0.02 * np.random.default_rng(4).random((45, 3))
    planted = np.where(truth[:, None] >= 0, np.eye(3)[truth] + noise, 0.0)
    monkeypatch.setattr(_variance, "task_variances", lambda *args, **how: planted)
    network = ctrnn.Config(neurons="5x9", sparsity=0.2).network(33, 3, 17, key=jax.random.key(0))
    battery = tasks.Battery.select("go,dm1,dms")
    subject = analysis.Subject(
        network, network, battery, ctrnn.Integration(dt=100.0), jax.random.key(1)
    )
    np.testing.assert_array_equal(analysis.task_clusters(subject), truth)
