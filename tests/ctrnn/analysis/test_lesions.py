"""Lesions do what they say, to what they say, and compile once."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn import analysis
from ctrnn.analysis import _draw_lesions

TIMES = 100.0 * np.arange(1, 9)
BATTERY = tasks.Battery.select("dlygo,go")
INTEGRATION = ctrnn.Integration(dt=100.0)


def make_network(size=(5, 5), **settings):
    graph = ctrnn.Locality(0.3)(ctrnn.Sheet(*size), key=jr.key(0))
    return ctrnn.RateNetwork(graph, 33, 2, 17, key=jr.key(1), **settings)


def solve(network, path=None, **kwargs):
    path = tasks.GridPath(jr.normal(jr.key(2), (8, 4, 33)), 100.0, "step") if path is None else path
    context = jnp.broadcast_to(jnp.eye(2)[0], (4, 2))
    return network(path, TIMES, context=context, integration=INTEGRATION, **kwargs)


@pytest.mark.parametrize("settings", [{}, {"form": "current"}, {"excitatory_fraction": 0.8}])
def test_silenced_neurons_might_as_well_not_be_there(settings):
    network = make_network(**settings)
    silent = np.arange(25) % 3 == 0
    # The same network with these neurons removed.
    kept = np.flatnonzero(~silent)
    sources, targets = np.asarray(network.graph.sources), np.asarray(network.graph.targets)
    whole = ~silent[sources] & ~silent[targets]
    place = np.cumsum(~silent) - 1
    graph = ctrnn.Graph(place[sources[whole]], place[targets[whole]], size=len(kept))
    rest = ctrnn.RateNetwork(graph, 33, 2, 17, form=network.form, key=jr.key(3))
    values = [network.synaptic_weights[whole], network.input_weights[kept]]
    values += [network.context_weights[kept], network.output_weights[:, kept]]
    fields = ("weights", "input_weights", "context_weights", "output_weights")
    rest = eqx.tree_at(lambda n: [getattr(n, f) for f in fields], rest, values)
    expected, found = solve(rest), solve(analysis.silence(network, silent))
    np.testing.assert_allclose(found.outputs, expected.outputs, atol=1e-5)
    np.testing.assert_allclose(found.rates[..., kept], expected.rates, atol=1e-5)


def test_a_disc_goes_round_the_edge_of_a_torus():
    hit = analysis.disc(ctrnn.Sheet(6, 6), centre=0, radius=0.05).reshape(6, 6)
    assert sorted(map(tuple, np.argwhere(hit).tolist())) == [(0, 0), (0, 1), (0, 5), (1, 0), (5, 0)]
    with pytest.raises(analysis.Cannot, match="positions"):
        analysis.disc(None, 0, 1.0)


def test_synapses_of_a_band_and_no_others_are_scaled():
    network = make_network()
    lengths = np.asarray(network.graph.lengths)
    scaled = analysis.scale_synapses(network, 0.05, 0.06, 0.5)
    ratio = np.asarray(scaled.weights / network.weights)
    np.testing.assert_allclose(ratio, np.where((lengths > 0.04) & (lengths < 0.065), 0.5, 1.0))


class Counted:
    """A battery that counts how often a program is traced that renders its trials."""

    def __init__(self, battery):
        self.battery, self.traced = battery, 0

    def __getattr__(self, name):
        return getattr(self.battery, name)

    def render(self, spec, key=None):
        self.traced += 1
        return self.battery.render(spec, key)


def test_damage_is_lost_accuracy_and_lesions_compile_once():
    network, battery = make_network(), Counted(BATTERY)
    evaluate = ctrnn.make_evaluation(
        battery, trials_per_task=4, integration=INTEGRATION, key=jr.key(0)
    )
    masks = [np.zeros(25, bool), np.arange(25) < 5, np.ones(25, bool)]
    lost = analysis.damage(evaluate, network, [analysis.silence(network, m) for m in masks])
    assert lost.shape == (3, 2)
    np.testing.assert_array_equal(lost[0], 0)
    # All silent, the answer is the bias's, which is to keep fixating: never right here.
    np.testing.assert_allclose(lost[2], evaluate(network))
    assert battery.traced == 1


def test_centres_are_spread():
    space = ctrnn.Sheet(8, 8)
    centres = analysis.lesion_centres(space, 16)
    gaps = np.asarray(space.distance(*np.meshgrid(centres, centres)))
    assert len(set(centres.tolist())) == 16
    assert gaps[~np.eye(16, dtype=bool)].min() >= 0.07  # a diagonal step, at least


def test_a_pulse_acts_like_a_current_of_its_size_and_only_then():
    network = make_network(activation="tanh", tau=50.0)
    path = tasks.GridPath(jnp.zeros((8, 4, 33)), 100.0, "step")
    start, strength = jnp.array([200.0, 200, 400, 0]), jnp.array([1.0, 0, 2, 0])
    pulsed = analysis.Pulsed(path, start, start + 100.0, strength)
    pattern = analysis.random_pattern(network, key=jr.key(4))
    assert float(jnp.mean(pattern**2)) == pytest.approx(1.0)
    widened = eqx.tree_at(
        lambda n: n.input_weights,
        network,
        jnp.concatenate([network.input_weights, pattern[:, None]], 1),
    )
    found, plain = solve(widened, pulsed).rates, solve(network, path).rates
    same = np.abs(np.asarray(found - plain)).max(-1) == 0
    np.testing.assert_array_equal(same[:, 0], [True, True] + [False] * 6)
    np.testing.assert_array_equal(same[:, 2], [True] * 4 + [False] * 4)
    assert same[:, [1, 3]].all()
    # The same as two solves, joined where the bias changes.
    held = eqx.tree_at(lambda n: n.bias, network, network.bias + pattern)
    before = solve(network, path).rates[1]
    frame = tasks.GridPath(jnp.zeros((1, 4, 33)), 100.0, "step")
    during = held(
        frame, TIMES[:1], context=jnp.broadcast_to(jnp.eye(2)[0], (4, 2)), y0=before,
        integration=INTEGRATION,
    )  # fmt: skip
    np.testing.assert_allclose(found[2, 0], during.rates[0, 0], atol=1e-5)


def test_a_pulsed_path_jumps_where_it_should():
    path = tasks.GridPath(jnp.zeros((4, 1, 33)), 100.0, "step")
    pulsed = analysis.Pulsed(path, jnp.array([100.0]), jnp.array([150.0]), jnp.array([2.0]))
    assert isinstance(pulsed, diffrax.AbstractPath)
    assert {100.0, 150.0} <= set(np.asarray(pulsed.jump_ts).tolist())
    at = lambda t, left: float(pulsed.evaluate(t, left=left)[0, -1])
    assert [at(100.0, True), at(100.0, False), at(150.0, True), at(150.0, False)] == [0, 2, 2, 0]


def test_pulse_accuracy_without_a_pulse_is_the_accuracy():
    network = make_network()
    spec = analysis.task_spec(BATTERY, "dlygo", 6, key=jr.key(5))
    zero = jnp.zeros(6)
    pattern = analysis.random_pattern(network, key=jr.key(6))
    accuracy = lambda strength: analysis.pulse_accuracy(
        network, BATTERY, spec, pattern, start=zero + 1000.0, duration=100.0, strength=strength,
        integration=INTEGRATION,
    )  # fmt: skip
    trial, trajectory = analysis.responses(network, BATTERY, spec, integration=INTEGRATION)
    right = (trial.labels == trajectory.outputs.argmax(-1).T) & trial.decision
    np.testing.assert_allclose(accuracy(zero), right.sum(1) / trial.decision.sum(1))


def test_patches_of_an_open_sheet_are_alike_in_size_and_hold_what_is_nearest():
    space = ctrnn.Sheet(6, 6, periodic=False)
    for centre in analysis.lesion_centres(space, 9):
        chosen = analysis.patch(space, int(centre), 5)
        distance = np.asarray(space.distance(np.arange(36), np.full(36, centre)))
        assert chosen.sum() == 5 and chosen[centre]
        assert distance[chosen].max() <= distance[~chosen].min()


class Short(tasks.Reach):
    """A delay shorter than the pulses of the report."""

    def timing(self, conventions):
        return tasks.Timing(fixation=200, stimulus=200, delay=50, decision=200)


def test_pulses_end_with_a_short_delay(monkeypatch):
    given = []
    real = _draw_lesions.pulse_accuracy

    def seen(*args, start, duration, **kwargs):
        given.append((set(np.asarray(start).tolist()), duration))
        return real(*args, start=start, duration=duration, **kwargs)

    monkeypatch.setattr(_draw_lesions, "pulse_accuracy", seen)
    battery = tasks.Battery({"short": Short(delayed=True)}, dt=50.0)
    graph = ctrnn.Locality(0.3)(ctrnn.Sheet(5, 5), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, 33, 1, 17, key=jr.key(1))
    integration = ctrnn.Integration(dt=50.0)
    subject = analysis.Subject(network, network, battery, integration, jr.key(2))
    task, duration, table = _draw_lesions.pulse_table(subject)
    assert (task, duration, list(table)) == ("short", 50.0, ["0"])
    assert given[0] == ({400.0}, 50.0)  # from the end of the stimulus to that of the delay


def test_bands_of_lengths_hold_every_synapse_once():
    lengths = np.asarray(make_network().graph.lengths)
    bands = _draw_lesions.length_bands(lengths)
    held = np.sum([(lengths > a - 1e-5) & (lengths < b + 1e-5) for a, b in bands], axis=0)
    assert bands[0] == (0.0, 0.0) and (held == 1).all()


def test_a_network_of_autapses_alone_has_one_band():
    graph = ctrnn.Graph(np.arange(9), np.arange(9), size=9, space=ctrnn.Sheet(3, 3))
    network = ctrnn.RateNetwork(graph, 2, 1, 3, key=jr.key(0))
    weight = lambda net: np.abs(np.asarray(net.weights)).sum(keepdims=True)
    names, shares, cut, control = _draw_lesions._cut_by_length(
        weight, network, np.random.default_rng(0)
    )
    assert names == ["autapses"] and shares == [1.0]
    np.testing.assert_allclose(cut, weight(network)[None], rtol=1e-6)
    np.testing.assert_array_equal(cut, control)


def test_synapses_that_are_cut_are_gone_and_no_others():
    network = make_network()
    mask = np.arange(network.graph.synapses) % 3 == 0
    cut = analysis.cut_synapses(network, mask)
    np.testing.assert_array_equal(cut.weights, np.where(mask, 0, network.weights))
