"""Fixed points where they are known: a linear network, a bistable pair, a ring attractor."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
from ctrnn import analysis

CELLS = 64


def network_with(weights, activation="relu", **settings):
    n = len(weights)
    graph = ctrnn.Dense()(ctrnn.Ring(n), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, n, 0, 1, activation=activation, key=jr.key(1), **settings)
    network = replaced(network, "weights", np.ravel(weights))
    return replaced(network, "input_weights", np.eye(n))


def replaced(network, name, value):
    return eqx.tree_at(lambda net: getattr(net, name), network, jnp.asarray(value, jnp.float32))


def ring_attractor(**settings):
    """Cosine connectivity among relu neurons: above threshold the bump's amplitude is set by the
    uniform inhibition, its place by nothing (Ben-Yishai, Bar-Or & Sompolinsky 1995)."""
    angle = 2 * np.pi * np.arange(CELLS) / CELLS
    return network_with((-2 + 3 * np.cos(angle[:, None] - angle)) / CELLS, **settings)


def bumps(field, count=16, steps=4000):
    """States that the flow settles to from a hint of a bump at each angle."""
    angle = 2 * np.pi * np.arange(CELLS) / CELLS
    place = 2 * np.pi * np.arange(count) / count
    start = 1 + 0.5 * jnp.cos(place[:, None] - angle)
    move = jax.vmap(lambda y: y + 10.0 * field(y))
    return jax.jit(lambda y: jax.lax.fori_loop(0, steps, lambda _, y: move(y), y))(start)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_linear_network(form):
    # Positive rates: relu is the identity there.
    weights = np.array([[0.2, 0.3], [-0.4, 0.5]])
    tau = np.array([50.0, 200.0])
    network = network_with(weights, form=form, tau=tau)
    drive = jnp.array([1.0, 2.0])
    field = analysis.HeldField(network, drive)
    points = analysis.fixed_points(field, jnp.array([[1.0, 1.0], [3.0, 2.0], [2.0, 4.0]]))
    np.testing.assert_allclose(
        points.states, np.linalg.solve(np.eye(2) - weights, drive)[None], rtol=1e-3
    )
    assert points.starts.tolist() == [3]
    assert points.speed[0] < 1e-5
    expected = np.linalg.eigvals((weights - np.eye(2)) / tau[:, None])
    found = analysis.eigenvalues(field, points.states)[0]
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), rtol=1e-4)


def test_bistable_pair_has_two_stable_points_and_a_saddle():
    network = network_with([[1.5, -1.0], [-1.0, 1.5]], activation="tanh", tau=20.0)
    field = analysis.HeldField(network, jnp.zeros(2))
    starts = jr.uniform(jr.key(2), (40, 2), minval=-1.0, maxval=1.0)
    points = analysis.fixed_points(field, starts)
    fixed = points.states[points.speed < 1e-5]
    opposed = np.abs(fixed[:, 0] + fixed[:, 1]) < 1e-2
    leading = analysis.eigenvalues(field, fixed)[:, 0].real
    held = opposed & (np.linalg.norm(fixed, axis=1) > 0.5)
    assert held.sum() == 2 and (leading[held] < 0).all()
    saddle = np.linalg.norm(fixed, axis=1) < 1e-2
    # At the origin the difference grows with 1.5 + 1 - 1 per tau.
    np.testing.assert_allclose(leading[saddle], [1.5 / 20], rtol=1e-3)


def test_a_ring_attractor_has_a_ring_of_fixed_points_that_do_not_drift():
    network = ring_attractor(tau=100.0)
    field = analysis.HeldField(network, jnp.ones(CELLS))
    ring = bumps(field)
    points = analysis.fixed_points(field, ring)
    assert len(points.states) == 16 and points.speed.max() < 1e-5 and points.converged.all()
    # All lie on one circle of the first Fourier component, at their own angle.
    wave = points.states @ np.exp(2j * np.pi * np.arange(CELLS) / CELLS)
    np.testing.assert_allclose(np.abs(wave), np.abs(wave).mean(), rtol=0.01)
    gaps = np.diff(np.sort(np.angle(wave)))
    np.testing.assert_allclose(gaps, 2 * np.pi / 16, rtol=0.05)
    values = analysis.eigenvalues(field, points.states[:2]).real * 100.0  # per tau
    assert np.abs(values[:, 0]).max() < 0.03  # the one along the ring of 64 neurons
    assert values[:, 1].max() < -0.1
    drift, across = analysis.ring_drift(field, analysis.slow_ring(field, ring))
    assert np.abs(np.rad2deg(drift)).max() * 1000 < 0.1  # degrees per second
    assert across.max() < 1e-5
    turns, ordered = analysis.ring_turns(ring)
    assert abs(turns) == 1 and ordered
    tangled = ring[np.array([0, 3, 1, 6, 2, 9, 4, 15, 5, 8, 7, 12, 10, 14, 11, 13])]
    assert not analysis.ring_turns(tangled)[1]


def test_a_slow_point_that_is_found_has_no_gradient_and_one_that_is_not_says_so():
    flow = lambda y: jnp.stack([y[0] ** 2 + 1, -y[1]])  # never still; slowest at the origin
    found = analysis.fixed_points(flow, jnp.array([[1.0, 2.0]]))
    assert found.converged.all() and found.gradient[0] < 0.01 and found.speed[0] > 0.9
    stopped = analysis.fixed_points(flow, jnp.array([[1.0, 2.0]]), steps=2)
    assert not stopped.converged.any() and stopped.gradient[0] > 0.01


def test_drift_is_what_turns_the_bump():
    # An odd part of the connectivity moves the bump at a speed that simulation can tell.
    angle = 2 * np.pi * np.arange(CELLS) / CELLS
    turned = 0.05 * np.sin(angle[:, None] - angle) / CELLS
    network = ring_attractor()
    network = replaced(network, "weights", network.weights + turned.ravel())
    field = analysis.HeldField(network, jnp.ones(CELLS))
    ring = bumps(field, count=64)
    drift, _ = analysis.ring_drift(field, ring)
    wave = np.exp(1j * angle)
    later = np.asarray(ring)
    for _ in range(10):
        later = later + 1.0 * np.asarray(jax.vmap(field)(later))
    turn = np.angle(later @ wave / (np.asarray(ring) @ wave)) / 10.0
    assert np.abs(turn).min() > 1e-5
    np.testing.assert_allclose(drift, turn, rtol=0.05)


def test_a_followed_point_goes_round_with_the_stimulus():
    network = ring_attractor()
    angle = 2 * np.pi * np.arange(CELLS) / CELLS
    around = 2 * np.pi * np.arange(32) / 32
    inputs = 1 + 0.1 * jnp.cos(around[:, None] - angle)
    start = bumps(analysis.HeldField(network, inputs[0]), count=1)[0]
    states, speed = analysis.follow(network, inputs, None, start)
    assert speed.max() < 1e-5
    place = np.angle(np.asarray(states) @ np.exp(1j * angle))
    np.testing.assert_allclose(np.unwrap(place) - place[0], around, atol=0.01)
