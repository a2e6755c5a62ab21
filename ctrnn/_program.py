"""What a run computes, compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from ._accelerator import jit_options
from ._ahead import ahead
from ._battery import Battery
from ._config import Config
from ._evaluate import make_count
from ._folder import keys
from ._network import RateNetwork
from ._replicates import side_by_side, stack
from ._train import StepMetrics, TrainState, make_train_step, start_training


class Program(NamedTuple):
    """What a run computes: with one seed, on its state; with several, on all of theirs, stacked."""

    state: TrainState
    steps: dict[float, Callable[[TrainState, int], tuple[TrainState, StepMetrics]]]
    evaluate: Callable[[RateNetwork], Float[np.ndarray, "seeds tasks"]]
    place: Callable[[TrainState], TrainState]


def make_program(config: Config, battery: Battery, mesh: Mesh | None, most: int) -> Program:
    """What a run of these settings computes, `most` steps at a time at most."""
    tasks, optimiser, several = len(battery.names), config.optimiser(), config.seeds > 1
    its_keys = [keys(one.seed) for one in config.replicates()]
    states = []
    for key in its_keys:
        network = config.network(battery.in_size, tasks, battery.out_size, key=key.network)
        states.append(start_training(network, optimiser, tasks, key=key.training))
    state, held_out = states[0], its_keys[0].held_out
    singly: dict[float, Callable[..., Any]] = {
        dt: make_train_step(
            battery,
            optimiser,
            batch_size=config.batch_size,
            integration=config.integration(dt),
            decision_weight=config.decision_weight,
            length_classes=config.length_classes,
            focus=config.focus,
            mesh=None if several else mesh,
        )
        for dt in {battery.dt, config.dt}
    }
    count: Callable[..., Any] = make_count(
        battery, trials_per_task=config.evaluation_trials, integration=config.integration()
    )
    if several:
        state, held_out = stack(states), jnp.stack([key.held_out for key in its_keys])
        singly = {
            dt: eqx.filter_jit(side_by_side(step, mesh), donate="all")
            for dt, step in singly.items()
        }
        count = side_by_side(count, mesh)
    count = eqx.filter_jit(count, **jit_options())
    steps = {dt: ahead(step, most) for dt, step in singly.items()}

    def evaluate(network: RateNetwork) -> Float[np.ndarray, "seeds tasks"]:
        if mesh is not None and not several:  # all devices would do the same: one is enough
            network = jax.tree.map(lambda x: x.addressable_data(0), network)
        right, frames = map(np.asarray, count(network, held_out))
        return np.atleast_2d(right / frames)

    def place(state: TrainState) -> TrainState:
        if mesh is None:
            return state
        split = PartitionSpec(mesh.axis_names) if several else PartitionSpec()
        return eqx.filter_shard(state, NamedSharding(mesh, split))

    return Program(state, steps, evaluate, place)
