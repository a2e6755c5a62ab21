"""Sweeps on a real Slurm cluster; `tests/slurm/run.sh` makes one of this machine."""

import csv
import json
import os
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import ctrnn
import tasks

pytestmark = pytest.mark.skipif(
    "CTRNN_SLURM" not in os.environ, reason="tests/slurm/run.sh sets up the cluster for these"
)
SWEEP = """--tasks go,dm1 --neurons 6x6 --sparsity 0.15 --dt 100 --batch-size 8 --warmup 2
    --evaluate-every 500 --evaluation-trials 2 --executor slurm""".split()


def begin(folder, *words):
    command = [sys.executable, "-m", "cli", "sweep", *SWEEP, *words, "--out", str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process, code=0):
    output, _ = process.communicate(timeout=400)
    assert process.returncode == code, output
    return output


def until(condition, process=None, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline and (process is None or process.poll() is None)
        time.sleep(0.1)


def queue():
    command = ["squeue", "--array", "--noheader", "--format=%i %T"]
    return dict(line.split() for line in subprocess.check_output(command, text=True).splitlines())


def starts(run):
    if not (run / "metrics.jsonl").exists():
        return []
    return [e["step"] for e in ctrnn.read_metrics(run) if e["event"] == "start"]


def steps(run):
    return ctrnn.read_metrics(run)[-1]["step"] if (run / "metrics.jsonl").exists() else 0


def job(run):
    return json.loads((run.parent / "jobs" / "slurm.json").read_text())[run.name]


def assert_equals_uninterrupted(run, whole):
    config = ctrnn.open_run(run)
    battery = tasks.Battery.select(config.tasks)
    ctrnn.create_run(whole, config, battery)
    ctrnn.train(config, battery, whole)
    networks = [ctrnn.load(folder / "model.eqx")[0] for folder in (run, whole)]
    for a, b in zip(*(jax.tree.leaves(ctrnn.arrays(n)) for n in networks), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_preempted_runs_finish_as_if_nothing_had_been(tmp_path):
    folder, words = tmp_path / "sweep", ("--seeds", "2", "--steps", "12000")
    words += ("--slurm", "time=30", "--slurm", "comment=two runs")
    signalled, requeued = folder / "seed-0", folder / "seed-1"
    process = begin(folder, *words)
    until(lambda: steps(signalled) > 1500, process)
    subprocess.check_call(["scancel", "--signal=USR2", job(signalled)])
    until(lambda: steps(requeued) > 1500, process)
    subprocess.check_call(["scontrol", "requeue", job(requeued)])

    process.terminate()  # the command may end, and watch the same jobs again
    assert "same command" in finish(process, code=143)
    numbers = job(signalled), job(requeued)
    output = finish(begin(folder, *words))
    assert numbers == (job(signalled), job(requeued)) and "finished" in output and not queue()

    for run in (signalled, requeued):
        first, second = starts(run)  # saved where it was, not at an evaluation every 500 steps
        assert first == 0 and second > 1500 and second % 500
        assert_equals_uninterrupted(run, tmp_path / f"whole-{run.name}")
    with open(folder / "results.csv") as stream:
        rows = [(row["seed"], row["state"], row["step"]) for row in csv.DictReader(stream)]
    assert rows == [("0", "finished", "12000"), ("1", "finished", "12000")]
    submission = next((folder / "jobs").glob("*_submission.sh")).read_text()
    assert "--array=0-1" in submission and "--time=30" in submission and "two runs" in submission


def test_a_failed_run_is_named_and_the_other_finishes_and_is_skipped_the_next_time(tmp_path):
    folder, words = tmp_path / "sweep", ("--clip", "1e30", "--warmup", "0", "--steps", "200")
    words += ("--learning-rate", "0.005,1e30")
    for _ in range(2):
        output = finish(begin(folder, *words), code=1)
        assert "1 of 2 runs are not finished" in output and "diverged at step" in output
    good, bad = (folder / f"learning_rate-{rate}_seed-0" for rate in ("0.005", "1e+30"))
    assert ctrnn.on_disk(good).done and starts(good) == [0]
    assert not ctrnn.on_disk(bad).done


def test_a_run_that_is_out_of_time_goes_on_from_its_checkpoint(tmp_path):
    # Slurm tells it 45 s before its 2 minutes are over, or up to a minute earlier than that.
    limit = ["--slurm", "time=2", "--slurm", "signal_delay_s=45"]
    process = begin(tmp_path / "sweep", "--steps", "1000000", *limit)
    run = tmp_path / "sweep" / "seed-0"
    until(lambda: len(starts(run)) == 2, process, seconds=240)
    first, second = starts(run)
    assert first == 0 and second > 0
    process.terminate()
    finish(process, code=143)
    subprocess.check_call(["scancel", job(run)])
    until(lambda: not queue(), seconds=60)
    assert ctrnn.on_disk(run).step >= second
