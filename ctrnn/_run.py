"""A run: settings in, a folder out that says all that happened and can be gone on from."""

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from jax.sharding import Mesh

from ._accelerator import steps_per_call
from ._battery import Battery
from ._config import Config
from ._devices import anywhere, leads
from ._folder import Summary, alone_in, check_begun, read_summary
from ._metrics import Sink
from ._program import make_program
from ._record import records
from ._resume import open_checkpoints, restore_state, save_state
from ._typed_file import clear_drafts

_LOG_EVERY = 10  # steps, and then to the end of a turn: classes of length differ in loss


class Diverged(RuntimeError):
    """The loss or its gradient is no longer finite; the message names the step, the last norms of
    the gradient and the last good checkpoint."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where training is.

    `loss`, `gradient_norm` and `accuracy` (over decision frames) are of the batches since the last
    report; `per_task` [tasks] holds the decision accuracies of the last evaluation, in the order
    of the battery.
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
    mesh: Mesh | None = None,
    sinks: Iterable[Sink] = (),
) -> Summary:
    """Train in a run folder until the steps are done, the target is reached or `stop()` says so.

    Goes on from the folder's newest checkpoint if there is one: an interrupted and resumed run
    equals an uninterrupted one bit for bit on one backend. A run that is done is left as it is.

    Several seeds are trained side by side, each as if it were alone. Each leaves a run folder of its
    own in this one, whose events are their means. A target is reached when all have reached it.

    **Arguments:**

    - `config`, `battery`: the settings, and the battery they name.
    - `folder`: made by [`ctrnn.create_run`][].
    - `report`: called every ten steps, or as many as make whole turns of the classes of length.
    - `stop`: asked after each step, of which an accelerator takes several at a time; `True` saves and
        ends. Of several processes, any can say so.
    - `mesh`: devices that share the run, from [`ctrnn.device_mesh`][].
    - `sinks`: called with each event's name, step and numbers; see [`ctrnn.make_sinks`][].

    **Returns:**

    A [`ctrnn.Summary`][], also written to summary.json beside model.eqx.

    **Raises:**

    `Diverged` if the loss or its gradient is not finite, more often in a row than
    `config.skip_nonfinite`; `BlockingIOError` if another process trains in the folder; `OSError` if
    something cannot be written. Checkpoints made before stay.
    [`ctrnn.CheckpointError`][] if none of the folder's checkpoints is intact, or if they are of
    another run or of a newer format, or if the folder is of one of several seeds.

    !!! example

        ```python
        ctrnn.create_run(Path("runs/mine"), config, battery)
        ctrnn.train(config, battery, Path("runs/mine"), report=lambda p: print(p.step, p.loss))
        ```
    """
    with alone_in(folder):
        done = read_summary(folder)
        if done is not None and done.done:
            return done
        spent = done.seconds if done else 0.0
        return _train(config, battery, folder, report, stop, mesh, sinks, spent)


def _train(
    config: Config,
    battery: Battery,
    folder: Path,
    report: Callable[[Progress], None],
    stop: Callable[[], bool],
    mesh: Mesh | None,
    sinks: Iterable[Sink],
    spent: float,
) -> Summary:
    begun = time.monotonic() - spent
    check_begun(folder, battery)
    log_every = -(-_LOG_EVERY // config.length_classes) * config.length_classes
    most = steps_per_call(log_every)
    state, steps, evaluate, place = make_program(config, battery, mesh, most)
    written = records(folder, config, battery, sinks)
    whole, written = written[0], written if leads() else []

    def dt_at(step: int) -> float:
        return config.dt if step >= config.refine_at * config.steps else battery.dt

    def count_from(step: int) -> int:
        """Steps to take in one call: up to the next after which there is something to do."""
        for end in range(step + 1, step + most):
            if end % log_every == 0 or config.due(end) or dt_at(end) != dt_at(step):
                return end - step
        return most

    def reached(per_task: np.ndarray) -> bool:
        return anywhere(bool(min(per_task.mean(1)) >= (config.target_accuracy or math.inf)))

    for record in written:
        clear_drafts(record.folder)
    with open_checkpoints(folder) as manager:
        state = place(restore_state(manager, state, config))
        step, per_task = int(np.max(state.step)), evaluate(state.network)
        overall = per_task.mean(0)
        for record in written:
            record.start(step, shared_by=mesh.size if mesh else 1)
        status: Literal["finished", "reached target", "interrupted"] = "finished"
        if config.due(step) and reached(per_task):
            status = "reached target"
        recent, norms = [], collections.deque(maxlen=10)
        in_row, skipped = np.zeros((2, config.seeds), int)
        if config.skip_nonfinite:
            in_row = np.atleast_1d(state.opt_state.notfinite_count)
            skipped = np.atleast_1d(state.opt_state.total_notfinite)
        since = time.monotonic()
        while step < config.steps and status == "finished":
            state, metrics = steps[dt_at(step)](state, count_from(step))
            for i in range(len(metrics.loss)):
                step += 1
                seen = {k: np.atleast_1d(v[i]).astype(float) for k, v in vars(metrics).items()}
                finite = np.isfinite(seen["loss"] + seen["gradient_norm"])
                recent.append({k: np.where(finite, v, np.nan) for k, v in seen.items()})
                in_row, skipped = np.where(finite, 0, in_row + 1), skipped + ~finite
                if finite.all():
                    norms.append(seen["gradient_norm"])
                elif config.skip_nonfinite >= in_row.max():
                    for record in written:
                        record.skip(step, ~finite, skipped)
                else:
                    manager.wait_until_finished()
                    saved = manager.latest_step()
                    for record in written:
                        record.diverged(step, norms, saved)
                    raise _diverged(step, seen, norms, config, folder, saved)
            last = step == config.steps
            if step % log_every == 0 or last:
                rate = len(recent) * config.batch_size / (time.monotonic() - since)
                batches = {k: np.stack([x[k] for x in recent]) for k in recent[0]}
                for record in written:
                    record.train(step, batches, rate)
                if means := whole.means(batches):
                    rate *= config.seeds
                    report(Progress(step, **means, trials_per_second=rate, per_task=overall))
                recent, since = [], time.monotonic()
            # Processes that ask each other wait for the slowest of them.
            asking = jax.process_count() == 1 or step % log_every == 0
            stopping = asking and anywhere(stop())
            if config.due(step) or stopping:
                paused = time.monotonic()
                per_task = evaluate(state.network)
                overall = per_task.mean(0)
                for record in written:
                    record.evaluate(step, per_task, state)
                accuracy = float(np.mean(per_task)) if config.due(step) else -1.0  # never the best
                save_state(manager, step, state, accuracy, config)
                for record in written:
                    record.keep(state)
                since += time.monotonic() - paused
                if config.due(step) and reached(per_task):
                    status = "reached target"
                elif stopping and not last:
                    status = "interrupted"
        manager.wait_until_finished()
    ending = status, step, time.monotonic() - begun, per_task
    for record in reversed(written):  # the whole is done once all are
        record.keep(state)
        record.end(record.summary(*ending))
    return whole.summary(*ending)


def _diverged(
    step: int,
    seen: dict[str, np.ndarray],
    norms: Iterable[np.ndarray],
    config: Config,
    folder: Path,
    saved: int | None,
) -> Diverged:
    bad = int(np.argmin(np.isfinite(seen["loss"] + seen["gradient_norm"])))
    which = f" of seed {config.seed + bad}" if config.seeds > 1 else ""
    history = ", ".join(f"{x[bad]:.3g}" for x in norms) or "none before"
    good = "There is no checkpoint yet"
    if saved is not None:
        good = f"The last good checkpoint, of step {saved}, is {folder}/checkpoints/{saved}"
    return Diverged(
        f"training{which} diverged at step {step}: the loss is {seen['loss'][bad]} and its gradient's "
        f"norm {seen['gradient_norm'][bad]} (the norms before: {history}). {good}. "
        "Other settings mean a new run: try a lower --learning-rate or --gain, or --skip-nonfinite 5."
    )
