"""What the runs of a sweep have come to, from their folders alone: finished or not."""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ._config import Config
from ._curves import differences
from ._folder import open_run, read_summary
from ._metrics import read_metrics
from ._typed_file import atomic_write


class OnDisk(NamedTuple):
    """What a run's files say.

    `state` is "waiting", "running" (or killed there), or how it ended; `step` is how many are done;
    `mean`, `minimum` and `per_task` are decision accuracies of the last evaluation.
    """

    state: str
    step: int
    mean: float | None
    minimum: float | None
    per_task: dict[str, float]

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.state in ("finished", "reached target")


class RunState(NamedTuple):
    """Where one run of a sweep is.

    `state` is "waiting", what the executor calls it ("running", Slurm's "pending", ...), how it
    ended ("finished", "reached target", "interrupted"), or "failed"; `seen` is what its files
    say, `log` is its job's standard error.
    """

    state: str
    seen: OnDisk
    config: Config
    log: Path | None

    @property
    def last_words(self) -> str:
        """The last line of the log, which tells why a run failed."""
        try:
            lines = self.log.read_text(errors="replace").split("\n") if self.log else []
        except OSError:
            lines = []
        said = [line for line in lines if line.strip() and not line.startswith("srun: ")]
        return said[-1] if said else "it left no word."


def on_disk(run: Path) -> OnDisk:
    """How far a run has come, by its files alone; "waiting" if it has not begun.

    !!! example

        ```python
        seen = ctrnn.on_disk(Path("runs/mine"))
        print(seen.state, seen.step, seen.mean)
        ```
    """
    try:
        seen = _read(run, (run / "metrics.jsonl").stat().st_mtime_ns)
    except (OSError, ValueError):
        return OnDisk("waiting", 0, None, None, {})
    ended = read_summary(run)  # may have been written without the last event
    return seen._replace(state=ended.status) if ended is not None and ended.done else seen


@functools.lru_cache(maxsize=4096)
def _read(run: Path, modified: int) -> OnDisk:
    state, step, seen = "waiting", 0, {}
    for event in read_metrics(run):
        step = event["step"]
        if event["event"] == "evaluate":
            seen = event
        elif event["event"] in ("start", "end"):
            state = event.get("status", "running")
    mean, minimum = seen.get("mean_decision_accuracy"), seen.get("min_decision_accuracy")
    return OnDisk(state, step, mean, minimum, seen.get("per_task", {}))


def sweep_runs(folder: Path) -> list[Path]:
    """The run folders of a sweep, by name.

    !!! example

        ```python
        done = [run for run in ctrnn.sweep_runs(Path("SWEEP")) if ctrnn.on_disk(run).done]
        ```
    """
    return sorted(file.parent for file in folder.glob("*/config.toml"))


def sweep_results(folder: Path) -> list[dict[str, Any]]:
    """One row per run of a sweep, whatever it has come to.

    **Arguments:**

    - `folder`: of `ctrnn sweep`.

    **Returns:**

    Per run its name, state, step, trials, mean and minimum decision accuracy of the last
    evaluation, every setting, and the accuracy of each task under `task:NAME`.

    !!! example

        ```python
        import polars
        table = polars.DataFrame(ctrnn.sweep_results(Path("SWEEP")), infer_schema_length=None)
        ```
    """
    rows = []
    for run in sweep_runs(folder):
        seen, config = on_disk(run), open_run(run)
        ended = {
            "run": run.name,
            "state": seen.state,
            "step": seen.step,
            "trials": seen.step * config.batch_size,
            "mean_decision_accuracy": seen.mean,
            "min_decision_accuracy": seen.minimum,
        }
        settings = config.model_dump(exclude={"version"})
        rows.append(ended | settings | {f"task:{k}": x for k, x in seen.per_task.items()})
    return rows


def write_contents(folder: Path) -> None:
    """Writes sweep.json: what all runs share, and what is each one's own."""
    configs = {run.name: open_run(run) for run in sweep_runs(folder)}
    own = differences(configs)
    shared = next(iter(configs.values())).model_dump(exclude=set(next(iter(own.values()))))
    with atomic_write(folder / "sweep.json") as stream:
        stream.write(json.dumps({"shared": shared, "runs": own}, indent=2).encode())


def write_results(folder: Path) -> list[Path]:
    """Writes the rows of [`ctrnn.sweep_results`][] to results.csv and results.parquet."""
    import polars

    table = polars.DataFrame(sweep_results(folder), infer_schema_length=None)
    files = [folder / "results.csv", folder / "results.parquet"]
    for file, write in zip(files, (table.write_csv, table.write_parquet), strict=True):
        with atomic_write(file) as stream:
            write(stream)
    return files
