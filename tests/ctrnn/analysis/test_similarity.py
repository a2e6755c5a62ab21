"""Similarity of networks: what it must not see, its ends, and the axioms of a metric."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrnn
import tasks
from ctrnn import analysis

SEEDS = st.integers(0, 10**6)


def cloud(seed, units, samples=30):
    return np.random.default_rng(seed).normal(size=(samples, units))


def rotation(seed, units):
    return np.linalg.qr(cloud(seed, units, units))[0]


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 8), st.integers(1, 8), st.floats(0.01, 100), st.floats(-10, 10))
def test_rotation_scale_and_shift_change_nothing(seed, m, n, scale, shift):
    x, y = cloud(seed, m), cloud(seed + 1, n)
    moved = scale * y @ rotation(seed, n) + shift
    for measure in (analysis.linear_cka, analysis.procrustes_distance):
        np.testing.assert_allclose(measure(x, moved), measure(x, y), atol=1e-7)
        np.testing.assert_allclose(measure(x, y), measure(y, x), atol=1e-9)
    assert 0 <= analysis.linear_cka(x, y) <= 1 + 1e-9
    np.testing.assert_allclose(analysis.linear_cka(y, moved), 1)
    np.testing.assert_allclose(analysis.procrustes_distance(y, moved), 0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.lists(st.integers(1, 7), min_size=3, max_size=3))
def test_procrustes_distance_obeys_the_triangle_inequality(seed, units):
    """Also between networks of different size, and close to one another."""
    x, y, z = (cloud(seed + i, n) for i, n in enumerate(units))
    near = np.hstack([x, x]) @ rotation(seed, 2 * units[0]) + 0.01 * cloud(seed, 2 * units[0])
    d = analysis.procrustes_distance
    for a, b, c in ((x, y, z), (y, x, z), (x, near, y), (near, x, y)):
        assert d(a, c) <= d(a, b) + d(b, c) + 1e-9


def test_unrelated_and_known_shapes():
    x, y = np.eye(4)[:, :1] - np.eye(4)[:, 1:2], np.eye(4)[:, 2:3] - np.eye(4)[:, 3:4]
    assert analysis.linear_cka(x, y) == 0
    np.testing.assert_allclose(analysis.procrustes_distance(x, y), np.pi / 2)
    # One of two equally large, orthogonal directions is shared: CKA 1/sqrt(2), angle 45 degrees.
    both = np.hstack([x, y])
    np.testing.assert_allclose(analysis.linear_cka(x, both), 1 / np.sqrt(2))
    np.testing.assert_allclose(analysis.procrustes_distance(x, both), np.pi / 4)


def test_cka_equals_its_definition_by_gram_matrices():
    x, y = cloud(0, 5), cloud(1, 3)
    centre = np.eye(30) - 1 / 30
    k, l = (centre @ (z @ z.T) @ centre for z in (x, y))
    hsic = lambda a, b: np.trace(a @ b)
    expected = hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))
    np.testing.assert_allclose(analysis.linear_cka(x, y), expected)


def test_what_cannot_be_compared():
    with pytest.raises((ValueError, TypeError), match="samples"):
        analysis.linear_cka(cloud(0, 3), cloud(0, 3, 20))
    with pytest.raises(ValueError, match="do not vary"):
        analysis.procrustes_distance(cloud(0, 3), np.ones((30, 2)))


def test_rows_of_two_networks_are_of_the_same_trials():
    battery = tasks.Battery.select("go,dm1,dms")
    found = {}
    for trials in (2, 30):  # 90 trials take two solves, of which the second is partly filled
        network = ctrnn.Config(neurons="5x5", sparsity=0.2).network(
            33, 3, 17, key=jax.random.key(0)
        )
        found[trials] = analysis.population_responses(
            network,
            battery,
            integration=ctrnn.Integration(dt=100.0),
            key=jax.random.key(1),
            trials=trials,
        )
        ids = np.repeat(np.arange(3), trials)
        trial = battery.render(battery.sample(jax.random.key(1), jax.numpy.asarray(ids)))
        assert found[trials].shape == (int(trial.mask.sum()), 25)
