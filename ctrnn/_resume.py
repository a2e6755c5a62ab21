"""The state of training on the disk, by Orbax: saved while training goes on, restored to the bit."""

import contextlib
import hashlib
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ._config import Config
from ._train import TrainState
from ._typed_file import CheckpointError

FORMAT = 1


@contextlib.contextmanager
def open_checkpoints(folder: Path) -> Iterator[Any]:
    """The Orbax manager of a run: keeps the two newest checkpoints and the best.

    **Raises:**

    `OSError` if a checkpoint cannot be written, perhaps only when the next one is due;
    `CheckpointError` if all there are are damaged.
    """
    import orbax.checkpoint as ocp  # over a second to import: only training pays for it

    directory = (folder / "checkpoints").absolute()
    _check_descriptions(directory)
    policy, accuracy = ocp.checkpoint_managers, lambda metrics: metrics["accuracy"]
    options = ocp.CheckpointManagerOptions(
        best_fn=accuracy,  # has the accuracies written too: the best is known after a resumption
        preservation_policy=policy.AnyPreservationPolicy(
            [policy.LatestN(2), policy.BestN(get_metric_fn=accuracy, n=1)]
        ),
        cleanup_tmp_directories=True,
    )
    handler, log = ocp.StandardCheckpointHandler(), logging.getLogger("absl")
    log.disabled = True  # Orbax logs at length what is said here in a sentence
    try:
        with ocp.CheckpointManager(directory, options=options, item_handlers=handler) as manager:
            yield manager
    except ValueError as error:  # how TensorStore reports what the system refused it
        code = re.search(r"os_error_code='(\d+)'", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
    finally:
        log.disabled = False


def _split(state: TrainState) -> tuple[list, Callable[[list], TrainState]]:
    """The arrays that training changes, and how to put others in their place."""
    bare = eqx.tree_at(lambda s: s.key, state, jr.key_data(state.key))
    bare = eqx.tree_at(lambda s: (s.network.graph, s.network.kernel), bare, (None, None))
    arrays, rest = eqx.partition(bare, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def join(stored: list) -> TrainState:
        arrays = [jnp.asarray(np.asarray(x)) for x in stored]  # bound to no device
        whole = eqx.combine(jax.tree.unflatten(structure, arrays), rest)
        whole = eqx.tree_at(lambda s: s.key, whole, jr.wrap_key_data(whole.key))
        fixed = (state.network.graph, state.network.kernel)
        return eqx.tree_at(
            lambda s: (s.network.graph, s.network.kernel), whole, fixed, is_leaf=lambda x: x is None
        )

    return leaves, join


def _digest(shapes: list, record: np.ndarray) -> str:
    """Orbax does not notice a flipped bit in an array's data; this does."""
    return hashlib.sha256(json.dumps(shapes).encode() + record.tobytes()).hexdigest()


def _shapes(leaves: list) -> list:
    return [[str(x.dtype), *x.shape] for x in leaves]


def _run_of(config: Config, state: TrainState) -> dict[str, Any]:
    """What a checkpoint is of, beside its arrays: the settings, and the graph that they drew."""
    graph, digest = state.network.graph, hashlib.sha256()
    for indices in (graph.sources, graph.targets):
        digest.update(np.asarray(indices).tobytes())
    return {**config.model_dump(mode="json"), "graph": digest.hexdigest()}


def save_state(manager, step: int, state: TrainState, accuracy: float, config: Config) -> None:
    """Saves in the background; atomic. A no-op if this step is saved, or a weight is not finite.

    All arrays are one record of bytes, in the order of the tree: one file to write, one digest.
    """
    import orbax.checkpoint as ocp

    if manager.latest_step() == step:
        return
    weights = jax.tree.leaves(eqx.filter(state.network, eqx.is_inexact_array))
    if not all(np.isfinite(np.asarray(x)).all() for x in weights):
        return
    leaves, _ = _split(state)
    shapes, record = _shapes(leaves), b"".join(np.asarray(x).tobytes() for x in leaves)
    record = np.frombuffer(record, np.uint8)
    manager.save(
        step,
        args=ocp.args.StandardSave({"state": record}),
        metrics={"accuracy": accuracy},
        custom_metadata={
            "format": FORMAT,
            "run": _run_of(config, state),
            "leaves": shapes,
            "sha256": _digest(shapes, record),
        },
        force=True,
    )


def restore_state(manager, state: TrainState, config: Config) -> TrainState:
    """The newest checkpoint that is intact, or `state` itself if there is none at all.

    Warns if newer ones are damaged, and moves these to the folder `damaged`.

    **Raises:**

    `CheckpointError` if all are damaged, or one is of a newer format or of another run.
    """
    leaves, join = _split(state)
    run = _run_of(config, state)
    damaged: list[Path] = []
    for step in sorted(manager.all_steps(), reverse=True):
        record = _read(manager, step, _shapes(leaves), run)
        if record is None:
            damaged.append(Path(manager.directory / str(step)))
            continue
        if damaged:
            _set_aside(damaged, f"going on from step {step}")
            manager.reload()
        ends = np.cumsum([x.nbytes for x in leaves])[:-1]
        pieces = zip(np.split(record, ends), leaves, strict=True)
        return join([piece.view(x.dtype).reshape(x.shape) for piece, x in pieces])
    if damaged:
        raise _all_damaged(damaged)
    return state


def _read(manager, step: int, shapes: list, run: dict[str, Any]) -> np.ndarray | None:
    """The record of one checkpoint; `None` if it is damaged."""
    import orbax.checkpoint as ocp

    where = manager.directory / str(step)
    try:
        about = manager.metadata(step).custom_metadata
        its_run = about.get("run", {})  # at first they did not say
        version, found, digest = about["format"], about["leaves"], about["sha256"]
        if version == FORMAT:
            record = manager.restore(step, args=ocp.args.StandardRestore())["state"]
            if _digest(found, record) != digest:
                return None
    except Exception:  # whatever Orbax makes of a file that is cut short or overwritten
        return None
    if version != FORMAT:
        raise CheckpointError(
            f"{where} is of checkpoint format {version}; this ctrnn reads format {FORMAT}: "
            "upgrade ctrnn-jax."
        )
    other = [name for name, value in its_run.items() if value != run.get(name)]
    if other or found != shapes:
        raise CheckpointError(
            f"{where} is of another network than the run's config.toml: "
            f"{' and '.join(other or ['the shapes'])} differ."
        )
    return record


def _check_descriptions(directory: Path) -> None:
    """Orbax reads these of all checkpoints when it opens the folder, and would fail at a damaged one."""
    steps = [step for step in directory.glob("*") if step.name.isdigit()]
    damaged = []
    for step in steps:
        try:
            json.loads((step / "_CHECKPOINT_METADATA").read_bytes())
            float(json.loads((step / "metrics" / "metrics").read_bytes())["accuracy"])
        except (OSError, ValueError, KeyError, TypeError):
            damaged.append(step)
    if damaged and damaged == steps:
        raise _all_damaged(damaged)
    if damaged:
        _set_aside(damaged, "going on from the others")


def _set_aside(damaged: list[Path], instead: str) -> None:
    aside = damaged[0].parent.parent / "damaged"
    names = ", ".join(str(step) for step in damaged)
    warnings.warn(f"{names} damaged, so moved to {aside}; {instead}.", stacklevel=4)
    if jax.process_index() == 0:
        aside.mkdir(exist_ok=True)
        for step in damaged:
            free = (
                aside / f"{step.name}{suffix}" for suffix in ("", *map("-{}".format, range(999)))
            )
            step.rename(next(place for place in free if not place.exists()))


def _all_damaged(steps: list[Path]) -> CheckpointError:
    names = ", ".join(str(step) for step in steps)
    return CheckpointError(
        f"no checkpoint is intact: {names} damaged. Nothing was changed; `ctrnn train --config` with "
        "the run's config.toml begins it anew in another folder."
    )
