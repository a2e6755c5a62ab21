"""Fixed-step explicit Runge-Kutta solves of a rate network, with their exact discrete adjoint.

In reverse mode the cotangent of the state is needed at every stage of every step, one after another;
those of the parameters only as sums over all of them. So the backward pass is a scan for the former,
which adds up the small ones of the latter as it goes, and then one product for the recurrent weights.
It is what autodiff of the loop computes, in another order.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._kernel import AbstractKernel


class Scheme(NamedTuple):
    """What is static in a solve: form, activation and Butcher tableau of an explicit method.

    Row i of `a` has the i weights of the stages before stage i; `b` are those of the step.
    """

    form: str
    phi: Callable
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]

    def rates(self, state):
        """What neurons emit."""
        return state if self.form == "rate" else self.phi(state)

    def target(self, drive):
        """What their state is pulled towards."""
        return self.phi(drive) if self.form == "rate" else drive


class SolveParameters(eqx.Module):
    """Everything a solve is differentiated with respect to.

    `layout` is the recurrent weights as the kernel arranges them; `gain` is the step in units of
    tau; `inputs` are those at each stage of each step; `drive` is bias and constant context; `noise`
    holds the increments to add after each step.
    """

    layout: Any
    gain: Float[Array, "neurons 1"]
    input_weights: Float[Array, "neurons inputs"]
    inputs: Float[Array, "steps stages inputs batch"]
    drive: Float[Array, "neurons batch"]
    noise: Float[Array, "steps neurons batch"] | None
    output_weights: Float[Array, "outputs neurons"]
    y0: Float[Array, "neurons batch"]


_Solution = tuple[
    Float[Array, "steps neurons batch"],
    Float[Array, "steps outputs batch"],
    Float[Array, "neurons batch"],
]


def _combine(weights, terms):
    return sum(w * x for w, x in zip(weights, terms, strict=False) if w)


def _forward(p: SolveParameters, kernel: AbstractKernel, scheme: Scheme):
    def step(y, xs):
        inputs, noise = xs
        outputs = p.output_weights @ scheme.rates(y)
        stages, drives, slopes = [], [], []
        for u, row in zip(inputs, scheme.a, strict=True):
            stage = y + p.gain * _combine(row, slopes)
            heard = kernel.product(p.layout, scheme.rates(stage))
            drive = heard + p.input_weights @ u + p.drive
            stages, drives = [*stages, stage], [*drives, drive]
            slopes.append(scheme.target(drive) - stage)
        y1 = y + p.gain * _combine(scheme.b, slopes)
        return (y1 if noise is None else y1 + noise), (y, outputs, stages[1:], drives)

    final, (before, outputs, later, drives) = jax.lax.scan(step, p.y0, (p.inputs, p.noise))
    return (before, outputs, final), ([before, *later], drives)


@eqx.filter_custom_vjp
def discrete_solve(p: SolveParameters, kernel: AbstractKernel, scheme: Scheme) -> _Solution:
    """The states before each step, what is read out of each, and the last state."""
    # The readout is part of the solve for the sake of its cotangent. That of the outputs is small;
    # read out after the solve, the cotangent would be of the states, and as large as all of them: a
    # training step of 1,024 neurons took 1.3 times as long, of 256 twice. To read only what is saved
    # would need a branch in the loop, which costs as much as it spares.
    return _forward(p, kernel, scheme)[0]


@discrete_solve.def_fwd
def _discrete_fwd(perturbed, p, kernel, scheme):
    del perturbed
    return _forward(p, kernel, scheme)


@discrete_solve.def_bwd
def _discrete_bwd(residuals, cotangents, perturbed, p, kernel, scheme):
    stages, drives = residuals
    before_bar, outputs_bar, final_bar = cotangents
    final_bar = jnp.zeros_like(p.y0) if final_bar is None else final_bar
    count = len(scheme.b)

    def step(carry, xs):
        y_bar, deltas, (gain_bar, input_bar, drive_bar, output_bar) = carry
        t, stages, inputs, state_bar, out_bar = xs
        noise_bar = y_bar if perturbed.noise else None
        stage_bars: list[Any] = [0.0] * count
        for i in reversed(range(count)):
            column = [row[i] if len(row) > i else 0.0 for row in scheme.a]
            slope_bar = _combine([scheme.b[i], *column], [y_bar, *stage_bars])
            pull = p.gain * slope_bar
            # Not by `deltas[i][t]` and `.at[t]`: under `vmap` these gather and scatter, and copy all.
            drive = jax.lax.dynamic_index_in_dim(deltas[i], t, keepdims=False)
            target, target_vjp = jax.vjp(scheme.target, drive)
            _, rates_vjp = jax.vjp(scheme.rates, stages[i])
            (delta,) = target_vjp(pull)
            (heard_bar,) = rates_vjp(kernel.transpose(p.layout, delta))
            stage_bars[i] = heard_bar - pull
            if gain_bar is not None:
                slope = target - stages[i]
                gain_bar = gain_bar + jnp.sum(slope_bar * slope, 1, keepdims=True)
            # As [inputs, neurons], for XLA on CPU the faster way round.
            input_bar = input_bar + inputs[i] @ delta.T
            drive_bar = drive_bar + delta
            written = jax.lax.dynamic_update_index_in_dim(deltas[i], delta, t, 0)
            deltas = [*deltas[:i], written, *deltas[i + 1 :]]
        y_bar = y_bar + sum(stage_bars)
        if state_bar is not None:
            y_bar = y_bar + state_bar
        if out_bar is not None:
            rates, rates_vjp = jax.vjp(scheme.rates, stages[0])
            y_bar = y_bar + rates_vjp(p.output_weights.T @ out_bar)[0]
            output_bar = output_bar + out_bar @ rates.T
        return (y_bar, deltas, (gain_bar, input_bar, drive_bar, output_bar)), noise_bar

    sums = p.gain if perturbed.gain else None, p.input_weights.T, p.drive, p.output_weights
    # Each delta is written over the drive that it needs: no other memory is asked for.
    carry = final_bar, drives, jax.tree.map(jnp.zeros_like, sums)
    xs = jnp.arange(len(p.inputs)), stages, p.inputs, before_bar, outputs_bar
    (y0_bar, deltas, sums), noise_bar = jax.lax.scan(step, carry, xs, reverse=True)
    gain_bar, input_bar, drive_bar, output_bar = sums
    layout_bar = jax.tree.map(lambda _: None, p.layout)
    if any(jax.tree.leaves(perturbed.layout)):
        outers = [kernel.outer(d, scheme.rates(s)) for d, s in zip(deltas, stages, strict=True)]
        layout_bar = jax.tree.map(lambda *x: functools.reduce(operator.add, x), *outers)
    inputs_bar = None
    if perturbed.inputs:
        inputs_bar = jnp.stack([jnp.einsum("tnb,ni->tib", d, p.input_weights) for d in deltas], 1)
    # Not by the constructor: `None`, where nobody asked for a cotangent, is of no field's type.
    return eqx.tree_at(
        lambda p: (
            *(p.layout, p.gain, p.input_weights, p.inputs),
            *(p.drive, p.noise, p.output_weights, p.y0),
        ),
        p,
        (layout_bar, gain_bar, input_bar.T, inputs_bar, drive_bar, noise_bar, output_bar, y0_bar),
        is_leaf=lambda x: x is None,
    )
