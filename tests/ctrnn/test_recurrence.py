"""Kernels: every one is the matrix product, in values and in derivatives."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrnn
import tasks
from ctrnn._kernel import as_wide_as
from ctrnn._recurrence import (
    DenseKernel,
    DiagonalKernel,
    GatherKernel,
    HalfKernel,
    MaskedKernel,
    TileKernel,
    apply,
    choose_kernel,
    kernel_named,
)

GRAPHS = {
    "sheet": ctrnn.Locality(0.1)(ctrnn.Sheet(7, 9), key=jr.key(0)),
    "open sheet": ctrnn.Locality(0.1)(ctrnn.Sheet(7, 9, periodic=False), key=jr.key(0)),
    "gaussian": ctrnn.Locality(0.1, ctrnn.Gaussian(0.1))(ctrnn.Sheet(8, 8), key=jr.key(0)),
    "volume": ctrnn.Locality(0.1)(ctrnn.Volume(4, 4, 3), key=jr.key(0)),
    "points": ctrnn.Locality(0.05)(
        ctrnn.Points(np.random.default_rng(0).random((150, 2))), key=jr.key(0)
    ),
    "random": ctrnn.RandomSparse(0.3)(ctrnn.Ring(20), key=jr.key(0)),
    "large fan-in": ctrnn.Rewired(0.5)(ctrnn.Ring(140), key=jr.key(0)),
    "nowhere": ctrnn.Graph([*range(140)], [*range(1, 140), 0], size=140),
    "hub": ctrnn.Graph([*range(40), *[0] * 39], [0] * 40 + [*range(1, 40)], size=40),
    "one synapse": ctrnn.Graph([2], [0], size=3),
    "autapses": ctrnn.Autapse()(ctrnn.Ring(6), key=jr.key(0)),
    "two autapses": ctrnn.Graph([0, 2], [0, 2], size=3),
    "dense": ctrnn.Dense()(ctrnn.Ring(9), key=jr.key(0)),
}
CASES = [(graph, kernel) for graph in GRAPHS for kernel in ("masked", "gather", "tiles")]
CASES += [("dense", "dense"), ("autapses", "diagonal"), ("two autapses", "diagonal")]


def problem(graph, time, batch, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (graph.synapses,), (time, graph.size, batch), (time, graph.size, batch)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def assert_equal(one, other):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12), one, other)


@eqx.filter_jit
def products(kernel, weights, delta, rates):
    layout, pull = jax.vjp(kernel.layout, weights)
    heard, told = kernel.product(layout, rates[0]), kernel.transpose(layout, delta[0])
    outer = as_wide_as(layout, kernel.outer(delta, rates, len(delta)))
    return heard, told, pull(outer)[0]


def matrix_products(graph, weights, delta, rates):
    dense = np.zeros((graph.size, graph.size))
    dense[graph.targets, graph.sources] = weights
    outer = np.einsum("tib,tjb->ij", delta, rates)
    return dense @ rates[0], dense.T @ delta[0], outer[graph.targets, graph.sources]


@pytest.mark.parametrize("graph, name", CASES)
@pytest.mark.parametrize("time, batch", [(1, 1), (5, 12), (3, 130)])
def test_kernels_are_the_matrix_product(graph, name, time, batch, float64):
    graph = GRAPHS[graph]
    operands = problem(graph, time, batch)
    assert_equal(products(kernel_named(name, graph), *operands), matrix_products(graph, *operands))


@given(
    size=st.integers(1, 12),
    data=st.data(),
    time=st.integers(1, 40),
    batch=st.sampled_from([1, 3, 8, 20, 64]),
)
@settings(max_examples=15, deadline=None)
def test_lists_hold_for_any_graph(size, data, time, batch):
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    synapses = data.draw(st.sets(pairs, min_size=1))
    with jax.enable_x64(True):
        graph = ctrnn.Graph(*zip(*synapses, strict=True), size=size)
        operands = problem(graph, time, batch)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ctrnn._tiles._TILE", 4)
            for kernel in (GatherKernel(graph), TileKernel(graph)):
                assert_equal(products(kernel, *operands), matrix_products(graph, *operands))


@pytest.mark.parametrize("graph, name", CASES)
def test_gradients_through_steps_are_those_of_the_matrix(graph, name, float64):
    graph = GRAPHS[graph]
    kernel = kernel_named(name, graph)
    weights, _, rates = problem(graph, 1, 6)

    def squares(weights, rates, product):
        def step(rates, _):
            return 0.5 * rates + jnp.tanh(product(weights, rates)), rates

        return sum(jnp.sum(x**2) for x in jax.lax.scan(step, rates, length=4))

    def by_matrix(weights, rates):
        absent = jnp.zeros((graph.size, graph.size))
        return absent.at[graph.targets, graph.sources].set(weights) @ rates

    def by_kernel(weights, rates):
        return apply(kernel, kernel.layout(weights), rates)

    gradient = jax.jit(jax.value_and_grad(squares, (0, 1)), static_argnums=2)
    ours, theirs = (gradient(weights, rates[0], how) for how in (by_kernel, by_matrix))
    assert_equal(ours, theirs)


@pytest.mark.parametrize("graph, name", CASES)
def test_replicates_can_be_mapped(graph, name, float64):
    graph = GRAPHS[graph]
    kernel = kernel_named(name, graph)
    weights, deltas, rates = (
        jnp.stack(xs) for xs in zip(*(problem(graph, 1, 5, i) for i in (0, 1)), strict=True)
    )

    def pulled(weights, rates, delta):
        out, pull = jax.vjp(lambda w, r: apply(kernel, kernel.layout(w), r), weights, rates)
        return out, *pull(delta)

    heard, by_weights, by_rates = jax.jit(jax.vmap(pulled))(weights, rates[:, 0], deltas[:, 0])
    for i in (0, 1):
        wanted = matrix_products(graph, weights[i], deltas[i], rates[i])
        assert_equal((heard[i], by_rates[i], by_weights[i]), wanted)


@pytest.mark.parametrize("graph", GRAPHS)
def test_kernels_have_no_parameters_of_their_own(graph):
    for name in ("auto", "masked", "gather", "tiles"):
        kernel = kernel_named(name, GRAPHS[graph])
        assert not any(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(kernel))


def test_memory_of_the_gather_follows_the_synapses():
    graph = ctrnn.Locality(0.01)(ctrnn.Sheet(40, 40), key=jr.key(0))
    kernel = GatherKernel(graph)
    arrays = jax.tree.leaves((kernel, kernel.layout(jnp.ones(graph.synapses))))
    numbers = sum(array.size for array in arrays)
    assert numbers < 8 * graph.synapses


def test_memory_of_tiles_is_far_from_the_matrix():
    # A tile of 8 x 8 neurons that hear 5 to each side hears 18 x 18 less corners.
    graph = ctrnn.Locality(0.02)(ctrnn.Sheet(64, 64), key=jr.key(0))
    kernel = TileKernel(graph)
    arrays = jax.tree.leaves((kernel, kernel.layout(jnp.ones(graph.synapses))))
    assert max(kernel.room) <= 18**2
    assert sum(array.size for array in arrays) < 0.25 * graph.size**2


@pytest.mark.parametrize("tiles", [False, True])
def test_bfloat16_rounds_operands_and_nothing_else(tiles):
    graph = ctrnn.Locality(0.1)(ctrnn.Sheet(9, 10), key=jr.key(0))
    kernel = TileKernel(graph) if tiles else MaskedKernel(graph)

    def rounded(x):
        return np.asarray(jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32))

    weights, delta, rates = (x.astype(jnp.float32) for x in problem(graph, 20, 12))
    ours = products(HalfKernel(kernel), weights, delta, rates)
    heard, told, outer = matrix_products(graph, *map(rounded, (weights, delta, rates)))
    for x, y in zip(ours, (heard, told, rounded(outer)), strict=True):
        assert x.dtype == jnp.float32
        np.testing.assert_allclose(x, y, rtol=2**-8, atol=1e-5)
    whole = matrix_products(graph, weights, delta, rates)
    for x, y in zip(ours, whole, strict=True):  # as the kernel's documentation says
        assert 1e-3 < np.linalg.norm(x - y) / np.linalg.norm(y) < 4e-3


def test_bfloat16_has_gradients_in_a_solve_near_those_of_float32(float64):
    """Also in double precision, of several stages, whose gradients are rounded once they are summed."""
    graph = ctrnn.Locality(0.1)(ctrnn.Sheet(9, 9), key=jr.key(0))
    path = tasks.GridPath(jr.normal(jr.key(2), (6, 4, 2)), 100.0)
    times = 100.0 * np.arange(1, 7)

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(network):
        return jnp.sum(network(path, times).outputs ** 2)

    whole, *half = (
        gradient(
            ctrnn.RateNetwork(graph, 2, 0, 3, kernel=kernel, precision=precision, key=jr.key(1))
        )
        for kernel, precision in (
            ("masked", "float32"),
            ("masked", "bfloat16"),
            ("tiles", "bfloat16"),
        )
    )
    for name in ("weights", "input_weights", "bias", "output_weights"):
        exact = getattr(whole, name)
        for rounded in half:
            error = jnp.linalg.norm(getattr(rounded, name) - exact) / jnp.linalg.norm(exact)
            assert getattr(rounded, name).dtype == exact.dtype and 0 < error < 0.02


def test_bfloat16_is_for_matrix_products():
    local = ctrnn.Locality(0.04)(ctrnn.Sheet(16, 16), key=jr.key(0))
    half = kernel_named("auto", local, "bfloat16")  # on a CPU too, which would fetch
    assert isinstance(half, HalfKernel) and isinstance(half.kernel, MaskedKernel)
    with pytest.raises(ValueError, match="choose kernel tiles or masked"):
        kernel_named("gather", GRAPHS["sheet"], "bfloat16")
    with pytest.raises(ValueError, match="float32 or bfloat16"):
        inspect.unwrap(kernel_named)("tiles", GRAPHS["sheet"], "float16")


def test_the_choice_fits_the_graph(monkeypatch):
    local = ctrnn.Locality(0.04)(ctrnn.Sheet(16, 16), key=jr.key(0))
    large = ctrnn.Locality(0.01)(ctrnn.Sheet(32, 32), key=jr.key(0))
    shuffled = ctrnn.Rewired(0.01)(ctrnn.Sheet(32, 32), key=jr.key(0))
    half = ctrnn.Locality(0.5)(ctrnn.Sheet(16, 16), key=jr.key(0))
    assert isinstance(choose_kernel(GRAPHS["autapses"]), DiagonalKernel)
    assert isinstance(choose_kernel(GRAPHS["dense"]), DenseKernel)
    assert isinstance(choose_kernel(local, backend="cpu"), GatherKernel)
    assert isinstance(choose_kernel(local, backend="gpu"), MaskedKernel)  # a tile is a quarter
    assert isinstance(choose_kernel(large, backend="gpu"), TileKernel)
    assert isinstance(choose_kernel(shuffled, backend="gpu"), MaskedKernel)
    monkeypatch.setattr("ctrnn._recurrence._NUMBERS", 10**5)  # of 1,024 neurons, 97 each
    assert isinstance(choose_kernel(large, backend="gpu"), GatherKernel)
    assert isinstance(choose_kernel(shuffled, backend="gpu"), GatherKernel)
    assert isinstance(choose_kernel(half, backend="cpu"), MaskedKernel)


def test_a_hub_is_not_fetched():
    # The lists of all neurons are as long as the hub's: as many numbers as the matrix has.
    hub = ctrnn.Graph([*range(300), *[0] * 299], [0] * 300 + [*range(1, 300)], size=300)
    assert hub.density < 0.01
    assert isinstance(choose_kernel(hub, backend="cpu"), MaskedKernel)


@pytest.mark.parametrize(
    "name, graph, message",
    [
        ("fast", "sheet", "auto, dense, masked, gather, tiles, diagonal"),
        ("dense", "sheet", "use 'masked'"),
        ("diagonal", "sheet", "autapses alone"),
    ],
)
def test_unfit_kernels_are_refused(name, graph, message):
    with pytest.raises(ValueError, match=message):
        kernel_named(name, GRAPHS[graph])
