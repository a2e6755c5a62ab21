"""What is not finite ends a run with all one needs to know, or is skipped; failed solves are told."""

import functools
import json
import math

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import optax
import pytest
from poisoned import Poisoned
from typer.testing import CliRunner

import cli
import ctrnn
import tasks

TINY = dict(
    tasks="go,dm1", neurons="5x5", sparsity=0.2, dt=100.0, batch_size=8, warmup=2, evaluate_every=4,
    evaluation_trials=2,
)  # fmt: skip
BATTERY = tasks.Battery.select("go,dm1")


def some(key):
    return jr.uniform(key) < 0.3


def train(folder, bad, stop=lambda: False, **settings):
    config = ctrnn.Config(**TINY | settings)
    if not folder.exists():
        ctrnn.create_run(folder, config, BATTERY)
    return ctrnn.train(config, Poisoned(BATTERY, bad), folder, stop=stop)


def events(folder, kind):
    return [event for event in ctrnn.read_metrics(folder) if event["event"] == kind]


def test_divergence_names_step_norms_and_the_last_good_checkpoint(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ctrnn.Diverged) as error:
        train(folder, some, steps=40, seed=1)  # of which the sixth batch is the first bad one
    said, step = str(error.value), events(folder, "end")[-1]["step"]
    end = events(folder, "end")[-1]
    assert end["status"] == "diverged" and end["checkpoint"] == (step - 1) // 4 * 4
    assert len(end["gradient_norms"]) == min(step - 1, 10)
    assert f"diverged at step {step}: the loss is nan" in said
    history = said.split("before: ")[1].split(")")[0].split(", ")
    assert len(history) == min(step - 1, 10) and all(math.isfinite(float(x)) for x in history)
    saved = step // 4 * 4
    assert step > 4 and f"of step {saved - 4 * (saved == step)}, is {folder}/checkpoints/" in said


def test_skipped_updates_leave_no_trace_but_their_count(tmp_path):
    whole, parts, count = tmp_path / "whole", tmp_path / "parts", iter(range(10**6))
    summary = train(whole, some, steps=20, skip_nonfinite=5)
    skips = events(whole, "skip")
    assert skips and [e["total"] for e in skips] == list(range(1, len(skips) + 1))
    for line in (whole / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
    # Interrupted and resumed, amid skips too, to the same bits.
    train(parts, some, lambda: next(count) >= skips[0]["step"] - 1, steps=20, skip_nonfinite=5)
    assert events(parts, "end")[-1]["step"] == skips[0]["step"]
    assert train(parts, some, steps=20, skip_nonfinite=5).per_task == summary.per_task
    networks = [ctrnn.arrays(ctrnn.load(f / "model.eqx")[0]) for f in (whole, parts)]
    for a, b in zip(*map(jax.tree.leaves, networks), strict=True):
        np.testing.assert_array_equal(a, b)
    assert events(parts, "skip") == skips


def test_too_many_in_a_row_end_the_run(tmp_path):
    with pytest.raises(ctrnn.Diverged, match=r"diverged at step 4: .*There is no checkpoint yet"):
        train(tmp_path / "run", lambda key: True, steps=9, skip_nonfinite=3)
    assert [e["step"] for e in events(tmp_path / "run", "skip")] == [1, 2, 3]


def one_step(integration, bad=lambda key: False):
    config = ctrnn.Config(**TINY)
    network = config.network(33, 2, 17, key=jr.key(0))
    optimiser = optax.apply_if_finite(optax.adam(1e-3), 3)
    state = ctrnn.start_training(network, optimiser, 2, key=jr.key(1))
    before = jax.tree.map(np.array, eqx.filter(state, eqx.is_inexact_array))
    step = ctrnn.make_train_step(
        Poisoned(BATTERY, bad), optimiser, batch_size=8, integration=integration, focus=0.5
    )
    state, _ = step(state)
    return before, eqx.filter(state, eqx.is_inexact_array), state


def test_a_skipped_step_changes_neither_weights_nor_running_errors():
    before, after, state = one_step(ctrnn.Integration(dt=100.0), lambda key: True)
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(state.step) == 1 and int(state.opt_state.total_notfinite) == 1


FAILING = ctrnn.Integration(solver="tsit5", rtol=1e-5, max_steps=3)


def test_a_solve_that_fails_in_training_raises_with_diffrax_result():
    with pytest.raises(eqx.EquinoxRuntimeError, match="maximum number of solver steps was reached"):
        one_step(FAILING)


def test_a_solve_that_fails_in_evaluation_says_so(tmp_path, monkeypatch):
    config = ctrnn.Config(**TINY)
    network = config.network(33, 2, 17, key=jr.key(0))
    file = tmp_path / "m.eqx"
    ctrnn.save(file, network, config=config.model_dump(exclude_none=True), tasks=BATTERY.names)
    few = functools.partial(ctrnn.Integration, max_steps=3)
    monkeypatch.setattr(ctrnn, "Integration", few)
    words = ["evaluate", str(file), "--solver", "tsit5", "--rtol", "1e-5", "--trials", "1"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 1 and "Traceback" not in result.output
    said = " ".join(result.stderr.split())
    assert "solve failed" in said and "maximum number of solver steps was reached" in said
