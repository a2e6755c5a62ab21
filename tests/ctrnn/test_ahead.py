"""Several steps per call, as on accelerators: a run's events and numbers are those of single steps."""

import jax
import jax.random as jr
import numpy as np
import pytest
from poisoned import Poisoned

import ctrnn
import tasks

BATTERY = tasks.Battery.select("go,dm1")
# Evaluations, reports (every 10) and the refinement at step 16 fall between each other.
SETTINGS = dict(
    tasks="go,dm1", neurons="5x5", sparsity=0.2, steps=33, batch_size=8, warmup=2, evaluate_every=7,
    evaluation_trials=2, solver="euler", refine_at=0.48, length_classes=2, skip_nonfinite=3,
)  # fmt: skip


def some(key):
    return jr.uniform(key) < 0.25


def train(folder, most, stop=lambda: False, **settings):
    config = ctrnn.Config(**SETTINGS | settings)
    if not folder.exists():
        ctrnn.create_run(folder, config, BATTERY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ctrnn._run.steps_per_call", lambda log_every: min(most, log_every))
        return ctrnn.train(config, Poisoned(BATTERY, some), folder, stop=stop)


def leaves(folder):
    return jax.tree.leaves(ctrnn.arrays(ctrnn.load(folder / "model.eqx")[0]))


def test_events_and_numbers_are_those_of_single_steps_also_when_interrupted(tmp_path):
    single, many, parts = (tmp_path / name for name in ("single", "many", "parts"))
    train(single, 1)
    train(many, 10)
    ours, theirs = map(ctrnn.read_metrics, (many, single))
    assert [(e["event"], e["step"]) for e in ours] == [(e["event"], e["step"]) for e in theirs]
    kinds = [event["event"] for event in ours]
    assert kinds.count("train") == 4 and kinds.count("evaluate") == 5 and "skip" in kinds
    for one, other in zip(ours, theirs, strict=True):
        for name in {"loss", "gradient_norm", "accuracy", "total"} & one.keys():
            assert one[name] == pytest.approx(other[name], rel=1e-3)
    for a, b in zip(leaves(many), leaves(single), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    asked = iter([False, False, True])
    summary = train(parts, 10, lambda: next(asked))
    assert summary.status == "interrupted" and summary.step == 14  # after 7, 10 and 14
    train(parts, 10)
    for a, b in zip(leaves(parts), leaves(many), strict=True):
        np.testing.assert_array_equal(a, b)


def test_seeds_go_ahead_together(tmp_path):
    many, single = (train(tmp_path / str(n), n, seeds=2, steps=8, refine_at=1) for n in (10, 1))
    assert many.per_task == pytest.approx(single.per_task, abs=0.1)
    for seed in ("seed-0", "seed-1"):
        for a, b in zip(leaves(tmp_path / "10" / seed), leaves(tmp_path / "1" / seed), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_what_diverges_within_a_call_is_told_as_of_its_step(tmp_path):
    for most in (1, 10):
        with pytest.raises(ctrnn.Diverged):
            train(tmp_path / str(most), most, skip_nonfinite=0, refine_at=1, seed=2)
    one, many = (ctrnn.read_metrics(tmp_path / str(most))[-1] for most in (1, 10))
    assert many["event"] == "end" and many["step"] == 9  # the second step of the second call
    assert {k: many[k] for k in ("status", "step", "checkpoint")} == {
        k: one[k] for k in ("status", "step", "checkpoint")
    }
    assert many["gradient_norms"] == pytest.approx(one["gradient_norms"], rel=1e-3)
