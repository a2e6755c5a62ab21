"""Several training steps in one call."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Int

from ._accelerator import jit_options
from ._train import StepMetrics, TrainState

Step = Callable[[TrainState], tuple[TrainState, StepMetrics]]


def ahead(step: Step, most: int) -> Callable[[TrainState, int], tuple[TrainState, StepMetrics]]:
    """`take(state, count)`: the state after `count` steps, at most `most`, and what each of them saw,
    [count, ...].

    Between calls an accelerator waits for the host. A CPU is the host: there one step per call is
    faster (several took 1.1 to 1.3 times as long).
    """
    together = eqx.filter_jit(several(step, most), donate="all", **jit_options())

    def take(state: TrainState, count: int) -> tuple[TrainState, StepMetrics]:
        if most == 1:
            state, seen = step(state)
            return state, jax.tree.map(lambda x: np.asarray(x)[None], seen)
        state, seen = together(state, np.int32(count))
        return state, jax.tree.map(lambda x: np.asarray(x)[:count], seen)

    return take


def several(
    step: Step, most: int
) -> Callable[[TrainState, Int[ArrayLike, ""]], tuple[TrainState, StepMetrics]]:
    """The program of `ahead`, with room for what `most` steps see."""

    def steps(state, count):
        arrays, static = eqx.partition(state, eqx.is_array)

        def one(i, carry):
            arrays, seen = carry
            state, now = step(eqx.combine(arrays, static))
            return eqx.filter(state, eqx.is_array), jax.tree.map(
                lambda x, y: x.at[i].set(y), seen, now
            )

        _, now = eqx.filter_eval_shape(step, state)
        room = jax.tree.map(lambda x: jnp.zeros((most, *x.shape), x.dtype), now)
        arrays, seen = jax.lax.fori_loop(0, count, one, (arrays, room))
        return eqx.combine(arrays, static), seen

    return steps
