"""What a run leaves in its folder, and what each of several trained together leaves in its own."""

import dataclasses
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ._battery import Battery
from ._checkpoint import save
from ._config import Config
from ._folder import Summary, accuracies, provenance, replicate_folder
from ._metrics import Metrics, Sink, read_metrics
from ._replicates import member
from ._train import TrainState
from ._typed_file import atomic_write


class Record:
    """Writes one folder. It is given what all seeds did, and takes that of the `of`-th, or of all."""

    metrics: Metrics
    best: float

    def __init__(
        self,
        folder: Path,
        config: Config,
        battery: Battery,
        about: dict[str, Any],
        of: int | None = None,
        sinks: Iterable[Sink] = (),
    ):
        self.folder, self.config, self.battery, self.of = folder, config, battery, of
        self.mine, self.sinks = slice(None) if of is None else slice(of, of + 1), sinks
        self.about = about | {"seed": config.seed}

    def start(self, step: int, **spread: Any) -> None:
        self.metrics = Metrics(self.folder / "metrics.jsonl", self.sinks)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.metrics.write(
            "start", step, time=now, tasks=self.battery.names, **self.about, **spread
        )
        evaluated = [e for e in read_metrics(self.folder) if e["event"] == "evaluate"]
        due = [e for e in evaluated if self.config.due(e["step"])]
        self.best = max((e["mean_decision_accuracy"] for e in due), default=-1.0)

    def means(self, batches: dict[str, np.ndarray]) -> dict[str, float] | None:
        """Of the batches that were finite, if any was."""
        mine = {name: values[:, self.mine] for name, values in batches.items()}
        if not np.isfinite(mine["loss"]).any():
            return None
        return {name: float(np.nanmean(values)) for name, values in mine.items()}

    def train(self, step: int, batches: dict[str, np.ndarray], rate: float) -> None:
        if means := self.means(batches):
            rate *= self.config.seeds
            self.metrics.write("train", step, **means, trials_per_second=rate)

    def skip(self, step: int, skipped: np.ndarray, total: np.ndarray) -> None:
        if skipped[self.mine].any():
            self.metrics.write("skip", step, total=int(total[self.mine].sum()))

    def evaluate(self, step: int, per_task: np.ndarray, state: TrainState) -> None:
        mine = per_task[self.mine]
        spread = {"seeds": mine.mean(1).tolist()} if len(mine) > 1 else {}
        means = accuracies(self.battery.names, mine.mean(0))
        self.metrics.write("evaluate", step, **means, **spread)
        if self.config.due(step) and means["mean_decision_accuracy"] > self.best:
            self.best = means["mean_decision_accuracy"]
            self.keep(state, "best.eqx")

    def keep(self, state: TrainState, name: str = "model.eqx") -> None:
        """Writes the network, if the folder is of one."""
        if self.config.seeds == 1:
            save(
                self.folder / name,
                (state if self.of is None else member(state, self.of)).network,
                config=self.config.model_dump(exclude_none=True),
                tasks=self.battery.names,
                provenance=self.about,
            )

    def summary(self, status: Any, step: int, seconds: float, per_task: np.ndarray) -> Summary:
        return Summary(
            status=status,
            step=step,
            trials=step * self.config.batch_size * self.config.seeds,
            seconds=round(seconds, 1),
            **accuracies(self.battery.names, per_task[self.mine].mean(0)),
        )

    def diverged(self, step: int, norms: Iterable[np.ndarray], saved: int | None) -> None:
        """The end of what has no summary: the last norms of the gradient, and what is left."""
        means = [float(x[self.mine].mean()) for x in norms]
        self.metrics.write("end", step, status="diverged", gradient_norms=means, checkpoint=saved)

    def end(self, summary: Summary) -> None:
        with atomic_write(self.folder / "summary.json") as stream:
            stream.write(json.dumps(dataclasses.asdict(summary), indent=2).encode())
        self.metrics.write("end", summary.step, status=summary.status)


def records(folder: Path, config: Config, battery: Battery, sinks: Iterable[Sink]) -> list[Record]:
    """That of the whole, and where there are several seeds, one of each."""
    about = provenance(config)
    each = [
        Record(replicate_folder(folder, one.seed), one, battery, about, of=i)
        for i, one in enumerate(config.replicates())
    ]
    whole = Record(folder, config, battery, about, sinks=sinks)
    return [whole, *(each if config.seeds > 1 else ())]
