"""metrics.jsonl is only appended to, and can be read meanwhile; TensorBoard and W&B get its numbers."""

import json
import struct
import sys

import pytest

import ctrnn
import tasks
from ctrnn._metrics import Metrics

TINY = dict(
    tasks="go,dm1", neurons="5x5", sparsity=0.2, dt=100.0, batch_size=8, warmup=2, steps=20,
    evaluate_every=4, evaluation_trials=2,
)  # fmt: skip
BATTERY = tasks.Battery.select("go,dm1")


def train(folder, logs="", **kwargs):
    config = ctrnn.Config(**TINY)
    if not folder.exists():
        ctrnn.create_run(folder, config, BATTERY)
    sinks = ctrnn.make_sinks(logs, folder, config)
    return ctrnn.train(config, BATTERY, folder, sinks=sinks, **kwargs)


def asked(times):
    count = iter(range(1, 10**6))
    return lambda: next(count) >= times


def test_the_file_only_grows_and_a_reader_sees_whole_lines(tmp_path):
    file, seen = tmp_path / "run" / "metrics.jsonl", [b""]

    def look(progress):
        now = file.read_bytes()
        assert now.startswith(seen[-1]) and now.endswith(b"\n")
        assert json.loads(now.splitlines()[-1])["step"] == progress.step
        seen.append(now)

    train(tmp_path / "run", report=look, stop=asked(13))
    train(tmp_path / "run", report=look)
    assert len(seen) > 2


def test_what_happened_again_is_read_once(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    for event, step in [("start", 0), ("evaluate", 5), ("evaluate", 10), ("train", 12)]:
        metrics.write(event, step)
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(whole + b'{"event": "train", "st')  # killed here
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.write("start", 5)
    metrics.write("evaluate", 10, again=True)
    assert (tmp_path / "metrics.jsonl").read_bytes().startswith(whole)
    events = [(e["event"], e["step"]) for e in ctrnn.read_metrics(tmp_path)]
    assert events == [("start", 0), ("evaluate", 5), ("start", 5), ("evaluate", 10)]
    assert ctrnn.read_metrics(tmp_path)[-1]["again"]


def test_what_is_no_event_is_passed_over(tmp_path):
    Metrics(tmp_path / "metrics.jsonl").write("start", 0)
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('5\nnull\n[1]\n{"step": 3}\n"event"\n')
    assert [e["event"] for e in ctrnn.read_metrics(tmp_path)] == ["start"]


def test_a_log_that_fails_is_left_out_with_one_warning(tmp_path):
    def full(event, step, numbers):
        raise ConnectionError("no way there")

    seen = []
    sinks = [full, lambda event, step, numbers: seen.append(step)]
    metrics = Metrics(tmp_path / "metrics.jsonl", sinks)
    with pytest.warns(UserWarning, match="from step 1 on a log is left out: no way") as said:
        metrics.write("train", 1)
        metrics.write("train", 2)
    assert len(said) == 1 and seen == [1, 2]
    assert [e["step"] for e in ctrnn.read_metrics(tmp_path)] == [1, 2]


def test_evaluating_hides_no_batch_from_the_training_curve(tmp_path):
    curves = []
    for every in (4, 20):
        folder, config = tmp_path / str(every), ctrnn.Config(**TINY | {"evaluate_every": every})
        ctrnn.create_run(folder, config, BATTERY)
        ctrnn.train(config, BATTERY, folder)
        events = [e for e in ctrnn.read_metrics(folder) if e["event"] == "train"]
        curves.append([(e["step"], e["loss"]) for e in events])
    assert curves[0] == curves[1]


def records(content):
    """Of a file of TensorBoard: a length and its checksum, that many bytes and their checksum."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield content[12 : 12 + length]
        content = content[16 + length :]


def test_tensorboard_gets_the_same_numbers(tmp_path):
    from tensorboardX.proto import event_pb2

    folder = tmp_path / "run"
    train(folder, "tensorboard", stop=asked(10))
    train(folder, "tensorboard")
    found = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        for record in records(file.read_bytes()):
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    for event in ctrnn.read_metrics(folder):
        if event["event"] == "evaluate":
            for name, accuracy in event["per_task"].items():
                assert found[f"evaluate/per_task/{name}", event["step"]] == pytest.approx(accuracy)
        if event["event"] == "train":
            assert found["train/loss", event["step"]] == pytest.approx(event["loss"])


@pytest.mark.slow
def test_wandb_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folder = tmp_path / "run"
    train(folder, "wandb", stop=asked(10))
    train(folder, "wandb")
    made = sorted((folder / "wandb").glob("offline-run-*"))
    assert made and all(list(one.glob("*.wandb")) for one in made)
    assert len({one.name.rsplit("-", 1)[1] for one in made}) == 1  # one run, gone on with


def test_logs_that_cannot_be_are_named(tmp_path, monkeypatch):
    config = ctrnn.Config(**TINY)
    with pytest.raises(ValueError, match="unknown log 'mlflow'; choose of tensorboard, wandb"):
        ctrnn.make_sinks("tensorboard,mlflow", tmp_path, config)
    for name, module in (("wandb", "wandb"), ("tensorboard", "tensorboardX")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ValueError, match=rf"pip install 'ctrnn-jax\[{name}\]'"):
            ctrnn.make_sinks(name, tmp_path, config)
    assert not list(tmp_path.iterdir())
