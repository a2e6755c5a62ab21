"""Sweeps: every combination of settings, each a run of its own, here or on a Slurm cluster."""

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ._battery import Battery
from ._cluster import Local, Slurm
from ._config import Config
from ._folder import create_run, open_run
from ._results import RunState, on_disk, write_contents, write_results

_POLL = 1.0  # seconds


def combinations(base: Mapping[str, Any], vary: Mapping[str, Sequence[Any]]) -> dict[str, Config]:
    """Every combination of settings.

    **Arguments:**

    - `base`: settings that all runs share, by field of [`ctrnn.Config`][].
    - `vary`: the values of each setting that is varied.

    **Returns:**

    The settings of each run under its name, which says what differs.

    **Raises:**

    `pydantic.ValidationError` naming the setting, what it got and what is allowed.

    !!! example

        ```python
        runs = ctrnn.combinations(dict(tasks="20"), dict(sparsity=[0.04, 1], seed=[0, 1, 2]))
        ```
    """
    shared = Config(**base)
    base = {**base, "seeds": 1}  # a run for each
    seeds = {"seed": vary.get("seed", [one.seed for one in shared.replicates()])}
    vary = {field: values for field, values in vary.items() if field != "seed"} | seeds
    runs = {}
    for values in itertools.product(*vary.values()):
        config = Config(**{**base, **dict(zip(vary, values, strict=True))})
        differ = [field for field in vary if len(vary[field]) > 1 or field == "seed"]
        runs["_".join(f"{field}-{_word(getattr(config, field))}" for field in differ)] = config
    return runs


def _word(value: Any) -> str:
    text = f"{value:.12g}" if isinstance(value, float) else str(value).lower()
    return re.sub(r"[^a-z0-9.+-]+", "-", text)


def sweep(
    runs: Mapping[str, Config],
    folder: Path,
    battery_of: Callable[[Config], Battery],
    *,
    executor: Literal["local", "slurm"] = "local",
    at_once: int | None = None,
    slurm: Mapping[str, Any] | None = None,
    report: Callable[[dict[str, RunState]], None] = lambda states: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, RunState]:
    """Train every run that is not done, in a folder each; a failed one does not stop the others.

    Called again it skips what is finished and goes on with what is not, from the checkpoints.
    Each time a run ends, results.csv and results.parquet are written anew.

    **Arguments:**

    - `runs`: settings by name of run, as from [`ctrnn.combinations`][].
    - `folder`: of the sweep; each run is a folder in it.
    - `battery_of`: makes the battery that a run's settings name; has to be importable where
        the run is.
    - `executor`: processes of this machine, or jobs of a Slurm cluster.
    - `at_once`: how many run at a time: on this machine one, on a cluster as many as it lets.
    - `slurm`: options of the jobs: partition, account, time (minutes), gpus_per_node, ...
    - `report`: called every second.
    - `stop`: asked every second; `True` has the processes of this machine save and end, and
        leaves Slurm's in the queue.

    **Returns:**

    The [`ctrnn.RunState`][] of each run.

    **Raises:**

    `ValueError` if a run of that name was made with other settings, if its settings do not go
    with its battery, or if there is no Slurm; `ImportError` without the extra `cluster`.
    """
    folder = folder.absolute()
    paths = {name: folder / name for name in runs}
    for name, config in runs.items():
        _prepare(paths[name], config, battery_of)
    (folder / "jobs").mkdir(exist_ok=True)
    write_contents(folder)
    cluster = Slurm(folder, at_once, slurm or {}) if executor == "slurm" else Local(folder, at_once)
    queued = cluster.states()
    waiting = [run for run in paths.values() if not (on_disk(run).done or run in queued)]
    begun, ended = set(queued), None
    while True:
        stopping = stop()
        if stopping:
            cluster.stop()
        elif waiting:
            count = cluster.submit(waiting, battery_of)
            begun |= set(waiting[:count])
            waiting = waiting[count:]
        queued = cluster.states()
        states = {}
        for name, run in paths.items():
            seen = on_disk(run)
            lost = run in begun and not (seen.done or seen.state == "interrupted")
            state = queued.get(run, "failed" if lost and not stopping else seen.state)
            states[name] = RunState(state, seen, runs[name], cluster.log(run))
        report(states)
        if ended != begun - set(queued):
            ended = begun - set(queued)
            write_results(folder)
        if not (queued or waiting) or (stopping and (cluster.outlives or not queued)):
            return states
        time.sleep(_POLL)


def _prepare(run: Path, config: Config, battery_of: Callable[[Config], Battery]) -> None:
    if not (run / "config.toml").exists():
        create_run(run, config, battery_of(config))
    elif (old := open_run(run)) != config:
        other = [k for k, value in old if value != getattr(config, k)]
        raise ValueError(
            f"{run} was made with another {' and '.join(other)}; choose another --out, or give the "
            "settings that the sweep was begun with."
        )
