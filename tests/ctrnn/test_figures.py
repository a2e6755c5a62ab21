"""Figures of runs: every one is written, and what is drawn is what was measured."""

import json
import re
import shutil
import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from typer.testing import CliRunner

import cli
import ctrnn
import tasks
from ctrnn import plotting

TINY = dict(tasks="go,goseqr,dm1,dms", neurons="6x6", dt=100.0, batch_size=8, warmup=2, steps=9)
TINY |= dict(evaluate_every=3, evaluation_trials=2)


def command(*words, code=0):
    result = CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "300"})
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in density, and one folder with both as replicates."""
    folder = tmp_path_factory.mktemp("runs")
    for name, sparsity in (("sparse", 0.15), ("dense", 1.0)):
        config = ctrnn.Config(**TINY, sparsity=sparsity)
        battery = tasks.Battery.select(config.tasks)
        ctrnn.create_run(folder / name, config, battery)
        ctrnn.train(config, battery, folder / name)
    for seed, name in enumerate(("sparse", "dense")):
        shutil.copytree(folder / name, folder / "both" / f"seed-{seed}")
    return folder


def evaluated(run):
    return [event for event in ctrnn.read_metrics(run) if event["event"] == "evaluate"]


def line(axes, label):
    return next(drawn for drawn in axes.lines if drawn.get_label() == label)


def test_every_figure_is_written_as_png_and_as_svg(runs, tmp_path):
    command("plot", runs / "both", "--out", tmp_path, "--task", "dms")
    names = "overview learning tasks grid sheet weights rates trial".split()
    assert {f.name for f in tmp_path.iterdir()} == {
        f"{n}.{k}" for n in names for k in ("png", "svg")
    }
    for name in names:
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        root = xml.etree.ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert root.tag.endswith("svg")


def test_the_learning_curves_are_the_metrics(runs):
    battery = tasks.Battery.select(TINY["tasks"])
    families = {name: battery.describe(name)[0] for name in battery.names}
    axes = plotting.learning_figure(ctrnn.read_curves(runs / "sparse"), families).axes[0]
    events = evaluated(runs / "sparse")
    trials = [event["step"] * 8 / 1000 for event in events]
    for label, expected in (
        ("all, mean", [event["mean_decision_accuracy"] for event in events]),
        ("all, worst task", [event["min_decision_accuracy"] for event in events]),
        ("decision (1 tasks)", [event["per_task"]["dm1"] for event in events]),
        (
            "reach (2 tasks)",
            [np.mean([e["per_task"][t] for t in ("go", "goseqr")]) for e in events],
        ),
    ):
        np.testing.assert_allclose(line(axes, label).get_xdata(), trials)
        np.testing.assert_allclose(line(axes, label).get_ydata(), expected)


def test_replicates_are_one_curve_with_their_range(runs):
    curves = ctrnn.read_curves(runs / "both")
    means = [
        [e["mean_decision_accuracy"] for e in evaluated(runs / n)] for n in ("sparse", "dense")
    ]
    np.testing.assert_allclose(curves.mean, means)
    axes = plotting.compare_figure({"both": curves, "one": ctrnn.read_curves(runs / "dense")}).axes[
        0
    ]
    np.testing.assert_allclose(line(axes, "both").get_ydata(), np.mean(means, 0))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (np.min(means), np.max(means))


def test_the_bars_and_the_grid_are_the_last_accuracies(runs):
    battery = tasks.Battery.select(TINY["tasks"])
    families = {name: battery.describe(name)[0] for name in battery.names}
    curves, final = ctrnn.read_curves(runs / "sparse"), evaluated(runs / "sparse")[-1]["per_task"]
    drawn = {}
    for axes in plotting.tasks_figure(curves, families).axes:
        names = [label.get_text() for label in axes.get_yticklabels()]
        drawn |= dict(zip(names, [bar.get_width() for bar in axes.patches], strict=True))
    assert drawn == final
    grid = plotting.grid_figure(curves).axes[0].images[0].get_array()
    np.testing.assert_allclose(np.sort(grid.compressed()), sorted(final.values()))
    assert grid[0, 1] == final["goseqr"]


def test_time_is_of_training_alone(runs):
    train = [e for e in ctrnn.read_metrics(runs / "sparse") if e["event"] == "train"]
    seconds = ctrnn.read_curves(runs / "sparse").seconds
    assert seconds.shape == (1, 3) and (np.diff(seconds) > 0).all()
    assert seconds[0, -1] == pytest.approx(9 * 8 / train[-1]["trials_per_second"])


def test_compare_says_what_differs(runs, tmp_path):
    said = command("compare", runs / "sparse", runs / "dense", "--out", tmp_path / "c").output
    rows = [re.split("[│┃]", row)[1:-1] for row in said.splitlines() if row[:1] in "│┃"]
    table = {cells[0].strip(): [x.strip() for x in cells[1:]] for cells in rows if len(cells) == 3}
    assert "sparsity" in table and "neurons" not in table and "tasks" not in table
    assert table[""] == ["sparse", "dense"]
    assert table["sparsity"] == ["0.15", "1.0"] and table["synapses"] == ["180", "1,296"]
    assert table["trials"] == ["72", "72"]
    for name, mean in zip(table[""], table["mean accuracy"], strict=True):
        summary = json.loads((runs / name / "summary.json").read_text())
        assert f"{summary['mean_decision_accuracy']:.3f}" == mean
    assert (tmp_path / "c" / "comparison.svg").exists()


def test_differences_are_to_the_first_run(runs):
    curves = {name: ctrnn.read_curves(runs / name) for name in ("sparse", "dense")}
    below = plotting.compare_figure(curves).axes[2]
    names = [label.get_text() for label in below.get_xticklabels()]
    last = {name: evaluated(runs / name)[-1]["per_task"] for name in curves}
    expected = [last["dense"][task] - last["sparse"][task] for task in names]
    np.testing.assert_allclose(below.lines[0].get_ydata(), expected)


def test_a_sweep_shows_each_density_with_its_seeds(runs):
    curves = ctrnn.read_curves(runs / "sparse")
    better = curves._replace(per_task=np.minimum(curves.per_task + 0.2, 1))
    shorter = curves._replace(trials=curves.trials[:2], per_task=curves.per_task[:, :2])
    swept = {
        "a": (ctrnn.Config(sparsity=0.01, seed=0), curves),
        "b": (ctrnn.Config(sparsity=0.01, seed=1), better),
        "c": (ctrnn.Config(sparsity=1.0, seed=0), shorter),
    }
    learning, last = plotting.sweep_figure(swept).axes
    both = (curves.mean[0] + better.mean[0]) / 2
    np.testing.assert_allclose(line(learning, "density 0.01").get_ydata(), both)
    assert len(line(learning, "density 1").get_xdata()) == 2  # as far as it has come
    dots = {x: y for mark in last.lines for x, y in [(tuple(mark.get_xdata()), mark.get_ydata())]}
    np.testing.assert_allclose(dots[0.01, 0.01], [curves.mean[0, -1], better.mean[0, -1]])
    assert last.get_xscale() == "log"


def test_colours_differ():
    for count in (1, 3, 6, 9):
        assert len({to_hex(colour) for colour in plotting.colours(count)}) == count


def test_mistakes(runs, tmp_path):
    assert "two runs" in command("compare", runs / "sparse", code=2).stderr
    assert "not a run" in command("compare", runs / "sparse", tmp_path, code=2).stderr
    assert "dm2" in command("plot", runs / "sparse", "--task", "dm2", code=2).stderr
    (tmp_path / "sweep.json").write_text("{}")
    assert "evaluated yet" in command("plot", tmp_path, code=2).stderr
