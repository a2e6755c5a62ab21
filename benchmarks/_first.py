"""The first training step of the command's defaults, compilation included, then some more.

`python -m benchmarks._first STEPS` is a process that has compiled nothing, and writes the seconds
of each step, the first among them, as JSON.
"""

import json
import subprocess
import sys

import jax
import jax.random as jr

import ctrnn
import tasks

from ._measure import Case, Row, row, seconds


def rows(rounds: int = 3, steps: int = 5) -> list[Row]:
    """Two rows, each of `rounds` processes: the first step, and those that follow."""
    first, later = [], []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks._first", str(steps)]
        times = json.loads(subprocess.check_output(command))
        first.append(times[0])
        later += times[1:]
    config = ctrnn.Config()
    size = config.sheet().size, config.sparsity, config.batch_size
    return [
        row(Case("default training step, the first", lambda: 0.0, *size), first),
        row(Case("default training step, later ones", lambda: 0.0, *size), later),
    ]


def main():
    jax.config.update("jax_enable_compilation_cache", False)
    config = ctrnn.Config()
    battery = tasks.Battery.named(config.tasks)
    network = config.network(battery.in_size, len(battery.names), battery.out_size, key=jr.key(0))
    optimiser = config.optimiser()
    step = ctrnn.make_train_step(
        battery, optimiser, batch_size=config.batch_size, integration=config.integration()
    )
    state = [ctrnn.start_training(network, optimiser, len(battery.names), key=jr.key(1))]

    def work():
        state[0], metrics = step(state[0])
        return metrics

    print(json.dumps([seconds(work) for _ in range(1 + int(sys.argv[1]))]))


if __name__ == "__main__":
    main()
