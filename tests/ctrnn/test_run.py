"""Runs: settings, the folder, resuming, divergence, and what training does to accuracy."""

import json
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
import pytest

import ctrnn
import tasks

TINY = dict(
    tasks="go,dm1",
    neurons="6x6",
    sparsity=0.15,
    dt=100.0,
    steps=20,
    batch_size=8,
    warmup=5,
    evaluate_every=5,
    evaluation_trials=2,
)


def make(folder, stop=lambda: False, **settings):
    config = ctrnn.Config(**(TINY | settings))
    battery = tasks.Battery.select(config.tasks)
    if not folder.exists():
        ctrnn.create_run(folder, config, battery)
    return ctrnn.train(config, battery, folder, stop=stop)


def stop_after(asked):
    """Says stop the `asked`-th time that training asks, which it does once a step."""
    times = iter(range(1, 10**6))
    return lambda: next(times) >= asked


def leaves(folder):
    network, _ = ctrnn.load(folder / "model.eqx")
    return jax.tree.leaves(ctrnn.arrays(network))


def test_interrupted_and_resumed_equals_uninterrupted_to_the_bit(tmp_path):
    # The step is refined at 16, after the interruptions.
    whole = make(tmp_path / "whole", dt=50.0)
    assert make(tmp_path / "parts", stop_after(7), dt=50.0).status == "interrupted"
    assert make(tmp_path / "parts", stop_after(6), dt=50.0).step == 13
    parts = make(tmp_path / "parts", dt=50.0)
    assert (parts.status, parts.step, parts.per_task) == ("finished", 20, whole.per_task)
    for a, b in zip(leaves(tmp_path / "whole"), leaves(tmp_path / "parts"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_seed_repeats_and_another_differs(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(tmp_path / name, seed=seed)
    a, b, c = (leaves(tmp_path / name) for name in "abc")
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert not (a[0] == c[0]).all()


def test_the_folder_says_all(tmp_path):
    summary = make(tmp_path / "run")
    config = ctrnn.open_run(tmp_path / "run")
    assert config == ctrnn.Config(**TINY)
    events = ctrnn.read_metrics(tmp_path / "run")
    assert [e["step"] for e in events if e["event"] == "evaluate"] == [5, 10, 15, 20]
    assert events[0]["event"] == "start" and events[0]["versions"]["jax"] == jax.__version__
    _, header = ctrnn.load(tmp_path / "run" / "model.eqx")
    assert header.provenance["seed"] == config.seed and header.provenance["backend"] == "cpu"
    assert header.provenance.items() <= events[0].items()
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert written["mean_decision_accuracy"] == summary.mean_decision_accuracy
    assert set(written["per_task"]) == {"go", "dm1"}


def test_a_run_does_not_go_on_with_other_tasks(tmp_path):
    make(tmp_path / "run", stop_after(3))
    config = ctrnn.open_run(tmp_path / "run")
    with pytest.raises(ctrnn.CheckpointError, match="other tasks"):
        ctrnn.train(config, tasks.Battery.select("go,dm2"), tmp_path / "run")


def test_an_existing_folder_is_not_reused(tmp_path):
    make(tmp_path / "run")
    before = (tmp_path / "run" / "config.toml").read_text()
    battery = tasks.Battery.select("go")
    with pytest.raises(ValueError, match="not empty"):
        ctrnn.create_run(tmp_path / "run", ctrnn.Config(tasks="go"), battery)
    assert (tmp_path / "run" / "config.toml").read_text() == before


def test_a_run_from_before_classes_of_length_keeps_to_mixed_batches(tmp_path):
    ctrnn.create_run(tmp_path / "run", ctrnn.Config(**TINY), tasks.Battery.select("go,dm1"))
    file = tmp_path / "run" / "config.toml"
    lines = [line for line in file.read_text().splitlines() if "length_classes" not in line]
    file.write_text("\n".join(lines))
    assert ctrnn.open_run(tmp_path / "run") == ctrnn.Config(**TINY, length_classes=1)
    assert ctrnn.Config(**TINY).length_classes > 1


def test_a_config_that_was_not_written_is_no_run(tmp_path):
    (tmp_path / "config.toml").write_bytes(b"")
    with pytest.raises(ValueError, match="no version"):
        ctrnn.open_run(tmp_path)


def test_the_seconds_of_all_attempts_are_counted(tmp_path):
    first = make(tmp_path / "run", stop_after(7))
    assert make(tmp_path / "run").seconds >= first.seconds


def test_replicates_are_in_the_order_of_their_seeds(tmp_path):
    for seed in (10, 2, 9):
        (tmp_path / f"seed-{seed}").mkdir()
        (tmp_path / f"seed-{seed}" / "metrics.jsonl").touch()
    assert [run.name for run in ctrnn.replicates(tmp_path)] == ["seed-2", "seed-9", "seed-10"]


def test_a_line_cut_short_is_left_out_of_the_metrics(tmp_path):
    make(tmp_path / "run")
    file = tmp_path / "run" / "metrics.jsonl"
    whole = ctrnn.read_metrics(tmp_path / "run")
    file.write_text(file.read_text()[:-9])
    assert ctrnn.read_metrics(tmp_path / "run") == whole[:-1]


def test_target_accuracy_ends_the_run(tmp_path):
    summary = make(tmp_path / "run", target_accuracy=1e-9, steps=1000)
    assert summary.status == "reached target" and summary.step < 1000


def test_divergence_names_the_step(tmp_path):
    with pytest.raises(ctrnn.Diverged, match=r"diverged at step \d+: .*learning-rate"):
        make(tmp_path / "run", learning_rate=1e30, clip=1e30, warmup=0, steps=50)
    assert not (tmp_path / "run" / "model.eqx").exists()


@pytest.mark.slow
def test_training_learns(tmp_path):
    summary = make(
        tmp_path / "run", tasks="go,rtgo", neurons="8x8", steps=400, batch_size=32,
        evaluate_every=400, evaluation_trials=50,
    )  # fmt: skip
    assert summary.mean_decision_accuracy > 0.9


def test_decision_loss_is_the_cross_entropy_inside_the_trial():
    outputs = jr.normal(jr.key(0), (4, 2, 17))
    labels = jnp.array([[0, 3, 3, 0], [0, 0, 5, 5]])
    mask = jnp.array([[True, True, True, False], [True] * 4])
    decision = jnp.array([[False, True, True, False], [False, False, True, True]])
    logs = jax.nn.log_softmax(outputs)
    terms, weights = [], []
    for b in range(2):
        for t in range(4):
            if mask[b, t]:
                weights.append(3.0 if decision[b, t] else 1.0)
                terms.append(-logs[t, b, labels[b, t]] * weights[-1])
    expected = sum(terms) / sum(weights)
    found = ctrnn.decision_loss(outputs, labels, mask, decision, 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_evaluation_equals_one_trial_at_a_time():
    """Chunks and padding change nothing: the same trials, solved one by one."""
    config = ctrnn.Config(**TINY)
    battery = tasks.Battery.select("go,dm1,dms")
    network = config.network(33, 3, 17, key=jr.key(0))
    integration = ctrnn.Integration(dt=100.0)
    evaluate = ctrnn.make_evaluation(
        battery, trials_per_task=3, integration=integration, key=jr.key(1)
    )
    spec_key, noise_key, _ = jr.split(jr.fold_in(jr.key(1), 0), 3)
    trial = battery.render(battery.sample(spec_key, jnp.repeat(jnp.arange(3), 3)), noise_key)
    times = 100.0 * np.arange(1, battery.steps + 1)
    outputs = network(
        trial.path("step"), times, context=trial.rule, integration=integration
    ).outputs
    expected = []
    for task in range(3):
        right = frames = 0
        for b in range(3 * task, 3 * task + 3):
            for t in range(battery.steps):
                if trial.decision[b, t]:
                    frames += 1
                    right += int(outputs[t, b].argmax() == trial.labels[b, t])
        expected.append(right / frames)
    np.testing.assert_allclose(evaluate(network), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(sparsity=0.0), "sparsity = 0.0"),
        (dict(sparsitty=0.1), "unknown setting 'sparsitty'"),
        (dict(neurons="32by32"), "32x32"),
        (dict(neurons="1021"), "31x31"),
        (dict(solver="rk4"), "euler"),
        (dict(tau=-1.0), "tau = -1.0"),
        (dict(steps="many"), "steps = 'many'"),
        (dict(clip=math.inf), "clip = inf"),
        (dict(seed=2**32), "seed = 4294967296"),
        (dict(kernel="dense"), "connectivity dense"),
        (dict(kernel="diagonal"), "connectivity autapse"),
        (dict(tasks="my:battery", conventions="reference"), "its own conventions"),
    ],
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(pydantic.ValidationError) as error:
        ctrnn.Config(**settings)
    assert words in ctrnn.explain(error.value)


def test_a_config_file_that_is_not_toml_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("version = ")
    with pytest.raises(ValueError, match="cannot read"):
        ctrnn.load_config(tmp_path / "c.toml")


@pytest.mark.parametrize(
    "dt, fits", [(100.0, True), (20.0, True), (12.5, True), (30.0, False), (200.0, False)]
)
def test_the_step_divides_the_frames(tmp_path, dt, fits):
    battery = tasks.Battery.select("go")
    if fits:
        ctrnn.check_grid(battery, ctrnn.Integration(dt=dt))
        assert math.isclose(100.0 / dt, round(100.0 / dt))
    else:
        with pytest.raises(ValueError, match="does not divide"):
            ctrnn.create_run(tmp_path / "run", ctrnn.Config(tasks="go", dt=dt), battery)
        assert not (tmp_path / "run").exists()
