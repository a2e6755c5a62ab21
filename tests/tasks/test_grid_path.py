"""Inputs in continuous time."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks

DT, STEPS = 20.0, 7
VALUES = jax.random.normal(jax.random.key(0), (STEPS, 2, 3))
# The path holds its last value for one more step: the nodes that diffrax needs for the same.
NODES = jnp.arange(STEPS + 1) * DT
HELD = jnp.concatenate([VALUES, VALUES[-1:]])
KINDS = ("step", "linear", "cubic")


def diffrax_path(kind):
    if kind == "linear":
        return diffrax.LinearInterpolation(NODES, HELD)
    return diffrax.CubicInterpolation(NODES, diffrax.backward_hermite_coefficients(NODES, HELD))


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_agrees_with_diffrax_on_the_same_nodes(kind):
    path, other = tasks.GridPath(VALUES, DT, kind), diffrax_path(kind)
    times = jnp.linspace(0, STEPS * DT, 141)  # one in 20 is a node
    ours, theirs = jax.vmap(path.evaluate)(times), jax.vmap(other.evaluate)(times)
    assert jnp.allclose(ours, theirs, atol=1e-5)
    for left in (True, False):
        ours, theirs = (
            jax.vmap(functools.partial(p.derivative, left=left))(times[1:-1]) for p in (path, other)
        )
        assert jnp.allclose(ours, theirs, atol=1e-5)
    assert jnp.allclose(path.evaluate(13.0, 55.0), other.evaluate(13.0, 55.0), atol=1e-5)


@given(
    t=st.floats(0, STEPS * DT, width=32, exclude_max=True),
    dt=st.sampled_from([10.0, 20.0, 50.0, 100.0, 100 / 3]),
)
@settings(max_examples=60, deadline=None)
def test_a_step_holds_its_value(t, dt):
    values = jnp.arange(200.0)
    path = tasks.GridPath(values, dt, "step")
    k = int(path.evaluate(t, left=False))
    t, dt = np.float32(t), np.float32(dt)
    assert np.float32(k) * dt <= t < np.float32(k + 1) * dt


@pytest.mark.parametrize("dt", [100.0, 50.0, 20.0, 10.0])
def test_limits_at_the_jumps_of_a_step(dt):
    values = jnp.arange(400.0)
    path = tasks.GridPath(values, dt, "step")
    jumps = path.jump_ts
    assert jumps is not None and len(jumps) == 399
    right = jax.vmap(lambda t: path.evaluate(t, left=False))(jumps)
    left = jax.vmap(lambda t: path.evaluate(t, left=True))(jumps)
    before = jax.vmap(path.evaluate)(jnp.nextafter(jumps, -jnp.inf))
    after = jax.vmap(lambda t: path.evaluate(t, left=True))(jnp.nextafter(jumps, jnp.inf))
    assert jnp.array_equal(right, values[1:]) and jnp.array_equal(after, values[1:])
    assert jnp.array_equal(left, values[:-1]) and jnp.array_equal(before, values[:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_ends_and_slopes(kind):
    path = tasks.GridPath(VALUES, DT, kind)
    assert (path.t0, path.t1) == (0.0, STEPS * DT)
    at_nodes = jax.vmap(lambda t: path.evaluate(t, left=False))(NODES)
    assert jnp.allclose(at_nodes, HELD, atol=1e-6)
    for t in (3.0, 47.0, 133.0):
        slope = (path.evaluate(t + 0.5) - path.evaluate(t - 0.5)) / 1.0
        assert jnp.allclose(path.derivative(t), slope, atol=1e-3)
    if kind == "cubic":
        assert path.jump_ts is None
        inner = NODES[1:-1]
        left, right = (
            jax.vmap(functools.partial(path.derivative, left=left))(inner) for left in (True, False)
        )
        assert jnp.allclose(left, right, atol=1e-6)


def test_finding_the_interval_does_not_depend_on_the_number_of_nodes():
    def operations(steps):
        path = tasks.GridPath(jnp.zeros((steps, 3)), DT, "linear")
        return len(jax.make_jaxpr(path.evaluate)(1.0).eqns)

    assert operations(10) == operations(10_000)


def test_works_in_double_precision(float64):
    path = tasks.GridPath(VALUES.astype(jnp.float64), DT, "cubic")
    other = diffrax.CubicInterpolation(
        NODES.astype(float),
        diffrax.backward_hermite_coefficients(NODES.astype(float), HELD.astype(float)),
    )
    assert jnp.allclose(path.evaluate(77.7), other.evaluate(77.7), rtol=1e-13, atol=1e-13)


def test_an_adaptive_solve_that_knows_the_jumps_is_the_stepped_one(float64):
    """dy/dt = (u - y) / tau, in steps of constant u, has a solution in closed form."""
    tau, values = 30.0, jax.random.normal(jax.random.key(1), (12, 4), jnp.float64)
    path = tasks.GridPath(values, DT, "step")
    y = jnp.zeros(4)
    for value in values:
        y = value + (y - value) * jnp.exp(-DT / tau)
    controller = diffrax.PIDController(rtol=1e-9, atol=1e-9)
    term = diffrax.ODETerm(lambda t, y, args: (path.evaluate(t) - y) / tau)
    ends = {}
    for told, jumps in ((True, path.jump_ts), (False, None)):
        solution = diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            path.t0,
            path.t1,
            dt0=None,
            y0=jnp.zeros(4),
            stepsize_controller=diffrax.ClipStepSizeController(controller, jump_ts=jumps),
            max_steps=20_000,
        )
        assert solution.ys is not None
        ends[told] = solution.ys[-1], int(solution.stats["num_steps"])
    assert jnp.allclose(ends[True][0], y, atol=1e-8)
    assert ends[True][1] < ends[False][1] / 2


def test_drives_a_controlled_differential_equation(float64):
    """Of dy = u du, which gains (u^2) / 2."""
    path = tasks.GridPath(VALUES[:, 0, 0].astype(jnp.float64), DT, "cubic")
    term = diffrax.ControlTerm(lambda t, y, args: path.evaluate(t), path).to_ode()
    solution = diffrax.diffeqsolve(
        term, diffrax.Tsit5(), 0.0, path.t1, dt0=DT / 10, y0=jnp.zeros(())
    )
    assert solution.ys is not None
    gain = (path.evaluate(path.t1) ** 2 - path.evaluate(0.0) ** 2) / 2
    assert jnp.allclose(solution.ys[-1], gain, atol=1e-6)


def test_trials_have_paths():
    trial = tasks.Battery.named("20").batch(jax.random.key(0), 5)
    for kind in KINDS:
        path = trial.path(kind)
        assert path.t1 == len(trial.times) * trial.dt
        assert jnp.allclose(path.evaluate(800.0, left=False), trial.inputs[:, 8], atol=1e-6)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="'step', 'linear' or 'cubic'"):
        tasks.GridPath(VALUES, DT, "spline")
    with pytest.raises(ValueError, match="at least one value"):
        tasks.GridPath(VALUES[:0], DT)
