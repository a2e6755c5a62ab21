"""The first training step of the command's defaults, compilation included, then some more.

`python -m benchmarks._first DT STEPS keep DEVICES` is a process that has compiled nothing, and writes
the seconds of each step, the first among them, as JSON. DT is the solver's step in ms; with `return`,
not `keep`, memory that is freed goes back to the system.
"""

import json
import statistics
import subprocess
import sys

import equinox as eqx
import jax
import jax.random as jr
from jax.sharding import NamedSharding, PartitionSpec

import ctrnn
import tasks

from ._measure import Case, Row, cores, in_turns, row, seconds, versus


def rows(rounds: int = 3, steps: int = 5) -> list[Row]:
    """Two rows, each of `rounds` processes: the first step, and those that follow. Then two more for
    the program that training goes on with, whose solver's step is finer.
    """
    config, table = ctrnn.Config(), []
    battery = tasks.Battery.named(config.tasks)
    size = config.sheet().size, config.sparsity, config.batch_size
    for dt in (battery.dt, config.dt):
        first, later = [], []
        for _ in range(rounds):
            times = _process(dt, steps, "keep")
            first.append(times[0])
            later += times[1:]
        for name, times in (("first", first), ("later ones", later)):
            steps_of_solve = round(battery.steps * battery.dt / dt)
            name = f"default training step of {dt:g} ms, {name}"
            case = Case(name, lambda: 0.0, *size, steps_of_solve)
            table.append(row(case, times))
    return table


def memory_rows(rounds: int = 5) -> list[Row]:
    """Two rows of steps of the finer program: memory given back, and kept by [`ctrnn.keep_memory`][]."""
    cases = [_later_steps("memory given back", "return"), _later_steps("memory kept", "keep")]
    returned, kept = in_turns(cases, rounds)
    return [returned, versus(kept, returned)]


def device_rows(rounds: int = 5) -> list[Row]:
    """Two rows of steps of the finer program: on one device, and with the batch shared by the CPU's
    cores, if there are several. A share has 16 trials or more: shorter rows are fetched in vain.
    """
    batch = ctrnn.Config().batch_size
    most = max(n for n in range(1, cores() + 1) if n == 1 or (batch % n == 0 and batch // n >= 16))
    if most == 1 or jax.default_backend() != "cpu":
        return []
    cases = [_later_steps("1 device", "keep"), _later_steps(f"{most} devices", "keep", most)]
    one, more = in_turns(cases, rounds)
    return [one, versus(more, one)]


def _later_steps(name: str, mode: str, devices: int = 1, steps: int = 20) -> Case:
    config = ctrnn.Config()
    battery = tasks.Battery.named(config.tasks)

    def run() -> float:
        return statistics.median(_process(config.dt, steps, mode, devices)[1:])

    size = config.sheet().size, config.sparsity, config.batch_size
    steps_of_solve = round(battery.steps * battery.dt / config.dt)
    return Case(f"default training step, {name}", run, *size, steps_of_solve)


def _process(dt: float, steps: int, mode: str, devices: int = 1) -> list[float]:
    command = [sys.executable, "-m", "benchmarks._first", *map(str, (dt, steps, mode, devices))]
    return json.loads(subprocess.check_output(command))


def main():
    if sys.argv[3] == "keep" and not ctrnn.keep_memory():
        sys.exit("Memory can be kept on Linux with glibc alone.")
    jax.config.update("jax_enable_compilation_cache", False)
    devices = int(sys.argv[4])
    ctrnn.split_cpu(devices)
    config = ctrnn.Config()
    mesh = ctrnn.device_mesh(devices, config)
    battery = tasks.Battery.named(config.tasks)
    network = config.network(battery.in_size, len(battery.names), battery.out_size, key=jr.key(0))
    optimiser = config.optimiser()
    step = ctrnn.make_train_step(
        battery,
        optimiser,
        batch_size=config.batch_size,
        integration=config.integration(float(sys.argv[1])),
        decision_weight=config.decision_weight,
        focus=config.focus,
        mesh=mesh,
    )
    state = [ctrnn.start_training(network, optimiser, len(battery.names), key=jr.key(1))]
    if mesh is not None:
        state = eqx.filter_shard(state, NamedSharding(mesh, PartitionSpec()))

    def work():
        state[0], metrics = step(state[0])
        return metrics

    print(json.dumps([seconds(work) for _ in range(1 + int(sys.argv[2]))]))


if __name__ == "__main__":
    main()
