import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import one_trial
from matplotlib.collections import LineCollection

import tasks

BATTERY = tasks.Battery.named("132")


def test_shows_inputs_periods_and_target(tmp_path):
    trial = one_trial(BATTERY, "ctxdlydm1intlseqr", key=jax.random.key(0), fixation=300, delay=700)
    figure = tasks.plot_trial(trial, 0, BATTERY)
    fixation, ring_1, ring_2, target, _ = figure.axes
    assert [text.get_text() for text in fixation.texts] == [
        "fixation", "stimulus", "delay", "stimulus 2", "decision",
    ]  # fmt: skip
    length = int(trial.length[0])
    shown = np.asarray(ring_2.collections[0].get_array()).reshape(16, length)
    assert np.array_equal(shown, np.asarray(trial.inputs)[0, :length, 17:].T)
    answers = [lines for lines in target.collections if isinstance(lines, LineCollection)]
    drawn = np.concatenate([lines.get_segments() for lines in answers])
    heights = drawn[np.argsort(drawn[:, 0, 0]), 0, 1]
    direction = np.degrees(np.asarray(trial.direction[0, :length]))
    assert np.allclose(heights, np.where(np.isnan(direction), -45, direction))
    assert target.get_xlabel() == "time (ms)" and "°" in ring_1.get_ylabel()
    boundaries = [300, 800, 1500, 2000]
    assert sorted(float(np.min(line.get_xdata())) for line in target.lines) == boundaries
    figure.savefig(tmp_path / "trial.png")
    assert (tmp_path / "trial.png").stat().st_size > 5000


@pytest.mark.parametrize("index", [-1, 1])
def test_a_trial_that_is_not_there(index):
    trial = one_trial(BATTERY, "go")
    with pytest.raises(ValueError, match="trials 0 to 0"):
        tasks.plot_trial(trial, index, BATTERY)


def test_a_stream_is_no_trial():
    stream = tasks.Battery.select("go").stream(jax.random.key(0), 1, 40)
    with pytest.raises(ValueError, match="stream of many trials"):
        tasks.plot_trial(stream, 0, BATTERY)


def test_every_family_can_be_drawn():
    ids = jnp.array([BATTERY.names.index(n) for n in ("rtanti", "dm2", "dnmcseql", "gointr")])
    trial = BATTERY.render(BATTERY.sample(jax.random.key(0), ids))
    for index in range(4):
        title = tasks.plot_trial(trial, index, BATTERY).get_suptitle()
        assert title == BATTERY.names[int(ids[index])]
