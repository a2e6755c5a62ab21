"""What the runs came to, read from their folders."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.random as jr
import numpy as np
from jaxtyping import Float

import ctrnn
import tasks

from .conditions import CONDITIONS, EVALUATIONS, LEARNING_RATES, SEEDS, TUNING_SEED, config, name

RUNS = Path("runs/sparsity")
TRIALS = 32  # of each task, the same for all networks
SOLVES = {"accuracy": ctrnn.Integration("heun", 100.0), "refined": ctrnn.Integration("bosh3", 25.0)}


def mean_curve(run: Path) -> Float[np.ndarray, " evaluations"]:
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
    """The learning rate of the largest area."""
    tried = areas(condition, battery)
    return max(tried, key=lambda rate: tried[rate])


def untried(condition: str, battery: str) -> list[float]:
    """The learning rates beside the best one that were not tried."""
    best = LEARNING_RATES.index(best_rate(condition, battery))
    beside = LEARNING_RATES[max(best - 1, 0) : best + 2]
    return [rate for rate in beside if rate not in areas(condition, battery)]


def rows(battery: str) -> Iterator[dict[str, Any]]:
    """A row per run that ended: its curve, and the decision accuracy of each task at the end.

    `accuracy` is solved as in training, `refined` by a higher order in steps of 25 ms.
    """
    ends = {
        kind: ctrnn.make_evaluation(
            tasks.Battery.named(battery),
            trials_per_task=TRIALS,
            integration=integration,
            key=jr.key(TUNING_SEED),
        )
        for kind, integration in SOLVES.items()
    }
    for condition, rate, seed in itertools.product(
        CONDITIONS, LEARNING_RATES, (*SEEDS, TUNING_SEED)
    ):
        run = RUNS / name(condition, battery, rate, seed)
        state = ctrnn.on_disk(run).state
        if state not in ("finished", "diverged"):
            continue
        settings = config(condition, battery, rate, seed)
        network, _ = ctrnn.load(run / "model.eqx")
        every = settings.evaluate_every * settings.batch_size
        last = {k: end(network).round(3).tolist() for k, end in ends.items() if seed in SEEDS}
        yield dict(
            condition=condition,
            battery=battery,
            learning_rate=rate,
            seed=seed,
            state=state,
            neurons=network.size,
            synapses=network.graph.synapses,
            trials=[every * (k + 1) for k in range(EVALUATIONS)],
            mean=mean_curve(run).round(4).tolist(),
            seconds=round(float(ctrnn.read_curves(run).seconds[0, -1]), 1),
            **last,
        )
