"""The tasks as a Gymnasium environment. Needs the extra: `pip install ".[gym]"` in a clone."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from jaxtyping import Float32

from ._battery import Battery
from ._family import PERIODS

_BLOCK = 64


class TaskEnv(gymnasium.Env):
    """One trial per episode, one frame per step.

    The observation is the 33 inputs and then the one-hot rule. Action 0 is to fixate, 1 to 16 are
    the ring directions. In the decision an action earns 1 if it is the label; before it, an action
    other than 0 costs 0.1. The trial runs to its end in any case; the observation that comes with
    the end is zero.

    `info` has the `task` and, for the frame now observed, the `period` and the right action, `gt`
    (as neurogym calls it).

    **Arguments:**

    - `battery`: the tasks, drawn evenly.

    !!! example

        ```python
        env = tasks.gym.TaskEnv(tasks.Battery.select("dlygo*"))
        observation, info = env.reset(seed=0)
        ```
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, battery: Battery):
        self.battery = battery
        self._size = battery.in_size + battery.rule_size
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self._size,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(battery.out_size)
        self._next = _BLOCK

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, " channels"], dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None or self._next == _BLOCK:
            block_seed = int(self.np_random.integers(2**31))
            self._trials = self.battery.numpy_batch(block_seed, _BLOCK)
            self._next = 0
        self._trial = {
            name: rows[self._next] for name, rows in self._trials.items() if name != "times"
        }
        self._next += 1
        self._frame = 0
        return self._observe()

    def step(
        self, action: int | np.integer
    ) -> tuple[Float32[np.ndarray, " channels"], float, bool, bool, dict[str, Any]]:
        reward = 0.0
        if self._trial["decision"][self._frame]:
            reward = float(action == self._trial["labels"][self._frame])
        elif action != 0:
            reward = -0.1
        self._frame += 1
        ended = self._frame == self._trial["length"]
        observation, info = self._observe()
        return observation, reward, bool(ended), False, info

    def _observe(self) -> tuple[Float32[np.ndarray, " channels"], dict[str, Any]]:
        rule = self._trial["rule"]
        info: dict[str, Any] = {"task": self.battery.names[int(rule.argmax())]}
        if self._frame == self._trial["length"]:
            return np.zeros(self._size, np.float32), info
        info["period"] = PERIODS[self._trial["period"][self._frame]]
        info["gt"] = int(self._trial["labels"][self._frame])
        return np.concatenate([self._trial["inputs"][self._frame], rule]), info
