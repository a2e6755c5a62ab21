"""The command, as a person types it: from training to export, and what it says to mistakes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

import cli
import ctrnn
import tasks

TINY = "--tasks go,dm1 --neurons 6x6 --sparsity 0.15 --dt 100 --batch-size 8 --warmup 2 ".split()
TINY += "--evaluate-every 3 --evaluation-trials 2".split()


def run(*words, code=0):
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    output = run("train", *TINY, "--steps", 6, "--out", folder).output
    assert "Decision accuracy" in output and f"ctrnn evaluate {folder}" in output.replace("\n", "")
    return folder


def test_train_evaluate_export_reload_gives_identical_outputs(folder, tmp_path):
    result = json.loads(run("evaluate", folder, "--json", "--trials", 2).output)
    summary = json.loads((folder / "summary.json").read_text())
    assert result["per_task"] == summary["per_task"]
    assert set(result) == {"mean_decision_accuracy", "min_decision_accuracy", "per_task"}

    run("export", folder, "--format", "eqx", "--out", tmp_path / "again.eqx")
    again = json.loads(run("evaluate", tmp_path / "again.eqx", "--json", "--trials", 2).output)
    assert again == result
    for form in ("npz", "safetensors"):
        run("export", folder, "--format", form, "--out", tmp_path / f"m.{form}")
    network, _ = ctrnn.load(folder / "model.eqx")
    np.testing.assert_array_equal(np.load(tmp_path / "m.npz")["weights"], network.weights)
    assert (tmp_path / "config.json").exists()


def test_evaluate_refined(folder):
    output = run("evaluate", folder, "--solver", "tsit5", "--rtol", "1e-3", "--trials", 1).output
    assert "tsit5, rtol 0.001" in output


def test_inspect_prints_the_typed_tree(folder):
    output = run("inspect", folder / "model.eqx").output
    for words in ("weights", "36 x 33", "float32", "graph.sources", "int32", "4,752"):
        assert words in output


def test_a_noisy_network_is_refined_with_a_solver_that_carries_noise(tmp_path):
    folder = tmp_path / "run"
    output = run("train", *TINY, "--steps", 2, "--noise", 0.1, "--out", folder).output
    assert "--solver heun --rtol" in output
    run("evaluate", folder, "--solver", "tsit5", "--rtol", "1e-2", "--trials", 1, code=2)
    run("evaluate", folder, "--solver", "heun", "--rtol", "1e-1", "--trials", 1)


def test_a_run_repeats_from_its_own_config(folder, tmp_path):
    run("train", "--config", folder / "config.toml", "--out", tmp_path / "again")
    first, second = (f / "model.eqx" for f in (folder, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()


def test_the_commit_of_the_working_directory_is_recorded(tmp_path, monkeypatch):
    git = lambda *words: subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (tmp_path / "own.py").write_text("")
    git("init")
    git("add", "own.py")
    git("commit", "-m", "own tasks")
    (tmp_path / "own.py").write_text("changed = True")
    monkeypatch.chdir(tmp_path)
    run("train", *TINY, "--steps", 1, "--out", "run")
    about = ctrnn.load("run/model.eqx")[1].provenance["git"]
    assert about == {"commit": git("rev-parse", "HEAD"), "changed": True}


def test_a_run_that_is_done_says_so(folder):
    before = {f: f.read_bytes() for f in folder.iterdir() if f.is_file()}
    assert "finished at step 6 before; left as it is" in run("train", "--resume", folder).output
    assert before == {f: f.read_bytes() for f in folder.iterdir() if f.is_file()}


def test_options_win_over_the_file_and_the_preset(tmp_path):
    run("config", "--write", tmp_path / "c.toml", "--preset", "tiny")
    assert ctrnn.Config(**ctrnn.load_config(tmp_path / "c.toml")).neurons == "12x12"
    run(
        "train", "--preset", "tiny", "--config", tmp_path / "c.toml", *TINY,
        "--steps", 2, "--out", tmp_path / "run",
    )  # fmt: skip
    assert ctrnn.open_run(tmp_path / "run").neurons == "6x6"


def test_tasks_list_and_show(tmp_path):
    output = run("tasks", "list", "20").output
    assert "multidlydm" in output and "20 tasks" in output
    output = run("tasks", "show", "dlygointr", "--plot", tmp_path / "t.png").output
    assert "delay" in output and "decision" in output
    assert (tmp_path / "t.png").exists()


def test_tasks_of_ones_own(tmp_path, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath / "examples")
    own = "own_task:my_battery"
    assert "dlymidpoint" in run("tasks", "list", own).output
    assert "midway" in run("tasks", "show", "midpoint", "--tasks", own).output
    words = [*TINY, "--tasks", own, "--steps", 2, "--out", tmp_path / "run"]
    run("train", *words)
    result = json.loads(run("evaluate", tmp_path / "run", "--json", "--trials", 1).output)
    assert {"go", "antiintr", "midpoint", "dlymidpoint"} < set(result["per_task"])


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("train --tasks dlgo", "dlygo"),
        ("train --sparsity 0", "sparsity = 0"),
        ("train --sparsity 1.5", "less than or equal to 1"),
        ("train --neurons 1021", "31x31"),
        ("train --neurons 30x30x30", "32x32"),
        ("train --dt 30", "does not divide"),
        ("train --tau 20", "unstable"),
        ("train --kernel dense", "connectivity dense"),
        ("train --tasks .foo:bar", "module:attribute"),
        ("tasks show 20", "20 tasks"),
        ("train --solver rk4", "rk4"),
        ("train --config none.toml", "none.toml"),
        ("train --log mlflow", "choose of tensorboard, wandb"),
        ("train --resume none", "not a run"),
        ("train --tasks nomodule:battery", "nomodule"),
        ("evaluate none", "cannot read"),
        ("evaluate pyproject.toml", "not a ctrnn checkpoint"),
        ("inspect README.md", "not a ctrnn checkpoint"),
        ("export none --out x.npz", "cannot read"),
        ("plot none", "not a run"),
        ("tasks show nope", "nope"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words, sentence, tmp_path, request):
    runs = request.config.rootpath / "runs"  # one's own may be there
    before = set(runs.glob("*"))
    result = run(*words.split(), code=2)
    said = " ".join(result.stderr.split())
    assert sentence in said, said
    assert "Traceback" not in result.output + result.stderr
    assert set(runs.glob("*")) == before


def test_mistakes_with_a_run(folder, tmp_path):
    before = {f: f.read_bytes() for f in folder.iterdir() if f.is_file()}
    assert "not empty" in run("train", *TINY, "--out", folder, code=2).stderr.replace("\n", " ")
    run("train", "--resume", folder, "--steps", 9, code=2)
    run("evaluate", folder, "--solver", "euler", "--rtol", "1e-3", code=2)
    run("evaluate", folder, "--dt", "30", code=2)
    run("plot", folder, "--task", "dms", code=2)
    (tmp_path / "x.npz").write_text("mine")
    run("export", folder, "--format", "npz", "--out", tmp_path / "x.npz", code=2)
    (tmp_path / "config.json").write_text("mine")
    run("export", folder, "--format", "safetensors", "--out", tmp_path / "m.safetensors", code=2)
    assert (tmp_path / "config.json").read_text() == "mine"
    run("evaluate", folder, "--dt", "0", code=2)
    assert (tmp_path / "x.npz").read_text() == "mine"
    (tmp_path / "bad.toml").write_text("sparsity = 0.04\nlearning_rat = 1.0")
    said = run("train", "--config", tmp_path / "bad.toml", code=2).stderr
    assert "did you mean 'learning_rate'" in said.replace("\n", " ")
    assert before == {f: f.read_bytes() for f in folder.iterdir() if f.is_file()}


def test_divergence_is_exit_code_1(tmp_path):
    words = ["--steps", 50, "--learning-rate", 1e30, "--clip", 1e30, "--warmup", 0]
    result = run("train", *TINY, *words, "--out", tmp_path / "run", code=1)
    assert "diverged at step" in result.stderr and "Traceback" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on(tmp_path, sent, code):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "cli", "train", *TINY, "--steps", "2000"]
    process = subprocess.Popen(
        [*command, "--out", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (folder / "metrics.jsonl").exists() or len(ctrnn.read_metrics(folder)) < 4:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(sent)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "interrupted at step" in output and f"ctrnn train --resume {folder}" in output
    network, _ = ctrnn.load(folder / "model.eqx")
    assert np.isfinite(network.weights).all()

    config, at = ctrnn.open_run(folder), json.loads((folder / "summary.json").read_text())["step"]
    summary = ctrnn.train(config, tasks.Battery.select(config.tasks), folder, stop=lambda: True)
    assert summary.step == at + 1


def test_the_installed_command_shows_its_help():
    result = subprocess.run(
        [sys.executable, "-m", "cli", "--help"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0 and "evaluate" in result.stdout
