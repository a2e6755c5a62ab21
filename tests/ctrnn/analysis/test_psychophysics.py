"""Behaviour: curves that are known, an observer that is simulated, and readings by hand."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import ctrnn
import tasks
from ctrnn import analysis

KEY = jax.random.key(0)


@settings(max_examples=10, deadline=None)
@given(st.floats(-0.1, 0.1), st.floats(0.02, 0.3), st.floats(0, 0.3))
def test_a_logistic_curve_is_found_again(bias, width, lapse):
    coherence = np.linspace(-1, 1, 21)
    truth = analysis.Psychometric(bias, width, lapse, width * np.log(3))
    trials = np.full(21, 1000.0)
    found = analysis.fit_psychometric(coherence, trials * truth(coherence), trials)
    np.testing.assert_allclose(found(coherence), truth(coherence), atol=0.01)
    np.testing.assert_allclose(found.threshold, truth.threshold, rtol=0.1)


def test_choices_that_never_err_have_a_narrow_curve():
    coherence = np.array([-0.4, -0.1, 0.1, 0.4])
    found = analysis.fit_psychometric(coherence, np.array([0, 0, 9, 9.0]), np.full(4, 9.0))
    assert found.threshold < 0.1 and found.lapse < 0.01


@pytest.mark.parametrize("dt", [100.0, 50.0])
def test_the_noise_is_what_the_battery_says(dt):
    """0.1 per 100 ms in the rings while a stimulus is on, none elsewhere."""
    battery = tasks.Battery.select("dm1", dt=dt)
    spec, onset = analysis.aligned(analysis.task_spec(battery, "dm1", 100, key=KEY))
    sd = analysis.input_noise(battery, spec, key=KEY)[0]
    on = slice(int(onset / dt), int((onset + 500) / dt))
    np.testing.assert_allclose(sd[on, 1:].mean(), 0.1 * np.sqrt(100 / dt), rtol=0.02)
    sd[on, 1:] = 0
    assert sd.max() == 0


def test_discriminability_has_the_closed_form_of_two_bumps():
    """d' = c |b1 - b2| sqrt(frames) / sigma between coherence c and -c."""
    battery = tasks.Battery.select("dm1")
    spec, _ = analysis.aligned(analysis.task_spec(battery, "dm1", 15, key=KEY))
    ring = np.arange(16)
    bump = 0.8 * np.exp(-0.5 * ((ring - 0 + 8) % 16 - 8.0) ** 2)
    apart = [np.linalg.norm(bump - np.roll(bump, k)) for k in range(1, 16)]
    c = 0.08
    strengths = jnp.broadcast_to(jnp.array([0.5 + c / 2, 0.5 - c / 2])[:, None], (15, 2, 2))
    spec = dataclasses.replace(
        spec, first=jnp.zeros(15, int), second=jnp.arange(1, 16), coherence=strengths
    )
    other = dataclasses.replace(spec, coherence=strengths[:, ::-1])
    one, two = (analysis.frame_inputs(battery, battery.render(s)) for s in (spec, other))
    noise = np.full((1, *one.shape[1:]), 0.1)
    expected = c * np.array(apart) * np.sqrt(5) / 0.1
    np.testing.assert_allclose(analysis.discriminability(one, two, noise), expected, rtol=1e-4)


def test_no_matched_filter_does_better_or_worse_than_the_ideal_observer():
    """Simulated on the noisy inputs of the battery itself."""
    battery = tasks.Battery.select("dlydm1")
    spec, _ = analysis.aligned(analysis.task_spec(battery, "dlydm1", 4000, key=KEY))
    strengths = jnp.broadcast_to(jnp.array([0.52, 0.48])[:, None], (4000, 2, 2))
    spec = dataclasses.replace(spec, coherence=strengths)
    other = dataclasses.replace(spec, coherence=strengths[:, ::-1])
    a, b = (analysis.frame_inputs(battery, battery.render(s)) for s in (spec, other))
    noise = analysis.input_noise(battery, spec, key=KEY, repeats=1)
    seen = analysis.frame_inputs(battery, battery.render(spec, jax.random.key(7)))
    evidence = ((a - b) * (seen - (a + b) / 2)).sum((1, 2))
    right = analysis.ideal_accuracy(analysis.discriminability(a, b, noise))
    assert 0.6 < right.mean() < 0.95
    np.testing.assert_allclose((evidence > 0).mean(), right.mean(), atol=0.02)


def test_a_difference_without_noise_is_always_seen_and_none_never():
    a, zero = np.ones((1, 2, 3)), np.zeros((1, 2, 3))
    assert analysis.discriminability(a, 2 * a, zero) == np.inf
    assert analysis.discriminability(a, a, zero) == 0
    np.testing.assert_allclose(
        analysis.ideal_accuracy(np.array([0, 2, np.inf])), [0.5, norm.cdf(1), 1]
    )


def test_which_tasks_can_be_asked_what():
    found = analysis.questions(tasks.Battery.named("132"), key=KEY)
    one, two = [True, False], [False, True]
    rings = {"dm1": one, "dm2": two, "ctxdm1": one, "ctxdm2": two, "multidm": [True, True]}
    rings |= {
        "dlydm1": one, "dlydm2": two, "ctxdlydm1": one, "ctxdlydm2": two, "multidlydm": [True, True]
    }  # fmt: skip
    assert {k: v.tolist() for k, v in found.coherence.items()} == rings
    timed = {n for n in tasks.NAMES if n.endswith(("intr", "intl"))}
    assert set(found.interval) == timed and len(timed) == 24
    assert {name: field for name, (field, _) in found.interval.items()} == {
        name: "stimulus" if name.startswith("goint") else "delay" for name in timed
    }
    for name, (_, values) in found.interval.items():
        first = 100 if name.startswith("go") else 0
        np.testing.assert_array_equal(values, np.arange(first, first + 1101, 100))
    assert found.reaction == [n for n in tasks.NAMES if n.startswith("rt")]


def test_under_the_reference_conventions_decisions_time_no_interval():
    battery = tasks.Battery.named("82", conventions=tasks.REFERENCE)
    found = analysis.questions(battery, key=KEY)
    assert "dlygointr" in found.interval and "dlydm1intr" not in found.interval


def test_a_battery_without_such_specs_is_told_so():
    class Bare:
        def __getattr__(self, name):
            return getattr(tasks.Battery.select("go"), name)

        def sample(self, key, task_ids):
            return jnp.zeros(len(task_ids))

    with pytest.raises(analysis.Cannot, match="no fixation, stimulus, delay"):
        analysis.questions(Bare(), key=KEY)


def test_the_response_is_where_the_odds_point():
    outputs = jnp.full((16, 17), -20.0).at[jnp.arange(16), jnp.arange(1, 17)].set(5.0)
    outputs = outputs.at[:, 0].set(30.0)  # the odds of fixating do not matter
    off = analysis.circular_difference(
        analysis.response_angle(outputs), 2 * jnp.pi * jnp.arange(16) / 16
    )
    np.testing.assert_allclose(off, 0, atol=1e-5)
    between = jnp.full(17, -20.0).at[jnp.array([1, 16])].set(1.0)
    np.testing.assert_allclose(analysis.response_angle(between), -np.pi / 16, atol=1e-5)
    np.testing.assert_allclose(
        analysis.circular_difference(jnp.array([0.1, 6.2]), jnp.array([6.2, 0.1])),
        [0.1 - 6.2 + 2 * np.pi, 6.1 - 2 * np.pi], atol=1e-5,
    )  # fmt: skip


def test_reaction_is_when_fixation_is_left_for_good():
    #          leaves, comes back, leaves | never | before the decision already | comes back at the end
    answers = [[0, 3, 0, 0, 4, 4], [0] * 6, [2] * 6, [0, 0, 0, 1, 1, 0]]
    outputs = jax.nn.one_hot(jnp.array(answers).T, 17)
    times, start = 10.0 * jnp.arange(1, 7), jnp.full(4, 20.0)
    reaction, choice = analysis.reaction_times(outputs, times, start, jnp.ones((6, 4), bool))
    np.testing.assert_array_equal(reaction, [30, np.nan, 10, np.nan])
    assert choice[0] == 4 and choice[2] == 2
    # What is past the end of a trial does not count.
    inside = jnp.ones((6, 4), bool).at[5].set(False)
    reaction, _ = analysis.reaction_times(outputs, times, start, inside)
    np.testing.assert_array_equal(reaction, [30, np.nan, 10, 20])


def test_the_answers_of_an_untrained_network():
    """Shapes and bounds, and an ideal observer that is good and does not err without noise."""
    battery = tasks.Battery.select("dm1,dlygointr,rtgo")
    network = ctrnn.Config(neurons="5x5", sparsity=0.2).network(33, 3, 17, key=KEY)
    how = {"integration": ctrnn.Integration(dt=100.0), "key": KEY}
    asked = analysis.questions(battery, key=KEY)
    curve = analysis.psychometric(network, battery, "dm1", asked.coherence["dm1"], **how, trials=30)
    ideal = np.array(curve["ideal"])
    assert (np.diff(ideal) > -0.05).all() and ideal[6] == 0.5
    np.testing.assert_allclose(ideal[::-1], 1 - ideal, atol=0.1)
    assert ideal[-1] > 0.999 and 0.02 < curve["ideal threshold"] < 0.08
    assert all(0 <= n <= 1 for n in curve["neither"])
    error = analysis.interval_error(
        network, battery, "dlygointr", *asked.interval["dlygointr"], **how
    )
    assert error["interval (ms)"] == list(range(0, 1101, 100)) and set(error["ideal"]) == {0.0}
    assert all(0 <= e <= 180 for e in error["error"])
    reaction, right = analysis.reactions(network, battery, "rtgo", **how, trials=8)
    assert reaction.shape == right.shape == (8,) and not (np.isnan(reaction) & right).any()
    seen = reaction[~np.isnan(reaction)]
    assert ((seen > 0) & (seen <= 500) & (np.round(seen) % 10 == 0)).all()


class ReactionDecision(tasks.Decision):
    """The stronger of two directions, answered as soon as one is sure of it."""

    noisy = ("decision",)

    def timing(self, conventions):
        return tasks.Timing(fixation=300, decision=2000)

    def plan(self, spec, conventions):
        plan = super().plan(spec, conventions)
        return dataclasses.replace(plan, strength=jnp.roll(plan.strength, 3, axis=-3))


def integrator(threshold=3.0, rules=1):
    """A neuron per direction, which adds up its input from both rings less the mean of all; whoever
    first gets to the threshold is the answer."""
    ones = np.ones((16, 16))
    graph = ctrnn.Dense()(ctrnn.Ring(16), key=KEY)
    network = ctrnn.RateNetwork(graph, 33, rules, 17, tau=100.0, key=KEY)
    sources, targets = graph.sources, graph.targets
    return eqx.tree_at(
        lambda n: [
            n.weights, n.bias, n.input_weights, n.context_weights, n.output_weights, n.output_bias
        ],
        network,
        [
            jnp.asarray(np.eye(16) - ones / 16, jnp.float32)[targets, sources],
            jnp.ones(16),
            jnp.concatenate([jnp.zeros((16, 1)), jnp.eye(16), jnp.eye(16)], 1),
            jnp.zeros((16, rules)),
            jnp.concatenate([jnp.zeros((1, 16)), jnp.eye(16)]),
            jnp.zeros(17).at[0].set(threshold),
        ],
    )  # fmt: skip


def test_an_integrator_to_a_bound_is_as_fast_as_its_evidence_is_strong():
    battery = tasks.Battery({"rtdm1": ReactionDecision(shown_2=False, attend_2=False)})
    asked = analysis.questions(battery, key=KEY)
    assert asked.reaction == ["rtdm1"] and asked.coherence["rtdm1"].tolist() == [True, False]
    how = {"integration": ctrnn.Integration(dt=20.0), "key": KEY}
    found = analysis.chronometric(
        integrator(), battery, "rtdm1", asked.coherence["rtdm1"], **how, trials=60
    )
    c, median = np.array(found["coherence"]), np.array(found["median"])
    assert found["responded"] == [1.0] * len(c) and median[-1] < median[0]
    # Per tau, the winner gains 0.8 (1 + c) / 2 less the mean of two bumps over the ring; it stands at
    # 1, and gains another such mean while that catches up.
    mean = 0.8 * np.exp(-0.5 * (np.arange(16) - 8.0) ** 2).mean()
    rate = 0.8 * (1 + c) / 2 - mean
    np.testing.assert_allclose(median * rate, (3 - 1 - mean) * 100.0, rtol=0.15)
    assert found["right"][-1] > 0.9 and found["right"][0] < 0.8
    for low, high in zip(found["lower quartile"], found["upper quartile"], strict=True):
        assert 0 < low <= high <= 2000


def test_reaction_times_by_coherence_are_in_the_report_where_there_are_any():
    battery = tasks.Battery({"rtdm1": ReactionDecision(shown_2=False, attend_2=False)})
    subject = analysis.Subject(
        integrator(), integrator(), battery, ctrnn.Integration(dt=50.0), key=KEY
    )
    made = analysis.psychophysics_section(subject)
    assert "against coherence" in made.text
    assert made.numbers["reaction times by coherence (ms)"]["rtdm1"]["right"][-1] > 0.9
    assert len(made.figures["reactions"].axes) == 2
    plain = dataclasses.replace(subject, battery=tasks.Battery.select("rtgo"))
    made = analysis.psychophysics_section(plain)
    assert "none of these tasks" in made.text and len(made.figures["reactions"].axes) == 1


def test_an_integrator_chooses_nearly_as_well_as_can_be_and_times_nothing():
    battery = tasks.Battery.select("dm1,dlygointr")
    network, asked = integrator(1.2, rules=2), analysis.questions(battery, key=KEY)
    how = {"integration": ctrnn.Integration(dt=50.0), "key": KEY}
    curve = analysis.psychometric(network, battery, "dm1", asked.coherence["dm1"], **how)
    assert curve["first"][0] < 0.05 and curve["first"][-1] > 0.95 and max(curve["neither"]) < 0.4
    # It compares two neurons where a matched filter weighs two bumps.
    assert 0.9 < curve["threshold"] / curve["ideal threshold"] < 3
    # It answers the direction shown, and the right one has moved by 22.5 degrees per 100 ms.
    error = analysis.interval_error(
        network, battery, "dlygointr", *asked.interval["dlygointr"], **how
    )
    turned = 22.5 * np.arange(12)
    np.testing.assert_allclose(error["error"], np.minimum(turned, 360 - turned), atol=1)
    np.testing.assert_allclose(error["bias"][:8], -turned[:8], atol=1)
    assert error["responded"] == [1.0] * 12
