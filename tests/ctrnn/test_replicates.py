"""Networks of several seeds trained together: each as if it were alone, in a folder of its own."""

import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pydantic
import pytest
from typer.testing import CliRunner

import cli
import ctrnn
import tasks
from ctrnn._replicates import member, side_by_side, stack

TINY = dict(
    tasks="go,dm1",
    neurons="6x6",
    sparsity=0.2,  # ties, so that masks differ
    steps=20,
    batch_size=8,
    warmup=5,
    evaluate_every=5,
    evaluation_trials=2,
)
# Programs that differ round differently: float32 weights of order 1, after 20 steps.
CLOSE = dict(rtol=1e-4, atol=1e-5)


def make(folder, stop=lambda: False, **settings):
    config = ctrnn.Config(**(TINY | settings))
    battery = tasks.Battery.select(config.tasks)
    if not folder.exists():
        ctrnn.create_run(folder, config, battery)
    return ctrnn.train(config, battery, folder, stop=stop)


def leaves(folder):
    network, _ = ctrnn.load(folder / "model.eqx")
    return jax.tree.leaves(ctrnn.arrays(network))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "together"
    make(folder, seeds=2, seed=3)
    return folder


def test_each_is_the_run_of_its_seed_alone(together, tmp_path):
    for seed in (3, 4):
        alone = make(tmp_path / f"{seed}", seed=seed)
        its_own = together / f"seed-{seed}"
        assert json.loads((its_own / "summary.json").read_text())["per_task"] == alone.per_task
        assert ctrnn.open_run(its_own) == ctrnn.open_run(tmp_path / f"{seed}")
        for ours, theirs in zip(leaves(its_own), leaves(tmp_path / f"{seed}"), strict=True):
            np.testing.assert_allclose(ours, theirs, **CLOSE)
        told, heard = (
            [event for event in ctrnn.read_metrics(run) if event["event"] == "train"]
            for run in (its_own, tmp_path / f"{seed}")
        )
        assert [event["step"] for event in told] == [event["step"] for event in heard] == [16, 20]
        for one, other in zip(told, heard, strict=True):
            assert math.isclose(one["loss"], other["loss"], rel_tol=1e-4)
    masks = [ctrnn.load(together / f"seed-{seed}" / "model.eqx")[0].graph.mask() for seed in (3, 4)]
    assert (masks[0] != masks[1]).any()


def test_interrupted_and_resumed_equals_uninterrupted_to_the_bit(together, tmp_path):
    asked = iter(range(1, 100))
    first = make(tmp_path / "parts", lambda: next(asked) >= 7, seeds=2, seed=3)
    assert (first.status, first.step) == ("interrupted", 7)
    assert make(tmp_path / "parts", seeds=2, seed=3).status == "finished"
    for seed in ("seed-3", "seed-4"):
        for a, b in zip(leaves(together / seed), leaves(tmp_path / "parts" / seed), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_whole_tells_the_mean_and_each(together):
    whole, *each = (
        [event for event in ctrnn.read_metrics(folder) if event["event"] == "evaluate"]
        for folder in (together, together / "seed-3", together / "seed-4")
    )
    assert [event["step"] for event in whole] == [5, 10, 15, 20]
    for of_all, *of_each in zip(whole, *each, strict=True):
        means = [event["mean_decision_accuracy"] for event in of_each]
        assert of_all["seeds"] == means
        assert math.isclose(of_all["mean_decision_accuracy"], np.mean(means))
    summary = json.loads((together / "summary.json").read_text())
    assert summary["trials"] == 2 * 20 * 8
    assert summary["mean_decision_accuracy"] == whole[-1]["mean_decision_accuracy"]
    assert not (together / "model.eqx").exists()


def test_the_command_names_the_runs_inside_and_draws_them_together(together, tmp_path):
    def command(*words):
        return CliRunner().invoke(cli.app, [*map(str, words)], env={"COLUMNS": "400"})

    for words in (["evaluate"], ["inspect"], ["export", "--out", tmp_path / "x.npz"]):
        result = command(*words, together)
        assert result.exit_code == 2 and "name one" in result.stderr
        assert str(together / "seed-4") in result.stderr.replace("\n", "")
    assert command("evaluate", together / "seed-4", "--trials", 1).exit_code == 0
    assert command("plot", together, "--out", tmp_path / "x.png").exit_code == 0
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_divergence_names_the_seed(tmp_path):
    with pytest.raises(ctrnn.Diverged, match=r"of seed [34] diverged at step"):
        make(tmp_path / "run", seed=3, seeds=2, learning_rate=1e30, clip=1e30, warmup=0, steps=50)


def start(config, optimiser, seed):
    network = config.network(33, 2, 17, key=jr.key(seed))
    return ctrnn.start_training(network, optimiser, 2, key=jr.key(seed + 100))


@pytest.mark.parametrize("backend", ["cpu", "gpu"])  # one after the other, and by vmap
@pytest.mark.parametrize("kernel", ["gather", "tiles", "masked"])
def test_a_step_of_many_is_a_step_of_each(kernel, backend):
    """Also where the graphs of the seeds have other largest fan-outs, and so other tables."""
    settings = dict(kernel=kernel, connectivity="random", noise=0.1, neurons="9x9", sparsity=0.03)
    config = ctrnn.Config(**(TINY | settings))
    optimiser = optax.sgd(0.1)
    states = [start(config, optimiser, seed) for seed in range(3)]
    shapes = {tuple(x.shape for x in jax.tree.leaves(s.network.kernel)) for s in states}
    assert len(shapes) > 1 or kernel == "masked"
    step = ctrnn.make_train_step(
        tasks.Battery.select("go,dm1"),
        optimiser,
        batch_size=8,
        integration=ctrnn.Integration(solver="heun", dt=50.0),
    )
    many, seen = eqx.filter_jit(side_by_side(step, backend=backend))(stack(states))
    for i, state in enumerate(states):
        alone, its = step(state)
        one = member(many, i).network
        np.testing.assert_allclose(one.weights, alone.network.weights, **CLOSE)
        np.testing.assert_allclose(one.input_weights, alone.network.input_weights, **CLOSE)
        np.testing.assert_allclose(seen.loss[i], its.loss, rtol=1e-5)


@pytest.mark.parametrize("half", [False, True])
def test_seeds_for_which_other_kernels_are_the_fastest_have_that_of_the_first(half):
    config = ctrnn.Config(**(TINY | dict(neurons="12x12", sparsity=0.03)))
    optimiser = optax.sgd(0.1)
    states = [start(config, optimiser, seed) for seed in range(3)]
    kinds = [ctrnn.TileKernel, ctrnn.MaskedKernel, ctrnn.GatherKernel]
    kernels = [kind(s.network.graph) for kind, s in zip(kinds, states, strict=True)]
    if half:
        kernels = [ctrnn.HalfKernel(kernel) for kernel in kernels[:2]]
    mixed = [
        eqx.tree_at(lambda s: s.network.kernel, state, kernel)
        for state, kernel in zip(states, kernels, strict=False)
    ]
    stacked = stack(mixed).network.kernel
    assert isinstance(stacked.kernel if half else stacked, ctrnn.TileKernel)


@pytest.mark.parametrize("kind", [ctrnn.GatherKernel, ctrnn.TileKernel])
def test_room_in_the_tables_changes_nothing(kind):
    graph = ctrnn.RandomSparse(0.1)(ctrnn.Sheet(6, 6), key=jr.key(0))
    weights, rates = jr.normal(jr.key(1), (graph.synapses,)), jr.uniform(jr.key(2), (36, 4))
    tight, roomy = kind(graph), kind(graph, (40, 51))
    assert min(roomy.room) >= 40 > max(tight.room)

    def squared(kernel):
        return lambda w, r: jnp.sum(ctrnn.apply(kernel, kernel.layout(w), r) ** 2)

    for a, b in zip(
        *(jax.grad(squared(kernel), (0, 1))(weights, rates) for kernel in (tight, roomy)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("connectivity", ["locality", "random", "rewired", "autapse", "dense"])
def test_all_wirings_give_every_seed_as_many_synapses(connectivity):
    config = ctrnn.Config(**(TINY | dict(connectivity=connectivity)))
    stacked = stack([start(config, optax.sgd(0.1), seed) for seed in range(4)])
    assert stacked.network.weights.ndim == 2


def test_graphs_with_other_numbers_of_synapses_are_refused():
    sparse, optimiser = ctrnn.Config(**TINY), optax.sgd(0.1)
    denser = ctrnn.Config(**(TINY | dict(sparsity=0.3)))
    with pytest.raises(ValueError, match="train each seed on its own"):
        stack([start(sparse, optimiser, 0), start(denser, optimiser, 1)])


def test_seeds_beyond_the_last_are_refused():
    with pytest.raises(pydantic.ValidationError) as error:
        ctrnn.Config(seed=2**32 - 1, seeds=2)
    assert "below 2**32" in ctrnn.explain(error.value)
