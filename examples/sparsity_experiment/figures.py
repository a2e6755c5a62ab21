"""Draws the experiment from curves.jsonl."""

import numpy as np
from matplotlib.figure import Figure

from ctrnn.plotting import colours

from .conditions import EQUAL_SYNAPSES, LOCALITY
from .measures import by_condition, measures

_UNLIKE = {"dense": "black", "dense, 80": "black", "autapses": "0.6"}
_DENSITIES = dict(zip(LOCALITY, colours(len(LOCALITY), ordered=True), strict=True))
_SAME_SYNAPSES = dict(zip(EQUAL_SYNAPSES, _DENSITIES.values(), strict=True))
_KINDS = dict(zip(("locality", "random", "rewired", "autapses from 0"), colours(4), strict=True))
PANELS = {
    "400 neurons": _DENSITIES | {c: _UNLIKE[c] for c in ("dense", "autapses")},
    "About 6,400 synapses": _SAME_SYNAPSES | {"dense, 80": _UNLIKE["dense, 80"]},
    "400 neurons at 4 %": {
        **{f"{kind} 4%": _KINDS[kind] for kind in ("locality", "random", "rewired")},
        "locality 4%, autapses from 0": _KINDS["autapses from 0"],
    },
}


def curves_figure(rows: list[dict], battery: str) -> Figure:
    """Learning curves: the median over seeds, and every seed as a thin line."""
    runs = by_condition(rows, battery)
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for axes, (title, group) in zip(
        figure.subplots(1, 3, sharey=True), PANELS.items(), strict=True
    ):
        for condition, colour in group.items():
            trials = np.array(runs[condition][0]["trials"]) / 1000
            seeds = np.array([r["mean"] for r in runs[condition]])
            axes.plot(trials, np.median(seeds, 0), color=colour, label=condition)
            axes.plot(trials, seeds.T, color=colour, linewidth=0.5, alpha=0.5)
        axes.set(title=title, xlabel="trials seen (thousands)", ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="best")
    figure.axes[0].set_ylabel(f"mean decision accuracy, {battery} tasks")
    return figure


def density_figure(rows: list[dict], battery: str) -> Figure:
    """Area under the curve and accuracy at the end against density, at 400 neurons."""
    runs = by_condition(rows, battery)
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    kinds = {
        "locality": LOCALITY,
        "random": ("random 4%", "random 16%"),
        "rewired": ("rewired 4%", "rewired 16%"),
        "locality, autapses from 0": ("locality 4%, autapses from 0",),
        "dense": ("dense",),
        "autapses": ("autapses",),
    }
    # Points at the same density side by side.
    beside = dict(zip(kinds, (1, 1.15, 0.87, 1.3, 1, 1), strict=True))
    for axes, (name, label) in zip(
        figure.subplots(1, 3),
        {
            "area": "mean accuracy over training",
            "final": "accuracy at the end",
            "refined": "accuracy at the end, refined solve",
        }.items(),
        strict=True,
    ):
        for colour, (kind, conditions) in zip(colours(6), kinds.items(), strict=True):
            density = [
                100 * runs[c][0]["synapses"] / runs[c][0]["neurons"] ** 2 * beside[kind]
                for c in conditions
            ]
            values = [measures(runs[c])[name] for c in conditions]
            error = [[v.median - v.low for v in values], [v.high - v.median for v in values]]
            medians = [v.median for v in values]
            axes.errorbar(density, medians, error, marker="o", capsize=3, color=colour, label=kind)
        axes.set(xscale="log", xlabel="synapses present (%)", ylabel=label)
        axes.set_xticks((0.25, 1, 4, 16, 100), ("0.25", "1", "4", "16", "100"))
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[1].sharey(figure.axes[2])
    figure.axes[1].autoscale()
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False
    )
    figure.suptitle(f"{battery} tasks")
    return figure
