"""Lesions and perturbations: what breaks when neurons, synapses or a moment are taken away.

A lesioned network is a network, so that all else works on it. Lesions change numbers and no shapes:
a jitted evaluation is compiled once for all of them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._battery import Battery
from .._network import RateNetwork
from .._solver import Integration
from .._space import AbstractSpace
from ._subject import Cannot
from ._trials import Pulsed


def silence(network: RateNetwork, neurons: Bool[Array | np.ndarray, " neurons"]) -> RateNetwork:
    """The network in which some neurons are silent: nobody hears them, and they are not read out.

    To the others, and at the output, it is the same as if their rates were held at zero (that is how
    Yang et al. 2019 lesion a cluster of units). Their own entries in `Trajectory.rates` have no
    meaning.

    **Arguments:**

    - `network`: the network.
    - `neurons`: `True` where silent: any set, such as a cluster or a [`ctrnn.analysis.disc`][].

    !!! example

        ```python
        evaluate(silence(network, disc(network.graph.space, centre=40, radius=0.2)))
        ```
    """
    heard = ~jnp.asarray(neurons)
    return eqx.tree_at(
        lambda n: (n.weights, n.output_weights),
        network,
        (network.weights * heard[network.graph.sources], network.output_weights * heard),
    )


def disc(space: AbstractSpace | None, centre: int, radius: float) -> Bool[np.ndarray, " neurons"]:
    """The neurons within `radius` mm of neuron `centre`, the short way round if space is periodic.

    **Raises:**

    `Cannot` if the neurons lie nowhere.
    """
    if space is None:
        raise Cannot("this network's neurons have no positions; give its graph a space.")
    distance = space.distance(np.arange(space.size), np.full(space.size, centre))
    return np.asarray(distance) <= radius * (1 + 1e-5)


def patch(space: AbstractSpace, centre: int, count: int) -> Bool[np.ndarray, " neurons"]:
    """The `count` neurons nearest to neuron `centre`, itself among them: as many wherever it lies.

    !!! example

        ```python
        silence(network, patch(ctrnn.Sheet(8, 8, periodic=False), centre=0, count=6))
        ```
    """
    distance = np.asarray(space.distance(np.arange(space.size), np.full(space.size, centre)))
    chosen = np.zeros(space.size, bool)
    chosen[np.argsort(distance, kind="stable")[:count]] = True
    return chosen


def cut_synapses(
    network: RateNetwork, synapses: Bool[Array | np.ndarray, " synapses"]
) -> RateNetwork:
    """The network without some of its synapses, `True` where cut, in the order of its graph.

    !!! example

        ```python
        cut_synapses(network, network.graph.sources == network.graph.targets)  # without autapses
        ```
    """
    kept = network.weights * ~jnp.asarray(synapses)
    return eqx.tree_at(lambda n: n.weights, network, kept)


def scale_synapses(
    network: RateNetwork, shortest: float, longest: float, factor: float = 0.0
) -> RateNetwork:
    """The network in which synapses of a band of lengths are `factor` times as strong.

    **Arguments:**

    - `network`: its neurons have positions.
    - `shortest`, `longest`: the band in mm, ends included; autapses have length 0.
    - `factor`: 0 cuts them.

    **Raises:**

    `Cannot` if the neurons lie nowhere.

    !!! example

        ```python
        local = scale_synapses(network, 0.15, np.inf)  # without the longest
        ```
    """
    lengths = network.graph.lengths
    if lengths is None:
        raise Cannot("this network's neurons have no positions; give its graph a space.")
    within = (lengths >= shortest * (1 - 1e-5)) & (lengths <= longest * (1 + 1e-5))
    scaled = network.weights * jnp.where(within, factor, 1.0)
    return eqx.tree_at(lambda n: n.weights, network, scaled)


def damage(
    evaluate: Callable[[RateNetwork], Float[np.ndarray, " tasks"]],
    network: RateNetwork,
    lesioned: Iterable[RateNetwork],
) -> Float[np.ndarray, "lesions tasks"]:
    """How much accuracy each task loses in each of the lesioned networks, on the same trials.

    **Arguments:**

    - `evaluate`: accuracy per task, from [`ctrnn.make_evaluation`][].
    - `network`: the whole network. `lesioned`: the others.

    !!! example

        ```python
        evaluate = ctrnn.make_evaluation(battery, trials_per_task=32, integration=i, key=key)
        damage(evaluate, network, [silence(network, disc(space, c, 0.2)) for c in centres])
        ```
    """
    whole = evaluate(network)
    return np.stack([whole - evaluate(other) for other in lesioned])


def lesion_centres(space: AbstractSpace, count: int) -> np.ndarray:
    """About `count` neurons spread evenly: each time the one farthest from those chosen before."""
    chosen = [0]
    nearest = np.asarray(space.distance(np.arange(space.size), np.zeros(space.size, int)))
    for _ in range(min(count, space.size) - 1):
        chosen.append(int(nearest.argmax()))
        there = space.distance(np.arange(space.size), np.full(space.size, chosen[-1]))
        nearest = np.minimum(nearest, np.asarray(there))
    return np.array(chosen)


@eqx.filter_jit
def pulse_accuracy(
    network: RateNetwork,
    battery: Battery,
    spec: Any,
    pattern: Float[Array, " neurons"],
    *,
    start: Float[Array, " trials"],
    duration: float,
    strength: Float[Array, " trials"],
    integration: Integration,
    key: PRNGKeyArray | None = None,
) -> Float[Array, " trials"]:
    """The accuracy of each trial when a brief current is injected in it.

    The current is one more input, so that the solve is the same, and trials of all strengths and
    times are one batch.

    **Arguments:**

    - `network`, `battery`, `spec`: the trials, as for [`ctrnn.analysis.responses`][].
    - `pattern`: the current into each neuron at strength 1, in units of its input.
    - `start`: the pulse's onset in ms; `duration` in ms; `strength`: of each trial.
    - `integration`: how to solve. On a fixed step the pulse begins and ends on the grid of steps.
    - `key`: draws the inputs' noise.

    **Returns:**

    The fraction of each trial's decision frames answered right.

    !!! example

        ```python
        pattern = jr.normal(key, (network.size,))
        pulse_accuracy(network, battery, spec, pattern, start=jnp.full(64, 1200.0), duration=100.0,
                       strength=jnp.full(64, 2.0), integration=integration)
        ```
    """
    trial = battery.render(spec, key)
    path = Pulsed(trial.path("step"), start, start + duration, strength)
    widened = jnp.concatenate([network.input_weights, pattern[:, None]], 1)
    network = eqx.tree_at(lambda n: n.input_weights, network, widened)
    ends = battery.dt * np.arange(1, battery.steps + 1)
    outputs = network(path, ends, context=trial.rule, integration=integration).outputs
    right = (trial.labels == jnp.argmax(outputs, -1).T) & trial.decision
    return right.sum(1) / trial.decision.sum(1)


def random_pattern(network: RateNetwork, *, key: PRNGKeyArray) -> Float[Array, " neurons"]:
    """A current of random sign and size into each neuron, with root mean square 1."""
    pattern = jr.normal(key, (network.size,))
    return pattern / jnp.sqrt(jnp.mean(pattern**2))
