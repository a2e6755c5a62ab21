"""Typed checkpoints: a JSON header line that says what follows, then the arrays. No pickle."""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
import safetensors.numpy
from jaxtyping import Array

from ._graph import Graph
from ._network import RateNetwork
from ._space import AbstractSpace, Points, Ring, Sheet, Volume

FORMAT = 1
_HEADER_LIMIT = 16 * 2**20
_SPACES: dict[str, type[AbstractSpace]] = {
    "sheet": Sheet,
    "ring": Ring,
    "volume": Volume,
    "points": Points,
}


class CheckpointError(ValueError):
    """A file that is not a checkpoint, or not a whole one, or not of this network."""


class Leaf(pydantic.BaseModel):
    """One array of a checkpoint."""

    path: str
    shape: tuple[pydantic.NonNegativeInt, ...]
    dtype: Literal["float32", "float64", "float16", "bfloat16", "int32", "bool"]

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return math.prod(self.shape) * jnp.dtype(self.dtype).itemsize


class Header(pydantic.BaseModel):
    """The first line of a checkpoint.

    `network` holds what rebuilds the network around its arrays, `config` the run's settings and
    `tasks` the names in the order of the rule input.
    """

    format: int = FORMAT
    library: str
    network: dict[str, Any]
    config: dict[str, Any] = {}
    tasks: tuple[str, ...] = ()
    leaves: tuple[Leaf, ...]


def arrays(network: RateNetwork) -> dict[str, Array]:
    """The arrays of a network by path, such as "weights" and "graph.sources".

    The kernel's index tables are left out: they follow from the graph.
    """
    bare = eqx.tree_at(lambda n: n.kernel, network, None)
    leaves = jax.tree_util.tree_leaves_with_path(bare)
    return {jax.tree_util.keystr(path).lstrip("."): leaf for path, leaf in leaves}


def save(
    file: Path | str,
    network: RateNetwork,
    *,
    config: dict | None = None,
    tasks: tuple[str, ...] = (),
) -> None:
    """Write a network to a typed checkpoint, whole or not at all.

    **Arguments:**

    - `file`: where to, usually ending in `.eqx`.
    - `network`: the network.
    - `config`, `tasks`: settings and task names to keep beside it.

    !!! example

        ```python
        ctrnn.save("model.eqx", network)
        network, header = ctrnn.load("model.eqx")
        ```
    """
    named = arrays(network)
    header = Header(
        library=version("ctrnn-jax"),
        network=_describe(network),
        config=config or {},
        tasks=tasks,
        leaves=tuple(
            Leaf(path=path, shape=x.shape, dtype=str(x.dtype))  # pyright: ignore[reportArgumentType] checked by pydantic
            for path, x in named.items()
        ),
    )
    with atomic_write(file) as stream:
        stream.write(header.model_dump_json().encode() + b"\n")
        eqx.tree_serialise_leaves(stream, list(named.values()))


def load(file: Path | str) -> tuple[RateNetwork, Header]:
    """Read a typed checkpoint. Nothing is unpickled, and nothing is allocated beyond the file's size.

    **Returns:**

    The network, and the [`ctrnn.Header`][].

    **Raises:**

    `CheckpointError` if the file is missing, foreign, truncated, of a newer format, or if its leaves
    are not those of its network; the first leaf that differs is named.
    """
    header, named = read_arrays(file)
    try:
        return _rebuild(header.network, named), header
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file} does not describe a network ({error}).") from error


def read_arrays(file: Path | str) -> tuple[Header, dict[str, Array]]:
    """The header and the arrays of a checkpoint, before a network is made of them.

    **Raises:**

    `CheckpointError`, as for [`ctrnn.load`][].
    """
    try:
        with open(file, "rb") as stream:
            header = _read_header(stream, file)
            left = os.fstat(stream.fileno()).st_size - stream.tell()
            if sum(leaf.bytes for leaf in header.leaves) > left:
                raise CheckpointError(
                    f"{file} is truncated: its header promises more than it holds."
                )
            named = {leaf.path: _read_leaf(stream, leaf, file) for leaf in header.leaves}
            if stream.read(1):
                raise CheckpointError(
                    f"{file} goes on after its last leaf; it is not a checkpoint."
                )
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}.") from error
    return header, named


def export(
    file: Path | str,
    network: RateNetwork,
    form: Literal["eqx", "safetensors", "npz"],
    *,
    config: dict | None = None,
    tasks: tuple[str, ...] = (),
) -> list[Path]:
    """Write a network for other programs.

    **Arguments:**

    - `file`: where to.
    - `form`: "eqx" (a typed checkpoint), "safetensors" (and a config.json beside it) or "npz".

    Arrays have the names of [`ctrnn.arrays`][]: `weights` are those of the synapses from
    `graph.sources` to `graph.targets` (under Dale's law their absolute values count, signed by
    `excitatory`), `log_tau` is the logarithm of the time constants in ms.

    **Returns:**

    The files written.

    **Raises:**

    `ValueError` if one of them is there already, or the folder is not.
    """
    file = Path(file)
    for one in (file, file.with_name("config.json")) if form == "safetensors" else (file,):
        if one.exists():
            raise ValueError(f"{one} exists; choose another name or folder.")
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist; make it first.")
    if form == "eqx":
        save(file, network, config=config, tasks=tasks)
        return [file]
    named: dict[str, Any] = {path: np.asarray(x) for path, x in arrays(network).items()}
    about = {"network": _describe(network), "config": config or {}, "tasks": tasks}
    if form == "npz":
        with atomic_write(file) as stream:
            np.savez(stream, allow_pickle=False, **(named | {"about": np.array(json.dumps(about))}))
        return [file]
    with atomic_write(file) as stream:
        stream.write(safetensors.numpy.save(named, metadata={"format": "np"}))
    beside = file.with_name("config.json")
    with atomic_write(beside) as stream:
        stream.write(json.dumps(about, indent=2).encode())
    return [file, beside]


@contextlib.contextmanager
def atomic_write(file: Path | str) -> Iterator[BinaryIO]:
    """A stream whose bytes appear at `file` once all are on the disk, or never."""
    file = Path(file)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(draft, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _describe(network: RateNetwork) -> dict[str, Any]:
    space = network.graph.space
    place: dict[str, Any] | None = None
    if isinstance(space, Points):
        place = {"kind": "points", "positions": space.positions.tolist()}
    elif space is not None:
        if type(space) not in _SPACES.values():
            raise ValueError(
                f"a {type(space).__name__} cannot be written; use Points of its positions."
            )
        names = [f.name for f in dataclasses.fields(space) if f.init]
        place = {"kind": type(space).__name__.lower(), **{n: getattr(space, n) for n in names}}
    return {
        "size": network.size,
        "space": place,
        "form": network.form,
        "activation": network.activation,
        "noise": network.noise,
        "train_tau": network.train_tau,
    }


def _rebuild(about: dict[str, Any], named: dict[str, Array]) -> RateNetwork:
    place = about["space"] and dict(about["space"])
    space = _SPACES[place.pop("kind")](**place) if place else None
    sources, targets = named["graph.sources"], named["graph.targets"]
    graph = Graph(sources, targets, about["size"], space)
    network = RateNetwork(
        graph,
        named["input_weights"].shape[1],
        named["context_weights"].shape[1],
        named["output_weights"].shape[0],
        form=about["form"],
        activation=about["activation"],
        noise=about["noise"],
        train_tau=about["train_tau"],
        excitatory_fraction=0.5 if "excitatory" in named else None,
        key=jr.key(0),
    )
    for path, x in arrays(network).items():
        if path not in named:
            raise CheckpointError(f"leaf {path} is missing.")
        if x.shape != named[path].shape:
            raise CheckpointError(
                f"leaf {path} has shape {named[path].shape}, but the network needs {x.shape}."
            )
    bare = eqx.tree_at(lambda n: n.kernel, network, None)
    loaded = jax.tree.unflatten(jax.tree.structure(bare), [named[p] for p in arrays(network)])
    return eqx.tree_at(lambda n: n.kernel, loaded, network.kernel, is_leaf=lambda x: x is None)


def _read_header(stream: BinaryIO, file: Path | str) -> Header:
    line = stream.readline(_HEADER_LIMIT)
    if not line.startswith(b"{") or not line.endswith(b"\n"):
        raise CheckpointError(f"{file} is not a ctrnn checkpoint: it does not begin with a header.")
    try:
        content = json.loads(line)
        found = content.get("format")
        if found != FORMAT:
            raise CheckpointError(
                f"{file} is of checkpoint format {found}; this ctrnn reads format {FORMAT}: "
                "upgrade ctrnn-jax."
            )
        return Header.model_validate(content)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{file} has a damaged header; it is not a ctrnn checkpoint."
        ) from error


def _read_leaf(stream: BinaryIO, leaf: Leaf, file: Path | str) -> Array:
    # As equinox's default_deserialise_filter_spec, but the claim is checked before memory is taken.
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(version)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        expected = np.dtype("V2") if leaf.dtype == "bfloat16" else np.dtype(leaf.dtype)
        if shape != leaf.shape or (fortran and len(shape) > 1) or dtype != expected:
            raise ValueError(shape)
        data = stream.read(leaf.bytes)
        array = jnp.asarray(np.frombuffer(data, jnp.dtype(leaf.dtype)).reshape(shape))
    except (ValueError, TypeError, SyntaxError) as error:
        raise CheckpointError(f"{file} is damaged at leaf {leaf.path}.") from error
    if str(array.dtype) != leaf.dtype:
        raise CheckpointError(f"{file} holds {leaf.dtype}; set JAX_ENABLE_X64=1 to read it.")
    return array
