"""An ideal observer: it answers a trial from the noiseless inputs and the name of the task alone,
and shares no code with the package."""

import re

import numpy as np

CHANNELS = np.arange(16)
NAME = re.compile(
    r"(?P<base>(?:dly|rt)?(?:go|anti)|(?:ctx|multi)?(?:dly)?dm[12]?|d(?P<non>n?)m(?P<to>[sc]))"
    r"(?:int(?P<int>[rl]))?(?:seq(?P<seq>[rl]))?"
)


def bump(direction: np.integer) -> np.ndarray:
    away = np.abs(CHANNELS - direction)
    return 0.8 * np.exp(-0.5 * np.minimum(away, 16 - away) ** 2)


BUMPS = np.stack([bump(direction) for direction in CHANNELS])


def read_ring(shown: np.ndarray) -> dict[int, float]:
    """The directions in one ring and their strengths: which bumps add up to what is seen."""
    strength = np.linalg.solve(BUMPS.T, shown)
    assert np.allclose(strength.clip(0) @ BUMPS, shown, atol=1e-4)
    return {int(i): float(strength[i]) for i in np.flatnonzero(strength > 0.01)}


def answer(name: str, inputs: np.ndarray, dt: float) -> np.ndarray:
    """Labels of one trial `[time]` from its inputs `[time, 33]`."""
    task = NAME.fullmatch(name)
    assert task is not None, name
    base, per_turn = task["base"], round(100 / dt)
    inputs = inputs.astype(float)
    labels = np.zeros(len(inputs), int)
    begin = int(np.argmin(inputs[:, 0] > 0.5))
    end = begin if base.startswith("rt") else 0
    rings = inputs[:, 1:].reshape(len(inputs), 2, 16)
    lit = np.flatnonzero(np.abs(rings[: begin + 1 if end else begin]).max((1, 2)) > 0.1)
    first, last = lit[0], lit[-1]
    # The second stimulus always lasts 500 ms and ends with fixation.
    second = begin - 5 * per_turn
    interval = second - first - 5 * per_turn
    if "go" in base or "anti" in base:
        (direction,) = {**read_ring(rings[first, 0]), **read_ring(rings[first, 1])}
        direction += 8 * ("anti" in base)
        interval = begin - last - 1 if "dly" in base else last - first + 1
    elif task["to"]:
        ring = int(np.abs(rings[first]).max(1).argmax())
        ((sample, _),) = read_ring(rings[first, ring]).items()
        ((direction, _),) = read_ring(rings[second, ring]).items()
        match = sample // 8 == direction // 8 if task["to"] == "c" else sample == direction
        if match == bool(task["non"]):
            return labels
    else:
        attended = [0] if base[-1] == "1" else [1] if base[-1] == "2" else [0, 1]
        seen: dict[int, float] = {}
        for when in (first, second) if "dly" in base else (first,):
            for ring in attended:
                for where, strength in read_ring(rings[when, ring]).items():
                    seen[where] = seen.get(where, 0.0) + strength
        direction = max(seen, key=lambda where: seen[where])
    direction += {"r": 1, "l": -1, None: 0}[task["int"]] * (interval // per_turn)
    turns = np.arange(len(inputs) - begin) // per_turn
    labels[begin:] = 1 + (direction + {"r": 1, "l": -1, None: 0}[task["seq"]] * turns) % 16
    return labels
