"""TensorBoard and Weights & Biases, fed with the numbers of metrics.jsonl."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._config import Config
from ._metrics import Sink


def make_sinks(names: str, folder: Path, config: Config) -> list[Sink]:
    """What else a run is logged to. Each opens when the run starts and closes when it ends.

    **Arguments:**

    - `names`: of "tensorboard" and "wandb", separated by commas; perhaps none. They write to
        folders of these names inside `folder`. W&B heeds its own environment variables:
        `WANDB_MODE=offline` needs no network.
    - `folder`, `config`: of the run.

    **Returns:**

    Sinks for `ctrnn.train(..., sinks=sinks)`.

    **Raises:**

    `ValueError` if a name is unknown or its library is not installed.

    !!! example

        ```python
        sinks = ctrnn.make_sinks("tensorboard", folder, config)
        ctrnn.train(config, battery, folder, sinks=sinks)
        ```
    """
    chosen = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    for name in chosen:
        if name not in _SINKS:
            raise ValueError(f"unknown log {name!r}; choose of {', '.join(_SINKS)}.")
    return [_SINKS[name](folder, config) for name in chosen]


def _library(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"the log {extra} needs {module}: install it by `pip install 'ctrnn-jax[{extra}]'`."
        ) from error


_unopened: Any = None  # until the start event


def _tensorboard(folder: Path, config: Config) -> Sink:
    library, writer = _library("tensorboardX", "tensorboard"), _unopened

    def sink(event: str, step: int, numbers: dict[str, float]) -> None:
        nonlocal writer
        if event == "start":  # hides what an earlier attempt wrote of the steps to come
            where = str(folder / "tensorboard")
            writer = library.SummaryWriter(where, purge_step=step + 1, flush_secs=10)
            writer.add_text("config", f"```\n{config.to_toml()}```", step)
            return
        for name, value in numbers.items():
            writer.add_scalar(f"{event}/{name}", value, step)
        if event == "end":
            writer.close()

    return sink


def _wandb(folder: Path, config: Config) -> Sink:
    library, run = _library("wandb", "wandb"), _unopened

    def sink(event: str, step: int, numbers: dict[str, float]) -> None:
        nonlocal run
        if event == "start":
            earlier = sorted((folder / "wandb").glob("*run-*-*"))
            try:
                run = library.init(
                    project="ctrnn",
                    name=folder.resolve().name,
                    dir=str(folder),
                    config=config.model_dump(),
                    id=earlier[-1].name.rsplit("-", 1)[1] if earlier else None,
                    resume="allow",
                )
                run.define_metric("*", step_metric="step")  # its own never goes back
            except library.Error as error:
                raise RuntimeError(f"W&B does not start ({error})") from error
            return
        run.log({"step": step} | {f"{event}/{name}": value for name, value in numbers.items()})
        if event == "end":
            run.finish()

    return sink


_SINKS: dict[str, Callable[[Path, Config], Sink]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}
