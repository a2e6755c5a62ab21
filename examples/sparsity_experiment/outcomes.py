"""What the runs came to, read from their folders."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Float

import ctrnn
import tasks

from .conditions import (
    CONDITIONS,
    EVALUATIONS,
    EXACT,
    LEARNING_RATES,
    SEEDS,
    TUNING_SEED,
    config,
    name,
    planned,
)

RUNS = Path("runs/sparsity")
TRIALS = 32  # of each task, the same for all networks
REFINED = ctrnn.Integration("bosh3", 25.0)


def mean_curve(run: Path) -> Float[np.ndarray, " evaluations"]:
    """Mean decision accuracy at each evaluation; a run that diverged stays as it was at its last."""
    try:
        seen = ctrnn.read_curves(run).mean[0]
    except ValueError:  # it diverged before the first
        seen = np.zeros(1)
    return np.pad(seen, (0, EVALUATIONS - len(seen)), mode="edge")


def ended(run: Path) -> bool:
    """Whether a run came to its end, be it that it diverged."""
    return ctrnn.on_disk(run).state in ("finished", "diverged")


def areas(condition: str, battery: str) -> dict[float, float]:
    """The area under the curve at each learning rate that was tried to the end."""
    runs = {rate: RUNS / name(condition, battery, rate, TUNING_SEED) for rate in LEARNING_RATES}
    return {rate: mean_curve(run).mean() for rate, run in runs.items() if ended(run)}


def best_rate(condition: str, battery: str) -> float:
    """The learning rate of the largest area."""
    tried = areas(planned(condition), battery)
    if not tried:
        raise FileNotFoundError(
            f"{condition} was not tuned on the {battery} tasks; begin with tune."
        )
    return max(tried, key=lambda rate: tried[rate])


def untried(condition: str, battery: str) -> list[float]:
    """The learning rates beside the best one that were not tried."""
    best = LEARNING_RATES.index(best_rate(condition, battery))
    beside = LEARNING_RATES[max(best - 1, 0) : best + 2]
    return [rate for rate in beside if rate not in areas(condition, battery)]


def rows(battery: str) -> Iterator[dict[str, Any]]:
    """A row per run: its curve, and the decision accuracy of each task at the end.

    `accuracy` is solved as in training, `refined` by a higher order in steps of 25 ms.

    Raises `FileNotFoundError` if a run has not ended.
    """
    whole = tasks.Battery.named(battery)

    @functools.cache
    def evaluation(integration: ctrnn.Integration):
        return ctrnn.make_evaluation(
            whole, trials_per_task=TRIALS, integration=integration, key=jr.key(TUNING_SEED)
        )

    for condition in (*CONDITIONS, *(EXACT if battery == "132" else ())):
        for rate in areas(condition, battery):
            yield _row(condition, battery, rate, TUNING_SEED)[0]
        rate = best_rate(condition, battery)
        for seed in SEEDS:
            row, network = _row(condition, battery, rate, seed)
            trained = config(condition, battery, rate, seed).integration()
            for end, integration in {"accuracy": trained, "refined": REFINED}.items():
                row[end] = evaluation(integration)(network).round(3).tolist()
            yield row


def _row(
    condition: str, battery: str, rate: float, seed: int
) -> tuple[dict[str, Any], ctrnn.RateNetwork]:
    settings = config(condition, battery, rate, seed)
    run = RUNS / name(condition, battery, rate, seed)
    state = ctrnn.on_disk(run).state
    if not ended(run):
        raise FileNotFoundError(
            f"{run} has not ended but is {state}; go on with tune, run or exact."
        )
    if (run / "model.eqx").exists():
        network, _ = ctrnn.load(run / "model.eqx")
    else:  # it diverged before its first evaluation
        whole = tasks.Battery.named(battery)
        sizes = whole.in_size, len(whole.names), whole.out_size
        network = settings.network(*sizes, key=ctrnn.keys(seed).network)
    parameters = eqx.filter(network, ctrnn.trainable(network))
    events = ctrnn.read_metrics(run)
    speeds = [e["trials_per_second"] for e in events if e["event"] == "train"]
    every = settings.evaluate_every * settings.batch_size
    row = dict(
        condition=condition,
        battery=battery,
        learning_rate=rate,
        seed=seed,
        state=state,
        commit=events[0]["git"]["commit"],
        neurons=network.size,
        synapses=network.graph.synapses,
        parameters=sum(x.size for x in jax.tree.leaves(parameters)),
        trials=[every * (k + 1) for k in range(EVALUATIONS)],
        mean=mean_curve(run).round(4).tolist(),
        # The median, for the first steps compile and other runs were busy beside it.
        seconds=round(settings.steps * settings.batch_size / float(np.median(speeds)), 1),
    )
    return row, network
