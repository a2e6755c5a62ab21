"""Learning as the metrics tell it: curves of one run, of replicates together, of runs side by side."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ._config import Config
from ._folder import open_run
from ._metrics import read_metrics

History = list[dict[str, Any]]


class Curves(NamedTuple):
    """What replicates learnt, at the evaluations that all of them made.

    - `tasks`: their names.
    - `trials` [evaluations]: trials of training seen until then.
    - `seconds` [replicates, evaluations]: of training; compiling and evaluating are left out.
    - `per_task` [replicates, evaluations, tasks]: decision accuracy on held-out trials.
    """

    tasks: tuple[str, ...]
    trials: Int[np.ndarray, " evaluations"]
    seconds: Float[np.ndarray, "replicates evaluations"]
    per_task: Float[np.ndarray, "replicates evaluations tasks"]

    @property
    def mean(self) -> Float[np.ndarray, "replicates evaluations"]:
        """Decision accuracy, averaged over tasks."""
        return self.per_task.mean(-1)


def replicates(run: Path) -> list[Path]:
    """The runs of one network per seed in a run's folder; the run itself if it is one.

    !!! example

        ```python
        networks = [ctrnn.load(run / "model.eqx")[0] for run in ctrnn.replicates(folder)]
        ```
    """
    found = [file.parent for file in run.glob("seed-*/metrics.jsonl")]
    return sorted(found, key=lambda folder: int(folder.name.removeprefix("seed-"))) or [run]


def read_curves(run: Path) -> Curves:
    """The learning curves of a run, or of the replicates that its folder holds.

    **Raises:**

    `ValueError` if there is no run, or if it has not been evaluated yet.

    !!! example

        ```python
        curves = ctrnn.read_curves(Path("runs/mine"))
        plt.plot(curves.trials, curves.mean.T)
        ```
    """
    folders = replicates(run)
    config = open_run(folders[0])
    return curves([read_metrics(folder) for folder in folders], config, run)


def curves(histories: Sequence[History], config: Config, name: Any = "the run") -> Curves:
    """As [`ctrnn.read_curves`][], from events in memory."""
    seen = [{e["step"]: e for e in history if e["event"] == "evaluate"} for history in histories]
    steps = sorted(set.intersection(*(set(events) for events in seen)))
    if not steps:
        raise ValueError(f"{name} has not been evaluated yet; wait for its first evaluation.")
    tasks = tuple(seen[0][steps[0]]["per_task"])
    per_task = [[[events[k]["per_task"][t] for t in tasks] for k in steps] for events in seen]
    return Curves(
        tasks,
        np.array(steps) * config.batch_size,
        np.stack([np.interp(steps, *_clock(history, config)) for history in histories]),
        np.array(per_task),
    )


def _clock(history: History, config: Config) -> tuple[list[int], list[float]]:
    """Seconds of training by step, from the speed that was noted on the way."""
    steps, seconds = [0], [0.0]
    for event in history:
        if event["event"] == "train":
            trials = (event["step"] - steps[-1]) * config.batch_size
            steps.append(event["step"])
            seconds.append(seconds[-1] + trials / event["trials_per_second"])
    return steps, seconds


def base_and_variant(task: str) -> tuple[str, str]:
    """`dlygointrseql` is the variant `intrseql` of `dlygo`; a base task is its own variant "base"."""
    base, variant = re.findall(r"^(.+?)((?:int[lr])?(?:seq[lr])?)$", task)[0]
    return base, variant or "base"


def differences(configs: Mapping[str, Config]) -> dict[str, dict[str, Any]]:
    """Per run the settings that are not the same in all of them.

    !!! example

        ```python
        ctrnn.differences({run: ctrnn.open_run(Path(run)) for run in ("runs/a", "runs/b")})
        ```
    """
    settings = {name: config.model_dump() for name, config in configs.items()}
    fields = [f for f in Config.model_fields if len({str(s[f]) for s in settings.values()}) > 1]
    return {name: {field: s[field] for field in fields} for name, s in settings.items()}
