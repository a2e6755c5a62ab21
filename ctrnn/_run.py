"""A run: settings in, a folder out that says all that happened and can be gone on from."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from ._checkpoint import atomic_write, save
from ._config import Config
from ._folder import Summary, accuracies, check_tasks, keys, provenance
from ._metrics import Metrics
from ._resume import open_checkpoints, restore_state, save_state
from ._train import (
    Battery,
    TrainState,
    make_evaluation,
    make_train_step,
    start_training,
)

_LOG_EVERY = 10


class Diverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where training is. `loss` and `accuracy` are of the batches since the last report.

    `per_task` holds the decision accuracies of the last evaluation, in the order of the battery.
    """

    step: int
    loss: float
    gradient_norm: float
    accuracy: float
    trials_per_second: float
    per_task: np.ndarray


def train(
    config: Config,
    battery: Battery,
    folder: Path,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Train in a run folder until the steps are done, the target is reached or `stop()` says so.

    Goes on from the folder's newest checkpoint if there is one: an interrupted and resumed run
    equals an uninterrupted one bit for bit on one backend.

    **Arguments:**

    - `config`, `battery`: the settings, and the battery they name.
    - `folder`: made by [`ctrnn.create_run`][].
    - `report`: called about every ten steps.
    - `stop`: asked after each step; `True` saves and ends.

    **Returns:**

    A [`ctrnn.Summary`][], also written to summary.json beside model.eqx.

    **Raises:**

    `Diverged` if the loss is not finite; checkpoints made before it stay.
    """
    begun = time.monotonic()
    key = keys(config.seed)
    tasks = len(battery.names)
    network = config.network(battery.in_size, tasks, battery.out_size, key=key.network)
    optimiser, integration = config.optimiser(), config.integration()
    state = start_training(network, optimiser, tasks, key=key.training)
    steps = {
        dt: make_train_step(
            battery,
            optimiser,
            batch_size=config.batch_size,
            integration=config.integration(dt),
            decision_weight=config.decision_weight,
            focus=config.focus,
        )
        for dt in {battery.dt, config.dt}
    }
    evaluate = make_evaluation(
        battery,
        trials_per_task=config.evaluation_trials,
        integration=integration,
        key=key.held_out,
    )

    def keep(state: TrainState) -> None:
        settings = config.model_dump(exclude_none=True)
        save(folder / "model.eqx", state.network, config=settings, tasks=battery.names)

    check_tasks(folder, battery)
    with open_checkpoints(folder) as manager:
        state = restore_state(manager, state)
        step, per_task = int(state.step), evaluate(state.network)
        metrics = Metrics(folder / "metrics.jsonl", step)
        metrics.write("start", step=step, tasks=battery.names, **provenance(config))
        status: Literal["finished", "reached target", "interrupted"] = "finished"
        recent, since = [], time.monotonic()
        while step < config.steps:
            refined = step >= config.refine_at * config.steps
            state, seen = steps[config.dt if refined else battery.dt](state)
            step += 1
            loss, norm = float(seen.loss), float(seen.gradient_norm)
            _check_finite(step, loss, norm, folder)
            recent.append((loss, norm, float(seen.accuracy)))
            last = step == config.steps
            if step % _LOG_EVERY == 0 or last:
                rate = len(recent) * config.batch_size / (time.monotonic() - since)
                loss, norm, accuracy = np.mean(recent, 0).tolist()
                progress = Progress(step, loss, norm, accuracy, rate, per_task)
                numbers = {k: v for k, v in vars(progress).items() if k != "per_task"}
                metrics.write("train", **numbers)
                report(progress)
                recent, since = [], time.monotonic()
            stopping = stop()
            if step % config.evaluate_every == 0 or last or stopping:
                per_task = evaluate(state.network)
                metrics.write("evaluate", step=step, **accuracies(battery.names, per_task))
                save_state(manager, state, float(np.mean(per_task)))
                keep(state)
                recent, since = [], time.monotonic()
                if config.target_accuracy and np.mean(per_task) >= config.target_accuracy:
                    status = "reached target"
                    break
            if stopping and not last:
                status = "interrupted"
                break
        manager.wait_until_finished()
    summary = Summary(
        status=status,
        step=step,
        trials=step * config.batch_size,
        seconds=round(time.monotonic() - begun, 1),
        **accuracies(battery.names, per_task),
    )
    keep(state)
    with atomic_write(folder / "summary.json") as stream:
        stream.write(json.dumps(dataclasses.asdict(summary), indent=2).encode())
    metrics.write("end", step=step, status=status)
    return summary


def _check_finite(step: int, loss: float, norm: float, folder: Path) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise Diverged(
            f"training diverged at step {step}: the loss is {loss} and its gradient's norm {norm}. "
            "Try a lower --learning-rate or --gain. "
            f"{folder}/model.eqx is of the last evaluation before, if there was one."
        )
