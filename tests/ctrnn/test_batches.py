"""The trials of a training step: tasks by their odds, lengths by class."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrnn
import tasks

BATTERY = tasks.Battery.named("20")
EVENLY = jnp.ones(20)


class Spy:
    """A battery that notes what is drawn from it to train on: the tasks, and the trials' frames."""

    def __init__(self, battery):
        self.battery, self.ids, self.frames = battery, [], []

    def __getattr__(self, name):
        return getattr(self.battery, name)

    def sample(self, key, task_ids):
        jax.debug.callback(lambda x: self.ids.append(np.asarray(x)), task_ids)
        return self.battery.sample(key, task_ids)

    def render(self, spec, key=None):
        trial = self.battery.render(spec, key)
        if key is not None:
            jax.debug.callback(lambda x: self.frames.append(np.asarray(x)), trial.length)
        return trial


def draw(key, batch_size, **kwargs):
    return ctrnn.draw_trials(BATTERY, key, batch_size, EVENLY, **kwargs)


@jax.jit
def one_of_three(key, i):
    return draw(key, 7, length_classes=3, length_class=i)


@jax.jit
def all_of_three(key):
    return draw(key, 21)


def make_step(battery, batch_size, **kwargs):
    """A training step that leaves the network as it is, and a state to start from."""
    config, count = ctrnn.Config(neurons="5x5", sparsity=0.2), len(battery.names)
    network = config.network(33, count, 17, key=jr.key(0))
    optimiser, integration = optax.sgd(0.0), ctrnn.Integration(dt=100.0)
    step = ctrnn.make_train_step(
        battery, optimiser, batch_size=batch_size, integration=integration, **kwargs
    )
    return step, ctrnn.start_training(network, optimiser, count, key=jr.key(1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_classes_are_what_was_drawn_parted_by_length(seed):
    classes, batch_size = 3, 7
    parts = [one_of_three(jr.key(seed), i) for i in range(classes)]
    whole = all_of_three(jr.key(seed))

    def rows(trials):  # without the inputs, which have noise of their own
        what = np.argmax(trials.rule, -1), trials.length, trials.labels.T
        return sorted(map(tuple, np.vstack(what).T.tolist()))

    assert rows(whole) == sorted(itertools.chain.from_iterable(map(rows, parts)))
    for short, long in itertools.pairwise(parts):
        assert short.length.max() <= long.length.min()
        assert len(short.length) == batch_size


def test_one_class_is_the_batch_of_the_battery():
    both = draw(jr.key(3), 32), BATTERY.batch(jr.key(3), 32, EVENLY)
    for a, b in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: draw(jr.key(0), 8, length_classes=0),
        lambda: draw(jr.key(0), 8, length_classes=2, length_class=2),
        lambda: ctrnn.draw_trials(BATTERY, jr.key(0), 8, jnp.ones(19)),
        lambda: make_step(BATTERY, 8, length_classes=0),
    ],
)
def test_what_cannot_be_drawn(wrong):
    with pytest.raises(
        ValueError, match=r"no class|one number for each of the 20|1 \(all lengths\)"
    ):
        wrong()


def test_training_takes_each_class_in_turn():
    spy = Spy(BATTERY)
    step, state = make_step(spy, 64, length_classes=4)
    for _ in range(8):
        state, _ = step(state)
    jax.effects_barrier()
    longest = np.array([frames.max() for frames in spy.frames]).reshape(2, 4)
    assert (np.diff(longest) > 0).all()
    assert abs(np.mean(spy.frames) - np.mean(BATTERY.numpy_batch(0, 2000)["length"])) < 0.7


def test_the_order_within_a_class_does_not_follow_length():
    """So devices that share a batch have trials as long as each other's."""
    trials = draw(jr.key(0), 256, length_classes=2)
    halves = trials.length.reshape(2, -1)
    assert abs(float(halves[0].mean() - halves[1].mean())) < 1
    assert halves[0].max() == halves[1].max()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(
    "error, shares", [([0.0, 0.3, 0.1], [0.17, 0.54, 0.29]), ([0.0] * 3, [0.33] * 3)]
)
def test_focus_draws_the_tasks_that_fail(error, shares, classes):
    """Half evenly and half by error; evenly where nothing is wrong any more."""
    spy = Spy(tasks.Battery.select("go,anti,rtgo"))
    step, state = make_step(spy, 2000, focus=0.5, length_classes=classes)
    state = eqx.tree_at(lambda s: s.task_error, state, jnp.array(error))
    state, metrics = step(state)
    jax.effects_barrier()
    drawn = np.bincount(spy.ids[0], minlength=3) / len(spy.ids[0])
    np.testing.assert_allclose(drawn, shares, atol=0.04)
    assert np.isfinite(metrics.loss) and np.isfinite(state.task_error).all()


def test_the_loss_is_that_of_whole_solves():
    """Ending with the longest trial leaves out nothing that counts."""
    step, state = make_step(BATTERY, 32, length_classes=4)
    times, how = BATTERY.dt * np.arange(1, BATTERY.steps + 1), ctrnn.Integration(dt=100.0)

    @eqx.filter_jit
    def loss_of_whole_solves(network, turn):
        key = jr.split(jr.fold_in(jr.key(1), turn))[0]
        trial = draw(key, 32, length_classes=4, length_class=turn)
        whole = network(trial.path(), times, context=trial.rule, integration=how)
        return ctrnn.decision_loss(whole.outputs, trial.labels, trial.mask, trial.decision)

    for turn in range(4):
        expected = loss_of_whole_solves(state.network, jnp.asarray(turn))
        state, metrics = step(state)
        np.testing.assert_allclose(metrics.loss, expected, rtol=1e-5)
