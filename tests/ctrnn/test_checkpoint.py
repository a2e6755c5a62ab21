"""Checkpoints: what is saved comes back to the bit, and what is broken is refused."""

import functools
import hashlib
import json
import math
import pathlib
import tempfile

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings

import ctrnn
import tasks

SPACES = [
    ctrnn.Sheet(4, 5, spacing=0.1, periodic=False),
    ctrnn.Ring(20),
    ctrnn.Volume(2, 2, 5),
    ctrnn.Points(np.random.default_rng(0).uniform(size=(20, 3))),
]


def make_network(space=SPACES[0], **kwargs):
    graph = ctrnn.Locality(0.3)(space, key=jr.key(0))
    return ctrnn.RateNetwork(graph, 33, 2, 17, key=jr.key(1), **kwargs)


def outputs(network):
    path = tasks.GridPath(jr.normal(jr.key(2), (3, 2, 33)), 100.0)
    return network(path, np.array([100.0, 300.0]), context=jnp.eye(2)).outputs


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_round_trip_on_every_space(tmp_path, space):
    network = make_network(space)
    ctrnn.save(tmp_path / "m.eqx", network, config={"seed": 3}, tasks=("go", "anti"))
    loaded, header = ctrnn.load(tmp_path / "m.eqx")
    np.testing.assert_array_equal(outputs(loaded), outputs(network))
    np.testing.assert_array_equal(loaded.graph.lengths, network.graph.lengths)
    assert header.config == {"seed": 3} and header.tasks == ("go", "anti")


@pytest.mark.parametrize(
    "kwargs",
    [
        dict(form="current", activation="tanh"),
        dict(excitatory_fraction=0.8, train_tau=True, noise=0.1),
        dict(tau=np.linspace(50.0, 150.0, 20)),
    ],
)
def test_round_trip_of_every_option(tmp_path, kwargs):
    network = make_network(**kwargs)
    ctrnn.save(tmp_path / "m.eqx", network)
    loaded, _ = ctrnn.load(tmp_path / "m.eqx")
    statics = [
        jax.tree.structure(eqx.tree_at(lambda n: n.kernel, n, None)) for n in (network, loaded)
    ]
    assert statics[0] == statics[1]
    np.testing.assert_array_equal(outputs(loaded), outputs(network))


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"17\.0 MiB of the 16"):
        ctrnn.save(tmp_path / "m.eqx", make_network(), tasks=("x" * 17 * 2**20,))
    assert not list(tmp_path.iterdir())


def test_positions_are_an_array_so_that_their_number_is_not_limited(tmp_path):
    positions = np.random.default_rng(0).uniform(size=(300_000, 3))
    graph = ctrnn.Graph(np.arange(300_000), np.arange(300_000), 300_000, ctrnn.Points(positions))
    network = ctrnn.RateNetwork(graph, 1, 1, 1, key=jr.key(0))
    ctrnn.save(tmp_path / "m.eqx", network)
    loaded, _ = ctrnn.load(tmp_path / "m.eqx")
    np.testing.assert_array_equal(loaded.graph.space.positions, positions)


def test_a_graph_whose_tables_would_outgrow_its_file_is_refused(tmp_path):
    n = 40_000  # one hub, heard by all: 12 bytes a synapse, but tables of n by n
    graph = ctrnn.Graph(np.zeros(n, int), np.arange(n), n)
    network = ctrnn.RateNetwork(ctrnn.Graph(np.arange(n), np.arange(n), n), 0, 0, 1, key=jr.key(0))
    ctrnn.save(tmp_path / "m.eqx", eqx.tree_at(lambda x: x.graph, network, graph))
    with pytest.raises(ctrnn.CheckpointError, match="tables"):
        ctrnn.load(tmp_path / "m.eqx")


def test_exports_hold_the_same_numbers(tmp_path):
    network = make_network()
    ctrnn.export(tmp_path / "m.safetensors", network, "safetensors", tasks=("go", "anti"))
    ctrnn.export(tmp_path / "m.npz", network, "npz")
    tensors = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    archive = np.load(tmp_path / "m.npz")
    for path, x in ctrnn.arrays(network).items():
        np.testing.assert_array_equal(tensors[path], x)
        np.testing.assert_array_equal(archive[path], x)
    about = json.loads((tmp_path / "config.json").read_text())
    assert about["tasks"] == ["go", "anti"] and about["network"]["form"] == "rate"


def edit_header(file, **changes):
    line, rest = file.read_bytes().split(b"\n", 1)
    header = json.loads(line)
    for key, value in changes.items():
        header[key] = value(header[key]) if callable(value) else value
    content = json.dumps(header).encode() + b"\n" + rest[:-32]
    file.write_bytes(content + hashlib.sha256(content).digest())


def set_leaf(index, **changes):
    return lambda leaves: [leaf | changes if i == index else leaf for i, leaf in enumerate(leaves)]


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(format=1), "format 1"),
        (dict(format=3), "format 3"),
        (dict(leaves=lambda leaves: [leaves[0], *leaves]), "two leaves"),
        (dict(leaves=set_leaf(0, path="weight")), "leaf weights? is"),
        (dict(leaves=set_leaf(1, shape=[20, 34])), "input_weights"),
        (dict(leaves=set_leaf(0, dtype="float64")), "weights"),
        (dict(leaves=set_leaf(0, shape=[10**15, 10**15])), "truncated"),
        (dict(leaves=set_leaf(0, shape=[-1])), "header"),
        (dict(leaves=set_leaf(3, path="../evil")), "header"),
        (dict(network=lambda n: n | {"noise": math.nan}), "header"),
        (dict(network=lambda n: n | {"train_tau": 1}), "train_tau"),
        (dict(network=lambda n: n | {"size": 7}), "input_weights"),
        (dict(network=lambda n: n | {"space": {"kind": "klein bottle"}}), "does not describe"),
        (dict(network=lambda n: n | {"space": n["space"] | {"rows": 4, "columns": 4}}), "16"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, changes, words):
    file = tmp_path / "m.eqx"
    ctrnn.save(file, make_network())
    edit_header(file, **changes)
    with pytest.raises(ctrnn.CheckpointError, match=words):
        ctrnn.load(file)


def test_a_missing_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(ctrnn.CheckpointError, match="cannot read"):
        ctrnn.load(tmp_path / "none.eqx")
    (tmp_path / "foreign.eqx").write_bytes(b"\x80\x04pickle" * 100)
    with pytest.raises(ctrnn.CheckpointError, match="not a ctrnn checkpoint"):
        ctrnn.load(tmp_path / "foreign.eqx")
    (tmp_path / "endless.eqx").write_bytes(b"{" * (17 * 2**20))
    with pytest.raises(ctrnn.CheckpointError, match="not a ctrnn checkpoint"):
        ctrnn.load(tmp_path / "endless.eqx")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused(tmp_path_factory, data):
    """Cut short or with bytes flipped."""
    file = tmp_path_factory.mktemp("fuzz") / "m.eqx"
    whole = _whole_file()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    if len(damaged) == len(whole):
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(damaged)
    with pytest.raises(ctrnn.CheckpointError):
        ctrnn.load(file)


@functools.cache
def _whole_file():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "m.eqx"
        ctrnn.save(file, make_network())
        return file.read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "m.eqx"
    ctrnn.save(file, make_network())
    before = file.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(eqx, "tree_serialise_leaves", full)
    with pytest.raises(OSError, match="No space"):
        ctrnn.save(file, make_network(form="current"))
    assert file.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["m.eqx"]
