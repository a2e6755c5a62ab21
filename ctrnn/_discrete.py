"""Fixed-step explicit Runge-Kutta solves of a rate network, with their exact discrete adjoint.

In reverse mode the cotangent of the state is needed at every stage of every step, one after another;
those of the parameters only as sums over all of them. So the backward pass is a scan for the former,
which adds up the small ones of the latter as it goes, and then the recurrent weights' in one pass.
It is what autodiff of the loop computes, in another order.

How many steps there are may be known only as the solve runs, so that a batch of short trials takes less
time than one of long ones and both are one compiled program.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._kernel import AbstractKernel, as_wide_as


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


@jax.custom_batching.custom_vmap
def _most(steps: Int[Array, ""]) -> Int[Array, ""]:
    """Itself; under `vmap`, the most of all, which all then do: of loops of unequal length JAX makes
    one that copies every array at each step, to keep those that have ended.
    """
    return steps


@_most.def_vmap
def _most_of_all(axis_size, in_batched, steps):
    del axis_size, in_batched
    return _most(steps.max()), False


def _bound(steps):
    return steps if isinstance(steps, int) else _most(steps)


def _at(x, t):
    # Not by `x[t]` and `.at[t]`: under `vmap` these gather and scatter, and copy all.
    return jax.lax.dynamic_index_in_dim(x, t, keepdims=False)


def _write(x, now, t):
    return jax.lax.dynamic_update_index_in_dim(x, now, t, 0)


def _forward(p: SolveParameters, steps, kernel: AbstractKernel, scheme: Scheme):
    def step(t, carry):
        y, saved = carry
        gain = jnp.where(t < steps, p.gain, 0)  # past its end a solve stands still
        outputs = p.output_weights @ scheme.rates(y)
        stages, drives, slopes = [], [], []
        for u, row in zip(_at(p.inputs, t), scheme.a, strict=True):
            stage = y + gain * _combine(row, slopes)
            heard = kernel.product(p.layout, scheme.rates(stage))
            drive = heard + p.input_weights @ u + p.drive
            stages, drives = [*stages, stage], [*drives, drive]
            slopes.append(scheme.target(drive) - stage)
        y1 = y + gain * _combine(scheme.b, slopes)
        if p.noise is not None:
            y1 = y1 + jnp.where(t < steps, _at(p.noise, t), 0)
        now = y, outputs, stages[1:], drives
        return y1, jax.tree.map(lambda x, now: _write(x, now, t), saved, now)

    stages = [p.y0] * len(scheme.b)
    rows = p.y0, p.output_weights @ p.y0, stages[1:], stages
    saved = jax.tree.map(lambda x: jnp.zeros((len(p.inputs), *x.shape), x.dtype), rows)
    final, (before, outputs, later, drives) = jax.lax.fori_loop(
        0, _bound(steps), step, (p.y0, saved)
    )
    return (before, outputs, final), ([before, *later], drives)


@eqx.filter_custom_vjp
def discrete_solve(
    p: SolveParameters, steps: int | Int[Array, ""], kernel: AbstractKernel, scheme: Scheme
) -> _Solution:
    """The states before each of the first `steps` steps and what is read out of each, with room for
    those of all; and the last state.
    """
    # The readout is part of the solve for the sake of its cotangent. That of the outputs is small;
    # read out after the solve, the cotangent would be of the states, and as large as all of them: a
    # training step of 1,024 neurons took 1.3 times as long, of 256 twice. To read only what is saved
    # would need a branch in the loop, which costs as much as it spares.
    return _forward(p, steps, kernel, scheme)[0]


@discrete_solve.def_fwd
def _discrete_fwd(perturbed, p, steps, kernel, scheme):
    del perturbed
    return _forward(p, steps, kernel, scheme)


@discrete_solve.def_bwd
def _discrete_bwd(residuals, cotangents, perturbed, p, steps, kernel, scheme):
    stages, drives = residuals
    before_bar, outputs_bar, final_bar = cotangents
    final_bar = jnp.zeros_like(p.y0) if final_bar is None else final_bar
    count, most = len(scheme.b), _bound(steps)

    def step(done, carry):
        y_bar, deltas, noise_bar, (gain_bar, input_bar, drive_bar, output_bar) = carry
        t = most - 1 - done
        gain = jnp.where(t < steps, p.gain, 0)
        now, inputs = [_at(x, t) for x in stages], _at(p.inputs, t)
        if noise_bar is not None:
            noise_bar = _write(noise_bar, jnp.where(t < steps, y_bar, 0), t)
        stage_bars: list[Any] = [0.0] * count
        for i in reversed(range(count)):
            column = [row[i] if len(row) > i else 0.0 for row in scheme.a]
            slope_bar = _combine([scheme.b[i], *column], [y_bar, *stage_bars])
            pull = gain * slope_bar
            target, target_vjp = jax.vjp(scheme.target, _at(deltas[i], t))
            _, rates_vjp = jax.vjp(scheme.rates, now[i])
            (delta,) = target_vjp(pull)
            (heard_bar,) = rates_vjp(kernel.transpose(p.layout, delta))
            stage_bars[i] = heard_bar - pull
            if gain_bar is not None:
                slope = jnp.where(t < steps, target - now[i], 0)
                gain_bar = gain_bar + jnp.sum(slope_bar * slope, 1, keepdims=True)
            # As [inputs, neurons], for XLA on CPU the faster way round.
            input_bar = input_bar + inputs[i] @ delta.T
            drive_bar = drive_bar + delta
            deltas = [*deltas[:i], _write(deltas[i], delta, t), *deltas[i + 1 :]]
        y_bar = y_bar + sum(stage_bars)
        if before_bar is not None:
            y_bar = y_bar + _at(before_bar, t)
        if outputs_bar is not None:
            out_bar = _at(outputs_bar, t)
            rates, rates_vjp = jax.vjp(scheme.rates, now[0])
            y_bar = y_bar + rates_vjp(p.output_weights.T @ out_bar)[0]
            output_bar = output_bar + out_bar @ rates.T
        return y_bar, deltas, noise_bar, (gain_bar, input_bar, drive_bar, output_bar)

    sums = p.gain if perturbed.gain else None, p.input_weights.T, p.drive, p.output_weights
    noise = p.noise if perturbed.noise else None
    # Each delta is written over the drive that it needs: no other memory is asked for.
    carry = final_bar, drives, *jax.tree.map(jnp.zeros_like, (noise, sums))
    y0_bar, deltas, noise_bar, sums = jax.lax.fori_loop(0, most, step, carry)
    gain_bar, input_bar, drive_bar, output_bar = sums
    layout_bar = jax.tree.map(lambda _: None, p.layout)
    if any(jax.tree.leaves(perturbed.layout)):
        outers = [
            kernel.outer(delta, scheme.rates(stage), most)
            for delta, stage in zip(deltas, stages, strict=True)
        ]
        layout_bar = jax.tree.map(lambda *x: functools.reduce(operator.add, x), *outers)
        layout_bar = as_wide_as(p.layout, layout_bar)
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
