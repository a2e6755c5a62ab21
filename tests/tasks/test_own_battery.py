"""Tasks that someone adds without touching the package."""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tasks

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/own_task.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("own_task", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.my_battery


def only(battery, name):
    ids = jnp.full(200, battery.names.index(name))
    spec = battery.sample(jax.random.key(0), ids)
    return spec, battery.render(spec)


def test_a_new_row(example):
    spec, trial = only(example, "antiintr")
    shown = np.asarray(trial.inputs)[:, 5, 1:].reshape(-1, 2, 16).max(1).argmax(-1)
    turned = np.asarray(spec.stimulus) // 100
    label = np.asarray(trial.labels).max(1)
    assert np.array_equal(label, 1 + (shown + 8 + turned) % 16)
    assert set(turned.tolist()) == set(range(1, 13))


@pytest.mark.parametrize("name", ["midpoint", "dlymidpoint"])
def test_a_new_family(example, name):
    spec, trial = only(example, name)
    label = np.asarray(trial.labels).max(1) - 1
    # As far from one as from the other, and within a quarter of the ring.
    first, second = (np.asarray(x) for x in (spec.first, spec.second))
    assert np.array_equal((label - first) % 16, (second - label) % 16)
    assert ((label - first) % 16 <= 3).all()
    delay = {"midpoint": {0}, "dlymidpoint": set(range(200, 801, 100))}[name]
    assert set(np.asarray(spec.delay).tolist()) == delay
    ring = np.asarray(trial.inputs)[:, 4, 1:].reshape(-1, 2, 16)
    assert np.array_equal(ring.max(-1).argmax(-1), spec.modality)


def test_the_other_tasks_stay_as_they_were(example):
    plain = tasks.Battery.named("20")
    for name in ("go", "multidlydm", "dmc"):
        (_, theirs), (_, ours) = only(plain, name), only(example, name)
        assert jnp.array_equal(theirs.inputs, ours.inputs[:, : plain.steps])


def test_takes_part_in_everything(example):
    assert example.batch(jax.random.key(0), 8).rule.shape == (8, 23)
    assert example.describe("dlymidpoint")[0] == "midpoint"
    assert tasks.Battery(example.rows, dt=50.0).steps == 2 * example.steps


def test_load(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(EXAMPLE.parent)
    assert tasks.load("own_task:my_battery").names[-1] == "dlymidpoint"


def test_what_cannot_be_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_48.py").write_text("import tasks\nrows = tasks.TABLE\n")
    (tmp_path / "broken_48.py").write_text("import not_a_module\n")
    for where, message in (
        ("mine_48", "of the form 'module:attribute'"),
        ("mine_48:", "of the form 'module:attribute'"),
        ("mine_49:battery", "there is no module 'mine_49'"),
        ("mine_48:battery", "does not exist; the module has no battery"),
        ("mine_48:rows", "is not a tasks.Battery"),
    ):
        with pytest.raises(ValueError, match=message):
            tasks.load(where)
    with pytest.raises(ValueError, match="needs 'not_a_module'"):
        tasks.load("broken_48:battery")
    for source, message in (
        ("def battery(:", "SyntaxError"),
        ("raise RuntimeError('no data here')", "RuntimeError: no data here"),
        ("from tasks import nothing", "ImportError: cannot import name 'nothing'"),
    ):
        (tmp_path / "fails_48.py").write_text(source)
        importlib.invalidate_caches()
        with pytest.raises(ValueError, match=f"'fails_48' fails when imported: {message}"):
            tasks.load("fails_48:battery")
    for name in ("../mine_48:battery", "/tmp/x:battery", ".mine_48:battery", "a..b:battery"):
        with pytest.raises(ValueError, match="of the form 'module:attribute'"):
            tasks.load(name)


def test_periods_that_cannot_be():
    class Odd(tasks.Reach):
        pause: int = 0

        def timing(self, conventions):
            return tasks.Timing(fixation=self.pause, decision=100)

    with pytest.raises(ValueError, match="divide every duration"):
        tasks.Battery({"odd": Odd(pause=250)})
    with pytest.raises(ValueError, match="0 ms or longer"):
        tasks.Battery({"odd": Odd(pause=-100)})
    assert tasks.Battery({"odd": Odd(pause=250)}, dt=50.0).steps == 7
    with pytest.raises(ValueError, match="the periods are fixation"):
        tasks.strengths(sample=jnp.zeros((2, 2)))
