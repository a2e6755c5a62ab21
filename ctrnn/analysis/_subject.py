"""What an analysis looks into, and what it hands to the report."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray
from matplotlib.figure import Figure

from .._battery import Battery, Trials
from .._integrate import Trajectory
from .._network import RateNetwork
from .._solver import Integration


class Cannot(ValueError):
    """An analysis cannot be made of this network, of these tasks or with what is installed; says why.

    The report shows its section as skipped.
    """


@dataclasses.dataclass(frozen=True)
class Subject:
    """A trained network and all that asks it questions.

    - `network`, `untrained`: after and before training (same graph, same seed).
    - `battery`: the tasks it was trained on, in the order of its rule input.
    - `integration`: how its equation is solved.
    - `key`: draws the trials.
    - `others`: networks to compare it with, by name, trained on the same tasks.
    """

    network: RateNetwork
    untrained: RateNetwork
    battery: Battery
    integration: Integration
    key: PRNGKeyArray
    others: Mapping[str, "Subject"] = dataclasses.field(default_factory=dict)


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
    every: float | None = None,
) -> tuple[Trials, Trajectory]:
    """The trials of a spec and what the network does in them.

    **Arguments:**

    - `network`: the network.
    - `battery`, `spec`: where the trials come from, and which, from `battery.sample`.
    - `integration`: how the equation is solved.
    - `key`: draws the noise of the inputs and of the neurons; without it there is none.
    - `every`: ms between the times that are saved; by default a frame. The first is one such
        interval after the start, the last the end of the last frame.

    **Returns:**

    The trials and a [`ctrnn.Trajectory`][].

    !!! example

        ```python
        spec = battery.sample(key, jnp.zeros(64, int))
        trial, trajectory = responses(network, battery, spec, integration=integration)
        ```
    """
    input_key, private_key = (None, None) if key is None else jr.split(key)
    trial = battery.render(spec, input_key)
    every = battery.dt if every is None else every
    times = every * np.arange(1, round(battery.steps * battery.dt / every) + 1)
    trajectory = network(
        trial.path("step"), times, context=trial.rule, integration=integration, key=private_key
    )
    return trial, trajectory


def task_spec(battery: Battery, task: str, count: int, *, key: PRNGKeyArray) -> Any:
    """A spec of `count` trials of one task."""
    return battery.sample(key, jnp.full(count, battery.names.index(task)))


def aligned(spec: Any) -> tuple[Any, Any]:
    """The trials of a spec with fixation periods as long as the shortest, and its end in ms.

    Specs that have no `fixation` are left as they are, with an end of 0.
    """
    if not hasattr(spec, "fixation"):
        return spec, 0
    shortest = jnp.min(spec.fixation)
    return dataclasses.replace(spec, fixation=jnp.full_like(spec.fixation, shortest)), shortest


def require(module: str, package: str) -> Any:
    """An optional library.

    **Raises:**

    `Cannot`, which says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise Cannot(
            f"this analysis needs {package}; install it with `pip install 'ctrnn-jax[analysis]'`."
        ) from None
