"""Checkpoints: a network to a typed file and back, and to files of other programs."""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
import safetensors.numpy
from jaxtyping import Array
from pydantic import Field

from ._config_file import explain
from ._graph import Graph
from ._network import RateNetwork
from ._space import AbstractSpace, Points, Ring, Sheet, Volume
from ._typed_file import (
    CheckpointError,
    Header,
    Leaf,
    atomic_write,
    read_arrays,
    write_arrays,
)

_POSITIONS = "graph.space.positions"
_SPACES: dict[str, type[AbstractSpace]] = {
    "sheet": Sheet,
    "ring": Ring,
    "volume": Volume,
    "points": Points,
}


class _Description(pydantic.BaseModel):
    """What rebuilds a network around its arrays."""

    size: Annotated[int, Field(strict=True, ge=1)]
    space: dict[str, Any] | None
    form: Literal["rate", "current"]
    activation: str
    noise: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
    train_tau: Annotated[bool, Field(strict=True)]


def arrays(network: RateNetwork) -> dict[str, Array | np.ndarray]:
    """The arrays of a network by path, such as "weights" and "graph.sources".

    The positions of [`ctrnn.Points`][] are "graph.space.positions", in double precision. The
    kernel's index tables are left out: they follow from the graph.

    !!! example

        ```python
        ctrnn.arrays(network)["weights"].shape  # (synapses,)
        ```
    """
    named: dict[str, Array | np.ndarray] = dict(_leaves(network))
    if isinstance(network.graph.space, Points):
        named[_POSITIONS] = network.graph.space.positions
    return named


def _leaves(network: RateNetwork) -> dict[str, Array]:
    bare = eqx.tree_at(lambda n: n.kernel, network, None)
    leaves = jax.tree_util.tree_leaves_with_path(bare)
    return {jax.tree_util.keystr(path).lstrip("."): leaf for path, leaf in leaves}


def save(
    file: Path | str,
    network: RateNetwork,
    *,
    config: dict | None = None,
    tasks: tuple[str, ...] = (),
    provenance: dict | None = None,
) -> None:
    """Write a network to a typed checkpoint, whole or not at all.

    **Arguments:**

    - `file`: where to, usually ending in `.eqx`.
    - `network`: the network.
    - `config`, `tasks`, `provenance`: settings, task names and origin to keep beside it.

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
        provenance=provenance or {},
        leaves=tuple(
            Leaf(path=path, shape=x.shape, dtype=str(x.dtype))  # pyright: ignore[reportArgumentType] checked by pydantic
            for path, x in named.items()
        ),
    )
    write_arrays(file, header, list(named.values()))


def load(file: Path | str) -> tuple[RateNetwork, Header]:
    """Read a typed checkpoint. Nothing is unpickled, and nothing is allocated beyond the file's size.

    **Returns:**

    The network, and the [`ctrnn.Header`][].

    **Raises:**

    `CheckpointError` if the file is missing, foreign, truncated, damaged, of a newer format, or if
    its leaves are not those of its network; the first leaf that differs is named.

    !!! example

        ```python
        network, header = ctrnn.load("runs/my-run/model.eqx")
        ```
    """
    header, named = read_arrays(file)
    try:
        return _rebuild(_Description.model_validate(header.network), named), header
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from error
    except pydantic.ValidationError as error:
        raise CheckpointError(f"{file} does not describe a network: {explain(error)}") from error
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CheckpointError(f"{file} does not describe a network ({error}).") from error


def export(
    file: Path | str,
    network: RateNetwork,
    form: Literal["eqx", "safetensors", "npz"],
    *,
    config: dict | None = None,
    tasks: tuple[str, ...] = (),
    provenance: dict | None = None,
) -> list[Path]:
    """Write a network for other programs.

    **Arguments:**

    - `file`: where to.
    - `network`: the network.
    - `form`: "eqx" (a typed checkpoint), "safetensors" (and a config.json beside it) or "npz".
    - `config`, `tasks`, `provenance`: settings, task names and origin to keep beside it.

    Arrays have the names of [`ctrnn.arrays`][]: `weights` are those of the synapses from
    `graph.sources` to `graph.targets` (under Dale's law their absolute values count, signed by
    `excitatory`), `log_tau` is the logarithm of the time constants in ms.

    **Returns:**

    The files written.

    **Raises:**

    `ValueError` if one of them is there already, or the folder is not.

    !!! example

        ```python
        ctrnn.export("model.safetensors", network, "safetensors", tasks=battery.names)
        ```
    """
    file = Path(file)
    for one in (file, file.with_name("config.json")) if form == "safetensors" else (file,):
        if one.exists():
            raise ValueError(f"{one} exists; choose another name or folder.")
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist; make it first.")
    if form == "eqx":
        save(file, network, config=config, tasks=tasks, provenance=provenance)
        return [file]
    named: dict[str, Any] = {path: np.asarray(x) for path, x in arrays(network).items()}
    about = {
        "network": _describe(network),
        "config": config or {},
        "tasks": tasks,
        "provenance": provenance or {},
    }
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


def _describe(network: RateNetwork) -> dict[str, Any]:
    space = network.graph.space
    place: dict[str, Any] | None = None
    if isinstance(space, Points):
        place = {"kind": "points"}
    elif space is not None:
        if type(space) not in _SPACES.values():
            raise ValueError(
                f"a {type(space).__name__} cannot be written; use Points of its positions."
            )
        values = {name: kind(getattr(space, name)) for name, kind in _settings(type(space)).items()}
        place = {"kind": type(space).__name__.lower(), **values}
    return {
        "size": network.size,
        "space": place,
        "form": network.form,
        "activation": network.activation,
        "noise": network.noise,
        "train_tau": network.train_tau,
    }


def _settings(space: type[AbstractSpace]) -> dict[str, Any]:
    """The arguments of a lattice, and their types."""
    return {f.name: f.type for f in dataclasses.fields(space) if f.init}  # pyright: ignore[reportArgumentType] modules are dataclasses


def _space(place: dict[str, Any] | None, named: dict[str, np.ndarray]) -> AbstractSpace | None:
    if place is None:
        return None
    kind = _SPACES[place["kind"]]
    if kind is Points:
        return Points(named[_POSITIONS])
    types = {name: pydantic.TypeAdapter(of) for name, of in _settings(kind).items()}
    return kind(**{n: of.validate_python(place[n], strict=True) for n, of in types.items()})


def _rebuild(about: _Description, named: dict[str, np.ndarray]) -> RateNetwork:
    """Builds the network by its constructor, after the sizes of all its arrays are known to agree."""
    space, n = _space(about.space, named), about.size
    synapses = named["graph.sources"].shape
    inputs, context = (named[f"{x}_weights"].shape[-1] for x in ("input", "context"))
    outputs = named["output_weights"].shape[0]
    expected: dict[str, tuple[tuple[int, ...], Any]] = {
        "weights": (synapses, jnp.floating),
        "input_weights": ((n, inputs), jnp.floating),
        "context_weights": ((n, context), jnp.floating),
        "bias": ((n,), jnp.floating),
        "output_weights": ((outputs, n), jnp.floating),
        "output_bias": ((outputs,), jnp.floating),
        "log_tau": ((n,), jnp.floating),
        "graph.sources": (synapses, jnp.int32),
        "graph.targets": (synapses, jnp.int32),
    }
    if "excitatory" in named:
        expected["excitatory"] = ((n,), jnp.bool_)
    if isinstance(space, Points):
        expected[_POSITIONS] = ((n, space.dim), jnp.float64)
    for path in expected.keys() | named.keys():
        if path not in named or path not in expected:
            raise CheckpointError(
                f"leaf {path} is {'not of a network' if path in named else 'missing'}."
            )
    for path, (shape, kind) in expected.items():
        if named[path].shape != shape or not jnp.issubdtype(named[path].dtype, kind):
            raise CheckpointError(
                f"leaf {path} has shape {named[path].shape} and dtype {named[path].dtype}, but the "
                f"network needs {shape}, {kind.__name__}."
            )
    graph = Graph(named["graph.sources"], named["graph.targets"], n, space)
    fan = max(int(graph.fan_in.max()), int(graph.fan_out.max()))
    if n * fan > max(2**26, 64 * graph.synapses):
        raise CheckpointError(
            f"one neuron of {n} has {fan} synapses; the network's tables would not fit in memory."
        )
    network = RateNetwork(
        graph,
        inputs,
        context,
        outputs,
        form=about.form,
        activation=about.activation,
        noise=about.noise,
        train_tau=about.train_tau,
        excitatory_fraction=0.5 if "excitatory" in named else None,
        key=jr.key(0),
    )
    leaves = {path: jnp.asarray(named[path]) for path in _leaves(network)}
    for path, x in leaves.items():
        if x.dtype != named[path].dtype:
            raise CheckpointError(
                f"leaf {path} is of {named[path].dtype}; set JAX_ENABLE_X64=1 to read it."
            )
    bare = eqx.tree_at(lambda n: n.kernel, network, None)
    loaded = jax.tree.unflatten(jax.tree.structure(bare), list(leaves.values()))
    return eqx.tree_at(lambda n: n.kernel, loaded, network.kernel, is_leaf=lambda x: x is None)
