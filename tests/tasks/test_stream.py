"""Trials joined into one sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from observer import answer

import tasks


def trials_of(stream, row):
    """Start and end of the trials in one sequence, the last of which may be cut off."""
    period = np.asarray(stream.period[row])
    starts = np.flatnonzero(np.diff(period, prepend=9) < 0)
    return list(zip(starts, [*starts[1:], len(period)], strict=True))


@pytest.fixture(scope="module")
def stream():
    battery = tasks.Battery.select("go*,rt*,dlyanti*")  # reach tasks are free of noise
    return battery, battery.stream(jax.random.key(0), 6, 150)


def test_shapes(stream):
    battery, trial = stream
    assert trial.inputs.shape == (6, 150, 33)
    assert trial.rule.shape == (6, 150, battery.rule_size)
    assert bool(trial.mask.all()) and trial.length.tolist() == [150] * 6
    assert trial.path("linear").evaluate(1000.0).shape == (6, 33)


def test_the_rule_switches_with_the_trial_and_every_trial_is_whole(stream):
    battery, trial = stream
    rule = np.asarray(trial.rule).argmax(-1)
    for row in range(6):
        trials = trials_of(trial, row)
        assert trials[0][0] == 0 and len(trials) > 5
        for start, end in trials:
            assert len(set(rule[row, start:end])) == 1
            if end == 150:
                continue
            name = battery.names[rule[row, start]]
            labels = answer(name, np.asarray(trial.inputs[row, start:end]), battery.dt)
            assert np.array_equal(labels, trial.labels[row, start:end])
    assert len(np.unique(rule)) > 10


def test_the_tasks_are_drawn_evenly_by_trial_and_not_by_time():
    battery = tasks.Battery.select("rtgo,dlygo")  # 10 and 20 frames long
    trial = battery.stream(jax.random.key(0), 64, 600)
    frames = trial.rule.sum((0, 1))
    assert abs(float(frames[1] / frames[0]) - 2) < 0.2
    only = battery.stream(jax.random.key(0), 4, 100, jnp.array([0.0, 1.0]))
    assert int(only.rule[..., 0].sum()) == 0


def test_noise_is_where_the_padded_trials_have_it():
    battery = tasks.Battery.select("dm1", tasks.REFERENCE)
    trial = battery.stream(jax.random.key(0), 32, 200)
    inputs, stimulus = np.asarray(trial.inputs), np.asarray(trial.period) == 1
    second_ring = inputs[..., 17:]
    assert not second_ring[~stimulus].any()
    assert abs(second_ring[stimulus].std() / 0.1 - 1) < 0.02


def test_one_key_in_everything_out():
    battery = tasks.Battery.named("132")
    first, again = (battery.stream(jax.random.key(3), 4, 60) for _ in range(2))
    assert jnp.array_equal(first.inputs, again.inputs)
