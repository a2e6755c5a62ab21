"""The solve: orders of convergence, exact gradients, inputs that jump, private noise."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

import ctrnn
import tasks

FRAMES, DT, BATCH, INPUTS, CONTEXT = 4, 100.0, 3, 2, 2
TIMES = DT * np.arange(1, FRAMES + 1)
SAVES = {
    "frames": TIMES,
    "steps": 20.0 * np.arange(1, 21),
    "last": TIMES[-1:],
    "start": np.array([0, 400.0]),
}

FIXED = [
    (solver, adjoint)
    for solver in ("euler", "exponential-euler", "heun", "midpoint", "bosh3", "tsit5", "dopri5")
    for adjoint in ("discrete", "scan")
]
ADAPTIVE = [
    ("heun", "checkpointed"),
    ("tsit5", "checkpointed"),
    ("tsit5", "direct"),
    ("dopri5", "checkpointed"),
    ("kvaerno3", "checkpointed"),
    ("kvaerno5", "checkpointed"),
]


def make_network(form="rate", activation="tanh", **kwargs):
    graph = ctrnn.Locality(0.3)(ctrnn.Sheet(4, 4), key=jr.key(0))
    return ctrnn.RateNetwork(
        graph, INPUTS, CONTEXT, 3, form=form, activation=activation, key=jr.key(1), **kwargs
    )


def make_path(kind="step", frames=FRAMES):
    return tasks.GridPath(jr.normal(jr.key(2), (frames, BATCH, INPUTS)), DT, kind)


def make_context(shape=()):
    return jr.normal(jr.key(3), (*shape, BATCH, CONTEXT))


def outputs_loss(network, integration, times=TIMES, context=None, key=None, kind="step"):
    context = make_context() if context is None else context
    trajectory = network(make_path(kind), times, context=context, integration=integration, key=key)
    return jnp.sum(jnp.sin(2 * trajectory.outputs)) + jnp.sum(trajectory.state**2)


def close_trees(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * float(jnp.abs(y).max()))


def directional(network, loss, eps):
    """The derivative of a loss along a random direction: by finite differences and by gradient."""
    parameters, static = eqx.partition(network, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(parameters)
    keys = jr.split(jr.key(9), len(leaves))
    direction = structure.unflatten(
        [jr.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    )
    f = eqx.filter_jit(lambda p: loss(eqx.combine(p, static)))
    moved = lambda s: jax.tree.map(lambda p, d: p + s * d, parameters, direction)
    # fourth-order central difference
    differences = 8 * (f(moved(eps)) - f(moved(-eps))) - (f(moved(2 * eps)) - f(moved(-2 * eps)))
    gradient = eqx.filter_jit(eqx.filter_grad(loss))(network)
    products = jax.tree.map(
        lambda g, d: jnp.sum(g * d), eqx.filter(gradient, eqx.is_array), direction
    )
    return differences / (12 * eps), sum(jax.tree.leaves(products))


@pytest.mark.parametrize(
    "solver, adjoint, save",
    [(*choice, "frames") for choice in FIXED]
    + [(solver, "discrete", save) for solver in ("euler", "heun") for save in list(SAVES)[1:]]
    + [("midpoint", "scan", save) for save in list(SAVES)[1:]],
)
def test_fixed_step_gradient_equals_finite_differences(float64, solver, adjoint, save):
    network = make_network(train_tau=True)
    integration = ctrnn.Integration(solver=solver, adjoint=adjoint)
    loss = lambda n: outputs_loss(n, integration, SAVES[save])
    expected, found = directional(network, loss, 1e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("solver, adjoint", ADAPTIVE)
def test_adaptive_gradient_equals_that_of_a_refined_fixed_solve(float64, solver, adjoint):
    network = make_network()
    rtol = 1e-5 if solver == "heun" else 1e-8
    adaptive = ctrnn.Integration(solver=solver, rtol=rtol, adjoint=adjoint, max_steps=2048)
    fixed = ctrnn.Integration(solver="tsit5", dt=5.0)
    gradient = eqx.filter_jit(eqx.filter_grad(outputs_loss))
    close_trees(gradient(network, adaptive), gradient(network, fixed), 1e-4)


@pytest.mark.parametrize("context", [(), (FRAMES,)], ids=["constant rule", "rule per frame"])
@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("solver", ["exponential-euler", "heun"])
def test_discrete_adjoint_equals_autodiff(float64, solver, form, activation, context):
    network = make_network(form, activation, train_tau=True, excitatory_fraction=0.7, noise=0.1)
    gradients = [
        eqx.filter_jit(eqx.filter_grad(outputs_loss))(
            network,
            ctrnn.Integration(solver=solver, adjoint=adjoint),
            context=make_context(context),
            key=jr.key(4),
        )
        for adjoint in ("discrete", "scan")
    ]
    close_trees(*gradients, 1e-10)


@pytest.mark.parametrize(
    "kernel, wiring",
    [
        ("masked", ctrnn.Locality(0.3)),
        ("gather", ctrnn.Locality(0.3)),
        ("tiles", ctrnn.Locality(0.3)),
        ("dense", ctrnn.Dense()),
        ("diagonal", ctrnn.Autapse()),
    ],
)
def test_every_kernel_has_gradients_of_network_input_and_state(float64, kernel, wiring):
    graph = wiring(ctrnn.Sheet(4, 4), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, INPUTS, CONTEXT, 3, kernel=kernel, key=jr.key(1))

    def loss(moved, adjoint):
        network, values, y0 = moved
        integration = ctrnn.Integration(adjoint=adjoint)
        path = tasks.GridPath(values, DT, "step")
        end = network(path, TIMES, context=make_context(), y0=y0, integration=integration)
        return jnp.sum(jnp.sin(2 * end.outputs)) + jnp.sum(end.state**2)

    moved = network, make_path().values, jr.uniform(jr.key(5), (BATCH, network.size))
    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    close_trees(gradient(moved, "discrete"), gradient(moved, "scan"), 1e-10)


@pytest.mark.parametrize("solver", ["euler", "exponential-euler", "heun", "tsit5"])
def test_the_scan_goes_forward_too(float64, solver):
    network = make_network(kernel="gather")
    direction = jr.normal(jr.key(5), network.weights.shape)

    def loss(weights, adjoint="scan"):
        moved = eqx.tree_at(lambda n: n.weights, network, weights)
        return outputs_loss(moved, ctrnn.Integration(solver, adjoint=adjoint))

    _, forward = jax.jvp(loss, (network.weights,), (direction,))
    backward = jax.grad(loss)(network.weights, "discrete") @ direction
    np.testing.assert_allclose(forward, backward, rtol=1e-10)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_euler_equals_a_plain_loop(float64, form):
    network = make_network(form, "tanh")
    n = network.size
    w = jnp.zeros((n, n)).at[network.graph.targets, network.graph.sources].set(network.weights)

    def plain(w):
        y, alpha, seen = jnp.zeros((BATCH, n)), 20 / network.tau, []
        for step in range(20):
            u = make_path().evaluate(20.0 * step, left=False)
            r = y if form == "rate" else jnp.tanh(y)
            drive = r @ w.T + u @ network.input_weights.T + network.bias
            drive = drive + make_context() @ network.context_weights.T
            y = y + alpha * ((jnp.tanh(drive) if form == "rate" else drive) - y)
            if step % 5 == 4:
                rates = y if form == "rate" else jnp.tanh(y)
                seen.append(rates @ network.output_weights.T + network.output_bias)
        return jnp.sum(jnp.sin(2 * jnp.stack(seen))) + jnp.sum(y**2)

    value, gradient = eqx.filter_value_and_grad(outputs_loss)(network, ctrnn.Integration("euler"))
    expected, expected_gradient = jax.value_and_grad(plain)(w)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    at_synapses = expected_gradient[network.graph.targets, network.graph.sources]
    np.testing.assert_allclose(gradient.weights, at_synapses, rtol=1e-9, atol=1e-12)


def test_exponential_euler_equals_diffrax_driving_it(float64):
    network = make_network()
    trajectory = network(
        make_path(),
        TIMES,
        context=make_context(),
        integration=ctrnn.Integration("exponential-euler"),
    )
    drive = network.bias[:, None] + network.context_weights @ make_context().T

    def field(t, y, args):
        u = make_path().evaluate(t, left=False)
        total = drive + network.input_weights @ u.T
        dense = jnp.zeros((16, 16)).at[network.graph.targets, network.graph.sources]
        return (jnp.tanh(dense.set(network.weights) @ y + total) - y) / 100

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        ctrnn.ExponentialEuler(tau=100.0),
        0.0,
        400.0,
        None,
        jnp.zeros((16, BATCH)),
        stepsize_controller=diffrax.StepTo(jnp.arange(0, 401, 20.0)),
        saveat=diffrax.SaveAt(steps=True),
    )
    saved = jnp.swapaxes(solution.ys[4:20:5], 1, 2)
    np.testing.assert_allclose(trajectory.rates, saved, rtol=1e-10)


def linear_network():
    """Relu neurons whose drive stays positive: a linear equation, with a known solution."""
    network = make_network(activation="relu")
    where = lambda n: (n.weights, n.input_weights, n.context_weights, n.bias)
    values = (abs(network.weights) * 0.3, *(abs(x) + 0.1 for x in where(network)[1:]))
    network = eqx.tree_at(where, network, values)
    n = network.size
    w = np.zeros((n, n))
    w[network.graph.targets, network.graph.sources] = network.weights
    path = tasks.GridPath(jnp.ones((FRAMES, BATCH, INPUTS)), DT, "step")
    context = jnp.ones((BATCH, CONTEXT))
    b = network.bias + network.input_weights.sum(1) + network.context_weights.sum(1)
    a = (w - np.eye(n)) / 100
    fixed_point = np.linalg.solve(np.eye(n) - w, b)
    rates = fixed_point - scipy.linalg.expm(a * TIMES[-1]) @ fixed_point
    solve = lambda integration: network(path, TIMES, context=context, integration=integration)
    return solve, rates


@pytest.mark.parametrize(
    "solver, order, dt",
    [
        ("euler", 1, 5.0),
        ("exponential-euler", 1, 5.0),
        ("heun", 2, 10.0),
        ("midpoint", 2, 10.0),
        ("bosh3", 3, 25.0),
        ("tsit5", 5, 25.0),
        ("dopri5", 5, 25.0),
    ],
)
def test_order_of_convergence(float64, solver, order, dt):
    solve, exact = linear_network()
    errors = [
        jnp.abs(solve(ctrnn.Integration(solver, dt=h)).rates[-1] - exact).max()
        for h in (dt, dt / 2)
    ]
    # The fifth-order methods do better on a linear equation.
    assert order - 0.35 < np.log2(errors[0] / errors[1]) < (order + 0.35 if order < 5 else 6.3)


@pytest.mark.parametrize("solver", ["heun", "tsit5", "dopri5", "kvaerno3", "kvaerno5"])
def test_adaptive_error_follows_its_tolerance(float64, solver):
    solve, exact = linear_network()
    for rtol in (1e-3, 1e-5):
        error = jnp.abs(solve(ctrnn.Integration(solver, rtol=rtol)).rates[-1] / exact - 1).max()
        assert error < 20 * rtol


@pytest.mark.parametrize("kind", ["step", "linear"])
def test_second_order_survives_jumps_and_kinks(float64, kind):
    def state(solver, dt):
        network = make_network()
        return network(
            make_path(kind),
            TIMES,
            context=make_context(),
            integration=ctrnn.Integration(solver, dt=dt),
        ).state

    refined = state("tsit5", 2.0)
    coarse, fine = (jnp.abs(state("heun", dt) - refined).max() for dt in (20.0, 10.0))
    assert abs(np.log2(coarse / fine) - 2) < 0.35


@pytest.mark.parametrize(
    "solver, dt", [("euler", 50.0), ("exponential-euler", 50.0), ("heun", 100.0), ("tsit5", 50.0)]
)
def test_private_noise_has_its_standard_deviation_at_any_step(solver, dt):
    graph = ctrnn.Autapse()(ctrnn.Sheet(20, 20), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, 1, 0, 1, form="current", noise=0.3, key=jr.key(1))
    network = eqx.tree_at(lambda n: n.weights, network, jnp.zeros_like(network.weights))
    path = tasks.GridPath(jnp.zeros((10, 50, 1)), 100.0, "step")
    integration = ctrnn.Integration(solver, dt=dt)
    state = network(path, np.array([1000.0]), integration=integration, key=jr.key(2)).state
    assert abs(float(state.std()) / 0.3 - 1) < 0.015
    assert abs(float(state.mean())) < 0.01


def test_noise_needs_a_key_and_repeats_with_it():
    network = make_network(noise=0.2)
    solve = lambda key: network(make_path(), TIMES, context=make_context(), key=key).state
    quiet = make_network()(make_path(), TIMES, context=make_context()).state
    np.testing.assert_array_equal(solve(None), quiet)
    np.testing.assert_array_equal(solve(jr.key(0)), solve(jr.key(0)))
    assert jnp.abs(solve(jr.key(0)) - solve(jr.key(1))).min() > 0


def test_adaptive_noise_has_its_standard_deviation():
    graph = ctrnn.Autapse()(ctrnn.Sheet(20, 20), key=jr.key(0))
    network = ctrnn.RateNetwork(
        graph, 1, 0, 1, form="current", noise=0.3, autapse=0.0, key=jr.key(1)
    )
    path = tasks.GridPath(jnp.zeros((8, 10, 1)), 100.0, "step")
    integration = ctrnn.Integration("heun", rtol=1e-2, dt=20.0)
    state = network(path, np.array([800.0]), integration=integration, key=jr.key(2)).state
    assert abs(float(state.std()) / 0.3 - 1) < 0.04


def test_an_adaptive_step_carries_noise_with_some_solvers_only():
    network = make_network(noise=0.2)
    with pytest.raises(ValueError, match="private noise"):
        network(
            make_path(),
            TIMES,
            context=make_context(),
            integration=ctrnn.Integration("tsit5", rtol=1e-3),
            key=jr.key(0),
        )


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_rule_per_frame_may_be_constant_and_may_switch(float64, adaptive):
    network = make_network()
    integration = (
        ctrnn.Integration("tsit5", rtol=1e-8) if adaptive else ctrnn.Integration("tsit5", dt=5.0)
    )
    solve = lambda c: network(make_path(), TIMES, context=c, integration=integration)
    constant = make_context()
    held = jnp.broadcast_to(constant, (FRAMES, *constant.shape))
    close_trees(solve(held).rates, solve(constant).rates, 1e-6)
    switched = solve(held.at[2:].add(1.0)).rates
    close_trees(switched[:2], solve(constant).rates[:2], 1e-6)
    assert jnp.abs(switched[2] - solve(constant).rates[2]).max() > 1e-2


def test_going_on_from_a_state_equals_one_solve(float64):
    network = make_network()
    values = jr.normal(jr.key(2), (FRAMES, BATCH, INPUTS))
    whole = network(make_path(), TIMES, context=make_context())
    first = network(tasks.GridPath(values[:2], DT, "step"), TIMES[:2], context=make_context())
    second = network(
        tasks.GridPath(values[2:], DT, "step"), TIMES[:2], context=make_context(), y0=first.state
    )
    np.testing.assert_allclose(second.state, whole.state, rtol=1e-12)


def test_a_stream_is_its_trials_with_the_state_carried_across():
    battery = tasks.Battery.select("go,dm1,anti")
    stream = battery.stream(jr.key(0), 2, seq_len=40)
    graph = ctrnn.Locality(0.3)(ctrnn.Sheet(4, 4), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, 33, 3, 17, key=jr.key(1))
    solve = lambda frames, y0=None: network(
        tasks.GridPath(jnp.swapaxes(stream.inputs[:, frames], 0, 1), 100.0),
        100.0 * np.arange(1, len(frames) + 1),
        context=jnp.swapaxes(stream.rule[:, frames], 0, 1),
        y0=y0,
    )
    whole = solve(np.arange(40))
    first = solve(np.arange(25))
    rest = solve(np.arange(25, 40), first.state)
    parts = jnp.concatenate([first.outputs, rest.outputs])
    np.testing.assert_allclose(parts, whole.outputs, rtol=1e-4, atol=1e-5)


def test_each_trial_of_a_batch_is_solved_alone():
    network = make_network()
    one = tasks.GridPath(make_path().values[:, :1], DT, "step")
    alone = network(one, TIMES, context=make_context()[:1]).outputs[:, 0]
    together = network(make_path(), TIMES, context=make_context()).outputs[:, 0]
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings, word",
    [
        (dict(solver="rk4"), "euler"),
        (dict(dt=0.0), "positive"),
        (dict(solver="euler", rtol=1e-3), "error estimate"),
        (dict(solver="kvaerno3"), "rtol"),
        (dict(adjoint="direct"), "discrete"),
        (dict(solver="heun", rtol=1e-3, adjoint="discrete"), "direct"),
        (dict(atol=1e-3), "rtol"),
        (dict(solver="tsit5", rtol=-1.0), "positive"),
    ],
)
def test_choices_that_do_not_go_together(settings, word):
    with pytest.raises(ValueError, match=word):
        ctrnn.Integration(**settings)


def test_mistakes_at_the_call():
    network = make_network()
    with pytest.raises(ValueError, match="does not divide"):
        network(make_path(), np.array([110.0]), context=make_context())
    with pytest.raises(ValueError, match="context"):
        network(make_path(), TIMES)
    with pytest.raises(ValueError, match="axes swapped"):
        network(make_path(), TIMES, context=jnp.swapaxes(make_context((FRAMES,)), 0, 1))
    with pytest.raises(ValueError, match=r"\(3, 16\)"):
        network(make_path(), TIMES, context=make_context(), y0=jnp.zeros((3, 15)))
    with pytest.raises(ValueError, match=r"\[batch, 2\]"):
        network(tasks.GridPath(jnp.zeros((4, 3, 5)), DT, "step"), TIMES, context=make_context())
    with pytest.raises(ValueError, match="concrete"):
        jax.jit(lambda t: network(make_path(), t, context=make_context()).state)(jnp.asarray(TIMES))
