"""Ten thousand broken files: each is refused in our words, at once, and within its own size."""

import copy
import hashlib
import json
import math
import random
import time
import tracemalloc

import jax.random as jr
import numpy as np
import pytest

import ctrnn
from ctrnn._typed_file import Leaf, write_arrays

FILES, SEED = 10_000, 2026
VALUES = [
    0, -1, 1, 2, 20, 10**9, 2**31, 2**62, 2**63, 10**30, 1.0, 1e300, math.nan, math.inf, True, None,
    "", "..", "/etc/passwd", "float32", "float64", "object", "|O", "\x00", "é", [], [[]], [0, 10**15],
    [10**15, 0], [2**62, 2**62], [20] * 40, {}, {"kind": "points"}, {"kind": "sheet"},
]  # fmt: skip


def valid_files(folder):
    spaces = [
        ctrnn.Sheet(2, 3),
        ctrnn.Ring(6),
        ctrnn.Points(np.arange(12.0).reshape(6, 2)),
    ]
    options = [dict(), dict(excitatory_fraction=0.5, noise=0.1), dict(form="current")]
    files = []
    for space, kwargs in zip(spaces, options, strict=True):
        graph = ctrnn.Locality(0.5)(space, key=jr.key(0))
        network = ctrnn.RateNetwork(graph, 3, 2, 4, key=jr.key(1), **kwargs)
        ctrnn.save(folder / "m.eqx", network, config={"seed": 1}, tasks=("go", "anti"))
        files.append((folder / "m.eqx").read_bytes())
    return files


def places(tree, path=()):
    """All the places in a tree of JSON."""
    yield path
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in children:
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))
        else:
            yield (*path, key)


def edited(header, rng):
    header = copy.deepcopy(header)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([p for p in places(header) if p])
        parent = header
        for key in path[:-1]:
            parent = parent[key]
        match rng.randrange(4):
            case 0:
                del parent[path[-1]]
            case 1 if isinstance(parent, list):
                parent.append(copy.deepcopy(rng.choice(parent)))
            case 2:
                # What another leaf or field has.
                other = header
                for key in rng.choice(list(places(header))):
                    other = other[key]
                parent[path[-1]] = copy.deepcopy(other)
            case _:
                parent[path[-1]] = copy.deepcopy(rng.choice(VALUES))
    return header


def reshaped(x, rng):
    """Another array in its place, of which the header says so."""
    match rng.randrange(6):
        case 0:
            return x[:-1]
        case 1:
            return x[None]
        case 2:
            return x.astype(rng.choice(["float64", "float16", "int32", "bool"]))
        case 3:
            return np.zeros((0, 10**12), x.dtype)
        case 4:
            return np.zeros((*x.shape, 0), x.dtype)
        case _:
            return (x * rng.choice([-1, 10**6])).astype(x.dtype)


def rewritten(file, whole, rng):
    """Well formed in all, but not a network."""
    file.write_bytes(whole)
    header, named = ctrnn.read_arrays(file)
    for path in rng.sample(sorted(named), rng.randint(1, 2)):
        named[path] = reshaped(named[path], rng)
    leaves = [Leaf(path=p, shape=x.shape, dtype=str(x.dtype)) for p, x in named.items()]
    network = edited(header.network, rng) if rng.random() < 0.3 else header.network
    header = header.model_copy(update={"leaves": tuple(leaves), "network": network})
    write_arrays(file, header, list(named.values()))
    return file.read_bytes()


def mutated(files, rng, file):
    if rng.random() < 0.1:
        return rewritten(file, rng.choice(files), rng)
    whole = rng.choice(files)[:-32]
    line, body = whole.split(b"\n", 1)
    match rng.randrange(6):
        case 0:  # cut short
            whole = whole[: rng.randrange(len(whole))]
        case 1:  # the beginning of one, the end of another
            other = rng.choice(files)
            whole = whole[: rng.randrange(len(whole))] + other[rng.randrange(len(other)) :]
        case 2:  # bytes of the arrays and their own headers
            body = bytearray(body)
            for _ in range(rng.randint(1, 8)):
                body[rng.randrange(len(body))] = rng.randrange(256)
            whole = line + b"\n" + body
        case 3:  # bytes anywhere in the header
            line = bytearray(line)
            for _ in range(rng.randint(1, 3)):
                line[rng.randrange(len(line))] = rng.randrange(256)
            whole = bytes(line) + b"\n" + body
        case _:
            whole = json.dumps(edited(json.loads(line), rng)).encode() + b"\n" + body
    return whole + hashlib.sha256(whole).digest()  # or the digest would refuse them all


def refused(file):
    """Loads a file, within its size and in no time, and says whether it was refused."""
    tracemalloc.reset_peak()
    before, begun = tracemalloc.get_traced_memory()[0], time.thread_time()
    try:
        ctrnn.read_arrays(file)
    except ctrnn.CheckpointError as error:
        outcome = str(error)
    else:
        outcome = None
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak < 2**18 + 40 * file.stat().st_size, (peak, outcome)
    if outcome is None:
        try:
            network, header = ctrnn.load(file)
        except ctrnn.CheckpointError as error:
            outcome = str(error)
        else:
            assert isinstance(network, ctrnn.RateNetwork) and isinstance(header, ctrnn.Header)
    assert time.thread_time() - begun < 1.0, outcome
    return outcome is not None


@pytest.mark.slow
def test_ten_thousand_broken_files(tmp_path):
    files, rng = valid_files(tmp_path), random.Random(SEED)
    file, count = tmp_path / "broken.eqx", 0
    for whole in files:  # what is slow once: compilation
        file.write_bytes(whole)
        ctrnn.load(file)
    tracemalloc.start()
    try:
        for i in range(FILES):
            content = mutated(files, rng, file)
            file.write_bytes(content)
            try:
                count += refused(file)
            except Exception as error:
                raise AssertionError(f"file {i} of seed {SEED}: {error!r}") from error
    finally:
        tracemalloc.stop()
    assert 0.5 * FILES < count < FILES  # some edits are harmless: the noise, the tasks' names


@pytest.mark.parametrize(
    "header",
    [
        b'{"format": 2, "config": ' + b"[" * 10**6 + b"]" * 10**6 + b"}",
        b'{"format": ' + b"9" * 10**6 + b"}",
        b'{"format": 2, "library": "", "network": {}, "leaves": [{"path": "a", "dtype": "bool", '
        b'"shape": [' + b",".join([b"9" * 4000] * 4000) + b"]}]}",
        b'{"format": 2, "library": "", "network": {}, "leaves": ['
        + b",".join([b'{"path": "a", "dtype": "bool", "shape": [0]}'] * 10**5)
        + b"]}",
        b'"a": ' * 10**6,
    ],
    ids=["nested", "long number", "long shape", "many leaves", "no header"],
)
def test_a_monstrous_header_is_refused_at_once(tmp_path, header):
    (tmp_path / "m.eqx").write_bytes(header + b"\n")
    begun = time.thread_time()
    with pytest.raises(ctrnn.CheckpointError):
        ctrnn.load(tmp_path / "m.eqx")
    assert time.thread_time() - begun < 3.0
