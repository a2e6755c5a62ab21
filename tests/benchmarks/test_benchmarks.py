"""The benchmarks: they compare like with like, in turns, and say what they measured."""

import json
import statistics
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ctrnn
from benchmarks import __main__ as command
from benchmarks import _build, _first, _step, _suites, plots
from benchmarks._measure import Case, in_turns, versus

ROW = {
    *("name", "neurons", "density", "batch", "steps", "median_seconds", "raw_seconds"),
    *("peak_bytes", "against", "ratio"),
}


@pytest.mark.parametrize("peer", _step.PEERS)
def test_peers_solve_the_same_equation_and_go_down_the_same_gradient(peer):
    graph = ctrnn.Dense()(ctrnn.Sheet(4, 5), key=jr.key(0))
    sizes = _step.INPUTS, _step.RULES, _step.OUTPUTS
    model = ctrnn.RateNetwork(graph, *sizes, tau=_step.TAU, key=jr.key(1))
    inputs, rule, labels = _step._trials(_step.Shape(20, batch=3, steps=7))
    parameters = dict(
        recurrent=model.weights.reshape(20, 20),
        input=jnp.concatenate([model.input_weights, model.context_weights], 1),
        bias=model.bias,
        output=model.output_weights,
        output_bias=model.output_bias,
    )
    both = jnp.concatenate([inputs, jnp.broadcast_to(rule, (7, *rule.shape))], -1)

    def theirs(parameters):
        outputs = _step.PEERS[peer](parameters, both)
        return _step._loss(outputs, labels), outputs

    def ours(model):
        outputs = _step.solve(model, inputs, rule).outputs
        return _step._loss(outputs, labels), outputs

    their_gradient, their_outputs = jax.grad(theirs, has_aux=True)(parameters)
    our_gradient, our_outputs = eqx.filter_grad(ours, has_aux=True)(model)
    np.testing.assert_allclose(our_outputs, their_outputs, atol=1e-5)
    for name, gradient in (
        ("recurrent", our_gradient.weights.reshape(20, 20)),
        ("input", jnp.concatenate([our_gradient.input_weights, our_gradient.context_weights], 1)),
        ("bias", our_gradient.bias),
        ("output_bias", our_gradient.output_bias),
        ("output", our_gradient.output_weights),
    ):
        np.testing.assert_allclose(gradient, their_gradient[name], rtol=1e-3, atol=1e-6)


def test_cases_take_turns_and_ratios_are_of_medians():
    turns = []

    def case(name, times):
        times = iter(times)
        return Case(name, lambda: turns.append(name) or next(times))

    slow, fast = in_turns([case("slow", [4.0, 9.0, 5.0]), case("fast", [1.0, 1.0, 7.0])], 3)
    assert turns == ["slow", "fast"] * 3
    row = versus(fast, slow)
    assert (row["against"], row["ratio"]) == ("slow", 1 / 5)
    assert slow["raw_seconds"] == [4.0, 9.0, 5.0]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmarks") / "made" / "file.json"
    small = dict(sizes="16", large="36,16", density=0.25, batch=2, steps=3, large_steps=2)
    command.main(["step", "large"], file, **small, rounds=1, python="no-such-python")
    return file


def test_the_command_writes_a_row_for_each_measurement(measured):
    written = json.loads(measured.read_text())
    assert set(written) == {"machine", "versions", "rows"}
    names = [(row["name"], row["neurons"]) for row in written["rows"]]
    dense = [("scan, dense", 16), ("Diffrax, dense", 16), ("ctrnn, dense", 16)]
    local = ("ctrnn, locality", 16)
    assert names == [*dense, local, local, ("ctrnn, locality", 36)]
    for row in written["rows"]:
        assert set(row) == ROW
        assert row["median_seconds"] == statistics.median(row["raw_seconds"]) > 0
        assert (row["ratio"] is None) == (row["against"] is None)
    local = next(r for r in written["rows"] if r["against"] == "scan, dense" and r["density"] < 1)
    assert local["peak_bytes"] > 0


def test_an_unknown_suite_is_refused():
    with pytest.raises(Exception, match="choose among"):
        command.main(["speed"])


def test_plots_are_drawn_from_a_file_of_rows(measured, tmp_path):
    plots.draw(measured, tmp_path)
    drawn = sorted(file.name for file in tmp_path.glob("scaling-*.png"))
    assert drawn == ["scaling-memory.png", "scaling-time.png"]


def test_a_sweep_holds_each_network_against_the_scan_of_its_size(monkeypatch):
    def fake(name, seconds):
        return lambda shape: Case(name, lambda: seconds(shape), *shape)

    monkeypatch.setattr(
        _suites, "peer", fake("scan, dense", lambda s: s.neurons * s.batch * s.steps)
    )
    monkeypatch.setattr(_suites, "network", fake("ctrnn, locality", lambda s: s.density))
    table = _suites.sweep(_suites.Options(rounds=1))
    assert (
        sum(row["against"] is None for row in table) == 13
    )  # five sizes of three axes, one shared
    for row in table:
        if row["against"] is not None:
            scan = row["neurons"] * row["batch"] * row["steps"]
            assert row["ratio"] == pytest.approx(row["density"] / scan)
    for axis in plots.AXES:
        pairs = plots.series(table, axis)
        assert [ours[axis] for ours, _ in pairs] == sorted({ours[axis] for ours, _ in pairs})
        assert len(pairs) == 5


def test_building_is_measured_rule_by_rule():
    held = np.ones(2**25)  # 256 MiB that the processes measured have not
    table = _build.rows(2048, 0.1, rounds=1)
    assert [row["name"] for row in table][:2] == ["graph, locality", "kernel, locality"]
    assert len(table) == 8
    synapses = 0.1 * 2048**2
    for row in table:
        assert row["median_seconds"] > 0
        if Path("/proc/self/clear_refs").exists():
            # What a graph gave back may be the kernel's, so that it need not grow.
            least = 8 * synapses if row["name"].startswith("graph") else 0
            assert least <= row["peak_bytes"] < 300 * synapses < held.nbytes


def test_devices_are_held_against_one_where_there_are_cores(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(_first, "_process", lambda program, count: [9.0, 1.0 / program.devices])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(3), raising=False)
    one, two = _first.device_rows(rounds=1)
    assert [one["name"], two["name"]] == [
        f"default training step, {n}" for n in ("1 device", "2 devices")
    ]
    assert two["ratio"] == 0.5
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(1), raising=False)
    assert _first.device_rows(rounds=1) == []


def test_batches_in_classes_of_length_are_held_against_mixed_ones(monkeypatch):
    monkeypatch.setattr(
        _first, "_process", lambda program, count: [9.0, 100 / program.dt / program.length_classes]
    )
    table = _first.length_rows(rounds=1)
    assert [row["ratio"] for row in table] == 2 * [None, 1 / 2, 1 / 4, 1 / 8]
    assert table[0]["name"] == "default training step of 100 ms, 1 class"
