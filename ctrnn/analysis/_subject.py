"""What an analysis looks into, and what it hands to the report."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from matplotlib.figure import Figure

from .._integrate import Trajectory
from .._network import RateNetwork
from .._solver import Integration
from .._train import Battery, Trials


@dataclasses.dataclass(frozen=True)
class Subject:
    """A trained network and all that asks it questions.

    - `network`, `untrained`: after and before training (same graph, same seed).
    - `battery`: the tasks it was trained on, in the order of its rule input.
    - `integration`: how its equation is solved.
    - `key`: draws the trials.
    """

    network: RateNetwork
    untrained: RateNetwork
    battery: Battery
    integration: Integration
    key: PRNGKeyArray


@dataclasses.dataclass(frozen=True)
class Section:
    """One analysis in the report.

    - `title`, `text`: what was asked, and in a sentence or two how to read the answer.
    - `numbers`: the answer; plain numbers, strings, lists and dictionaries of them.
    - `figures`: pictures of it by file name, without suffix.
    """

    title: str
    text: str
    numbers: dict[str, Any]
    figures: dict[str, Figure]


@eqx.filter_jit
def responses(
    network: RateNetwork,
    battery: Battery,
    spec: Any,
    *,
    integration: Integration,
    key: PRNGKeyArray | None = None,
) -> tuple[Trials, Trajectory]:
    """The trials of a spec and what the network does in them, saved at the end of each frame.

    **Arguments:**

    - `network`: the network.
    - `battery`, `spec`: where the trials come from, and which, from `battery.sample`.
    - `integration`: how the equation is solved.
    - `key`: draws the inputs' noise; without it trials are noiseless.

    **Returns:**

    The trials and a [`ctrnn.Trajectory`][].

    !!! example

        ```python
        spec = battery.sample(key, jnp.zeros(64, int))
        trial, trajectory = responses(network, battery, spec, integration=integration)
        ```
    """
    trial = battery.render(spec, key)
    ends = battery.dt * np.arange(1, battery.steps + 1)
    trajectory = network(trial.path("step"), ends, context=trial.rule, integration=integration)
    return trial, trajectory


def task_spec(battery: Battery, task: str, count: int, *, key: PRNGKeyArray) -> Any:
    """A spec of `count` trials of one task."""
    return battery.sample(key, jnp.full(count, battery.names.index(task)))
