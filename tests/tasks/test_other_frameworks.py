"""NumPy arrays, data loaders, and the Gymnasium environment."""

import pickle

import jax
import numpy as np
import pytest

import tasks

BATTERY = tasks.Battery.named("132")


def test_numpy_batch_is_the_batch():
    arrays = BATTERY.numpy_batch(7, 5)
    trial = BATTERY.batch(jax.random.key(7), 5)
    assert set(arrays) >= {"times", "inputs", "rule", "labels", "mask", "decision", "length"}
    for name, array in arrays.items():
        assert type(array) is np.ndarray and array.flags.writeable
        assert np.array_equal(array, getattr(trial, name), equal_nan=name == "direction")


def test_batches_by_number():
    batches = tasks.NumpyBatches(BATTERY, batch_size=4, count=3, seed=1)
    served = list(batches)
    assert len(served) == len(batches) == 3
    assert not np.array_equal(served[0]["inputs"], served[1]["inputs"])
    assert np.array_equal(served[2]["inputs"], batches[2]["inputs"])
    with pytest.raises(ValueError, match="at least 1"):
        tasks.NumpyBatches(BATTERY, batch_size=0, count=3)


def test_batches_travel_to_another_process():
    batches = tasks.NumpyBatches(BATTERY, batch_size=2, count=2)
    arrived = pickle.loads(pickle.dumps(batches))  # what a data loader does with them
    assert np.array_equal(arrived[1]["inputs"], batches[1]["inputs"])


def test_torch_data_loader():
    data = pytest.importorskip("torch.utils.data")
    batches = tasks.NumpyBatches(BATTERY, batch_size=4, count=2)
    worker = dict(num_workers=1, multiprocessing_context="spawn")
    tensors = list(data.DataLoader(batches, batch_size=None, **worker))
    assert tuple(tensors[1]["inputs"].shape) == (4, 35, 33)
    assert np.array_equal(tensors[1]["inputs"].numpy(), batches[1]["inputs"])


@pytest.fixture
def env():
    pytest.importorskip("gymnasium")
    import tasks.gym

    return tasks.gym.TaskEnv(BATTERY)


def test_gymnasium_accepts_the_environment(env, recwarn):
    from gymnasium.utils.env_checker import check_env

    check_env(env)
    # Noise has no bounds, and the environment has no registered name.
    expected = ("infinity", "not having a spec")
    assert all(any(text in str(w.message) for text in expected) for w in recwarn)


def test_the_right_actions_earn_every_step_of_the_decision(env):
    seen = set()
    for seed in range(30):
        observation, info = env.reset(seed=seed)
        seen.add(info["task"])
        assert observation.shape == (33 + 132,)
        assert BATTERY.names[observation[33:].argmax()] == info["task"]
        earned, due, ended = 0.0, 0, False
        while not ended:
            due += info["period"] == "decision"
            observation, reward, ended, cut, info = env.step(info["gt"])
            earned += reward
            assert not cut
        assert earned == due > 0
        assert not observation.any()
    assert len(seen) > 15


def test_answering_too_early_costs(env):
    env.reset(seed=0)
    assert env.step(3)[1] == -0.1
    assert env.step(0)[1] == 0.0


def test_episodes_go_on_beyond_what_is_drawn_at_a_time(env):
    env.reset(seed=0)
    tasks_seen = [env.reset()[1]["task"] for _ in range(200)]
    assert len(set(tasks_seen)) > 60
