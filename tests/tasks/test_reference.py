"""Trials of the public code, rendered from their specs under its conventions."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tasks

# 930 noiseless trials of 93 tasks, recorded from the public code (CC0).
RECORDED = Path(__file__).parents[1] / "data/reference_trials.npz"


@pytest.fixture(scope="module")
def public():
    return dict(np.load(RECORDED))


@pytest.fixture(scope="module")
def rendered(public):
    battery = tasks.Battery.named("132", tasks.REFERENCE)
    known = [tasks.Battery.select(str(name)).names[0] for name in public["task"]]
    ids = jnp.array([battery.names.index(name) for name in known])
    spec = dataclasses.replace(
        battery.sample(jax.random.key(0), ids),
        coherence=jnp.asarray(public["coherence"], jnp.float32),
        match=jnp.asarray(public["match"] == 1),
        **{
            name: jnp.asarray(public[column].clip(0), jnp.int32)
            for name, column in [
                ("fixation", "fixation_ms"),
                ("delay", "delay_ms"),
                ("modality", "modality"),
                ("first", "first"),
                ("second", "second"),
            ]
        },
    )
    return jax.tree.map(np.asarray, battery.render(spec))


def test_holds_all_tasks_of_the_public_code(public):
    assert len(set(public["task"])) == 93


def test_inputs(public, rendered):
    shown = public["observations"][:, : rendered.inputs.shape[1]]
    assert np.isnan(public["observations"][:, rendered.inputs.shape[1] :]).all()
    inside = ~np.isnan(shown)
    assert np.array_equal(inside.all(-1), rendered.mask)
    assert np.abs(rendered.inputs - shown)[inside].max() < 1e-6
    assert not rendered.inputs[~inside].any()


def test_labels(public, rendered):
    labels = public["labels"][:, : rendered.labels.shape[1]]
    ring_1 = np.array(["dm2" not in name for name in public["task"]])
    ring_2 = np.array(["dm1" not in name for name in public["task"]])
    counted = np.nan_to_num(public["coherence"]) * np.stack([ring_1, ring_2], 1)[:, None]
    evidence = counted.sum(-1)
    decision_task = np.isfinite(public["coherence"]).any((1, 2))
    tie = decision_task & np.isclose(evidence[:, 0], evidence[:, 1])
    assert tie.mean() < 0.02
    assert np.array_equal(rendered.labels[~tie], labels[~tie].clip(0))


def test_lengths_and_decisions(public, rendered):
    assert np.array_equal(rendered.length, public["length"])
    assert np.array_equal(rendered.decision.argmax(1), public["decision_start"])
    assert np.array_equal(rendered.decision.sum(1), public["length"] - public["decision_start"])
    assert np.array_equal((rendered.period == 0).sum(1) * 100, public["fixation_ms"])
