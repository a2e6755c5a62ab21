"""Several training steps in one call."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._accelerator import jit_options
from ._train import StepMetrics, TrainState

Step = Callable[[TrainState], tuple[TrainState, StepMetrics]]


def ahead(step: Step, most: int) -> Callable[[TrainState, int], tuple[TrainState, StepMetrics]]:
    """`take(state, count)`: makes so many steps, `most` or fewer, and returns the state after them and
    what each of them saw, [count, ...].

    Between calls an accelerator waits for the host. A CPU is the host: there one step per call is
    faster (1.1 to 1.3 times).
    """

    @eqx.filter_jit(donate="all", **jit_options())
    def several(state, count):
        arrays, static = eqx.partition(state, eqx.is_array)

        def one(i, carry):
            arrays, rows = carry
            state, seen = step(eqx.combine(arrays, static))
            rows = jax.tree.map(lambda rows, now: rows.at[i].set(now), rows, seen)
            return eqx.filter(state, eqx.is_array), rows

        _, seen = eqx.filter_eval_shape(step, state)
        rows = jax.tree.map(lambda x: jnp.zeros((most, *x.shape), x.dtype), seen)
        arrays, rows = jax.lax.fori_loop(0, count, one, (arrays, rows))
        return eqx.combine(arrays, static), rows

    def take(state: TrainState, count: int) -> tuple[TrainState, StepMetrics]:
        if most == 1:
            state, seen = step(state)
            return state, jax.tree.map(lambda x: np.asarray(x)[None], seen)
        state, rows = several(state, jnp.asarray(count))
        return state, jax.tree.map(lambda x: np.asarray(x)[:count], rows)

    return take
