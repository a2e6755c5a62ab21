"""Runs the experiment of docs/science/plan.md, and gathers what came out.

    python -m examples.sparsity_experiment tune --battery 20    # learning rates, seed 100
    python -m examples.sparsity_experiment run --battery 20     # each at its best, seeds 0 to 2
    python -m examples.sparsity_experiment collect              # curves.jsonl, from all that ended
    python -m examples.sparsity_experiment figures              # docs/science/, from curves.jsonl

Each command may be stopped and given again: what is finished is skipped, the rest goes on.
"""

import itertools
import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

import ctrnn
import ctrnn.plotting
import tasks

from .conditions import (
    CONDITIONS,
    EVALUATIONS,
    FIRST_TRIED,
    LEARNING_RATES,
    SEEDS,
    TUNING_SEED,
    config,
    name,
)
from .figures import curves_figure, density_figure, table

app = typer.Typer(no_args_is_help=True)
RUNS, CURVES = Path("runs/sparsity"), Path(__file__).parent / "curves.jsonl"
PAGES = Path("docs/science")
Battery = Annotated[Literal["20", "132"], typer.Option(help="Which tasks.")]
Jobs = Annotated[int, typer.Option(help="Runs at a time.")]


def battery_of(settings: ctrnn.Config) -> tasks.Battery:
    return tasks.Battery.named(settings.tasks)


def mean_curve(run: Path) -> np.ndarray:
    """Mean decision accuracy at each evaluation; a run that diverged stays as it was at its last."""
    try:
        seen = ctrnn.read_curves(run).mean[0]
    except ValueError:  # it diverged before the first
        seen = np.zeros(1)
    return np.pad(seen, (0, EVALUATIONS - len(seen)), mode="edge")


def areas(condition: str, battery: str) -> dict[float, float]:
    """The area under the curve at each learning rate that was tried."""
    runs = {rate: RUNS / name(condition, battery, rate, TUNING_SEED) for rate in LEARNING_RATES}
    return {rate: mean_curve(run).mean() for rate, run in runs.items() if run.exists()}


def best_rate(condition: str, battery: str) -> float:
    tried = areas(condition, battery)
    return max(tried, key=lambda rate: tried[rate])


def beyond(condition: str, battery: str) -> list[float]:
    """The learning rates next to the best that were not tried yet."""
    at = LEARNING_RATES.index(best_rate(condition, battery))
    around = LEARNING_RATES[max(at - 1, 0) : at + 2]
    return [rate for rate in around if rate not in areas(condition, battery)]


def train(wanted: list[tuple[str, str, float, int]], jobs: int) -> None:
    runs = {name(*one): config(*one) for one in wanted}
    states = ctrnn.sweep(runs, RUNS, battery_of, at_once=jobs)
    for run, state in states.items():
        print(f"{run}: {state.state}, {state.seen.mean}")


@app.command()
def tune(battery: Battery = "132", jobs: Jobs = 1) -> None:
    """Train every condition half as long, at learning rates until the best has one tried on either side."""
    wanted = [(c, r) for c in CONDITIONS for r in FIRST_TRIED[battery]]
    while wanted:
        train([(c, battery, r, TUNING_SEED) for c, r in wanted], jobs)
        wanted = [(c, r) for c in CONDITIONS for r in beyond(c, battery)]


@app.command()
def run(battery: Battery = "132", jobs: Jobs = 1) -> None:
    """Train every condition at its own learning rate."""
    rates = {condition: best_rate(condition, battery) for condition in CONDITIONS}
    train([(c, battery, rates[c], seed) for seed in SEEDS for c in CONDITIONS], jobs)


@app.command()
def collect() -> None:
    """Write the curve of every run, tuning included, to curves.jsonl."""
    wanted = itertools.product(("20", "132"), CONDITIONS, LEARNING_RATES, (TUNING_SEED, *SEEDS))
    rows = []
    for one in wanted:
        folder = RUNS / name(*one)
        if not (folder / "summary.json").exists():
            continue
        curves, settings = ctrnn.read_curves(folder), config(*one)
        condition, battery, rate, seed = one
        network, _ = ctrnn.load(folder / "model.eqx")
        rows.append(
            dict(
                condition=condition,
                battery=battery,
                learning_rate=rate,
                seed=seed,
                neurons=network.size,
                synapses=network.graph.synapses,
                steps=settings.steps,
                trials=np.asarray(curves.trials).tolist(),
                mean=curves.per_task[0].mean(1).round(4).tolist(),
                minimum=curves.per_task[0].min(1).round(4).tolist(),
                seconds=round(float(curves.seconds[0, -1]), 1),
            )
        )
    CURVES.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{len(rows)} runs in {CURVES}")


@app.command()
def figures() -> None:
    """Draw curves.jsonl, and write its tables."""
    rows = [json.loads(line) for line in CURVES.read_text().splitlines()]
    for battery in sorted({row["battery"] for row in rows}):
        drawn = {
            f"curves-{battery}": curves_figure(rows, battery),
            f"density-{battery}": density_figure(rows, battery),
        }
        ctrnn.plotting.write(drawn, PAGES)
        (PAGES / f"table-{battery}.md").write_text(table(rows, battery))


if __name__ == "__main__":
    app()
