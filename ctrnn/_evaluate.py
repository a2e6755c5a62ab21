"""Evaluation: decision accuracy per task on held-out trials."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._accelerator import jit_options
from ._battery import Battery, solve_trials
from ._network import RateNetwork
from ._solver import Integration


def correct(outputs, labels, decision):
    """Per trial: decision frames answered right, and decision frames."""
    right = (labels == jnp.argmax(outputs, -1).T) & decision
    return jnp.sum(right, 1), jnp.sum(decision, 1)


def make_evaluation(
    battery: Battery, *, trials_per_task: int, integration: Integration, key: PRNGKeyArray
) -> Callable[[RateNetwork], Float[np.ndarray, " tasks"]]:
    """Decision accuracy per task on fixed held-out trials, all tasks alike.

    Accuracy is the fraction of decision frames, those of no-go trials included, whose largest
    output is the label.

    **Returns:**

    `evaluate(network) -> accuracy [tasks]`, in the order of `battery.names`.

    **Raises:**

    `ValueError`, at the first call, if a fixed step of the solve does not divide the frames.

    !!! example

        ```python
        evaluate = ctrnn.make_evaluation(
            battery, trials_per_task=32, integration=ctrnn.Integration("heun", 50.0), key=key
        )
        evaluate(network).mean(), evaluate(network).min()
        ```
    """
    count = make_count(battery, trials_per_task=trials_per_task, integration=integration)
    count = eqx.filter_jit(count, **jit_options())

    def evaluate(network: RateNetwork) -> Float[np.ndarray, " tasks"]:
        return np.divide(*map(np.asarray, count(network, key)))

    return evaluate


def make_count(
    battery: Battery, *, trials_per_task: int, integration: Integration
) -> Callable[[RateNetwork, PRNGKeyArray], tuple[Int[Array, " tasks"], Int[Array, " tasks"]]]:
    """`count(network, key)`, not yet compiled: decision frames answered right, and all, of each task."""
    tasks = len(battery.names)
    ids = np.repeat(np.arange(tasks), trials_per_task)
    chunk = min(len(ids), 256)
    padded = np.resize(ids, -(-len(ids) // chunk) * chunk).reshape(-1, chunk)

    def count(network, key):
        def solve(chunk_of_trials):
            ids, i = chunk_of_trials
            spec_key, noise_key, private_key = jr.split(jr.fold_in(key, i), 3)
            trial = battery.render(battery.sample(spec_key, ids), noise_key)
            trajectory = solve_trials(network, battery, trial, integration, private_key)
            return correct(trajectory.outputs, trial.labels, trial.decision)

        counts = jax.lax.map(solve, (jnp.asarray(padded), jnp.arange(len(padded))))
        right, frames = (x.reshape(-1)[: len(ids)].reshape(tasks, -1).sum(1) for x in counts)
        return right, frames

    return count
