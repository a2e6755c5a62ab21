"""The typed file: a JSON header line that says what follows, the arrays, a digest. No pickle."""

import contextlib
import hashlib
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pydantic
from pydantic import Field

FORMAT = 2
_HEADER_LIMIT = 16 * 2**20


class CheckpointError(ValueError):
    """A file that is not a checkpoint, or not a whole one, or not of this network."""


class Leaf(pydantic.BaseModel):
    """One array of a checkpoint."""

    path: Annotated[str, Field(pattern=r"^[\w.]{1,200}$")]
    shape: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=0, lt=2**63)], ...], Field(max_length=32)
    ]
    dtype: Literal["float32", "float64", "float16", "bfloat16", "int32", "bool"]

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return math.prod(self.shape) * jnp.dtype(self.dtype).itemsize


class Header(pydantic.BaseModel):
    """The first line of a checkpoint.

    `network` holds what rebuilds the network around its arrays, `config` the run's settings,
    `tasks` the names in the order of the rule input, and `provenance` what the start event of
    metrics.jsonl says of versions, backend, commit and seed.
    """

    format: int = FORMAT
    library: str
    network: dict[str, Any]
    config: dict[str, Any] = {}
    tasks: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}
    leaves: tuple[Leaf, ...]


def write_arrays(file: Path | str, header: Header, leaves: list) -> None:
    """Writes a header and the leaves it lists, whole or not at all."""
    line = header.model_dump_json().encode() + b"\n"
    if len(line) > _HEADER_LIMIT:
        raise ValueError(
            f"the header takes {len(line) / 2**20:.1f} MiB of the 16 allowed; keep less in config, "
            "tasks or provenance."
        )
    body = io.BytesIO()
    eqx.tree_serialise_leaves(body, leaves)
    digest = hashlib.sha256(line)
    digest.update(body.getbuffer())
    with atomic_write(file) as stream:
        for part in (line, body.getbuffer(), digest.digest()):
            stream.write(part)


def read_arrays(file: Path | str) -> tuple[Header, dict[str, np.ndarray]]:
    """The header and the arrays of a checkpoint, before a network is made of them.

    **Raises:**

    `CheckpointError`, as for [`ctrnn.load`][].

    !!! example

        ```python
        header, arrays = ctrnn.read_arrays("model.eqx")
        header.tasks, arrays["weights"].shape
        ```
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
            digest = _digest(stream, stream.tell())
            if stream.read(len(digest) + 1) != digest:
                raise CheckpointError(f"{file} is damaged: its digest is not that of its content.")
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}.") from error
    return header, named


def _digest(stream: BinaryIO, end: int) -> bytes:
    """Of the bytes before `end`, which becomes the place in the stream."""
    digest = hashlib.sha256()
    stream.seek(0)
    for start in range(0, end, 2**20):
        digest.update(stream.read(min(2**20, end - start)))
    return digest.digest()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _read_header(stream: BinaryIO, file: Path | str) -> Header:
    line = stream.readline(_HEADER_LIMIT)
    if not line.startswith(b"{") or not line.endswith(b"\n"):
        raise CheckpointError(f"{file} is not a ctrnn checkpoint: it does not begin with a header.")
    try:
        content = json.loads(line, parse_constant=_no_constant)
        found = content.get("format")
        if found != FORMAT:
            raise CheckpointError(
                f"{file} is of checkpoint format {found!r:.40}; this ctrnn reads format {FORMAT}: "
                "read it with the version of ctrnn-jax that its header names, or a newer one."
            )
        header = Header.model_validate(content)
        if len({leaf.path for leaf in header.leaves}) < len(header.leaves):
            raise CheckpointError(f"{file} has two leaves of one path.")
        return header
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{file} has a damaged header; it is not a ctrnn checkpoint."
        ) from error


def _read_leaf(stream: BinaryIO, leaf: Leaf, file: Path | str) -> np.ndarray:
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
        if leaf.dtype == "bool" and data.strip(b"\0\1"):
            raise ValueError("bool")
        return np.frombuffer(data, jnp.dtype(leaf.dtype)).reshape(shape)
    except Exception as error:  # NumPy's parser of headers raises many kinds
        raise CheckpointError(f"{file} is damaged at leaf {leaf.path}.") from error


def clear_drafts(folder: Path) -> None:
    """Removes what writers that were killed have left."""
    for draft in folder.glob(".*.*"):
        if draft.suffix[1:].isdigit():
            draft.unlink(missing_ok=True)


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
