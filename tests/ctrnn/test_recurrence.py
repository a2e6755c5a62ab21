"""Kernels: every one is the matrix product, in values and in derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrnn
from ctrnn._recurrence import DiagonalKernel, GatherKernel, apply, choose_kernel, kernel_named

GRAPHS = {
    "sheet": ctrnn.Locality(0.1)(ctrnn.Sheet(7, 9), key=jr.key(0)),
    "open sheet": ctrnn.Locality(0.1)(ctrnn.Sheet(7, 9, periodic=False), key=jr.key(0)),
    "gaussian": ctrnn.Locality(0.1, ctrnn.Gaussian(0.1))(ctrnn.Sheet(8, 8), key=jr.key(0)),
    "random": ctrnn.RandomSparse(0.3)(ctrnn.Ring(20), key=jr.key(0)),
    "one synapse": ctrnn.Graph([2], [0], size=3),
    "autapses": ctrnn.Autapse()(ctrnn.Ring(6), key=jr.key(0)),
    "two autapses": ctrnn.Graph([0, 2], [0, 2], size=3),
    "dense": ctrnn.Dense()(ctrnn.Ring(9), key=jr.key(0)),
}
CASES = [
    (graph, kernel)
    for graph in GRAPHS
    for kernel in ("auto", "dense", "masked", "gather")
    if kernel != "dense" or graph == "dense"
]


def problem(graph, time, batch, seed=0):
    weights, delta, rates = (jr.key(seed + i) for i in range(3))
    shape = time, graph.size, batch
    weights = jr.normal(weights, (graph.synapses,))
    return weights, jr.normal(delta, shape), jr.normal(rates, shape)


def matrix(graph, weights):
    absent = jnp.zeros((graph.size, graph.size), weights.dtype)
    return absent.at[graph.targets, graph.sources].set(weights)


def assert_equal(one, other):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12), one, other)


@pytest.mark.parametrize("graph, name", CASES)
@pytest.mark.parametrize("time, batch", [(1, 1), (5, 12), (3, 130)])
def test_kernels_are_the_matrix_product(graph, name, time, batch, float64):
    graph = GRAPHS[graph]
    kernel = kernel_named(name, graph)
    weights, delta, rates = problem(graph, time, batch)
    layout, pull = jax.vjp(kernel.layout, weights)
    dense = matrix(graph, weights)
    assert_equal(eqx.filter_jit(kernel.product)(layout, rates[0]), dense @ rates[0])
    assert_equal(eqx.filter_jit(kernel.transpose)(layout, delta[0]), dense.T @ delta[0])
    (cotangent,) = pull(eqx.filter_jit(kernel.outer)(delta, rates))
    wanted = np.einsum("tib,tjb->ij", delta, rates)[graph.targets, graph.sources]
    assert_equal(cotangent, wanted)


@given(
    size=st.integers(1, 12),
    data=st.data(),
    time=st.integers(1, 40),
    batch=st.sampled_from([1, 3, 8, 20, 64]),
)
@settings(max_examples=30, deadline=None)
def test_gather_holds_for_any_graph(size, data, time, batch):
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    synapses = data.draw(st.sets(pairs, min_size=1))
    with jax.enable_x64(True):
        graph = ctrnn.Graph(*zip(*synapses, strict=True), size=size)
        kernel = GatherKernel(graph)
        weights, delta, rates = problem(graph, time, batch)
        layout, pull = jax.vjp(kernel.layout, weights)
        assert_equal(kernel.product(layout, rates[0]), matrix(graph, weights) @ rates[0])
        assert_equal(kernel.transpose(layout, delta[0]), matrix(graph, weights).T @ delta[0])
        wanted = np.einsum("tib,tjb->ij", delta, rates)[graph.targets, graph.sources]
        assert_equal(pull(kernel.outer(delta, rates))[0], wanted)


def unrolled(product, rates):
    def step(rates, _):
        return 0.5 * rates + jnp.tanh(product(rates)), rates

    return jax.lax.scan(step, rates, length=4)


@pytest.mark.parametrize("graph, name", CASES)
@pytest.mark.parametrize("jit", [False, True])
def test_gradients_through_steps_are_those_of_the_matrix(graph, name, jit, float64):
    graph = GRAPHS[graph]
    kernel = kernel_named(name, graph)
    weights, _, rates = problem(graph, 1, 6)

    def by_kernel(weights, rates):
        layout = kernel.layout(weights)
        return sum(jnp.sum(x**2) for x in unrolled(lambda r: apply(kernel, layout, r), rates))

    def by_matrix(weights, rates):
        dense = matrix(graph, weights)
        return sum(jnp.sum(x**2) for x in unrolled(lambda r: dense @ r, rates))

    wrap = jax.jit if jit else lambda f: f
    ours = wrap(jax.value_and_grad(by_kernel, (0, 1)))(weights, rates[0])
    theirs = jax.value_and_grad(by_matrix, (0, 1))(weights, rates[0])
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11), ours, theirs
    )


@pytest.mark.parametrize("graph, name", CASES)
def test_replicates_can_be_mapped(graph, name, float64):
    graph = GRAPHS[graph]
    kernel = kernel_named(name, graph)
    weights, delta, rates = jax.vmap(lambda seed: jnp.arange(3.0) + seed)(jnp.arange(2)), None, None
    weights = jnp.stack([problem(graph, 1, 5, seed)[0] for seed in (0, 10)])
    rates = jnp.stack([problem(graph, 1, 5, seed)[2][0] for seed in (0, 10)])
    delta = jnp.stack([problem(graph, 1, 5, seed)[1][0] for seed in (0, 10)])

    def pulled(weights, rates, delta):
        out, pull = jax.vjp(lambda w, r: apply(kernel, kernel.layout(w), r), weights, rates)
        return out, pull(delta)

    together = jax.jit(jax.vmap(pulled))(weights, rates, delta)
    apart = [pulled(*operands) for operands in zip(weights, rates, delta, strict=True)]
    assert_equal(together, jax.tree.map(lambda *xs: jnp.stack(xs), *apart))


@pytest.mark.parametrize("graph", GRAPHS)
def test_kernels_have_no_parameters_of_their_own(graph):
    for name in ("auto", "masked", "gather"):
        kernel = kernel_named(name, GRAPHS[graph])
        assert not any(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(kernel))


def test_memory_of_the_gather_follows_the_synapses():
    graph = ctrnn.Locality(0.01)(ctrnn.Sheet(40, 40), key=jr.key(0))
    kernel = GatherKernel(graph)
    numbers = sum(
        leaf.size for leaf in jax.tree.leaves((kernel, kernel.layout(jnp.ones(graph.synapses))))
    )
    assert numbers < 8 * graph.synapses


def test_the_choice_fits_the_graph():
    assert isinstance(choose_kernel(GRAPHS["autapses"]), DiagonalKernel)
    assert isinstance(choose_kernel(GRAPHS["dense"]), ctrnn._recurrence.DenseKernel)
    local = ctrnn.Locality(0.04)(ctrnn.Sheet(16, 16), key=jr.key(0))
    assert isinstance(choose_kernel(local, backend="cpu"), GatherKernel)
    half = ctrnn.Locality(0.5)(ctrnn.Sheet(16, 16), key=jr.key(0))
    assert isinstance(choose_kernel(half), ctrnn._recurrence.MaskedKernel)


@pytest.mark.parametrize(
    "name, graph, message",
    [
        ("fast", "sheet", "auto, dense, masked, gather"),
        ("dense", "sheet", "use 'masked'"),
    ],
)
def test_unfit_kernels_are_refused(name, graph, message):
    with pytest.raises(ValueError, match=message):
        kernel_named(name, GRAPHS[graph])


def test_the_diagonal_takes_autapses_alone():
    with pytest.raises(ValueError, match="autapses alone"):
        DiagonalKernel(GRAPHS["sheet"])
