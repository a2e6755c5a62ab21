"""`python -m benchmarks.plots FILE.json`: the scaling page's plots, of what suite `sweep` wrote."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ._measure import Row

AXES = dict(
    neurons="Neurons",
    density="Synapses present, of all possible",
    batch="Trials in a batch",
    steps="Steps of the solve",
)
# Okabe & Ito's colours, and markers that differ as well.
DENSE: dict[str, Any] = dict(color="#D55E00", marker="s", label="dense, a scan written by hand")
OURS: dict[str, Any] = dict(color="#0072B2", marker="o", label="ctrnn, local wiring")
IDEAL: dict[str, Any] = dict(color="black", linestyle="--", label="the synapses' arithmetic alone")


def series(rows: list[Row], axis: str) -> list[tuple[Row, Row]]:
    """Our rows and the scan's beside them, along the axis; in all else the most usual size."""
    sizes = ("neurons", "batch", "steps")
    dense = {tuple(r[s] for s in sizes): r for r in rows if r["name"].startswith("scan")}
    groups = defaultdict(dict)
    for row in rows:
        if row["name"] == "ctrnn, locality" and row["against"] == "scan, dense":
            fixed = tuple(round(row[key], 2) for key in AXES if key != axis)
            groups[fixed][row[axis]] = row, dense[tuple(row[s] for s in sizes)]
    return [pair for _, pair in sorted(max(groups.values(), key=len).items())]


def _panel(ax: Axes, rows: list[Row], axis: str, measure: str, unit: float, flops: float | None):
    ours, dense = zip(*series(rows, axis), strict=True)
    x = [row[axis] for row in ours]
    ax.plot(x, [row[measure] * unit for row in dense], **DENSE)
    ax.plot(x, [row[measure] * unit for row in ours], **OURS)
    if flops is not None:
        # Forward, backward and gradient: a multiplication and an addition of each synapse.
        counts = (r["neurons"] ** 2 * r["density"] * r["batch"] * r["steps"] for r in ours)
        ax.plot(x, [6 * count / flops * unit for count in counts], **IDEAL)
    ax.set(xscale="log", yscale="log", xlabel=AXES[axis])
    ax.set_xticks(x, [f"{v:.2f}" if v < 1 else f"{v:,}" for v in x])
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.minorticks_off()
    ax.grid(alpha=0.3)


def draw(file: Path, folder: Path) -> None:
    """Writes scaling-time.png and scaling-memory.png."""
    written = json.loads(file.read_text())
    flops = written["machine"]["gemm_flops_per_second"]
    for name, measure, label, unit, rate in (
        ("time", "median_seconds", "Time of a training step (ms)", 1e3, flops),
        ("memory", "peak_bytes", "Peak memory of a training step (MiB)", 2**-20, None),
    ):
        figure = Figure(figsize=(10, 7), layout="constrained")
        panels = figure.subplots(2, 2, sharey=True)
        for ax, axis in zip(panels.flat, AXES, strict=True):
            _panel(ax, written["rows"], axis, measure, unit, rate)
        for ax in panels[:, 0]:
            ax.set_ylabel(label)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(folder / f"scaling-{name}.png", dpi=110)


def main(
    file: Annotated[Path, typer.Argument(help="What `python -m benchmarks sweep --json` wrote.")],
    folder: Annotated[Path, typer.Option(help="Where the plots go.")] = Path("docs/images"),
) -> None:
    """Draw time and memory against neurons, density, batch and steps."""
    draw(file, folder)


if __name__ == "__main__":
    typer.run(main)
