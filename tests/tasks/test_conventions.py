"""One property for each flag: it holds for CORRECTED and breaks when that flag alone is set."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import draws, one_trial

import tasks


def label_16_is_used(conventions):
    trial = one_trial(tasks.Battery.named("132", conventions), "go", first=15)
    return set(np.asarray(trial.labels[trial.decision]).tolist()) == {16}


def go_does_not_wait(conventions):
    trial = one_trial(tasks.Battery.named("132", conventions), "go")
    return not (trial.period == tasks.PERIODS.index("delay")).any()


def response_turns_with_the_delay(conventions):
    battery = tasks.Battery.named("132", conventions)
    trial = one_trial(battery, "dlygointr", first=9, delay=400, modality=0)
    return int(trial.inputs[0, 5, 1:17].argmax()) == 9 - 4


def decision_tasks_have_an_interval_to_time(conventions):
    return len(np.unique(draws("dlydm1intr", conventions).delay)) == 12


def reaction_sequences_last_as_long_as_the_others(conventions):
    trial = one_trial(tasks.Battery.named("132", conventions), "rtgoseqr")
    return int(trial.decision.sum()) * trial.dt == 1000


def direction_8_has_one_category(conventions):
    trial = one_trial(tasks.Battery.named("132", conventions), "dmc", first=8, second=8, match=True)
    return bool((trial.labels[trial.decision] == 9).all())


def fixation_is_free_of_noise(conventions):
    battery = tasks.Battery.named("132", conventions)
    trial = one_trial(battery, "multidm", key=jax.random.key(0))
    return bool(jnp.isin(trial.inputs[..., 0], jnp.array([0.0, 1.0])).all())


def summed_strengths_do_not_tie(conventions):
    sums = draws("multidm", conventions).coherence.sum(-1)
    return bool((jnp.abs(sums[:, 0] - sums[:, 1]) > 0.01).all())


PROPERTIES = {
    "colliding_label": label_16_is_used,
    "waiting_go": go_does_not_wait,
    "shifted_stimulus": response_turns_with_the_delay,
    "constant_interval": decision_tasks_have_an_interval_to_time,
    "short_sequence": reaction_sequences_last_as_long_as_the_others,
    "split_category": direction_8_has_one_category,
    "noisy_fixation": fixation_is_free_of_noise,
    "tied_evidence": summed_strengths_do_not_tie,
}


def test_every_flag_has_a_property():
    assert set(PROPERTIES) == {flag.name for flag in dataclasses.fields(tasks.Conventions)}
    assert all(dataclasses.asdict(tasks.REFERENCE).values())
    assert not any(dataclasses.asdict(tasks.CORRECTED).values())


@pytest.mark.parametrize("flag", PROPERTIES)
def test_flag(flag):
    assert PROPERTIES[flag](tasks.CORRECTED)
    assert not PROPERTIES[flag](dataclasses.replace(tasks.CORRECTED, **{flag: True}))
    assert not PROPERTIES[flag](tasks.REFERENCE)


def test_ties_are_a_toss_of_the_coin():
    battery = tasks.Battery.named("132", tasks.REFERENCE)
    even = [[0.5, 0.5], [0.5, 0.5]]
    for wins, label in ((True, 4), (False, 10)):
        trial = one_trial(battery, "multidm", first=3, second=9, coherence=even, first_wins=wins)
        assert set(np.asarray(trial.labels[trial.decision]).tolist()) == {label}


@pytest.mark.parametrize("name, low, high", [("multidm", 0.11, 0.14), ("multidlydm", 0.15, 0.185)])
def test_share_of_ties_in_the_public_code(name, low, high):
    sums = draws(name, tasks.REFERENCE).coherence.sum(-1)
    assert low < float(jnp.mean(jnp.abs(sums[:, 0] - sums[:, 1]) < 1e-3)) < high
