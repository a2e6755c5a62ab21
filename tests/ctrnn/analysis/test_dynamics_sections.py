"""The sections of the report: what they hold, and what they say of batteries they cannot ask."""

import json
import sys
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import pytest

import ctrnn
import tasks
from ctrnn import analysis

SECTIONS = [analysis.fixed_points_section, analysis.state_space_section, analysis.lesions_section]


def subject(battery, space=True, periodic=True, **settings):
    graph = ctrnn.Locality(0.3)(ctrnn.Sheet(5, 5, periodic=periodic), key=jr.key(0))
    if not space:
        graph = ctrnn.Graph(graph.sources, graph.targets, size=25)
    size = (graph, 33, len(battery.names), 17)
    network, untrained = (ctrnn.RateNetwork(*size, key=jr.key(k), **settings) for k in (1, 3))
    integration = ctrnn.Integration(dt=50.0)
    return analysis.Subject(network, untrained, battery, integration, jr.key(2))


UNLIKE = {"periodic": False, "form": "current", "tau": jnp.linspace(50.0, 200.0, 25)}


@pytest.mark.parametrize("settings", [{}, UNLIKE])
@pytest.mark.parametrize("section", SECTIONS)
def test_numbers_are_plain_and_pictures_are_there(section, settings):
    made = section(subject(tasks.Battery.select("dlygo,dm1"), **settings))
    assert json.loads(json.dumps(made.numbers)) and "NaN" not in json.dumps(made.numbers)
    assert made.figures and made.text.endswith((".", ". "))


class Own(NamedTuple):
    """A battery whose trials are described in its own way."""

    battery: tasks.Battery

    def __getattr__(self, name):
        return getattr(self.battery, name)

    def sample(self, key, task_ids):
        return {"what": task_ids}


@pytest.mark.parametrize("section", SECTIONS[:2])
def test_a_battery_that_cannot_be_asked_is_said_to_be(section):
    with pytest.raises(analysis.Cannot, match="direction"):
        section(subject(Own(tasks.Battery.select("dlygo,dm1"))))


def test_a_network_without_positions_has_lesions_but_no_patches(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    made = analysis.lesions_section(subject(tasks.Battery.select("dlygo"), space=False)).numbers
    assert "positions" in made["no_patches"] and "scikit-learn" in made["no_clusters"]
    assert set(made["lost_by_task"]["dlygo"]) == {"scattered"} and made["pulses"]["task"] == "dlygo"


def test_clusters_are_silenced_one_by_one():
    made = analysis.lesions_section(subject(tasks.Battery.select("go,dm1")))
    labels = made.numbers["cluster_of_each_neuron"]
    lost = made.numbers["lost_by_task"]["dm1"]
    assert sum(name.startswith("cluster") for name in lost) == max(labels) + 1 >= 2
    assert "clusters" in made.figures and "delay" in made.numbers["no_pulses"]


def test_trials_of_a_ring_are_alike_but_for_the_direction():
    battery = tasks.Battery.select("dlygo,dms")
    spec = analysis.ring_spec(battery, "dms", key=jr.key(3))
    assert spec.first.tolist() == list(range(16))
    assert len(set(((spec.second - spec.first) % 16).tolist())) == 1
    assert len(set(spec.delay.tolist())) == 1
    assert analysis.memory_task(battery, key=jr.key(4)) == ("dlygo", 500)


def test_inputs_between_trials_are_those_of_bumps_between_directions():
    battery = tasks.Battery.select("dlygo")
    spec = analysis.ring_spec(battery, "dlygo", key=jr.key(3))
    path = battery.render(spec).path("step")
    between = analysis.Between(path, 16, 32).evaluate(600.0)
    away = (jnp.arange(16) - 2.5 + 8) % 16 - 8
    ring = slice(1, 17) if int(spec.modality[0]) == 0 else slice(17, 33)
    assert jnp.allclose(between[::2], path.evaluate(600.0), atol=1e-5)
    assert jnp.allclose(between[5, ring], 0.8 * jnp.exp(-0.5 * away**2), atol=0.01)


def test_trials_are_alike_but_for_what_is_asked():
    battery = tasks.Battery.select("go,dlygo,dlygointr")
    assert analysis.longest_delays(battery, key=jr.key(0)) == {"dlygo": 500, "dlygointr": 1100}
    drawn = analysis.task_spec(battery, "dlygointr", 3, key=jr.key(1))
    made = analysis.alike(drawn, 12, delay=100 * jnp.arange(12))
    assert made.delay.tolist() == list(range(0, 1200, 100))
    assert set(made.first.tolist()) == {int(drawn.first[0])}
