"""What training and evaluation ask of a battery and its trials: any tasks that have it will do."""

from typing import Any, Literal, Protocol, runtime_checkable

import diffrax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

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

    def batch(self, key: PRNGKeyArray, batch_size: int, weights: Any = None) -> Trials:
        """Draws trials to train on, tasks in proportion to `weights` [tasks], or evenly."""
        ...

    def sample(self, key: PRNGKeyArray, task_ids: Any) -> Any:
        """Draws what the trials of these tasks [batch] are: a pytree for `render`."""
        ...

    def render(self, spec: Any, key: PRNGKeyArray | None = None) -> Trials:
        """The trials themselves; `key` draws the noise of their inputs, `None` leaves it out."""
        ...


def frame_ends(battery: Battery) -> np.ndarray:
    return battery.dt * np.arange(1, battery.steps + 1)


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
