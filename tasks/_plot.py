from typing import TYPE_CHECKING

import numpy as np

from ._battery import Battery
from ._family import PERIODS, RING
from ._trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_FIXATE = -45.0  # where the target panel shows "fixate", below the directions


def plot_trial(trial: Trial, index: int, battery: Battery) -> "Figure":
    """Draws one trial: the fixation input, both rings, and the target, over time.

    **Arguments:**

    - `trial`: a batch of trials.
    - `index`: which of them.
    - `battery`: the battery that they are from, for the name of the task.

    **Returns:**

    A Matplotlib figure, to be saved or shown. Dashed lines part the periods.

    **Raises:**

    `ValueError` if the batch has no such trial, or is a stream.

    !!! example

        ```python
        trial = battery.batch(jax.random.key(0), 4)
        tasks.plot_trial(trial, 0, battery).savefig("trial.png")
        ```
    """
    from matplotlib.figure import Figure

    if not 0 <= index < len(trial.length):
        raise ValueError(f"this batch has trials 0 to {len(trial.length) - 1}, not {index}")
    if trial.rule.ndim != 2:
        raise ValueError("this is a stream of many trials; draw trials from `Battery.batch`")
    length = int(trial.length[index])
    end = length * trial.dt
    edges = np.arange(length + 1) * trial.dt
    inputs = np.asarray(trial.inputs[index, :length])
    period = np.asarray(trial.period[index, :length])
    name = battery.names[int(np.argmax(trial.rule[index]))]

    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, height_ratios=[1, 2, 2, 2])
    fixation, *rings, target = axes

    fixation.stairs(inputs[:, 0], edges, color="black", baseline=None)
    fixation.set(ylabel="fixation", ylim=(min(-0.15, inputs[:, 0].min()), 1.15), yticks=[0, 1])
    low, high = min(0.0, inputs[:, 1:].min()), max(0.8, inputs[:, 1:].max())
    degrees = 360 / RING * (np.arange(RING + 1) - 0.5)
    for number, axis in enumerate(rings):
        channels = inputs[:, 1 + number * RING : 1 + (number + 1) * RING]
        image = axis.pcolormesh(edges, degrees, channels.T, cmap="cividis", vmin=low, vmax=high)
        axis.set(ylabel=f"ring {number + 1} (°)", yticks=[0, 90, 180, 270])
    figure.colorbar(image, ax=rings, label="input", aspect=30)

    direction = np.degrees(np.asarray(trial.direction[index, :length]))
    responding = ~np.isnan(direction)
    height = np.where(responding, direction, _FIXATE)
    for now, colour in ((~responding, "#888888"), (responding, "#0072b2")):
        target.hlines(height[now], edges[:-1][now], edges[1:][now], color=colour, linewidth=3)
    target.set(
        ylabel="target (°)",
        xlabel="time (ms)",
        xlim=(0, end),
        ylim=(-75, 365),
        yticks=[_FIXATE, 0, 90, 180, 270],
        yticklabels=["fixate", "0", "90", "180", "270"],
    )

    starts = np.flatnonzero(np.diff(period, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        middle = (edges[start] + edges[stop]) / 2
        text = PERIODS[period[start]].replace("test", "stimulus 2")
        fixation.text(middle, 1.25, text, ha="center", va="bottom", fontsize=8)
        for axis in axes[: 4 * (start > 0)]:
            colour = "white" if axis in rings else "black"
            axis.axvline(edges[start], color=colour, linestyle="--", linewidth=0.8)
    figure.suptitle(name)
    return figure
