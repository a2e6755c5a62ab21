"""Runs side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._curves import Curves
from ._style import colours, plain, plot_spread

_SHOWN = 30  # tasks in the panel of differences


def compare_figure(runs: Mapping[str, Curves]) -> Figure:
    """Learning of several runs over trials and over time, and where their last accuracies differ.

    **Arguments:**

    - `runs`: curves by the run's name. Differences are to the first, in tasks that all share.

    !!! example

        ```python
        runs = {name: ctrnn.read_curves(Path("runs") / name) for name in ("local", "dense")}
        ctrnn.plotting.compare_figure(runs).savefig("comparison.svg")
        ```
    """
    figure = Figure(figsize=(12, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    over_trials, over_time = (figure.add_subplot(grid[0, k]) for k in range(2))
    tints = colours(len(runs))
    for (name, curves), colour in zip(runs.items(), tints, strict=True):
        mean, look = curves.mean, dict(color=colour, label=name)
        plot_spread(over_trials, curves.trials / 1000, mean, **look)
        plot_spread(over_time, curves.seconds.mean(0) / 60, mean, **look)
    limits = dict(ylim=(-0.02, 1.02), xlim=(0, None), ylabel="mean decision accuracy")
    plain(over_trials, xlabel="trials of training (thousands)", **limits)
    plain(over_time, xlabel="time of training (min)", **limits)
    lines = over_trials.get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", frameon=False, ncols=3)
    _plot_differences(figure.add_subplot(grid[1, :]), runs, tints)
    return figure


def _plot_differences(axes: Axes, runs: Mapping[str, Curves], tints: Sequence) -> None:
    final = {
        name: dict(zip(c.tasks, c.per_task[:, -1].mean(0), strict=True)) for name, c in runs.items()
    }
    first, *others = final
    shared = [task for task in final[first] if all(task in final[name] for name in others)]
    gain = {n: {t: final[n][t] - final[first][t] for t in shared} for n in others}
    largest = sorted(shared, key=lambda t: -max(abs(gain[n][t]) for n in others))[:_SHOWN]
    largest.sort(key=lambda t: sum(gain[n][t] for n in others))
    places = np.arange(len(largest))
    for name, colour in zip(others, tints[1:], strict=True):
        axes.plot(places, [gain[name][task] for task in largest], "o", color=colour, ms=5)
    axes.axhline(0, color=tints[0], linewidth=1.5)
    axes.set_xticks(places, largest, rotation=60, ha="right", fontsize=8)
    title = f"Last accuracies: {len(largest)} of {len(shared)} tasks, those that differ most"
    plain(axes, ylabel=f"accuracy minus that of\n{first}", title=title)
