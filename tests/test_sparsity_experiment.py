"""The measures of the sparsity experiment, on curves whose measures are known."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn._metrics import Metrics
from examples.sparsity_experiment import autapses, figures, measures, outcomes
from examples.sparsity_experiment.conditions import CONDITIONS, EVALUATIONS, config, name


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
    made = {c: config(c, "20", 3e-3, 0) for c in CONDITIONS}
    sizes = {c: one.sheet().size for c, one in made.items()}
    equal = {c: made[c].sparsity * sizes[c] ** 2 for c in figures.EQUAL_SYNAPSES if "loc" in c}
    assert all(abs(synapses / 6400 - 1) < 0.1 for synapses in equal.values())
    assert {sizes[c] for c in CONDITIONS if c not in figures.EQUAL_SYNAPSES} == {400}
    assert len({name(c, "20", 3e-3, 0) for c in CONDITIONS}) == len(CONDITIONS)


def test_a_table_leaves_out_the_runs_that_tuned_and_says_never():
    row = dict(condition="dense", battery="20", learning_rate=0.01, neurons=400, synapses=160_000)
    row |= dict(trials=[10_000, 20_000], mean=[0.5, 0.85], seconds=60.0)
    end = dict(accuracy=[0.9, 0.8], refined=[0.8, 0.7])
    rows = [row | end | {"seed": 0}, row | end | {"seed": 1}, row | {"seed": 100}]
    text = figures.table(rows, "20", *(f"trials until {x}" for x in measures.LEVELS)).splitlines()
    assert text[2:] == ["| dense | 400 | 160,000 | 0.01 | 10k | 19k | never |"]
    assert len(figures.density_figure(rows, "20").axes) == 2


def test_a_rate_is_tuned_until_it_was_beaten_on_either_side(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "RUNS", tmp_path)
    learnt = {1e-3: 0.2, 3e-3: 0.4, 1e-2: 0.6}
    monkeypatch.setattr(outcomes, "mean_curve", lambda run: np.array([learnt[rate_of[run.name]]]))
    rate_of = {name("dense", "20", rate, 100): rate for rate in outcomes.LEARNING_RATES}
    for run, rate in rate_of.items():
        if rate in learnt:
            (tmp_path / run).mkdir()
    assert outcomes.best_rate("dense", "20") == 1e-2
    assert outcomes.untried("dense", "20") == [3e-2]
    learnt[3e-2] = 0.5
    (tmp_path / name("dense", "20", 3e-2, 100)).mkdir()
    assert outcomes.untried("dense", "20") == []


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
