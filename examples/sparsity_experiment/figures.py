"""Draws the experiment from curves.jsonl, and writes its table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ctrnn.plotting import colours

from .conditions import CONDITIONS, EQUAL_SYNAPSES, LEARNING_RATES, TUNING_SEED
from .measures import LEVELS, Interval, compared, measures

LOCALITY = tuple(f"locality {d}%" for d in (1, 2, 4, 8, 16))
GROUPS: dict[str, tuple[str, ...]] = {
    "400 neurons": (*LOCALITY, "dense", "autapses"),
    "About 6,400 synapses": EQUAL_SYNAPSES,
    "Which synapses": (
        *(f"{kind} {d}%" for d in (4, 16) for kind in ("locality", "random", "rewired")),
        "locality 4%, autapses from 0",
    ),
}
_APART = {"dense": "black", "dense, 80": "black", "autapses": "0.6"}


def by_condition(rows: list[dict], battery: str) -> dict[str, list[dict]]:
    """The rows of each condition's seeds, those that tuned the learning rate left out."""
    of = {
        c: [r for r in rows if r["condition"] == c and r["battery"] == battery] for c in CONDITIONS
    }
    final = {c: [r for r in its if r["seed"] != TUNING_SEED] for c, its in of.items()}
    return {c: its for c, its in final.items() if its}


def _colours(group: Sequence[str]) -> dict[str, Any]:
    coloured = [c for c in group if c not in _APART]
    return _APART | dict(zip(coloured, colours(len(coloured), ordered=True), strict=True))


def curves_figure(rows: list[dict], battery: str) -> Figure:
    """Learning curves: the median over seeds, and every seed as a thin line."""
    runs = by_condition(rows, battery)
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for axes, (title, group) in zip(
        figure.subplots(1, 3, sharey=True), GROUPS.items(), strict=True
    ):
        for condition, colour in _colours(group).items():
            if condition not in group or condition not in runs:
                continue
            trials = np.array(runs[condition][0]["trials"]) / 1000
            seeds = np.array([r["mean"] for r in runs[condition]])
            axes.plot(trials, np.median(seeds, 0), color=colour, label=condition)
            axes.plot(trials, seeds.T, color=colour, linewidth=0.5, alpha=0.5)
        axes.set(title=title, xlabel="trials seen (thousands)", ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.axes[0].set_ylabel(f"mean decision accuracy, {battery} tasks")
    return figure


def density_figure(rows: list[dict], battery: str) -> Figure:
    """Area under the curve and final accuracy against density, at equal neurons."""
    runs = by_condition(rows, battery)
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    kinds = {
        "locality": LOCALITY,
        "random": ("random 4%", "random 16%"),
        "rewired": ("rewired 4%", "rewired 16%"),
        "dense": ("dense",),
        "autapses": ("autapses",),
    }
    for axes, (name, label) in zip(
        figure.subplots(1, 2),
        {"area": "mean accuracy over training", "final": "accuracy at the end"}.items(),
        strict=True,
    ):
        for colour, (kind, conditions) in zip(colours(5), kinds.items(), strict=True):
            seen = [c for c in conditions if c in runs]
            if not seen:
                continue
            density = [100 * runs[c][0]["synapses"] / runs[c][0]["neurons"] ** 2 for c in seen]
            values = [measures(runs[c])[name] for c in seen]
            error = [[v.median - v.low for v in values], [v.high - v.median for v in values]]
            medians = [v.median for v in values]
            axes.errorbar(density, medians, error, marker="o", capsize=3, color=colour, label=kind)
        axes.set(xscale="log", xlabel="synapses present (%)", ylabel=f"{label}, {battery} tasks")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def table(rows: list[dict], battery: str, *names: str) -> str:
    """Some measures of all conditions, as Markdown."""
    runs = by_condition(rows, battery)
    heads = ["condition", "neurons", "synapses", "learning rate", *names]
    lines = []
    for condition, its in runs.items():
        one, values = its[0], measures(its)
        what = [condition, one["neurons"], f"{one['synapses']:,}", f"{one['learning_rate']:g}"]
        lines.append([*what, *(_cell(name, values[name]) for name in names)])
    return _markdown(heads, lines)


def tuning(rows: list[dict], battery: str) -> str:
    """Mean accuracy over the runs that tuned the learning rate, as Markdown."""
    tuned = [r for r in rows if r["battery"] == battery and r["seed"] == TUNING_SEED]
    areas = {(r["condition"], r["learning_rate"]): np.mean(r["mean"]) for r in tuned}
    lines = []
    for condition in CONDITIONS:
        tried = [areas.get((condition, rate), np.nan) for rate in LEARNING_RATES]
        best = np.nanmax(tried)
        cells = ["" if np.isnan(x) else f"**{x:.3f}**" if x == best else f"{x:.3f}" for x in tried]
        lines.append([condition, *cells])
    return _markdown(["condition", *(f"{rate:g}" for rate in LEARNING_RATES)], lines)


def comparisons(rows: list[dict], battery: str) -> str:
    """Which of two conditions learns sooner, as Markdown: local graphs against others."""
    runs = by_condition(rows, battery)
    pairs = [(c, "dense") for c in LOCALITY]
    pairs += [(c, "dense, 80") for c in EQUAL_SYNAPSES[:-1]]
    pairs += [(f"locality {d}%", f"{kind} {d}%") for d in (4, 16) for kind in ("random", "rewired")]
    pairs += [("locality 4%, autapses from 0", f"{kind} 4%") for kind in ("random", "rewired")]
    pairs += [("locality 4%", "locality 4%, autapses from 0")]
    lines = [
        [these, those, *(compared(runs[these], runs[those], level) for level in LEVELS)]
        for these, those in pairs
        if these in runs and those in runs
    ]
    return _markdown(["this", "reaches it, against that", *map(str, LEVELS)], lines)


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
