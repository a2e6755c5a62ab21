"""The measures of the sparsity experiment, on curves whose measures are known."""

import numpy as np
import pytest

from examples.sparsity_experiment import figures, measures
from examples.sparsity_experiment.conditions import CONDITIONS, config, name


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


def test_densities_are_at_equal_neurons_or_at_about_equal_synapses():
    made = {c: config(c, "20", 3e-3, 0) for c in CONDITIONS}
    sizes = {c: one.sheet().size for c, one in made.items()}
    equal = {c: made[c].sparsity * sizes[c] ** 2 for c in figures.EQUAL_SYNAPSES if "loc" in c}
    assert all(abs(synapses / 6400 - 1) < 0.1 for synapses in equal.values())
    assert {sizes[c] for c in CONDITIONS if c not in figures.EQUAL_SYNAPSES} == {400}
    assert len({name(c, "20", 3e-3, 0) for c in CONDITIONS}) == len(CONDITIONS)


def test_a_table_leaves_out_the_runs_that_tuned_and_says_never():
    row = dict(condition="dense", battery="20", learning_rate=0.01, neurons=400, synapses=160_000)
    row |= dict(trials=[10_000, 20_000], mean=[0.5, 0.85], minimum=[0.0, 0.6], seconds=60.0)
    rows = [row | {"seed": seed} for seed in (0, 1, 100)]
    text = figures.table(rows, "20").splitlines()
    assert text[2].startswith("| dense | 400 | 160,000 | 0.01 | 2 | 10k | 19k | never |")
    assert len(figures.density_figure(rows, "20").axes) == 2
