"""Axes, dimension and length of trajectories, where they are known."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrnn import analysis


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.booleans())
def test_participation_ratio_is_that_of_the_eigenvalues(seed, scale, wide):
    samples = np.random.default_rng(seed).normal(size=(4, 30) if wide else (40, 6)) * scale
    values = np.linalg.eigvalsh(np.cov(samples.T))
    np.testing.assert_allclose(
        analysis.participation_ratio(jnp.asarray(samples)),
        values.sum() ** 2 / (values**2).sum(),
        rtol=1e-4,
    )


def test_a_circle_has_two_dimensions_and_its_own_axes():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    plane = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 2)))[0]
    circle = np.stack([np.cos(angle), np.sin(angle)], 1) @ plane.T + 3.0
    assert float(analysis.participation_ratio(jnp.asarray(circle))) == pytest.approx(2, rel=1e-4)
    axes = analysis.principal_components(circle, 2)
    np.testing.assert_allclose(axes.explained, 0.5, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(axes(circle), axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(axes(circle) @ axes.decoders + axes.mean, circle, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(3,), (2, 4), (2, 3, 2)]))
def test_marginals_sum_to_the_rates_and_are_uncorrelated(seed, factors):
    rates = np.random.default_rng(seed).normal(size=(*factors, 5, 3))
    names = ("a", "b", "c")[: len(factors)]
    parts = analysis.marginals(rates, names)
    assert len(parts) == 2 ** len(factors)
    np.testing.assert_allclose(sum(parts.values()) + rates.mean((*range(rates.ndim - 1),)), rates)
    whole = [np.broadcast_to(part, rates.shape).reshape(-1, 3) for part in parts.values()]
    for i, one in enumerate(whole):
        for other in whole[:i]:
            np.testing.assert_allclose(one.T @ other, 0, atol=1e-10)


def test_demixed_axes_tell_factors_apart_where_they_are_mixed():
    # Three signals on axes that are not orthogonal: PCA would mix them.
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(3, 12)) + 1.5
    time, a, b = np.sin(np.arange(20) / 3), np.arange(-2, 3), np.array([1, -3, 2.0])
    signals = np.zeros((5, 3, 20, 3))
    signals[..., 0] = time
    signals[..., 1] = a[:, None, None]
    signals[..., 2] = b[:, None] * np.linspace(0, 1, 20)
    rates = signals @ mixing
    axes = analysis.demixed_components(rates, ("a", "b"), 1, ridge=1e-9)
    for name, signal in (("time", 0), ("a", 1), ("b", 2)):
        shown = axes[name](rates)[..., 0]
        assert abs(np.corrcoef(shown.ravel(), signals[..., signal].ravel())[0, 1]) > 0.999
    assert axes["a x b"].explained.max() < 1e-12


def test_path_length_of_a_walk():
    steps = jr.normal(jr.key(0), (6, 2, 3))
    walk = jnp.cumsum(steps, 0)
    length = analysis.path_length(walk)
    assert length.shape == (6, 2)
    np.testing.assert_allclose(length[0], 0)
    np.testing.assert_allclose(
        length[-1], np.linalg.norm(np.asarray(steps[1:]), axis=-1).sum(0), rtol=1e-5
    )
