"""Speed of drawing and rendering trials, beside NumPy code that makes one trial per Python call.

The NumPy code stands for the way in which the public Mod-Cog data are made: an object per task,
asked for one trial at a time, whose arrays are joined into sequences of a fixed length.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import tasks

_THETA = np.arange(16) * (2 * np.pi / 16)


def _bump(direction: Any, strength: Any) -> np.ndarray:
    away = np.abs(direction - _THETA)
    away = np.minimum(away, 2 * np.pi - away)
    return 0.8 * strength * np.exp(-0.5 * (away / (np.pi / 8)) ** 2)


class _NumpyTask:
    """One task that makes one trial at a time, in frames of 100 ms."""

    def __init__(self, row: tasks.AbstractFamily, seed: int):
        self.row: Any = row
        self.timing = row.timing(tasks.CORRECTED)
        self.rng = np.random.default_rng(seed)

    def new_trial(self) -> tuple[np.ndarray, np.ndarray]:
        rng, row = self.rng, self.row
        drawn = [int(rng.choice(p)) if isinstance(p, range) else p for p in self.timing]
        ends = np.cumsum(drawn) // 100
        inputs = np.zeros((ends[-1], 33))
        inputs[: ends[3], 0] = 1
        stimulus, delay = slice(ends[0], ends[1]), drawn[2] // 100
        test, decision = slice(ends[2], ends[3]), slice(ends[3], ends[4])
        if isinstance(row, tasks.Reach):
            response, ring = rng.choice(16), slice(1, 17) if rng.choice(2) else slice(17, 33)
            timed = delay if row.delayed else drawn[1] // 100
            shown = (response - row.integrate * timed + 8 * row.anti) % 16
            inputs[decision if row.reaction else stimulus, ring] += _bump(_THETA[shown], 1.0)
            go = True
        elif isinstance(row, tasks.Match):
            first, match = rng.choice(16), rng.choice(2)
            ring = slice(1, 17) if rng.choice(2) else slice(17, 33)
            half = (first // 8 + 1 - match) % 2
            response = 8 * half + rng.choice(8) if row.category else (first + 8 * (1 - match)) % 16
            inputs[stimulus, ring] += _bump(_THETA[first], 1.0)
            inputs[test, ring] += _bump(_THETA[response], 1.0)
            for period in (stimulus, test):
                shape = inputs[period, ring].shape
                inputs[period, ring] += 0.1 * rng.standard_normal(shape)
            response, go = response + row.integrate * delay, bool(match) == row.go_on_match
        else:
            first, second = rng.choice(16, 2, replace=False)
            evidence = np.zeros(2)
            second_period = test if row.delayed else stimulus
            for ring, shown, attended in (
                (slice(1, 17), row.shown_1, row.attend_1),
                (slice(17, 33), row.shown_2, row.attend_2),
            ):
                if not shown:
                    continue
                if row.delayed:
                    strength = rng.choice([0.3, 0.6, 1.0], 2, replace=False)
                else:
                    contrast = rng.choice([0.08, 0.16, 0.32, 0.64]) * rng.choice([-1, 1])
                    strength = 0.5 + np.array([contrast, -contrast]) / 2
                inputs[stimulus, ring] += _bump(_THETA[first], strength[0])
                inputs[second_period, ring] += _bump(_THETA[second], strength[1])
                evidence += attended * strength
            for period in (stimulus, test) if row.delayed else (stimulus,):
                inputs[period, 1:] += 0.1 * rng.standard_normal(inputs[period, 1:].shape)
            response = (first if evidence[0] > evidence[1] else second) + row.integrate * delay
            go = True
        labels = np.zeros(len(inputs), int)
        if go:
            labels[decision] = 1 + (response + row.sequence * np.arange(drawn[4] // 100)) % 16
        return inputs, labels


class _NumpyBattery:
    def __init__(self, names: tuple[str, ...]):
        self.tasks = [_NumpyTask(tasks.TABLE[name], i) for i, name in enumerate(names)]
        self.rng = np.random.default_rng(0)

    def padded(self, batch: int, steps: int) -> int:
        inputs = np.zeros((batch, steps, 33 + len(self.tasks)), np.float32)
        labels = np.zeros((batch, steps), int)
        for i in range(batch):
            task = self.rng.choice(len(self.tasks))
            shown, answer = self.tasks[task].new_trial()
            inputs[i, : len(shown), :33], labels[i, : len(shown)] = shown, answer
            inputs[i, : len(shown), 33 + task] = 1
        return batch

    def joined(self, batch: int, steps: int) -> int:
        inputs = np.zeros((batch, steps, 33 + len(self.tasks)), np.float32)
        labels = np.zeros((batch, steps), int)
        trials = 0
        for i in range(batch):
            at = 0
            while at < steps:
                task = self.rng.choice(len(self.tasks))
                shown, answer = self.tasks[task].new_trial()
                end = min(at + len(shown), steps)
                inputs[i, at:end, :33], labels[i, at:end] = shown[: end - at], answer[: end - at]
                inputs[i, at:end, 33 + task] = 1
                at, trials = end, trials + 1
        return trials


def _seconds(call: Callable[[], Any], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        jax.block_until_ready(call())
    return (time.perf_counter() - start) / times


def rows(repeats: int = 15) -> list[dict[str, Any]]:
    """Measures, turn by turn, the battery and the NumPy code on the same work.

    A turn is one call of the NumPy code and eight of the battery, which is the faster. JAX may use
    all cores and NumPy uses one: pin the process to one core to compare speed per core.

    **Arguments:**

    - `repeats`: how often each is measured.

    **Returns:**

    A record for each way of making trials: `name`, `batch`, `steps`, `median_seconds`,
    `raw_seconds`, `against` (the name of what it is compared with), `ratio` (how many times
    faster), and `trials_per_second`.
    """
    records = []
    for names, batch, steps, joined in (
        ("132", 64, 35, False),
        ("132", 1024, 35, False),
        ("82", 64, 350, True),
    ):
        battery = tasks.Battery.named(names)
        peer = _NumpyBattery(battery.names)
        keys = jax.random.split(jax.random.key(0), repeats + 1)
        if joined:
            ours = jax.jit(lambda key, b=battery, n=batch, t=steps: b.stream(key, n, t))
            theirs = peer.joined
        else:
            ours = jax.jit(lambda key, b=battery, n=batch: b.batch(key, n))
            theirs = peer.padded
        _seconds(lambda ours=ours, keys=keys: ours(keys[-1]))
        trials, ours_seconds, theirs_seconds = [], [], []
        for key in keys[:-1]:
            start = time.perf_counter()
            trials.append(theirs(batch, steps))
            theirs_seconds.append(time.perf_counter() - start)
            ours_seconds.append(_seconds(lambda ours=ours, key=key: ours(key), times=8))
        what = f"{names} tasks, {'joined' if joined else 'padded'}"
        count = statistics.mean(trials)
        baseline = f"NumPy, a call per trial: {what}"
        slow = statistics.median(theirs_seconds)
        for name, seconds, against in (
            (baseline, theirs_seconds, None),
            (f"battery: {what}", ours_seconds, baseline),
        ):
            median = statistics.median(seconds)
            records.append(
                dict(
                    name=name,
                    batch=batch,
                    steps=steps,
                    median_seconds=median,
                    raw_seconds=seconds,
                    against=against,
                    ratio=slow / median,
                    trials_per_second=count / median,
                )
            )
    return records


if __name__ == "__main__":
    for record in rows():
        print(
            f"{record['name']:55s} batch {record['batch']:5d}  "
            f"{record['trials_per_second']:10,.0f} trials/s  x{record['ratio']:.1f}"
        )
