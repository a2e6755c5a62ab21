"""Learning curves and accuracies per task."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._curves import Curves, base_and_variant
from ._style import colours, plain, plot_spread


def learning_figure(curves: Curves, families: Mapping[str, str]) -> Figure:
    """Accuracy on held-out trials per family of tasks, over trials of training.

    !!! example

        ```python
        families = {task: battery.describe(task)[0] for task in battery.names}
        ctrnn.plotting.learning_figure(ctrnn.read_curves(run), families).savefig("learning.svg")
        ```
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    trials = curves.trials / 1000
    kinds = list(dict.fromkeys(families[task] for task in curves.tasks))
    for family, colour in zip(kinds, colours(len(kinds)), strict=True):
        members = [families[task] == family for task in curves.tasks]
        label = f"{family} ({sum(members)} tasks)"
        plot_spread(axes, trials, curves.per_task[..., members].mean(-1), color=colour, label=label)
    plot_spread(axes, trials, curves.mean, color="black", linewidth=2, label="all, mean")
    lowest = curves.per_task.min(-1)
    plot_spread(axes, trials, lowest, ":", color="black", label="all, worst task")
    many = f" of {len(curves.per_task)} seeds: mean and range" if len(curves.per_task) > 1 else ""
    plain(
        axes, xlabel="trials of training (thousands)", ylabel="decision accuracy", ylim=(-0.02, 1.02),
        xlim=(0, None), title=f"Learning{many}, on held-out trials",
    )  # fmt: skip
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure


def tasks_figure(curves: Curves, families: Mapping[str, str]) -> Figure:
    """The last accuracy of each task, one column per family, sorted.

    !!! example

        ```python
        families = {task: battery.describe(task)[0] for task in battery.names}
        ctrnn.plotting.tasks_figure(ctrnn.read_curves(run), families).savefig("by-task.svg")
        ```
    """
    kinds = list(dict.fromkeys(families[task] for task in curves.tasks))
    final = dict(zip(curves.tasks, curves.per_task[:, -1].T, strict=True))
    columns = [[task for task in final if families[task] == kind] for kind in kinds]
    tallest = max(map(len, columns))
    figure = Figure(figsize=(1 + 4 * len(kinds), 1.5 + 0.17 * tallest), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, kind, colour, column in zip(panels, kinds, colours(len(kinds)), columns, strict=True):
        column = sorted(column, key=lambda task: final[task].mean())
        places = np.arange(len(column))
        axes.barh(places, [final[task].mean() for task in column], color=colour, height=0.75)
        if len(curves.per_task) > 1:
            for seed in range(len(curves.per_task)):
                axes.plot([final[task][seed] for task in column], places, ".", color="0.2", ms=3)
        axes.set_yticks(places, column, fontsize=7)
        plain(
            axes, xlim=(0, 1), ylim=(len(column) - tallest - 0.5, len(column) - 0.5),
            xlabel="decision accuracy", title=kind,
        )  # fmt: skip
    figure.suptitle("Last accuracy of each task on held-out trials")
    return figure


def grid_figure(curves: Curves) -> Figure:
    """The last accuracy of each task: base tasks down, their variants across.

    !!! example

        ```python
        ctrnn.plotting.grid_figure(ctrnn.read_curves(run)).savefig("grid.svg")
        ```
    """
    final = dict(zip(curves.tasks, curves.per_task[:, -1].mean(0), strict=True))
    bases, variants = _bases_and_variants(final)
    size = (2.5 + 0.8 * len(variants), 1.8 + 0.3 * len(bases))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    plot_grid(axes, final)
    axes.set(title="Accuracy of each task")
    figure.colorbar(axes.images[0], ax=axes, label="decision accuracy", shrink=0.7)
    return figure


def plot_grid(axes: Axes, accuracy: Mapping[str, float]) -> None:
    """A number between 0 and 1 for each task: base tasks down, their variants across.

    !!! example

        ```python
        ctrnn.plotting.plot_grid(axes, dict(zip(battery.names, evaluate(network))))
        ```
    """
    bases, variants = _bases_and_variants(accuracy)
    grid = np.full((len(bases), len(variants)), np.nan)
    for task, x in accuracy.items():
        base, variant = base_and_variant(task)
        grid[bases.index(base), variants.index(variant)] = x
    axes.imshow(grid, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for (i, j), x in np.ndenumerate(grid):
        if not np.isnan(x):
            ink = "white" if x < 0.6 else "black"
            axes.text(j, i, f"{x:.2f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(variants)), variants)
    axes.set_yticks(range(len(bases)), bases)
    axes.set(xlabel="variant", ylabel="base task")


def _bases_and_variants(names: Iterable[str]) -> list[list[str]]:
    parts = map(base_and_variant, names)
    return [list(dict.fromkeys(axis)) for axis in zip(*parts, strict=True)]
