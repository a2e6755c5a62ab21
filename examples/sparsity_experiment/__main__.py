"""Runs the experiment of docs/science/plan.md, and gathers what came out.

    python -m examples.sparsity_experiment tune --battery 20    # learning rates, seed 100
    python -m examples.sparsity_experiment run --battery 20     # each at its best, seeds 0 to 2
    python -m examples.sparsity_experiment exact                # two of them by another solver
    python -m examples.sparsity_experiment collect              # curves.jsonl, from all that ended
    python -m examples.sparsity_experiment figures              # docs/science/, from curves.jsonl

Each command may be stopped and given again: what is finished is skipped, the rest goes on.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

import ctrnn
import tasks

from . import tables
from .autapses import broken_figure, mechanism_figure
from .conditions import CONDITIONS, EXACT, FIRST_TRIED, SEEDS, TUNING_SEED, config, name
from .figures import curves_figure, density_figure
from .outcomes import RUNS, best_rate, rows, untried

app = typer.Typer(no_args_is_help=True)
HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs" / "science"
CURVES, AUTAPSES = HERE / "curves.jsonl", HERE / "autapses.eqx"
Battery = Annotated[Literal["20", "132"], typer.Option(help="Which tasks.")]
Jobs = Annotated[int, typer.Option(help="Runs at a time.")]


def battery_of(settings: ctrnn.Config) -> tasks.Battery:
    return tasks.Battery.named(settings.tasks)


def train(wanted: list[tuple[str, str, float, int]], jobs: int) -> None:
    runs = {name(*one): config(*one) for one in wanted}
    states = ctrnn.sweep(runs, RUNS, battery_of, at_once=jobs)
    for run, state in states.items():
        print(f"{run}: {state.state}, {state.seen.mean}")


@app.command()
def tune(battery: Battery = "132", jobs: Jobs = 1) -> None:
    """Train for fewer steps, at learning rates until one was tried on either side of the best."""
    wanted = [(c, r) for c in CONDITIONS for r in FIRST_TRIED[battery]]
    while wanted:
        train([(c, battery, r, TUNING_SEED) for c, r in wanted], jobs)
        wanted = [(c, r) for c in CONDITIONS for r in untried(c, battery)]


@app.command()
def run(battery: Battery = "132", jobs: Jobs = 1) -> None:
    """Train every condition at its own learning rate."""
    rates = {condition: best_rate(condition, battery) for condition in CONDITIONS}
    train([(c, battery, rates[c], seed) for seed in SEEDS for c in CONDITIONS], jobs)


@app.command()
def exact(jobs: Jobs = 1) -> None:
    """Train some conditions on the 132 tasks again, with a solver of third order."""
    rates = {condition: best_rate(condition, "132") for condition in EXACT}
    train([(c, "132", rates[c], seed) for seed in SEEDS for c in EXACT], jobs)


@app.command()
def collect() -> None:
    """Write what every run came to, tuning included, and keep a network of autapses."""
    found = []
    for battery in FIRST_TRIED:
        found += rows(battery)
    kept = name("autapses", "20", best_rate("autapses", "20"), SEEDS[0])
    shutil.copy(RUNS / kept / "model.eqx", AUTAPSES)
    CURVES.write_text("".join(json.dumps(row) + "\n" for row in found))
    print(f"{len(found)} runs in {CURVES}")


@app.command()
def figures() -> None:
    """Draw curves.jsonl and the kept networks, and write the tables."""
    runs = [json.loads(line) for line in CURVES.read_text().splitlines()]
    network, _ = ctrnn.load(AUTAPSES)
    drawn = {
        "autapses": mechanism_figure(network, tasks.Battery.named("20")),
        "broken": broken_figure(runs),
    }
    for battery in FIRST_TRIED:
        drawn[f"curves-{battery}"] = curves_figure(runs, battery)
        drawn[f"density-{battery}"] = density_figure(runs, battery)
        for table in tables.OF_A_BATTERY:
            (PAGES / f"table-{table.__name__}-{battery}.md").write_text(table(runs, battery))
    for table in tables.OF_ALL:
        (PAGES / f"table-{table.__name__}.md").write_text(table(runs))
    for picture, figure in drawn.items():
        figure.savefig(PAGES / f"{picture}.png", dpi=110)


if __name__ == "__main__":
    app()
