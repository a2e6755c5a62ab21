"""The first training step of the command's defaults, compilation included, then some more.

`python -m benchmarks._first SETTINGS`, a JSON object of a [`Program`][], is a process that has compiled
nothing, and writes seconds as JSON: of the first step, then of later ones.
"""

import json
import statistics
import subprocess
import sys
from typing import NamedTuple

import equinox as eqx
import jax
import jax.random as jr
from jax.sharding import NamedSharding, PartitionSpec

import ctrnn
import tasks
from ctrnn._accelerator import steps_per_call
from ctrnn._ahead import ahead

from ._measure import Case, Row, cores, in_turns, row, seconds, versus

_CONFIG = ctrnn.Config()


class Program(NamedTuple):
    """A training step: the solver's step in ms, whether memory is kept, devices, classes of length, and
    how many steps are asked for at a time: by default as many as `ctrnn train` asks for.
    """

    dt: float
    keep: bool = True
    devices: int = 1
    length_classes: int = _CONFIG.length_classes
    per_call: int | None = None

    def later_steps(self, name: str, count: int = 48) -> Case:
        """The mean of so many later steps; `count` is a multiple of the usual numbers of classes."""
        return _case(name, self.dt, lambda: statistics.mean(_process(self, count)[1:]))


def _case(name: str, dt: float, run=lambda: 0.0) -> Case:
    battery = tasks.Battery.named(_CONFIG.tasks)
    steps_of_solve = round(battery.steps * battery.dt / dt)
    size = _CONFIG.sheet().size, _CONFIG.sparsity, _CONFIG.batch_size
    return Case(f"default training step{name}", run, *size, steps_of_solve)


def rows(rounds: int = 3) -> list[Row]:
    """Two rows, each of `rounds` processes: the first step, and those that follow. Then two more for
    the program that training goes on with, whose solver's step is finer.
    """
    table = []
    for dt in (tasks.Battery.named(_CONFIG.tasks).dt, _CONFIG.dt):
        times = [_process(Program(dt, per_call=1), 8) for _ in range(rounds)]
        first, later = [x[0] for x in times], [statistics.mean(x[1:]) for x in times]
        for name, measured in (("first", first), ("later ones", later)):
            table.append(row(_case(f" of {dt:g} ms, {name}", dt), measured))
    return table


def memory_rows(rounds: int = 5) -> list[Row]:
    """Two rows of steps of the finer program: memory given back, and kept by [`ctrnn.keep_memory`][]."""
    if not ctrnn.keep_memory():
        return []
    given_back = Program(_CONFIG.dt, keep=False).later_steps(", memory given back")
    kept = Program(_CONFIG.dt).later_steps(", memory kept")
    first, then = in_turns([given_back, kept], rounds)
    return [first, versus(then, first)]


def device_rows(rounds: int = 5) -> list[Row]:
    """Two rows of steps of the finer program: on one device, and with the batch shared by the CPU's
    cores, if there are several. A share has 16 trials or more: shorter rows are fetched in vain.
    """
    batch = _CONFIG.batch_size
    most = max(n for n in range(1, cores() + 1) if n == 1 or (batch % n == 0 and batch // n >= 16))
    if most == 1 or jax.default_backend() != "cpu":
        return []
    cases = [
        Program(_CONFIG.dt, devices=n).later_steps(f", {n} device{'s' * (n > 1)}")
        for n in (1, most)
    ]
    one, more = in_turns(cases, rounds)
    return [one, versus(more, one)]


def length_rows(rounds: int = 5) -> list[Row]:
    """Steps of both programs with trials of all lengths in each batch, and in classes of length."""
    table = []
    for dt in (tasks.Battery.named(_CONFIG.tasks).dt, _CONFIG.dt):
        cases = [
            Program(dt, length_classes=n).later_steps(f" of {dt:g} ms, {n} class{'es' * (n > 1)}")
            for n in (1, 2, 4, 8)
        ]
        mixed, *sorted_ = in_turns(cases, rounds)
        table += [mixed, *(versus(each, mixed) for each in sorted_)]
    return table


def call_rows(rounds: int = 5) -> list[Row]:
    """Steps of the finer program, asked for one by one and several at a time."""
    cases = [Program(_CONFIG.dt, per_call=n).later_steps(f", {n} a call") for n in (1, 4, 16)]
    one, *more = in_turns(cases, rounds)
    return [one, *(versus(each, one) for each in more)]


def _process(program: Program, count: int) -> list[float]:
    settings = json.dumps(program._asdict() | dict(count=count))
    return json.loads(
        subprocess.check_output([sys.executable, "-m", "benchmarks._first", settings])
    )


def main(settings: str):
    chosen = json.loads(settings)
    count, program = chosen.pop("count"), Program(**chosen)
    if program.keep:
        ctrnn.keep_memory()
    jax.config.update("jax_enable_compilation_cache", False)
    ctrnn.split_cpu(program.devices)
    mesh = ctrnn.device_mesh(program.devices, _CONFIG)
    battery = tasks.Battery.named(_CONFIG.tasks)
    network = _CONFIG.network(battery.in_size, len(battery.names), battery.out_size, key=jr.key(0))
    optimiser = _CONFIG.optimiser()
    step = ctrnn.make_train_step(
        battery,
        optimiser,
        batch_size=_CONFIG.batch_size,
        integration=_CONFIG.integration(program.dt),
        decision_weight=_CONFIG.decision_weight,
        length_classes=program.length_classes,
        focus=_CONFIG.focus,
        mesh=mesh,
    )
    state = [ctrnn.start_training(network, optimiser, len(battery.names), key=jr.key(1))]
    if mesh is not None:
        state = eqx.filter_shard(state, NamedSharding(mesh, PartitionSpec()))

    per_call = program.per_call or steps_per_call(16)
    take = ahead(step, per_call)

    def work():
        state[0], metrics = take(state[0], per_call)
        return metrics

    calls = [seconds(work) for _ in range(1 + count // per_call)]
    print(json.dumps([calls[0], *(x / per_call for x in calls[1:])]))


if __name__ == "__main__":
    main(sys.argv[1])
