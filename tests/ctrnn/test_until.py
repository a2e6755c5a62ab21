"""A solve that ends before its grid does: what it gives, its gradients, and the work it saves."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
import tasks

FRAMES, DT, BATCH = 12, 100.0, 3
TIMES = DT * np.arange(1, FRAMES + 1)
INTEGRATIONS = {
    "discrete": ctrnn.Integration(solver="bosh3", dt=50.0),
    "scan": ctrnn.Integration(solver="bosh3", dt=50.0, adjoint="scan"),
    "adaptive": ctrnn.Integration(solver="tsit5", rtol=1e-9),
}
WIRINGS = {
    "masked": ctrnn.Locality(0.3),
    "gather": ctrnn.Locality(0.3),
    "tiles": ctrnn.Locality(0.3),
    "dense": ctrnn.Dense(),
    "diagonal": ctrnn.Autapse(),
}


def make_network(kernel="gather", **kwargs):
    graph = WIRINGS[kernel](ctrnn.Sheet(4, 4), key=jr.key(0))
    return ctrnn.RateNetwork(
        graph, 2, 2, 3, kernel=kernel, activation="tanh", key=jr.key(1), **kwargs
    )


UNCHECKED = inspect.unwrap(ctrnn.integrate)  # without the types that tests check


def solve(network, until=None, how="discrete", times=TIMES, key=None, integrate=ctrnn.integrate):
    path = tasks.GridPath(jr.normal(jr.key(2), (FRAMES, BATCH, 2)), DT, "step")
    context = jr.normal(jr.key(3), (BATCH, 2))
    return integrate(
        network, path, times, context=context, until=until, integration=INTEGRATIONS[how], key=key
    )


def loss(network, until, how="discrete", key=None):
    end = solve(network, until, how, key=key)
    return jnp.sum(jnp.sin(2 * end.outputs)) + jnp.sum(end.rates**2) + jnp.sum(end.state**3)


def close(a, b, rtol=1e-9):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * float(jnp.abs(y).max()))


@pytest.mark.parametrize("how", INTEGRATIONS)
@pytest.mark.parametrize("frames", [7, FRAMES])
def test_it_is_the_shorter_solve_and_then_held(float64, how, frames):
    network = make_network()
    found = eqx.filter_jit(solve)(network, jnp.asarray(TIMES[frames - 1]), how)
    expected = solve(network, how=how, times=TIMES[:frames])
    close(found.state, expected.state)
    for values in ("rates", "outputs"):
        whole, short = getattr(found, values), getattr(expected, values)
        close(whole, short[jnp.minimum(jnp.arange(FRAMES), frames - 1)])


@pytest.mark.parametrize("how", INTEGRATIONS)
def test_an_end_outside_the_grid_is_the_grid_s(float64, how):
    network = make_network()
    close(solve(network, 1e9, how), solve(network, how=how))
    for until in (0.0, -5.0):
        assert not solve(network, until, how).state.any()


def test_a_step_that_has_begun_is_done_whole(float64):
    network = make_network()
    close(solve(network, 601.0), solve(network, 650.0))


@pytest.mark.parametrize("dt", [100 / 3, 20.0, 0.1])
def test_rounding_adds_no_step(dt):
    """In single precision, where k dt is a little more or less than that."""
    network = make_network()
    times = dt * np.arange(1, 4001)
    path = tasks.GridPath(jr.normal(jr.key(2), (1, BATCH, 2)), float(times[-1]), "step")

    @jax.jit
    def state(until):
        how = ctrnn.Integration("euler", dt)
        context = jnp.zeros((BATCH, 2))
        found = network(path, times, context=context, until=until, integration=how)
        return found.state, found.rates

    for frame in (1, 7, 999, 2999, 4000):
        end, rates = state(jnp.float32(dt * frame))
        np.testing.assert_array_equal(end, rates[frame - 1])
        if frame < 4000:
            np.testing.assert_array_equal(rates[frame:], rates[frame - 1 : -1])


def test_the_start_alone_can_be_saved():
    found = solve(make_network(), times=np.array([0.0]))
    assert found.rates.shape == (1, BATCH, 16) and not found.state.any()


def test_a_batch_has_one_end():
    with pytest.raises(ValueError, match=r"until has shape \(3,\); a batch is one solve"):
        solve(make_network(), jnp.array([300.0, 400.0, 500.0]), integrate=UNCHECKED)


@pytest.mark.parametrize("kernel", WIRINGS)
@pytest.mark.parametrize("until", [0.0, 250.0])
def test_gradients_equal_those_of_autodiff(float64, kernel, until):
    network = make_network(kernel, train_tau=True, noise=0.1)
    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    found, expected = (gradient(network, until, how, jr.key(4)) for how in ("discrete", "scan"))
    close(found, expected)


def test_solves_of_unequal_length_side_by_side_are_those_one_by_one(float64):
    network = make_network(train_tau=True, noise=0.1)
    ends = jnp.array([300.0, 1100.0, 0.0, 500.0])
    gradient = eqx.filter_value_and_grad(lambda n, until: loss(n, until, key=jr.key(4)))
    together = eqx.filter_jit(eqx.filter_vmap(gradient, in_axes=(None, 0)))(network, ends)
    for i, until in enumerate(ends):
        close(jax.tree.map(lambda x, i=i: x[i], together), gradient(network, until))


class CountingKernel(ctrnn.MaskedKernel):
    """Says what it is asked for."""

    def product(self, layout, rates):
        jax.debug.callback(lambda: ASKED.append("product"))
        return super().product(layout, rates)

    def transpose(self, layout, delta):
        jax.debug.callback(lambda: ASKED.append("transpose"))
        return super().transpose(layout, delta)


ASKED = []


def test_nothing_is_computed_past_the_end():
    network = make_network("masked")
    network = eqx.tree_at(lambda n: n.kernel, network, CountingKernel(network.graph))
    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    for until in (300.0, 900.0):  # of one compiled program
        ASKED.clear()
        jax.block_until_ready(gradient(network, jnp.asarray(until)))
        jax.effects_barrier()
        evaluations = 3 * until / 50  # of a method of three stages
        assert ASKED.count("product") == ASKED.count("transpose") == evaluations


@pytest.mark.parametrize("kernel", ["masked", "gather", "tiles", "dense"])
@pytest.mark.parametrize("time", [1, 7, 8, 9, 37])
def test_the_gradient_of_weights_counts_each_step_once(float64, kernel, time):
    network = make_network(kernel)
    delta, rates = jr.normal(jr.key(0), (2, time, 16, 5))
    pull = jax.linear_transpose(network.kernel.layout, network.weights)
    matrix = jnp.einsum("tib,tjb->tij", delta, rates)[
        :, network.graph.targets, network.graph.sources
    ]
    for steps in {1, time // 2, time}:
        stopped = jnp.where(jnp.arange(time)[:, None, None] < steps, delta, 0)
        (found,) = pull(network.kernel.outer(stopped, rates, jnp.asarray(steps)))
        close(found, matrix[:steps].sum(0), 1e-12)
