"""A run survives kills, damage and a full disk, and goes on to the same bits."""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ctrnn
import tasks
from ctrnn._folder import alone_in
from ctrnn._resume import open_checkpoints, restore_state, save_state

TINY = dict(
    tasks="go,dm1", neurons="6x6", sparsity=0.15, dt=100.0, batch_size=8, warmup=2, evaluate_every=3,
    evaluation_trials=2,
)  # fmt: skip

SETTINGS = ctrnn.Config(**TINY)


def command(folder, *words):
    """`ctrnn train` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "train", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {
            "COLUMNS": "500",
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
    )  # fmt: skip


def begin(folder, steps):
    config = ctrnn.Config(**TINY, steps=steps)
    ctrnn.create_run(folder, config, tasks.Battery.select(config.tasks))
    return config


def evaluations(folder):
    return [event for event in ctrnn.read_metrics(folder) if event["event"] == "evaluate"]


def written(folder):
    with contextlib.suppress(ValueError):
        return len(evaluations(folder))
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_ten_times_and_resumed_equals_uninterrupted_to_the_bit(tmp_path, seed):
    """SIGKILL leaves no time to save: at any moment of a run, and while a checkpoint is written."""
    whole, parts, rng = tmp_path / "whole", tmp_path / "parts", random.Random(seed)
    print(f"seed {seed}")
    for folder in (whole, parts):
        begin(folder, 300)
    process = command(whole, "--resume", whole)
    assert process.wait(300) == 0, process.communicate()[0]
    amid_saves = 0
    for kill in range(10):
        process = command(parts, "--resume", parts)
        before, more, amid = written(parts), rng.randrange(6), kill % 2 == 0
        while written(parts) < before + more and process.poll() is None:
            time.sleep(0.01)
        delay, begun = rng.uniform(0, 0.3), time.monotonic()
        while process.poll() is None:
            drafts = list((parts / "checkpoints").glob("*tmp*"))
            if (amid and drafts) or (not amid and time.monotonic() - begun > delay):
                break
        assert process.poll() is None, process.communicate()[0]
        process.kill()
        assert process.wait() == -signal.SIGKILL
        amid_saves += any((parts / "checkpoints").glob("*tmp*"))
    assert amid_saves > 0
    process = command(parts, "--resume", parts)
    assert process.wait(300) == 0, process.communicate()[0]
    for a, b in zip(*(jax.tree.leaves(arrays(f)) for f in (whole, parts)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert evaluations(parts) == evaluations(whole)
    assert not list(parts.glob(".*")) and not list((parts / "checkpoints").glob("*tmp*"))


def arrays(folder):
    return ctrnn.arrays(ctrnn.load(folder / "model.eqx")[0])


@pytest.fixture(scope="module")
def start():
    config = ctrnn.Config(**TINY)
    network = config.network(33, 2, 17, key=ctrnn.keys(0).network)
    return ctrnn.start_training(network, config.optimiser(), 2, key=ctrnn.keys(0).training)


def at(start, step):
    where = lambda s: (s.step, s.network.bias)
    return eqx.tree_at(where, start, (jnp.array(step), jnp.full(36, 1.0 * step)))


@pytest.fixture(scope="module")
def three(tmp_path_factory, start):
    """A folder with the checkpoints 3, 8 and 9; 3 is the best."""
    folder = tmp_path_factory.mktemp("three")
    with open_checkpoints(folder) as manager:
        for step, accuracy in ((3, 0.9), (7, 0.1), (8, 0.2), (9, 0.3)):
            save_state(manager, step, at(start, step), accuracy, SETTINGS)
    return folder


@pytest.fixture
def run(tmp_path, three):
    return shutil.copytree(three, tmp_path / "run")


def restored(folder, start, settings=SETTINGS):
    with open_checkpoints(folder) as manager:
        return restore_state(manager, start, settings)


def files(step):
    return [file for file in step.rglob("*") if file.is_file()]


def test_the_newest_and_the_best_are_kept_also_after_a_resumption(run, start):
    with open_checkpoints(run) as manager:
        state = restore_state(manager, start, SETTINGS)
        assert int(state.step) == 9 and float(state.network.bias[0]) == 9
        save_state(manager, 10, at(start, 10), 0.3, SETTINGS)
    assert sorted(int(f.name) for f in (run / "checkpoints").iterdir()) == [3, 9, 10]


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(run, start, seed):
    """A bit flipped or bytes cut off in any of its files."""
    rng = random.Random(seed)
    newest = run / "checkpoints" / "9"
    file = rng.choice([f for f in sorted(files(newest)) if f.stat().st_size])
    content = bytearray(file.read_bytes())
    if seed % 3:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        del content[rng.randrange(len(content)) :]
    file.write_bytes(content)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        state = restored(run, start)
    said = [str(w.message) for w in said if "damaged" in str(w.message)]
    step = int(state.step)
    assert step in (8, 9) and bool((state.network.bias == step).all())
    if step == 8:
        assert len(said) == 1 and str(newest) in said[0] and "going on from" in said[0]
        assert (run / "damaged" / "9").is_dir() and not newest.exists()
    else:  # the file holds nothing of the state
        assert not said and newest.exists()


def largest(step):
    return max(files(step), key=lambda file: file.stat().st_size)


def test_a_flip_in_the_numbers_is_noticed(run, start):
    file = largest(run / "checkpoints" / "9")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="checkpoints/9 damaged, .* going on from step 8"):
        assert int(restored(run, start).step) == 8


def test_if_all_are_damaged_nothing_is_changed(run, start):
    for step in (run / "checkpoints").iterdir():
        largest(step).write_bytes(b"")
    before = {f: f.read_bytes() for f in files(run)}
    with pytest.raises(ctrnn.CheckpointError, match=r"no checkpoint is intact: .*9, .*8, .*3"):
        restored(run, start)
    assert before == {f: f.read_bytes() for f in files(run)}


def test_a_newer_format_and_another_network_are_refused(run, start):
    other = ctrnn.Config(**TINY | dict(neurons="5x5"))
    network = other.network(33, 2, 17, key=ctrnn.keys(0).network)
    other = ctrnn.start_training(network, other.optimiser(), 2, key=ctrnn.keys(0).training)
    before = {f: f.read_bytes() for f in files(run)}
    with pytest.raises(ctrnn.CheckpointError, match="of another network"):
        restored(run, other)
    with pytest.raises(ctrnn.CheckpointError, match="toml: learning_rate and seed differ"):
        restored(run, start, ctrnn.Config(**TINY, seed=1, learning_rate=0.5))
    scattered = ctrnn.Config(**TINY, connectivity="random")
    network = scattered.network(33, 2, 17, key=ctrnn.keys(0).network)
    other = ctrnn.start_training(network, SETTINGS.optimiser(), 2, key=ctrnn.keys(0).training)
    with pytest.raises(ctrnn.CheckpointError, match="toml: graph differ"):
        restored(run, other)
    assert before == {f: f.read_bytes() for f in files(run)}
    file = run / "checkpoints" / "9" / "_CHECKPOINT_METADATA"
    about = json.loads(file.read_text())
    about["custom_metadata"]["format"] = 2
    file.write_text(json.dumps(about))
    with pytest.raises(ctrnn.CheckpointError, match="format 2"):
        restored(run, start)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB: twice what the run below takes while it writes a checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not permitted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_and_a_read_only_one(small_disk, tmp_path):
    folder = small_disk / "run"
    begin(folder, 30)
    # Leaves room for some checkpoints, not for all.
    (small_disk / "filler").write_bytes(bytes(480_000))
    process = command(tmp_path / "x", "--resume", folder)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in said, said
    assert f"cannot write in {folder}: No space left on device." in said
    kept = [int(f.name) for f in (folder / "checkpoints").iterdir() if f.name.isdigit()]
    assert kept

    remount = lambda how: subprocess.run(["mount", "-o", f"remount,{how}", small_disk], check=True)
    remount("ro")
    process = command(tmp_path / "x", "--resume", folder)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in said, said
    assert "Read-only file system" in said

    remount("rw")
    (small_disk / "filler").unlink()
    process = command(tmp_path / "x", "--resume", folder)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    began = [e["step"] for e in ctrnn.read_metrics(folder) if e["event"] == "start"]
    assert began[-1] == max(kept)
    begin(tmp_path / "whole", 30)
    battery = tasks.Battery.select("go,dm1")
    ctrnn.train(ctrnn.open_run(tmp_path / "whole"), battery, tmp_path / "whole")
    assert evaluations(folder) == evaluations(tmp_path / "whole")


def asked(times):
    count = iter(range(1, 10**6))
    return lambda: next(count) >= times


BATTERY = tasks.Battery.select("go,dm1")


@pytest.mark.parametrize("seeds", [1, 2])
def test_interruptions_change_neither_where_a_target_ends_a_run_nor_its_best(tmp_path, seeds):
    config = ctrnn.Config(**TINY, steps=7, target_accuracy=1e-9, seeds=seeds)
    for name in ("whole", "parts"):
        ctrnn.create_run(tmp_path / name, config, BATTERY)
    whole = ctrnn.train(config, BATTERY, tmp_path / "whole")
    for step in (1, 2):
        first = ctrnn.train(config, BATTERY, tmp_path / "parts", stop=asked(1))
        assert (first.status, first.step) == ("interrupted", step)
    parts = ctrnn.train(config, BATTERY, tmp_path / "parts")
    assert dataclasses.replace(parts, seconds=whole.seconds) == whole
    assert seeds > 1 or (whole.status, whole.step) == ("reached target", 3)
    one = "." if seeds == 1 else "seed-1"
    best = [ctrnn.read_arrays(tmp_path / name / one / "best.eqx")[1] for name in ("whole", "parts")]
    for a, b in zip(*map(dict.values, best), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_best_is_that_of_the_highest_evaluation(tmp_path):
    config = ctrnn.Config(**TINY | dict(steps=12, learning_rate=0.3, evaluate_every=1))
    ctrnn.create_run(tmp_path / "run", config, BATTERY)
    ctrnn.train(config, BATTERY, tmp_path / "run", stop=asked(7))
    ctrnn.train(config, BATTERY, tmp_path / "run")
    highest = max(e["mean_decision_accuracy"] for e in evaluations(tmp_path / "run"))
    network, _ = ctrnn.load(tmp_path / "run" / "best.eqx")
    measure = ctrnn.make_evaluation(
        BATTERY, trials_per_task=2, integration=config.integration(), key=ctrnn.keys(0).held_out
    )
    assert float(measure(network).mean()) == pytest.approx(highest)


def test_one_process_trains_in_a_folder(tmp_path):
    config = begin(tmp_path / "run", 4)
    in_use = pytest.raises(BlockingIOError, match="run is being trained by another process")
    with alone_in(tmp_path / "run"), in_use:
        ctrnn.train(config, BATTERY, tmp_path / "run")
    assert ctrnn.train(config, BATTERY, tmp_path / "run").step == 4


def test_one_of_several_seeds_is_not_gone_on_with_alone(tmp_path):
    config = ctrnn.Config(**TINY, steps=4, seeds=2)
    ctrnn.create_run(tmp_path / "run", config, BATTERY)
    alone = tmp_path / "run" / "seed-1"
    with pytest.raises(ctrnn.CheckpointError, match=f"--resume {tmp_path / 'run'}`"):
        ctrnn.train(ctrnn.open_run(alone), BATTERY, alone)


def test_what_is_not_finite_is_not_saved(tmp_path, start):
    poisoned = eqx.tree_at(lambda s: s.network.bias, start, jnp.full(36, jnp.nan))
    with open_checkpoints(tmp_path) as manager:
        save_state(manager, 1, poisoned, 0.5, SETTINGS)
        assert manager.latest_step() is None


def test_a_run_that_is_done_is_left_as_it_is(tmp_path):
    battery = tasks.Battery.select("go,dm1")
    for name, target in (("finished", None), ("reached", 1e-9)):
        folder = tmp_path / name
        config = ctrnn.Config(**TINY, steps=4, target_accuracy=target)
        ctrnn.create_run(folder, config, battery)
        first = ctrnn.train(config, battery, folder)
        before = {f: f.read_bytes() for f in files(folder)}
        assert ctrnn.train(config, battery, folder) == first
        assert before == {f: f.read_bytes() for f in files(folder)}
        # Killed between the last checkpoint and the summary, it takes no further step.
        (folder / "summary.json").unlink()
        assert ctrnn.train(config, battery, folder).step == first.step
        assert ctrnn.read_summary(folder).status == first.status
    shutil.rmtree(folder)
