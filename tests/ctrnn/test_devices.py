"""Several devices, and several processes, train what one does. They need processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types

import jax
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn._accelerator import jit_options

CACHE = jax.config.jax_compilation_cache_dir
SETTINGS = dict(
    tasks="go,dm1",
    neurons="6x6",
    sparsity=0.15,
    steps=20,
    batch_size=8,
    warmup=5,
    evaluate_every=5,
    evaluation_trials=2,
)


def start(*command, **environment):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | dict(JAX_COMPILATION_CACHE_DIR=CACHE, COLUMNS="300") | environment,
    )


def finish(process, code=0):
    try:
        output, _ = process.communicate(timeout=400)
    finally:
        process.kill()
    assert process.returncode == code, output
    return output


ON_FOUR = """
import json, re
import equinox as eqx, jax, numpy as np, pytest
import ctrnn, tasks
from ctrnn._ahead import several
from ctrnn._program import make_program
from ctrnn._replicates import side_by_side

settings = json.loads('SETTINGS')
battery = tasks.Battery.select(settings["tasks"])
assert len(jax.devices()) == 4

def programs(config):
    # On one device, a step at a time; on four, five in a call, as accelerators do.
    whole = make_program(config, battery, None, most=1)
    return whole, make_program(config, battery, ctrnn.device_mesh("all", config), most=5)

# A batch.
config = ctrnn.Config(**settings)
one, four = programs(config)
state, shared = one.state, four.place(four.state)
for dt in [100.0] * 3 + [50.0] * 3:
    shared, seen = four.steps[dt](shared, 5)
    for i in range(5):
        state, alone = one.steps[dt](state, 1)
        np.testing.assert_allclose(seen.loss[i], alone.loss[0], rtol=2e-4)
        np.testing.assert_allclose(seen.accuracy[i], alone.accuracy[0], atol=0.02)
assert shared.network.weights.sharding.is_fully_replicated
for x, y in zip(*(jax.tree.leaves(ctrnn.arrays(s.network)) for s in (state, shared)), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)

# Replicates: each device has one, and none hears of another.
config = ctrnn.Config(**settings, seeds=4)
one, four = programs(config)
state, shared = one.state, four.place(four.state)
step = ctrnn.make_train_step(
    battery, config.optimiser(), batch_size=8, integration=config.integration(100.0)
)
together = eqx.filter_jit(several(side_by_side(step, ctrnn.device_mesh("all", config)), 5))
compiled = together.lower(shared, np.int32(5)).compile().compiled.as_text()
assert not re.search("all-(gather|reduce|to-all)|collective", compiled)
for _ in range(2):
    shared, seen = four.steps[100.0](shared, 5)
    for i in range(5):
        state, alone = one.steps[100.0](state, 1)
assert [x.data.shape[0] for x in shared.network.weights.addressable_shards] == [1] * 4
np.testing.assert_allclose(seen.loss[-1], alone.loss[0], rtol=1e-5)
np.testing.assert_array_equal(four.evaluate(shared.network), one.evaluate(state.network))

# Unequal shares.
with pytest.raises(ValueError, match="choose a multiple of 4"):
    ctrnn.device_mesh("all", ctrnn.Config(**settings | dict(batch_size=6)))
with pytest.raises(ValueError, match="seeds = 3"):
    ctrnn.device_mesh(2, ctrnn.Config(**settings, seeds=3))
with pytest.raises(ValueError, match="4 devices, not 5"):
    ctrnn.device_mesh(5, config)
print("as one")
"""


def test_xla_knows_what_it_is_told_on_a_gpu(monkeypatch):
    backend = types.SimpleNamespace(platform_version="PJRT C API\ncuda 13000")
    monkeypatch.setattr("ctrnn._accelerator.get_backend", lambda: backend)
    assert jit_options()
    halved = jax.jit(
        lambda n: jax.lax.while_loop(lambda n: n > 1, lambda n: n // 2, n), **jit_options()
    )
    assert halved(20) == 1  # an unknown option, or an unknown kind of graph, is refused


@pytest.mark.slow
def test_four_devices_train_what_one_does():
    script = ON_FOUR.replace("SETTINGS", json.dumps(SETTINGS))
    flags = "--xla_force_host_platform_device_count=4"
    assert "as one" in finish(start("-c", script, XLA_FLAGS=flags, JAX_PLATFORMS="cpu"))


def two(*words):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    common = dict(
        JAX_COORDINATOR_ADDRESS=f"localhost:{port}", JAX_NUM_PROCESSES="2", JAX_PLATFORMS="cpu"
    )
    command = ["-m", "cli", "train", "--distributed", *words]
    return [start(*command, **common, JAX_PROCESS_ID=str(i)) for i in range(2)]


@pytest.mark.slow
def test_two_processes_train_one_network_and_any_of_them_can_stop_both(tmp_path):
    folder, config = tmp_path / "two", ctrnn.Config(**SETTINGS)
    options = [
        word
        for name, value in SETTINGS.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    processes = two(*options, "--out", folder)
    deadline = time.monotonic() + 300
    while not (folder / "metrics.jsonl").exists():
        assert time.monotonic() < deadline and all(p.poll() is None for p in processes)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    first, second = (finish(process, 143) for process in processes)
    assert "interrupted at step" in first and "interrupted" not in second
    assert json.loads((folder / "summary.json").read_text())["step"] < 20

    for process in two("--resume", folder):
        finish(process)
    began = [event for event in ctrnn.read_metrics(folder) if event["event"] == "start"]
    assert [event["shared_by"] for event in began] == [2, 2]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("finished", 20)

    alone, battery = tmp_path / "alone", tasks.Battery.select(config.tasks)
    ctrnn.create_run(alone, config, battery)
    ctrnn.train(config, battery, alone)
    ours, theirs = (ctrnn.arrays(ctrnn.load(run / "model.eqx")[0]) for run in (folder, alone))
    for path, x in ours.items():
        np.testing.assert_allclose(x, theirs[path], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_cpu_is_as_many_devices_as_the_command_says(tmp_path):
    words = [f"--{k.replace('_', '-')}={v}" for k, v in (SETTINGS | dict(steps=2)).items()]
    command = ["-m", "cli", "train", *words, "--out", tmp_path / "run", "--devices", "2"]
    finish(start(*command, JAX_PLATFORMS="cpu"))
    assert ctrnn.read_metrics(tmp_path / "run")[0]["shared_by"] == 2


def test_a_cpu_that_has_computed_is_not_split():
    jax.devices()
    with pytest.raises(ValueError, match="before JAX computes"):
        ctrnn.split_cpu(jax.device_count() + 1)


@pytest.mark.slow
def test_a_mistake_ends_all_processes(tmp_path):
    (tmp_path / "file").write_text("mine")
    lead, other = two("--tasks", "go", "--steps", "2", "--out", tmp_path)
    assert "not empty" in finish(lead, 2)
    other.communicate(timeout=100)
    assert other.returncode != 0


def test_joining_without_being_told_whom_is_one_sentence():
    process = start("-m", "cli", "train", "--distributed", "--out", "x")
    assert "JAX_COORDINATOR_ADDRESS" in finish(process, 2)
