import numpy as np

import ctrnn
from ctrnn import _terminal


def test_time_left_counts_that_refined_steps_take_longer(monkeypatch, capsys):
    """Half of 100 steps at 100 ms, half at 25 ms: 250 units of work, of which 20 took 20 s."""
    clock = iter([0.0, 0.0, 0.0, 20.0])
    monkeypatch.setattr(_terminal.time, "monotonic", lambda: next(clock))
    config = ctrnn.Config(steps=100, dt=25.0, refine_at=0.5)
    display = _terminal.Display(config, 100.0)
    for step in (10, 30):
        display.show(
            ctrnn.Progress(step, 1.0, 1.0, 0.5, trials_per_second=64.0, per_task=np.zeros(3))
        )
    assert capsys.readouterr().out.strip().endswith("3 min 40 s left")
