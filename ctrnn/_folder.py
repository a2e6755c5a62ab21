"""The folder of a run: made once, opened again, and what its files say."""

import dataclasses
import json
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from ._config import Config
from ._config_file import load_config
from ._devices import leads
from ._metrics import read_metrics
from ._train import Battery, check_grid
from ._typed_file import CheckpointError


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
    """All that a run draws follows from its seed."""
    return Keys(*jr.split(jr.key(seed), 3))


def create_run(folder: Path, config: Config, battery: Battery) -> None:
    """Make a run's folder and write its config.toml; for several seeds, a run's folder of each in it.

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
    if not leads():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ValueError(
                f"{folder} exists and is not empty; choose another --out, or go on with it by "
                f"`ctrnn train --resume {folder}`."
            )
        with open(
            folder / "config.toml", "x", encoding="utf-8"
        ) as stream:  # fails if another run was faster
            stream.write(config.to_toml())
        for one in config.replicates() if config.seeds > 1 else ():
            replicate_folder(folder, one.seed).mkdir()
            own = replicate_folder(folder, one.seed) / "config.toml"
            own.write_text(one.to_toml(), encoding="utf-8")
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


def check_tasks(folder: Path, battery: Battery) -> None:
    if (folder / "metrics.jsonl").exists():
        begun = [event for event in read_metrics(folder) if event["event"] == "start"]
        if begun and tuple(begun[0]["tasks"]) != battery.names:
            raise CheckpointError(f"{folder} was begun with other tasks than its config now names.")


def read_summary(folder: Path) -> Summary | None:
    """How a run ended; `None` if it has not yet.

    !!! example

        ```python
        summary = ctrnn.read_summary(folder)
        done = summary is not None and summary.status != "interrupted"
        ```
    """
    try:
        return Summary(**json.loads((folder / "summary.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def provenance(config: Config) -> dict[str, Any]:
    """Where a run comes from; the start event and the header of model.eqx hold it."""
    libraries = ("ctrnn-jax", "jax", "equinox", "diffrax", "optax", "numpy")
    return {
        "seed": config.seed,
        "backend": jax.default_backend(),
        "devices": [d.device_kind for d in jax.devices()],
        "machine": platform.machine(),
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
