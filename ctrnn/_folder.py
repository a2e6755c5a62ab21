"""The folder of a run: made once, opened again, and what its files say."""

import contextlib
import dataclasses
import fcntl
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from ._battery import Battery, check_grid
from ._config import Config
from ._config_file import load_config
from ._devices import leads
from ._metrics import read_metrics
from ._typed_file import CheckpointError, atomic_write


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

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.status != "interrupted"


def replicate_folder(folder: Path, seed: int) -> Path:
    """Where one of several networks trained together has its run."""
    return folder / f"seed-{seed}"


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
    """The keys of a run, from its seed: all that the run draws follows from them.

    !!! example

        ```python
        network = config.network(33, 132, 17, key=ctrnn.keys(config.seed).network)
        ```
    """
    return Keys(*jr.split(jr.key(seed), 3))


def create_run(folder: Path, config: Config, battery: Battery) -> None:
    """Make a run's folder and write its config.toml; for several seeds, a run's folder of each in it.

    **Raises:**

    `ValueError` if the step does not divide the battery's frames or is unstable for the time
    constant, or if the folder holds something already or cannot be made.

    !!! example

        ```python
        ctrnn.create_run(Path("runs/mine"), config, battery)
        summary = ctrnn.train(config, battery, Path("runs/mine"))
        ```
    """
    check_grid(battery, config.integration())
    coarsest = battery.dt if config.refine_at > 0 else config.dt
    if coarsest > 2 * config.tau and config.solver != "exponential-euler":
        raise ValueError(
            f"a step of {coarsest:g} ms is unstable for a time constant of {config.tau:g} ms; give "
            f"--refine-at 0 and --dt {config.tau / 2:g} or less, or --solver exponential-euler."
        )
    if not leads():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(not file.name.startswith(".") for file in folder.iterdir()):
            raise ValueError(
                f"{folder} exists and is not empty; choose another --out, or go on with it by "
                f"`ctrnn train --resume {folder}`."
            )
        settings = {replicate_folder(folder, one.seed): one for one in config.replicates()}
        for place, one in [*(settings.items() if config.seeds > 1 else ()), (folder, config)]:
            place.mkdir(exist_ok=True)
            with atomic_write(place / "config.toml") as stream:
                stream.write(one.to_toml().encode())
    except OSError as error:
        raise ValueError(f"cannot make the run folder {folder}: {error.strerror}.") from error


def open_run(folder: Path) -> Config:
    """The settings of an existing run.

    **Raises:**

    `ValueError` if the folder is not a run, or if its config.toml has no settings;
    `pydantic.ValidationError` if a setting is not allowed.

    !!! example

        ```python
        battery = tasks.Battery.select(ctrnn.open_run(Path("runs/mine")).tasks)
        ```
    """
    if not (folder / "config.toml").is_file():
        raise ValueError(f"{folder} is not a run: it has no config.toml.")
    settings = load_config(folder / "config.toml")
    if "version" not in settings:
        raise ValueError(f"{folder}/config.toml is no run's: it has no version.")
    # A run's file has all settings; before this one was, batches had trials of all lengths.
    settings.setdefault("length_classes", 1)
    return Config(**settings)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a run's folder; the system lets go when this one dies.

    **Raises:**

    `BlockingIOError` if another process is there.
    """
    if not leads():
        yield
        return
    with open(folder / "config.toml", "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"{folder} is being trained by another process.") from error
        yield


def check_begun(folder: Path, battery: Battery) -> None:
    """That the folder is one that training with this battery may go on in."""
    above = folder.absolute().parent
    if (above / "config.toml").exists() and open_run(above).seeds > 1:
        raise CheckpointError(
            f"{folder} is of one of several seeds trained together; go on with all of them by "
            f"`ctrnn train --resume {above}`."
        )
    if (folder / "metrics.jsonl").exists():
        begun = [event for event in read_metrics(folder) if event["event"] == "start"]
        if begun and tuple(begun[0]["tasks"]) != battery.names:
            raise CheckpointError(f"{folder} was begun with other tasks than its config now names.")


def read_summary(folder: Path) -> Summary | None:
    """How a run ended; `None` if it has not yet.

    !!! example

        ```python
        summary = ctrnn.read_summary(folder)
        done = summary is not None and summary.done
        ```
    """
    try:
        return Summary(**json.loads((folder / "summary.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def provenance(config: Config) -> dict[str, Any]:
    """Where a run comes from; the start event and the header of model.eqx hold it."""
    libraries = "ctrnn-jax jax jaxlib equinox diffrax optax orbax-checkpoint numpy".split()
    return {
        "seed": config.seed,
        "backend": jax.default_backend(),
        "devices": [d.device_kind for d in jax.devices()],
        "machine": platform.machine(),
        "x64": bool(jax.config.read("jax_enable_x64")),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """The commit of the working directory: of one's own battery, or of these sources."""

    def ask(*words: str) -> str:
        told = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=20, check=True
        )
        return told.stdout.strip()

    try:
        changed = bool(ask("status", "--porcelain", "--untracked-files=no"))
        return {"commit": ask("rev-parse", "HEAD"), "changed": changed}
    except (OSError, subprocess.SubprocessError):
        return None
