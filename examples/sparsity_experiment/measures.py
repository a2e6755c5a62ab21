"""What is read off the curves of the experiment: the measures of docs/science/plan.md."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .conditions import CONDITIONS, SEEDS, TUNING_SEED

LEVELS = (0.3, 0.5, 0.8, 0.9)
RESAMPLES = 10_000


def by_condition(
    rows: list[dict], battery: str, conditions: Iterable[str] = CONDITIONS
) -> dict[str, list[dict]]:
    """The runs of each condition, those that tuned the learning rate left out.

    Raises `ValueError` if a seed is missing, or there twice.
    """
    runs = {
        condition: [
            r
            for r in rows
            if (r["condition"], r["battery"]) == (condition, battery) and r["seed"] != TUNING_SEED
        ]
        for condition in conditions
    }
    for condition, its in runs.items():
        if sorted(r["seed"] for r in its) != sorted(SEEDS):
            raise ValueError(f"{condition} of the {battery} tasks has not a run of each seed.")
    return runs


class Interval(NamedTuple):
    """A median over seeds with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float


def trials_until(trials: npt.ArrayLike, accuracy: npt.ArrayLike, level: float) -> float:
    """Trials seen when the curve first reaches a level, between evaluations by a line; inf if never."""
    trials, accuracy = np.asarray(trials, float), np.asarray(accuracy, float)
    above = np.flatnonzero(accuracy >= level)
    if not len(above):
        return np.inf
    k = above[0]
    if k == 0:
        return float(trials[0])
    rise = (level - accuracy[k - 1]) / (accuracy[k] - accuracy[k - 1])
    return float(trials[k - 1] + rise * (trials[k] - trials[k - 1]))


def over_seeds(values: npt.ArrayLike) -> Interval:
    """Of a few seeds the interval is hardly more than the range of what was seen."""
    values = np.asarray(values, float)
    drawn = np.random.default_rng(0).choice(values, (RESAMPLES, len(values)))
    # Not `quantile` of a line between values: that of inf and a number is none.
    low, high = np.quantile(np.median(drawn, 1), [0.025, 0.975], method="nearest")
    return Interval(float(np.median(values)), float(low), float(high))


def measures(rows: list[dict]) -> dict[str, Interval]:
    """The measures of one condition, from the rows of curves.jsonl of its seeds."""
    found: dict[str, list[float]] = {
        f"trials until {level}": [trials_until(r["trials"], r["mean"], level) for r in rows]
        for level in LEVELS
    }
    found["area"] = [float(np.mean(r["mean"])) for r in rows]
    found["final"] = [float(np.mean(r["accuracy"])) for r in rows]
    found["refined"] = [float(np.mean(r["refined"])) for r in rows]
    found["worst task"] = [min(r["accuracy"]) for r in rows]
    found["minutes"] = [r["seconds"] / 60 for r in rows]
    return {name: over_seeds(values) for name, values in found.items()}


def compared(these: list[dict], those: list[dict], level: float) -> str:
    """Whether these runs reach a level in fewer trials than those, with no overlap of seeds."""
    a, b = ([trials_until(r["trials"], r["mean"], level) for r in runs] for runs in (these, those))
    if np.isinf([*a, *b]).all():
        return "none reaches it"
    if max(a) < min(b):
        return "sooner"
    return "later" if max(b) < min(a) else "undecided"
