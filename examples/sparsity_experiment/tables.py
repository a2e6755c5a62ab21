"""The experiment's tables and verdicts, as Markdown, from curves.jsonl."""

from collections.abc import Iterable

import numpy as np

import tasks

from .conditions import (
    CONDITIONS,
    EQUAL_SYNAPSES,
    EXACT,
    LEARNING_RATES,
    LOCALITY,
    TUNING_SEED,
    planned,
)
from .measures import LEVELS, Interval, by_condition, compared, measures


def sizes(rows: list[dict], battery: str) -> str:
    """What each condition is, and the learning rate that was chosen for it."""
    heads = ("neurons", "synapses", "parameters", "learning_rate")
    lines = [
        [condition, *(f"{runs[0][head]:,}" for head in heads)]
        for condition, runs in by_condition(rows, battery).items()
    ]
    return _markdown(["condition", *(head.replace("_", " ") for head in heads)], lines)


def learning(rows: list[dict], battery: str) -> str:
    """How soon each condition learns."""
    names = (*(f"trials until {level}" for level in LEVELS), "area")
    return _measured(by_condition(rows, battery), names)


def end(rows: list[dict], battery: str) -> str:
    """What each condition has learnt at the end."""
    return _measured(by_condition(rows, battery), ("final", "refined", "worst task", "minutes"))


def exact(rows: list[dict]) -> str:
    """The same conditions on the 132 tasks, trained by Heun's method and by one of third order."""
    pairs = [c for condition in EXACT for c in (planned(condition), condition)]
    names = ("trials until 0.3", "trials until 0.5", "area", "final", "refined")
    return _measured(by_condition(rows, "132", pairs), names)


def tuned(rows: list[dict], battery: str) -> str:
    """The area under the curve at each learning rate that was tried."""
    runs = [r for r in rows if r["battery"] == battery and r["seed"] == TUNING_SEED]
    areas = {(r["condition"], r["learning_rate"]): np.mean(r["mean"]) for r in runs}
    lines = []
    for condition in CONDITIONS:
        tried = [areas.get((condition, rate), np.nan) for rate in LEARNING_RATES]
        best = np.nanmax(tried)
        cells = ["" if np.isnan(x) else f"**{x:.3f}**" if x == best else f"{x:.3f}" for x in tried]
        lines.append([condition, *cells])
    return _markdown(["condition", *(f"{rate:g}" for rate in LEARNING_RATES)], lines)


def comparisons(rows: list[dict], battery: str) -> str:
    """Which of two conditions learns sooner."""
    runs = by_condition(rows, battery)
    pairs = [(c, "dense") for c in (*LOCALITY, "random 4%", "rewired 4%", "autapses")]
    pairs += [(c, "dense, 80") for c in EQUAL_SYNAPSES]
    pairs += [(f"locality {d}%", f"{kind} {d}%") for d in (4, 16) for kind in ("random", "rewired")]
    pairs += [("locality 4%, autapses from 0", f"{kind} 4%") for kind in ("random", "rewired")]
    pairs += [("locality 4%", "locality 4%, autapses from 0")]
    lines = [
        [this, that, *(compared(runs[this], runs[that], level) for level in LEVELS)]
        for this, that in pairs
    ]
    return _markdown(["this reaches", "against that", *map(str, LEVELS)], lines)


def broken(rows: list[dict]) -> str:
    """Accuracy at the end on the 132 tasks by what is asked: medians over seeds of means over tasks."""
    runs = by_condition(rows, "132")
    shown = ("autapses", "locality 4%", "dense")
    kinds = {
        "the 20": lambda task: not (task.integrate or task.sequence),
        "interval": lambda task: task.integrate and not task.sequence,
        "sequence": lambda task: task.sequence and not task.integrate,
        "interval and sequence": lambda task: task.integrate and task.sequence,
    }
    lines = []
    for family in (tasks.Reach, tasks.Decision, tasks.Match):
        for kind, is_of in kinds.items():
            its = [isinstance(task, family) and bool(is_of(task)) for task in tasks.TABLE.values()]
            ends = [
                np.median([np.mean(np.array(r["accuracy"])[its]) for r in runs[c]]) for c in shown
            ]
            lines.append([family.__name__.lower(), kind, sum(its), *(f"{x:.2f}" for x in ends)])
    return _markdown(["family", "asked for", "tasks", *shown], lines)


def verdicts(rows: list[dict]) -> str:
    """The claims, judged as docs/science/plan.md says."""
    few, many = by_condition(rows, "20"), by_condition(rows, "132")
    pool = measures(few["autapses"])["final"].median
    broken = measures(many["autapses"])["final"]
    best = max(measures(many[c])["final"].median for c in LOCALITY)
    fails = broken.high < 0.8 and broken.median <= best - 0.1
    lines = [
        ["A", f"autapses end at {pool:.3f} on the 20 tasks", _supported(pool >= 0.9)],
        [
            "B",
            f"autapses end at {broken.median:.3f} ({broken.low:.3f} to {broken.high:.3f}) on the 132, "
            f"the best local network at {best:.3f}",
            _supported(fails),
        ],
        ["C, equal neurons", *_sooner(many, LOCALITY, "dense")],
        ["C, equal synapses", *_sooner(many, EQUAL_SYNAPSES, "dense, 80")],
    ]
    return _markdown(["claim", "seen", "verdict"], lines)


def _sooner(runs: dict[str, list[dict]], local: Iterable[str], dense: str) -> tuple[str, str]:
    """Whether some local network reaches 0.5, and 0.8 where both do, in fewer trials than the dense one."""
    sooner, later = [], []
    for condition in local:
        half, most = (compared(runs[condition], runs[dense], level) for level in (0.5, 0.8))
        both_get_far = all(max(r["mean"]) >= 0.8 for c in (condition, dense) for r in runs[c])
        if half == "sooner" and (most == "sooner" or not both_get_far):
            sooner.append(condition)
        if half == "later" and (most == "later" or not both_get_far):
            later.append(condition)
    seen = (
        f"sooner than {dense}: {', '.join(sooner) or 'none'}; later: {', '.join(later) or 'none'}"
    )
    if sooner:
        return seen, "supported"
    return seen, "contradicted" if len(later) == len(tuple(local)) else "undecided"


def _supported(holds: bool) -> str:
    return "supported" if holds else "not supported"


def _measured(conditions: dict[str, list[dict]], names: Iterable[str]) -> str:
    lines = []
    for condition, runs in conditions.items():
        found = measures(runs)
        diverged = sum(r["state"] == "diverged" for r in runs)
        said = f"{condition} ({diverged} diverged)" if diverged else condition
        lines.append([said, *(_cell(name, found[name]) for name in names)])
    return _markdown(["condition", *names], lines)


def _markdown(heads: list, lines: list[list]) -> str:
    marked = [heads, ["---"] * len(heads), *lines]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in marked)


def _cell(name: str, value: Interval) -> str:
    def show(x: float) -> str:
        if np.isinf(x):
            return "never"
        if name.startswith("trials"):
            return f"{x / 1000:.0f}k"
        return f"{x:.1f}" if name == "minutes" else f"{x:.3f}"

    low, high = show(value.low), show(value.high)
    return show(value.median) + (f" ({low} to {high})" if low != high else "")


OF_A_BATTERY = (sizes, learning, end, tuned, comparisons)
OF_ALL = (verdicts, broken, exact)
