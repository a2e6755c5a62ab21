from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int32

from ._conventions import Conventions
from ._family import AbstractFamily


class Stack(eqx.Module):
    """Many tasks in a few arrays, so that any mix of them is one call.

    Tasks of one kind (a class, and its static fields if it has any) become one instance whose
    fields are arrays over these tasks.
    """

    families: tuple[AbstractFamily, ...]
    kind: Int[Array, " tasks"]
    place: Int[Array, " tasks"]  # within the kind

    def __init__(self, rows: Mapping[str, AbstractFamily]):
        kinds = [jax.tree.structure(row) for row in rows.values()]
        groups = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        kind = np.array([groups[kind] for kind in kinds], np.int32)
        families = list(rows.values())
        self.families = tuple(
            jax.tree.map(
                lambda *fields: jnp.asarray(np.stack(fields)),
                *[families[i] for i in np.flatnonzero(kind == number)],
            )
            for number in groups.values()
        )
        self.kind = jnp.asarray(kind)
        self.place = jnp.asarray([np.sum(kind[:i] == kind[i]) for i in range(len(kind))])

    def __call__(self, task_ids: Int[Array, " batch"], call: Callable[..., Any], *args: Any) -> Any:
        """Calls every kind on every trial, and keeps the result of each trial's own."""
        kind = self.kind[task_ids]
        results = []
        for number, stacked in enumerate(self.families):
            place = jnp.where(kind == number, self.place[task_ids], 0)
            family = jax.tree.map(lambda field, at=place: field[at], stacked)
            results.append(jax.vmap(call)(family, *args))

        def own(*options):
            dtype = jnp.result_type(*options)
            return jax.vmap(jax.lax.select_n)(kind, *[option.astype(dtype) for option in options])

        return jax.tree.map(own, *results)

    def rows(self) -> list[AbstractFamily]:
        """The tasks one by one, as they were given."""
        families = jax.tree.map(np.asarray, self.families)
        return [
            jax.tree.map(lambda field, at=int(place): field[at].tolist(), families[kind])
            for kind, place in zip(self.kind, self.place, strict=True)
        ]


def timings(
    rows: Mapping[str, AbstractFamily], conventions: Conventions
) -> Int32[np.ndarray, "tasks 5 3"]:
    """Shortest, step and number of the durations, in ms, of every period of every task.

    **Raises:**

    `ValueError` if a duration is negative, or a range empty or descending.
    """
    periods = [row.timing(conventions) for row in rows.values()]
    return np.array([[_choices(period) for period in timing] for timing in periods], np.int32)


def _choices(period: int | range) -> tuple[int, int, int]:
    choices = period if isinstance(period, range) else range(period, period + 1)
    if not choices or choices[0] < 0 or choices.step < 1:
        raise ValueError(f"a period lasts 0 ms or longer, or an ascending range, not {period}")
    return choices[0], choices.step * (len(choices) > 1), len(choices)
