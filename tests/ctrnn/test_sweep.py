"""Sweeps on this machine: what runs there are, and that none is lost. Slurm has its own tests."""

import csv
import dataclasses
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import polars
import pydantic
import pytest
from rich.console import Console
from typer.testing import CliRunner

import cli
import ctrnn
import tasks
from ctrnn._cluster import Job, Local, shares
from ctrnn._metrics import Metrics
from ctrnn._terminal import _sweep_table

TINY = "--tasks go,dm1 --neurons 6x6 --sparsity 0.15 --dt 100 --batch-size 8".split()
TINY += "--evaluation-trials 2 --clip 1e30 --warmup 0".split()


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """The processes of a sweep share what they compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        yield


def sweep(*words, code=0):
    result = CliRunner().invoke(cli.app, ["sweep", *TINY, *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_combinations_are_the_product_and_their_names_say_what_differs():
    vary = dict(tasks=["go,dm1"], sparsity=["0.01", "1"], neurons=["16x16", "8x8"], seed=[3, 4])
    runs = ctrnn.combinations(dict(steps=50), vary)
    seen = {(c.sparsity, c.neurons, c.seed) for c in runs.values()}
    assert seen == set(itertools.product((0.01, 1.0), ("16x16", "8x8"), (3, 4)))
    assert {(c.tasks, c.steps) for c in runs.values()} == {("go,dm1", 50)}
    assert "sparsity-0.01_neurons-16x16_seed-3" in runs
    for name, config in runs.items():
        assert f"seed-{config.seed}" in name and config.neurons in name and "tasks" not in name


def test_several_seeds_are_a_run_each_and_a_wrong_one_is_named():
    runs = ctrnn.combinations(dict(seed=3, seeds=2), dict(sparsity=[0.1, 1]))
    assert {(c.seed, c.seeds) for c in runs.values()} == {(3, 1), (4, 1)} and len(runs) == 4
    with pytest.raises(pydantic.ValidationError, match="seed"):
        ctrnn.combinations(dict(seed="x"), {})


def test_a_summary_outweighs_the_events(tmp_path):
    run = tmp_path / "run"
    config = ctrnn.Config(tasks="go", neurons="5x5")
    ctrnn.create_run(run, config, tasks.Battery.select("go"))
    Metrics(run / "metrics.jsonl").write("start", 0)
    assert ctrnn.on_disk(run).state == "running"
    summary = ctrnn.Summary("finished", 9, 9, 1.0, 0.5, 0.5, {"go": 0.5})
    (run / "summary.json").write_text(json.dumps(dataclasses.asdict(summary)))
    assert ctrnn.on_disk(run).done


def test_a_value_twice_is_one_run_and_a_bad_one_is_named():
    assert len(ctrnn.combinations({}, dict(sparsity=["0.1", "0.10"]))) == 1
    with pytest.raises(pydantic.ValidationError, match="sparsity"):
        ctrnn.combinations({}, dict(sparsity=["0.1", "2"]))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two runs at a time, of which one has to fail."""
    folder = tmp_path_factory.mktemp("sweep") / "rates"
    words = ["--steps", 20, "--evaluate-every", 10, "--learning-rate", "0.005,1e30"]
    result = sweep(*words, "--jobs", 2, "--out", folder, code=1)
    return folder, words, result


def test_a_failed_run_is_named_and_the_other_finishes(swept):
    folder, _, result = swept
    assert "1 of 2 runs are not finished" in result.stderr
    assert "learning_rate-1e+30_seed-0 failed" in result.stderr
    assert "diverged at step" in result.stderr and "_log.err" in result.stderr
    summary = json.loads((folder / "learning_rate-0.005_seed-0" / "summary.json").read_text())
    assert summary["status"] == "finished"


def test_the_results_are_what_the_runs_came_to(swept):
    folder, *_ = swept
    table = polars.read_parquet(folder / "results.parquet")
    with open(folder / "results.csv") as stream:
        rows = {row["run"]: row for row in csv.DictReader(stream)}
    assert rows.keys() == set(table["run"]) == {run.name for run in ctrnn.sweep_runs(folder)}
    good, bad = rows["learning_rate-0.005_seed-0"], rows["learning_rate-1e+30_seed-0"]
    summary = json.loads((folder / good["run"] / "summary.json").read_text())
    assert float(good["mean_decision_accuracy"]) == summary["mean_decision_accuracy"]
    assert {k: float(good[f"task:{k}"]) for k in summary["per_task"]} == summary["per_task"]
    assert (good["state"], good["trials"], good["neurons"]) == ("finished", "160", "6x6")
    assert bad["state"] != "finished"
    contents = json.loads((folder / "sweep.json").read_text())
    assert contents["shared"]["neurons"] == "6x6"
    assert contents["runs"][bad["run"]] == {"learning_rate": 1e30}


def test_the_same_command_skips_what_is_finished_and_no_other_settings_do(swept):
    folder, words, _ = swept
    done = folder / "learning_rate-0.005_seed-0"
    before = {file: file.stat().st_mtime_ns for file in done.rglob("*")}
    ctrnn.sweep({done.name: ctrnn.open_run(done)}, folder, cli._battery_of)
    assert before == {file: file.stat().st_mtime_ns for file in done.rglob("*")}
    said = sweep("--steps", 30, *words[2:], "--out", folder, code=2).stderr
    assert "another steps" in " ".join(said.split())


def test_a_sweep_is_drawn_finished_or_not(swept):
    folder, *_ = swept
    assert CliRunner().invoke(cli.app, ["plot", str(folder)]).exit_code == 0
    assert (folder / "figures" / "sweep.svg").exists()


def test_stopped_and_killed_runs_go_on_from_their_checkpoints(tmp_path):
    words = [*TINY, "--steps", "6000", "--evaluate-every", "200", "--out", str(tmp_path / "sweep")]
    run = tmp_path / "sweep" / "seed-0"

    def begin():
        command = [sys.executable, "-m", "cli", "sweep", *words]
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)

    def starts():
        if not (run / "metrics.jsonl").exists():
            return []
        return [e["step"] for e in ctrnn.read_metrics(run) if e["event"] == "start"]

    def wait_for(step):
        deadline = time.monotonic() + 120
        while not (starts() and ctrnn.read_metrics(run)[-1]["step"] > step):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)

    process = begin()
    wait_for(300)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C on a terminal does
    assert process.wait(60) == 130
    at = json.loads((run / "summary.json").read_text())["step"]
    assert ctrnn.on_disk(run).state == "interrupted" and at > 300

    process = begin()
    wait_for(at + 300)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert ctrnn.on_disk(run).state == "running"  # says the file: it was not asked

    assert begin().wait(180) == 0
    assert ctrnn.on_disk(run).state == "finished"
    first, second, third = starts()
    assert first == 0 and second == at and third > at


def test_the_table_shows_what_is_under_way_and_counts_the_rest():
    config = ctrnn.Config(steps=80)
    seen = {"run-b": ctrnn.OnDisk("running", 40, 0.5, 0.25, {})}
    seen |= {f"run-{name}": ctrnn.OnDisk("finished", 80, 0.75, 0.7, {}) for name in "ac"}
    states = {name: ctrnn.RunState(one.state, one, config, None) for name, one in seen.items()}
    said = io.StringIO()
    Console(file=said, width=100).print(_sweep_table(states, rows=1))
    assert all(word in said.getvalue() for word in ("run-b", "40/80", "0.50", "0.25"))
    assert "run-a" not in said.getvalue() and "1 running, 2 finished" in said.getvalue()


@pytest.mark.parametrize(
    "visible, seen", [("3,5", ["3", "5"]), ("7", ["7", "7"]), (None, [None] * 2)]
)
def test_processes_take_turns_at_the_devices(tmp_path, monkeypatch, visible, seen):
    submitit = pytest.importorskip("submitit")
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    handed = []

    class Running:
        done = staticmethod(lambda: False)

    monkeypatch.setattr(
        submitit.LocalExecutor, "submit", lambda self, job: handed.append(job) or Running
    )
    local = Local(tmp_path, 2)
    assert local.submit([tmp_path / "a", tmp_path / "b", tmp_path / "c"], cli._battery_of) == 2
    assert [job.device for job in handed] == seen
    assert all(isinstance(job, Job) for job in handed)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system deals no cores")
def test_processes_have_cores_of_their_own():
    cores = os.sched_getaffinity(0)
    for count in range(1, 2 * len(cores) + 1):
        dealt = shares(count)
        assert len(dealt) == count and set().union(*map(set, dealt)) == cores
        if count <= len(cores):
            sizes = [len(share) for share in dealt]
            assert sum(sizes) == len(cores) and max(sizes) - min(sizes) <= 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system deals no cores")
def test_a_job_keeps_to_its_cores(tmp_path):
    class Seen(Exception): ...

    def battery_of(config):
        raise Seen(os.sched_getaffinity(0))

    ctrnn.create_run(tmp_path / "run", ctrnn.Config(tasks="go"), tasks.Battery.select("go"))
    allowed = os.sched_getaffinity(0)
    try:
        with pytest.raises(Seen) as seen:
            Job(tmp_path / "run", battery_of, cores=(max(allowed),))()
    finally:
        os.sched_setaffinity(0, allowed)
    assert seen.value.args == ({max(allowed)},)


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--sparsity 0.1,2", "less than or equal to 1"),
        ("--solver heun,rk4", "rk4"),
        ("--seeds 2 --seed 1,2", "not both"),
        ("--executor slurm --slurm partition", "KEY=VALUE"),
        ("--dt 30,50", "does not divide"),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, tmp_path):
    said = sweep(*words.split(), "--out", tmp_path / "sweep", code=2).stderr
    assert sentence in " ".join(said.split())


def test_no_slurm_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = sweep("--executor", "slurm", "--out", tmp_path / "sweep", code=2).stderr
    assert "no Slurm here" in " ".join(said.split())
