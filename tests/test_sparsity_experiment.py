"""The measures of the sparsity experiment, on curves whose measures are known."""

import json

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn._metrics import Metrics
from examples.sparsity_experiment import autapses, conditions, figures, measures, outcomes, tables
from examples.sparsity_experiment.__main__ import CURVES, PAGES
from examples.sparsity_experiment.conditions import (
    CONDITIONS,
    EVALUATIONS,
    EXACT,
    SEEDS,
    config,
    name,
)


def test_trials_until_a_level_are_read_between_evaluations():
    trials, accuracy = [100, 200, 300], [0.2, 0.4, 0.8]
    assert measures.trials_until(trials, accuracy, 0.5) == pytest.approx(225)
    assert measures.trials_until(trials, accuracy, 0.1) == 100
    assert measures.trials_until(trials, accuracy, 0.9) == np.inf


def test_first_crossing_counts_though_the_curve_falls_again():
    assert measures.trials_until([100, 200, 300, 400], [0.0, 0.6, 0.3, 0.7], 0.5) < 200


def test_the_interval_of_three_seeds_is_their_range_and_survives_a_seed_that_never_arrives():
    assert measures.over_seeds([1.0, 2.0, 3.0]) == (2.0, 1.0, 3.0)
    assert measures.over_seeds([1.0, 2.0, np.inf]) == (2.0, 1.0, np.inf)


def test_a_comparison_needs_seeds_that_do_not_overlap():
    def runs(*curves):
        return [dict(trials=[1, 2, 3], mean=curve) for curve in curves]

    fast, slow = runs([0.5, 0.6, 0.7], [0.4, 0.6, 0.7]), runs([0.1, 0.2, 0.6], [0.1, 0.2, 0.3])
    assert measures.compared(fast, slow, 0.5) == "sooner"
    assert measures.compared(slow, fast, 0.5) == "later"
    assert measures.compared(fast, fast[::-1], 0.5) == "undecided"
    assert measures.compared(fast, slow, 0.9) == "none reaches it"


def test_densities_are_at_equal_neurons_or_at_about_equal_synapses():
    def graph(condition):
        settings = config(condition, "20", 3e-3, 0)
        return settings.wiring()(settings.sheet(), key=jr.key(0))

    equal = (*conditions.EQUAL_SYNAPSES, "dense, 80")
    assert all(abs(graph(condition).synapses / 6400 - 1) < 0.1 for condition in equal)
    others = set(CONDITIONS) - set(equal)
    assert {graph(condition).size for condition in others} == {400}
    assert len({name(c, "20", 3e-3, 0) for c in CONDITIONS}) == len(CONDITIONS)


def made_up(battery, ends):
    """Rows of every condition that end so, as a line from 0; others end at 0.5."""
    row = dict(battery=battery, learning_rate=0.01, neurons=400, synapses=6400, parameters=9000)
    row |= dict(trials=[10_000, 20_000], seconds=60.0, state="finished")
    for condition in (*CONDITIONS, *EXACT):
        end = ends.get(condition, 0.5)
        curve = dict(condition=condition, mean=[end / 2, end])
        yield row | curve | dict(seed=100)
        for seed in SEEDS:
            yield row | curve | dict(seed=seed, accuracy=[end] * 132, refined=[end - 0.1] * 132)


def test_tables_leave_out_the_runs_that_tuned_and_say_never():
    rows = list(made_up("132", {"dense": 0.9}))
    (line,) = (x for x in tables.learning(rows, "132").splitlines() if x.startswith("| dense |"))
    assert line == "| dense | 10k | 11k | 18k | 20k | 0.675 |"
    assert "| dense | 400 | 6,400 | 9,000 | 0.01 |" in tables.sizes(rows, "132")
    assert "never" in tables.learning(rows, "132")
    assert "| dense |  |  |  | **0.675** |  |  |" in tables.tuned(rows, "132")
    rows[1]["state"] = "diverged"
    assert "locality 1% (1 diverged)" in tables.end(rows, "132")
    assert "| locality 4% | dense | later | later | later | later |" in tables.comparisons(
        rows, "132"
    )
    for draw in (figures.curves_figure, figures.density_figure):
        assert draw(rows, "132").axes
    assert autapses.broken_figure(rows).axes
    assert "| dense, bosh3 | 12k | 20k |" in tables.exact(rows)
    counts = [int(line.split(" | ")[2]) for line in tables.broken(rows).splitlines()[2:]]
    assert sum(counts) == 132


def test_the_page_shows_what_the_committed_runs_came_to():
    rows = [json.loads(line) for line in CURVES.read_text().splitlines()]
    assert all(len(row["accuracy"]) == int(row["battery"]) for row in rows if row["seed"] in SEEDS)
    for table in tables.OF_ALL:
        assert (PAGES / f"table-{table.__name__}.md").read_text() == table(rows)
    for table in tables.OF_A_BATTERY:
        for battery in ("20", "132"):
            page = PAGES / f"table-{table.__name__}-{battery}.md"
            assert page.read_text() == table(rows, battery)


def test_a_seed_that_is_missing_is_not_overlooked():
    rows = [row for row in made_up("20", {}) if (row["condition"], row["seed"]) != ("dense", 1)]
    with pytest.raises(ValueError, match="dense"):
        measures.by_condition(rows, "20")


@pytest.mark.parametrize(
    "ends, expected",
    [
        ({"autapses": 0.7, "locality 2%": 0.9, "dense": 0.6}, ["supported"] * 3),
        ({"autapses": 0.85, "locality 2%": 0.9, "dense": 0.6}, ["not supported", "supported"]),
        ({"autapses": 0.45, "locality 2%": 0.5, "dense": 0.9}, ["not supported", "contradicted"]),
        ({"locality 2%": 0.5, "dense": 0.5}, ["not supported", "undecided"]),
    ],
)
def test_verdicts_are_those_of_the_plan(ends, expected):
    rows = [*made_up("20", {"autapses": 0.95}), *made_up("132", ends)]
    judged = [line.split(" | ")[-1].rstrip(" |") for line in tables.verdicts(rows).splitlines()[2:]]
    assert judged[0] == "supported" and judged[1] == expected[0] and judged[2] == expected[1]


def end(run):
    run.mkdir(exist_ok=True)
    Metrics(run / "metrics.jsonl").write("end", 1, status="finished")


def test_a_rate_is_tuned_until_it_was_beaten_on_either_side(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "RUNS", tmp_path)
    learnt = {1e-3: 0.2, 3e-3: 0.4, 1e-2: 0.6}
    monkeypatch.setattr(outcomes, "mean_curve", lambda run: np.array([learnt[rate_of[run.name]]]))
    rate_of = {name("dense", "20", rate, 100): rate for rate in outcomes.LEARNING_RATES}
    for run, rate in rate_of.items():
        if rate in learnt:
            end(tmp_path / run)
    assert outcomes.best_rate("dense", "20") == 1e-2
    assert outcomes.untried("dense", "20") == [3e-2]
    learnt[3e-2] = 0.5
    waiting = tmp_path / name("dense", "20", 3e-2, 100)
    ctrnn.create_run(waiting, ctrnn.Config(tasks="go"), tasks.Battery.select("go"))
    assert outcomes.untried("dense", "20") == [3e-2]  # what waits was not tried
    end(waiting)
    assert outcomes.untried("dense", "20") == []


def test_what_has_not_run_is_not_collected(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "RUNS", tmp_path)
    with pytest.raises(FileNotFoundError, match="begin with tune"):
        list(outcomes.rows("20"))


def test_a_run_that_diverged_stays_as_it_was_at_its_last_evaluation(tmp_path):
    settings = ctrnn.Config(tasks="go", neurons="5x5")
    ctrnn.create_run(tmp_path / "run", settings, tasks.Battery.select("go"))
    events = Metrics(tmp_path / "run" / "metrics.jsonl")
    events.write("start", 0)
    assert (outcomes.mean_curve(tmp_path / "run") == np.zeros(EVALUATIONS)).all()
    for step, seen in ((10, 0.25), (20, 0.5)):
        events.write("train", step, trials_per_second=1.0)
        events.write("evaluate", step, mean_decision_accuracy=seen, per_task={"go": seen})
    events.write("end", 25, status="diverged")
    assert outcomes.mean_curve(tmp_path / "run").tolist() == [0.25] + [0.5] * (EVALUATIONS - 1)


def test_autapses_forget_as_their_equation_says():
    battery = tasks.Battery.named("20")
    graph = ctrnn.Autapse()(ctrnn.Ring(30), key=jr.key(0))
    sizes = battery.in_size, len(battery.names), battery.out_size
    network = ctrnn.RateNetwork(graph, *sizes, key=jr.key(1))
    network = eqx.tree_at(lambda n: n.weights, network, jnp.linspace(-0.5, 1.1, 30))
    since, rates, drive = autapses.in_delay(network, battery)
    rest = drive / (1 - autapses.own_weights(network))
    decay = np.exp(-since[:, None, None] * (1 - autapses.own_weights(network)) / 100)
    # Others are below threshold for a while, and forget with tau.
    active = (autapses.own_weights(network) * rates + drive > 0).all(0)
    expected = rest + (rates[0] - rest) * decay
    assert active.sum() > 50
    assert np.allclose(rates[:, active], expected[:, active], rtol=1e-3, atol=1e-3)


def test_a_cap_takes_the_longest_memories_first():
    graph = ctrnn.Autapse()(ctrnn.Ring(30), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, 33, 20, 17, key=jr.key(1))
    network = eqx.tree_at(lambda n: n.weights, network, jnp.linspace(-0.5, 1.1, 30))
    kept = autapses.own_weights(autapses.capped(network, 0.3))
    assert kept.max() == np.float32(0.3) and (kept[:14] == network.weights[:14]).all()
    for k, one in enumerate(autapses.tenths(network)):
        heard = np.flatnonzero(np.asarray(one.output_weights).any(0))
        assert set(range(30)) - set(heard) == {3 * k, 3 * k + 1, 3 * k + 2}
