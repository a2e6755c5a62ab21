"""Training steps of several networks: in one program, against one program after the other."""

from collections.abc import Callable

import equinox as eqx

import ctrnn
import tasks
from ctrnn._replicates import side_by_side, stack

from ._measure import Case, Row, in_turns, seconds, versus


def rows(neurons: str, replicates: int, rounds: int) -> list[Row]:
    """Times a step of all of them by the command's defaults, but for their neurons.

    A turn is a step of each network, one after the other; a step of all in one program, that does
    them one after the other (as on a CPU); and one that does them at once, by `vmap` (as elsewhere).
    """
    config = ctrnn.Config(neurons=neurons)
    battery, optimiser = tasks.Battery.named(config.tasks), config.optimiser()
    step = ctrnn.make_train_step(
        battery,
        optimiser,
        batch_size=config.batch_size,
        integration=config.integration(battery.dt),
        decision_weight=config.decision_weight,
        length_classes=config.length_classes,
        focus=config.focus,
    )

    def begin(seed: int) -> ctrnn.TrainState:
        sizes = battery.in_size, len(battery.names), battery.out_size
        network = config.network(*sizes, key=ctrnn.keys(seed).network)
        return ctrnn.start_training(network, optimiser, sizes[1], key=ctrnn.keys(seed).training)

    def case(name: str, states: list[ctrnn.TrainState], step: Callable) -> Case:
        def work():
            seen = []
            for i, state in enumerate(states):
                states[i], metrics = step(state)
                seen.append(metrics)
            return seen

        def run() -> float:
            return seconds(work)

        run()
        size = config.sheet().size, config.sparsity, config.batch_size, battery.steps
        return Case(f"{replicates} networks, {name}", run, *size)

    states = [begin(seed) for seed in range(replicates)]
    many = {
        backend: eqx.filter_jit(side_by_side(step, backend=backend), donate="all")
        for backend in _WAYS
    }
    cases = [case(way, [stack(states)], many[backend]) for backend, way in _WAYS.items()]
    alone, *together = in_turns([case("a program each", states, step), *cases], rounds)
    return [alone, *(versus(row, alone) for row in together)]


_WAYS = {"cpu": "one program, in turn", "gpu": "one program, by vmap"}
