"""Where runs lie: the file, the folder and the short name of each."""

import re
from pathlib import Path

from ._config import Config
from ._curves import replicates
from ._results import sweep_runs


def model_file(run: Path) -> Path:
    """The checkpoint that is meant by a run's folder, or by its own name.

    **Raises:**

    `ValueError` if the folder holds several runs.
    """
    if (run / "sweep.json").exists():
        raise ValueError(f"{run} is a sweep; name one of its runs: {_names(sweep_runs(run))}.")
    if any(run.glob("seed-*")):
        raise ValueError(f"{run} has a run for each seed; name one: {_names(replicates(run))}.")
    return run / "model.eqx" if run.is_dir() else run


def _names(runs: list[Path]) -> str:
    return ", ".join(map(str, runs))


def short_names(runs: list[Path]) -> dict[str, Path]:
    """Runs by the end of their path, as much of it as tells them apart."""
    whole = [run.resolve().parts for run in runs]
    for count in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, runs, strict=True))


def free_folder(config: Config) -> Path:
    """A folder in runs/ that is not there yet, named by what is trained."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", config.tasks).strip("-")[:40]
    sparse = config.connectivity not in ("autapse", "dense")
    wiring = f"{config.connectivity}-{config.sparsity:g}" if sparse else config.connectivity
    last = config.seed + config.seeds - 1
    seeds = f"seed{last}" if config.seeds == 1 else f"seeds{config.seed}-{last}"
    stem = f"{words}-{wiring}-{seeds}"
    numbered = (Path("runs") / (stem if i == 1 else f"{stem}-{i}") for i in range(1, 10**6))
    return next(folder for folder in numbered if not folder.exists())
