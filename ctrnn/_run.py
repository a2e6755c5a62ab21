"""A run: settings in, a folder out that says all that happened and can be gone on from."""

import dataclasses
import json
import math
import platform
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from ._checkpoint import CheckpointError, atomic_write, save
from ._config import Config, load_config
from ._metrics import Metrics, read_metrics
from ._resume import open_checkpoints, restore_state, save_state
from ._train import (
    Battery,
    TrainState,
    check_grid,
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


@dataclasses.dataclass(frozen=True)
class Summary:
    """How a run ended, as summary.json holds it."""

    status: Literal["finished", "reached target", "interrupted"]
    step: int
    trials: int
    seconds: float
    mean_decision_accuracy: float
    min_decision_accuracy: float
    per_task: dict[str, float]


def accuracies(names: Iterable[str], per_task: np.ndarray) -> dict[str, Any]:
    """Mean, minimum and per-task decision accuracy, in the words that files and `--json` use."""
    return {
        "mean_decision_accuracy": float(np.mean(per_task)),
        "min_decision_accuracy": float(np.min(per_task)),
        "per_task": {name: float(x) for name, x in zip(names, per_task, strict=True)},
    }


class Keys(NamedTuple):
    """The keys of a run: of the untrained network, of training, of the held-out trials."""

    network: PRNGKeyArray
    training: PRNGKeyArray
    held_out: PRNGKeyArray


def keys(seed: int) -> Keys:
    """All that a run draws follows from its seed."""
    return Keys(*jr.split(jr.key(seed), 3))


def create_run(folder: Path, config: Config, battery: Battery) -> None:
    """Make a run's folder and write its config.toml.

    **Raises:**

    `ValueError` if the step does not divide the battery's frames or is unstable for the time
    constant, or if the folder holds something already or cannot be made.
    """
    check_grid(battery, config.integration())
    coarsest = battery.dt if config.refine_at > 0 else config.dt
    if coarsest > 2 * config.tau and config.solver != "exponential-euler":
        raise ValueError(
            f"a step of {coarsest:g} ms is unstable for a time constant of {config.tau:g} ms; give "
            f"--refine-at 0 and --dt {config.tau / 2:g} or less, or --solver exponential-euler."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ValueError(
                f"{folder} exists and is not empty; choose another --out, or go on with it by "
                f"`ctrnn train --resume {folder}`."
            )
        with open(folder / "config.toml", "x") as stream:  # fails if another run was faster
            stream.write(config.to_toml())
    except OSError as error:
        raise ValueError(f"cannot make the run folder {folder}: {error.strerror}.") from error


def open_run(folder: Path) -> Config:
    """The settings of an existing run.

    **Raises:**

    `ValueError` if the folder is not a run.
    """
    if not (folder / "config.toml").is_file():
        raise ValueError(f"{folder} is not a run: it has no config.toml.")
    return Config(**load_config(folder / "config.toml"))


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

    _check_tasks(folder, battery)
    with open_checkpoints(folder) as manager:
        state = restore_state(manager, state)
        step, per_task = int(state.step), evaluate(state.network)
        metrics = Metrics(folder / "metrics.jsonl", step)
        metrics.write("start", step=step, tasks=battery.names, **_provenance(config))
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


def _check_tasks(folder: Path, battery: Battery) -> None:
    if (folder / "metrics.jsonl").exists():
        begun = [event for event in read_metrics(folder) if event["event"] == "start"]
        if begun and tuple(begun[0]["tasks"]) != battery.names:
            raise CheckpointError(f"{folder} was begun with other tasks than its config now names.")


def _check_finite(step: int, loss: float, norm: float, folder: Path) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise Diverged(
            f"training diverged at step {step}: the loss is {loss} and its gradient's norm {norm}. "
            "Try a lower --learning-rate or --gain. "
            f"{folder}/model.eqx is of the last evaluation before, if there was one."
        )


def _provenance(config: Config) -> dict[str, Any]:
    libraries = ("ctrnn-jax", "jax", "equinox", "diffrax", "optax", "numpy")
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config.seed,
        "backend": jax.default_backend(),
        "devices": [d.device_kind for d in jax.devices()],
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
    }
