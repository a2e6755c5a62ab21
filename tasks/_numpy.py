import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax.random as jr
import numpy as np
from jaxtyping import Shaped

from ._trial import Trial

if TYPE_CHECKING:
    from ._battery import Battery


def as_numpy(trial: Trial) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays of a batch of trials by name, as NumPy arrays that may be written to."""
    names = [field.name for field in dataclasses.fields(trial) if field.name != "dt"]
    return {name: np.array(getattr(trial, name)) for name in names}


class NumpyBatches:
    """Batches of trials as NumPy arrays, by number: a data set for other frameworks.

    Batch `i` depends on the seed and on `i` alone, so that any number of workers together serve
    the same trials. PyTorch's `DataLoader(batches, batch_size=None)` makes tensors of them; with
    workers, pass `multiprocessing_context="spawn"`, since JAX does not survive a fork.

    **Arguments:**

    - `battery`: the tasks.
    - `batch_size`: trials in a batch.
    - `count`: number of batches.
    - `seed`: an integer; all randomness comes from it.

    **Raises:**

    `ValueError` if `batch_size` or `count` is not positive.

    !!! example

        ```python
        for batch in tasks.NumpyBatches(tasks.Battery.named("82"), batch_size=64, count=1000):
            batch["inputs"]  # [64, time, 33]
        ```
    """

    def __init__(self, battery: "Battery", batch_size: int, count: int, seed: int = 0):
        if batch_size < 1 or count < 1:
            raise ValueError("`batch_size` and `count` have to be at least 1")
        self.battery = battery
        self.batch_size = batch_size
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Shaped[np.ndarray, "..."]]]:
        return (self[index] for index in range(self.count))

    def __getitem__(self, index: int) -> dict[str, Shaped[np.ndarray, "..."]]:
        if not 0 <= index < self.count:
            raise IndexError(f"batches are numbered 0 to {self.count - 1}")
        key = jr.fold_in(jr.key(self.seed), index)
        return as_numpy(self.battery.batch(key, self.batch_size))
