"""What training and evaluation ask of a battery and its trials: any tasks that have it will do."""

from typing import Any, Literal, Protocol, runtime_checkable

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._integrate import Trajectory
from ._network import RateNetwork
from ._solver import Integration


@runtime_checkable
class Trials(Protocol):
    """A batch of trials on a uniform grid of frames; frame k spans `[k dt, (k + 1) dt)`."""

    @property
    def rule(self) -> Array:
        """[batch, tasks], constant through a trial."""
        ...

    @property
    def labels(self) -> Array:
        """[batch, time]: the right output at each frame."""
        ...

    @property
    def mask(self) -> Array:
        """[batch, time]: inside the trial."""
        ...

    @property
    def decision(self) -> Array:
        """[batch, time]: inside the decision period."""
        ...

    def path(self, kind: Literal["step", "linear", "cubic"]) -> diffrax.AbstractPath:
        """The input over ms, [batch, inputs]."""
        ...


@runtime_checkable
class Battery(Protocol):
    """What training asks of a set of tasks; `tasks.Battery` is one, and any class with these will do."""

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks, in the order of the rule input."""
        ...

    @property
    def in_size(self) -> int:
        """Number of inputs, without the rule."""
        ...

    @property
    def out_size(self) -> int:
        """Number of outputs: labels run from 0 to `out_size - 1`."""
        ...

    @property
    def dt(self) -> float:
        """Ms per frame."""
        ...

    @property
    def steps(self) -> int:
        """Number of frames of every batch; shorter trials are padded."""
        ...

    def sample(self, key: PRNGKeyArray, task_ids: Any) -> Any:
        """Draws what the trials of these tasks [batch] are: a pytree for `render`, of arrays whose
        first axis is the trials."""
        ...

    def render(self, spec: Any, key: PRNGKeyArray | None = None) -> Trials:
        """The trials themselves; `key` draws the noise of their inputs and nothing else, `None` leaves
        it out."""
        ...


def solve_trials(
    network: RateNetwork,
    battery: Battery,
    trials: Trials,
    integration: Integration,
    key: PRNGKeyArray,
) -> Trajectory:
    """What the network does at the end of each frame; the solve ends with the longest trial."""
    ends = battery.dt * np.arange(1, battery.steps + 1)
    return network(
        trials.path("step"),
        ends,
        context=trials.rule,
        until=jnp.where(trials.mask | trials.decision, ends, 0).max(),
        integration=integration,
        key=key,
    )


def draw_trials(
    battery: Battery,
    key: PRNGKeyArray,
    batch_size: int,
    odds: Float[Array, " tasks"],
    *,
    length_classes: int = 1,
    length_class: Int[Array, ""] | int = 0,
) -> Trials:
    """Trials to train on, of all lengths or of one class of them.

    A solve lasts as long as the longest trial of its batch, so it pays to solve short ones together
    ("bucketing by length").

    **Arguments:**

    - `battery`: where they come from.
    - `key`: draws tasks, trials and the noise of their inputs.
    - `batch_size`: number of trials.
    - `odds`: how often each task is drawn relative to the others.
    - `length_classes`: so many times as many trials are drawn and sorted by length, then parted into
        these classes, of which one is returned. All of them together are the trials drawn, so that
        to take each in turn leaves tasks and lengths in proportion.
    - `length_class`: which of them, from 0 for the shortest.

    **Returns:**

    The trials, as the battery renders them.

    **Raises:**

    `ValueError` if there is no such class, or if `odds` are not one for each task.

    !!! example

        ```python
        odds = jnp.ones(len(battery.names))
        short = ctrnn.draw_trials(battery, key, 64, odds, length_classes=4)
        ```
    """
    known = isinstance(length_class, int)
    if length_classes < 1 or (known and not 0 <= length_class < length_classes):
        raise ValueError(
            f"there is no class {length_class} of {length_classes}; give 1 class of length or more, and "
            "count them from 0."
        )
    if odds.shape != (len(battery.names),):
        raise ValueError(
            f"odds have shape {odds.shape}; give one number for each of the {len(battery.names)} tasks."
        )
    task_key, spec_key, noise_key = jr.split(key, 3)
    count = batch_size * length_classes
    upto = jnp.cumsum(odds)
    place = jr.uniform(task_key, (count,), maxval=upto[-1])
    spec = battery.sample(spec_key, jnp.searchsorted(upto, place, side="right"))
    if length_classes > 1:
        # All that is made of these is the mask: the compiler leaves out the rest.
        by_length = jnp.argsort(battery.render(spec).mask.sum(1))
        taken = jax.lax.dynamic_slice_in_dim(by_length, length_class * batch_size, batch_size)
        # As they were drawn, so that devices that share them have short and long ones alike.
        spec = jax.tree.map(lambda x: x[jnp.sort(taken)], spec)
    return battery.render(spec, noise_key)


def check_grid(battery: Battery, integration: Integration) -> None:
    """Checks that a solve can save at the ends of the battery's frames.

    **Raises:**

    `ValueError` if a fixed step does not divide the frames, with steps that do.

    !!! example

        ```python
        ctrnn.check_grid(battery, ctrnn.Integration("heun", dt=30.0))  # frames of 100 ms: raises
        ```
    """
    steps = battery.dt / integration.dt
    if integration.rtol is None and (steps < 1 or abs(steps - round(steps)) > 1e-6):
        raise ValueError(
            f"the step of {integration.dt:g} ms does not divide the battery's frames of "
            f"{battery.dt:g} ms; choose {', '.join(f'{battery.dt / k:g}' for k in (1, 2, 4, 5, 10))}."
        )
