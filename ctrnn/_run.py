"""A run: settings in, a folder out that says all that happened and can be gone on from."""

import collections
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from ._checkpoint import save
from ._config import Config
from ._folder import Summary, accuracies, check_tasks, keys, provenance, read_summary
from ._metrics import Metrics, Sink
from ._resume import open_checkpoints, restore_state, save_state
from ._train import (
    Battery,
    TrainState,
    make_evaluation,
    make_train_step,
    start_training,
)
from ._typed_file import atomic_write, clear_drafts

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
    sinks: Iterable[Sink] = (),
) -> Summary:
    """Train in a run folder until the steps are done, the target is reached or `stop()` says so.

    Goes on from the folder's newest checkpoint if there is one: an interrupted and resumed run
    equals an uninterrupted one bit for bit on one backend. A run that is done is left as it is.

    **Arguments:**

    - `config`, `battery`: the settings, and the battery they name.
    - `folder`: made by [`ctrnn.create_run`][].
    - `report`: called about every ten steps.
    - `stop`: asked after each step; `True` saves and ends.
    - `sinks`: called with each event's name, step and numbers; see [`ctrnn.make_sinks`][].

    **Returns:**

    A [`ctrnn.Summary`][], also written to summary.json beside model.eqx.

    **Raises:**

    `Diverged` if the loss or its gradient is not finite, more often in a row than
    `config.skip_nonfinite`; `OSError` if something cannot be written. Checkpoints made before stay.
    [`ctrnn.CheckpointError`][] if none of the folder's checkpoints is intact, or if they are of
    another network or of a newer format.
    """
    done = read_summary(folder)
    if done is not None and done.status != "interrupted":
        return done
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

    about = provenance(config)

    def keep(state: TrainState) -> None:
        save(
            folder / "model.eqx",
            state.network,
            config=config.model_dump(exclude_none=True),
            tasks=battery.names,
            provenance=about,
        )

    def reached(per_task: np.ndarray) -> bool:
        return float(np.mean(per_task)) >= (config.target_accuracy or math.inf)

    check_tasks(folder, battery)
    clear_drafts(folder)
    with open_checkpoints(folder) as manager:
        state = restore_state(manager, state)
        step, per_task = int(state.step), evaluate(state.network)
        metrics = Metrics(folder / "metrics.jsonl", sinks)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        metrics.write("start", step, time=now, tasks=battery.names, **about)
        status: Literal["finished", "reached target", "interrupted"] = "finished"
        if step and reached(per_task):
            status = "reached target"
        recent, norms = [], collections.deque(maxlen=10)
        since = time.monotonic()
        while step < config.steps and status == "finished":
            refined = step >= config.refine_at * config.steps
            state, seen = steps[config.dt if refined else battery.dt](state)
            step += 1
            loss, norm = float(seen.loss), float(seen.gradient_norm)
            if math.isfinite(loss) and math.isfinite(norm):
                recent.append((loss, norm, float(seen.accuracy)))
                norms.append(norm)
            elif 0 < config.skip_nonfinite >= state.opt_state.notfinite_count:
                metrics.write("skip", step, total=int(state.opt_state.total_notfinite))
            else:
                metrics.write("end", step, status="diverged")
                manager.wait_until_finished()
                raise _diverged(step, loss, norm, norms, folder, manager.latest_step())
            last = step == config.steps
            if recent and (step % _LOG_EVERY == 0 or last):
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
                metrics.write("evaluate", step, **accuracies(battery.names, per_task))
                save_state(manager, state, float(np.mean(per_task)))
                keep(state)
                recent, since = [], time.monotonic()
                if reached(per_task):
                    status = "reached target"
                elif stopping and not last:
                    status = "interrupted"
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
    metrics.write("end", step, status=status)
    return summary


def _diverged(
    step: int, loss: float, norm: float, norms: Iterable[float], folder: Path, saved: int | None
) -> Diverged:
    history = ", ".join(f"{x:.3g}" for x in norms) or "none before"
    good = "There is no checkpoint yet"
    if saved is not None:
        good = f"The last good checkpoint, of step {saved}, is {folder}/checkpoints/{saved}"
    return Diverged(
        f"training diverged at step {step}: the loss is {loss} and its gradient's norm {norm} "
        f"(the norms before: {history}). {good}. "
        "Try a lower --learning-rate or --gain, or --skip-nonfinite 5."
    )
