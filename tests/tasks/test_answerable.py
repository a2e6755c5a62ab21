"""Every task can be told from its inputs and rule, and no two tasks are one."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import every_task
from observer import answer

import tasks


@pytest.mark.parametrize("dt", [100.0, 50.0])
def test_an_ideal_observer_gets_every_label_right(dt):
    battery = tasks.Battery.named("132", dt=dt)
    repeats = 12 if dt == 100 else 2
    trial = jax.tree.map(np.asarray, battery.render(every_task(battery, repeats)))
    for i, length in enumerate(trial.length):
        name = battery.names[trial.rule[i].argmax()]
        labels = answer(name, trial.inputs[i, :length], dt)
        assert np.array_equal(labels, trial.labels[i, :length]), (name, i)


def test_all_tasks_differ_on_the_same_specs():
    battery = tasks.Battery.named("132")
    count, keys = 24, iter(jax.random.split(jax.random.key(1), 8))

    def below(n):
        return jax.random.randint(next(keys), (count,), 0, n)

    shared = dict(
        fixation=jnp.full(count, 300),
        stimulus=jnp.full(count, 500),
        delay=100 * below(12),
        modality=below(2),
        first=below(16),
        second=below(16),
        coherence=jax.random.uniform(next(keys), (count, 2, 2)),
        match=below(2) > 0,
        first_wins=below(2) > 0,
    )
    spec = every_task(battery, count)
    tiled = {k: jnp.tile(v, (132,) + (1,) * (v.ndim - 1)) for k, v in shared.items()}
    trial = battery.render(dataclasses.replace(spec, **tiled))
    shown = np.concatenate([trial.inputs, trial.labels[..., None]], axis=-1)
    shown = shown.reshape(132, count, -1)
    same = [
        (battery.names[a], battery.names[b])
        for a, b in itertools.combinations(range(132), 2)
        if np.array_equal(shown[a], shown[b])
    ]
    assert same == []


def test_the_public_code_has_tasks_that_are_one():
    battery = tasks.Battery.select("go,dlygo", tasks.REFERENCE)
    spec = every_task(battery, 1)
    spec = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), spec)
    go, dlygo = battery.render(dataclasses.replace(spec, task=jnp.arange(2))).inputs
    assert jnp.array_equal(go, dlygo)


def test_labels_directions_and_masks_agree():
    battery = tasks.Battery.named("132")
    trial = jax.tree.map(np.asarray, battery.render(every_task(battery, 4)))
    responding = trial.labels > 0
    assert np.array_equal(np.isnan(trial.direction), ~responding)
    index = trial.direction[responding] / (2 * np.pi / 16)
    assert np.allclose(index, trial.labels[responding] - 1, atol=1e-5)
    assert not responding[~trial.decision].any()
    assert np.array_equal(trial.mask.sum(1), trial.length)
    assert np.array_equal(trial.period >= 0, trial.mask)
    assert np.array_equal(trial.period == 4, trial.decision)
    assert np.array_equal(trial.inputs[..., 0] == 1, trial.mask & ~trial.decision)
    assert trial.length.max() == battery.steps
