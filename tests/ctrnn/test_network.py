"""The network: what is a parameter, what is a sign, what a mistake says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
import tasks

SHEET = ctrnn.Sheet(8, 8)


def make_network(connectivity=None, **kwargs):
    connectivity = connectivity or ctrnn.Locality(0.1)
    graph = connectivity(SHEET, key=jr.key(0))
    return ctrnn.RateNetwork(graph, 33, 4, 17, key=jr.key(1), **kwargs)


def dense(network):
    w = np.zeros((network.size, network.size))
    w[network.graph.targets, network.graph.sources] = network.synaptic_weights
    return w


def trained(network, steps=5):
    """A few steps of someone's own loop, with a weight decay that touches everything."""
    import optax

    battery = tasks.Battery.select("go,dlygo,dm1,dms")
    optimiser = optax.adamw(1e-2)
    state = ctrnn.start_training(network, optimiser, 4, key=jr.key(2))
    step = ctrnn.make_train_step(
        battery, optimiser, batch_size=8, integration=ctrnn.Integration(dt=50.0)
    )
    for _ in range(steps):
        state, _ = step(state)
    return state.network


@pytest.mark.parametrize("kernel", ["masked", "gather", "tiles"])
def test_absent_synapses_stay_absent_through_training(kernel):
    network = make_network(kernel=kernel)
    learnt = trained(network)
    before, layout = dense(network), learnt.kernel.layout(learnt.synaptic_weights)
    after = np.asarray(learnt.kernel.product(layout, jnp.eye(64)))
    absent = ~np.asarray(network.graph.mask())
    assert absent.mean() == pytest.approx(0.9, abs=0.01)
    assert not after[absent].any()
    assert (before[~absent] != after[~absent]).mean() > 0.9


def test_only_existing_synapses_are_parameters():
    assert make_network().weights.shape == (64 * 6,)
    assert make_network(ctrnn.Autapse()).weights.shape == (64,)
    assert make_network(ctrnn.Dense()).weights.shape == (64 * 64,)


def test_dales_law_holds_through_training():
    network = trained(make_network(excitatory_fraction=0.75))
    columns = dense(network)
    excites = np.asarray(network.excitatory)
    assert excites.sum() == 48
    assert (columns[:, excites] >= 0).all() and (columns[:, ~excites] <= 0).all()
    assert (columns != 0).any(0).all()


def test_dales_law_starts_balanced():
    network = ctrnn.RateNetwork(
        ctrnn.RandomSparse(0.5)(ctrnn.Sheet(20, 20), key=jr.key(0)),
        1, 0, 1, autapse=0.0, excitatory_fraction=0.8, key=jr.key(1),
    )  # fmt: skip
    drive = dense(network).sum(1)
    assert abs(drive.mean()) < 0.2 * np.abs(dense(network)).sum(1).mean()


def test_time_constants_learn_only_when_asked():
    # Under weight decay too, which shrinks what has no gradient.
    fixed, learnt = trained(make_network()), trained(make_network(train_tau=True))
    np.testing.assert_array_equal(fixed.tau, make_network().tau)
    np.testing.assert_allclose(fixed.tau, 100.0, rtol=1e-6)
    assert jnp.abs(learnt.tau - fixed.tau).max() > 0.1
    assert (learnt.tau > 0).all()


def test_time_constants_may_differ_between_neurons():
    tau = np.linspace(20.0, 200.0, 64)
    network = make_network(tau=tau)
    np.testing.assert_allclose(network.tau, tau, rtol=1e-5)


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_gain_is_about_the_spectral_radius(gain):
    graph = ctrnn.RandomSparse(0.1)(ctrnn.Sheet(20, 20), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, 1, 0, 1, gain=gain, autapse=0.0, key=jr.key(1))
    radius = np.abs(np.linalg.eigvals(dense(network))).max()
    assert radius == pytest.approx(gain, rel=0.15)


def test_autapses_start_as_a_memory():
    network = make_network(ctrnn.Autapse(), autapse=0.8)
    np.testing.assert_array_equal(network.weights, np.full(64, 0.8, np.float32))


def test_same_key_same_network():
    leaves = [jax.tree.leaves(eqx.filter(make_network(), eqx.is_array)) for _ in range(2)]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_array_equal(a, b)


def test_replicates_can_be_vmapped(float64):
    """Networks of one shape, stacked: what one solve gives each, a vmapped one gives all."""
    networks = [make_network(kernel="masked") for _ in range(2)]
    networks[1] = eqx.tree_at(lambda n: n.weights, networks[1], networks[1].weights * 0.5)
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *networks)
    path = tasks.GridPath(jr.normal(jr.key(0), (3, 2, 33)), 100.0)
    times, context = np.array([100.0, 300.0]), jnp.eye(4)[:2]

    def loss(network):
        return jnp.sum(network(path, times, context=context).outputs ** 2)

    gradients = eqx.filter_vmap(eqx.filter_grad(loss))(stacked)
    for i, network in enumerate(networks):
        np.testing.assert_allclose(
            gradients.weights[i], eqx.filter_grad(loss)(network).weights, rtol=1e-8, atol=1e-12
        )


@pytest.mark.parametrize(
    "settings, word",
    [
        (dict(form="spiking"), "rate"),
        (dict(activation="sine"), "softplus"),
        (dict(tau=0.0), "positive"),
        (dict(tau=np.ones(3)), r"one per neuron \(64\)"),
        (dict(noise=-1.0), "negative"),
        (dict(excitatory_fraction=1.5), r"\[0, 1\]"),
    ],
)
def test_mistakes(settings, word):
    from jaxtyping import TypeCheckError

    with pytest.raises((ValueError, TypeCheckError), match=word):
        make_network(**settings)
