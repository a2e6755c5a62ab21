"""`python -m benchmarks`: speed and memory, measured in turns with named peers."""

import contextlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import typer

import ctrnn

from . import _torch
from ._measure import Row, cores
from ._suites import SUITES, USUAL, Options, gemm_rate

_DEFAULTS = Options()
# Variables of the environment that may decide speeds begin so.
_SETTINGS = "GLIBC_", "JAX_", "LD_PRELOAD", "MALLOC_", "MKL_", "OMP_", "OPENBLAS_", "XLA_"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _machine() -> dict[str, Any]:
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    return dict(
        platform=platform.platform(),
        processor=_processor(),
        cores=cores(),
        devices=[str(device) for device in jax.devices()],
        load=load,
        settings={k: v for k, v in os.environ.items() if k.startswith(_SETTINGS)},
        gemm_flops_per_second=gemm_rate(),
    )


def _versions(python: str) -> dict[str, str | None]:
    ours = "jax", "jaxlib", "equinox", "diffrax", "optax", "numpy"
    found: dict[str, str | None] = {name: importlib.metadata.version(name) for name in ours}
    return found | dict(python=platform.python_version(), torch=_torch.version(python))


def _line(row: Row) -> str:
    size = "  ".join(
        f"{'' if row[key] is None else row[key]:>{width}{form}}"
        for key, width, form in (("neurons", 6, ""), ("batch", 5, ""), ("steps", 5, ""))
    )
    density = "" if row["density"] is None else f"{row['density']:.2f}"
    memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}  of {row['against']}"
    time = f"{1e3 * row['median_seconds']:.1f}"
    return f"{row['name']:44s}{size}  {density:>4}  {time:>9}  {memory:>7}  {ratio}"


def _sizes(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main(
    suites: Annotated[
        list[str] | None, typer.Argument(help=f"Some of {', '.join(SUITES)}; all but sweep.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write machine, versions and rows here.")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Neurons.")] = ",".join(map(str, _DEFAULTS.sizes)),
    large: Annotated[
        str, typer.Option(help="Two sizes of the suite large, the first against the second.")
    ] = ",".join(map(str, _DEFAULTS.large)),
    density: Annotated[float, typer.Option(help="Synapses of all possible.")] = _DEFAULTS.density,
    batch: Annotated[int, typer.Option(help="Trials.")] = _DEFAULTS.batch,
    steps: Annotated[int, typer.Option(help="Steps of the solve.")] = _DEFAULTS.steps,
    large_steps: Annotated[int, typer.Option(help="... in the suite large.")] = (
        _DEFAULTS.large_steps
    ),
    rounds: Annotated[
        int, typer.Option(help="Turns of each case; above 2,048 neurons fewer.")
    ] = _DEFAULTS.rounds,
    python: Annotated[
        str, typer.Option(help="An interpreter that has PyTorch, if this one has not.")
    ] = sys.executable,
) -> None:
    """Measure, print a table (times in ms, memory in MiB) and write JSON."""
    chosen = suites or USUAL
    if unknown := set(chosen) - set(SUITES):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose among {', '.join(SUITES)}.")
    options = Options(
        _sizes(sizes), _sizes(large), density, batch, steps, large_steps, rounds, python
    )
    kept = ctrnn.keep_memory()
    machine = _machine() | dict(memory_kept=kept, suites=chosen, rounds=rounds)
    versions = _versions(python)
    if versions["torch"] is None:
        print("PyTorch is not there, so its rows are left out: pip install 'ctrnn-jax[benchmark]'")
    print(f"{'':44s}neurons  batch  steps  dens.      ms      MiB  ratio")
    rows = []

    def keep():
        if json_file is not None:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(dict(machine=machine, versions=versions, rows=rows)))

    keep()
    for name in chosen:
        for row in SUITES[name](options):
            rows.append(row)
            print(_line(row), flush=True)
            keep()  # after each, for whoever stops it


if __name__ == "__main__":
    typer.run(main)
