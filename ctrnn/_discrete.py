"""Fixed-step explicit Runge-Kutta solves of a rate network, with their exact discrete adjoint.

In reverse mode the cotangent of the state is needed at every stage of every step, one after another;
those of the parameters only as sums over all of them. So the backward pass is a scan for the former and
then single products for the latter. It is what autodiff of the loop computes, in another order.
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
    y0: Float[Array, "neurons batch"]


_States = tuple[Float[Array, "steps neurons batch"], Float[Array, "neurons batch"]]


def _combine(weights, terms):
    return sum(w * x for w, x in zip(weights, terms, strict=False) if w)


def _forward(p: SolveParameters, kernel: AbstractKernel, scheme: Scheme):
    def step(y, xs):
        inputs, noise = xs
        stages, drives, slopes = [], [], []
        for u, row in zip(inputs, scheme.a, strict=True):
            stage = y + p.gain * _combine(row, slopes)
            heard = stage if scheme.form == "rate" else scheme.phi(stage)
            drive = kernel.product(p.layout, heard) + p.input_weights @ u + p.drive
            target = scheme.phi(drive) if scheme.form == "rate" else drive
            stages, drives = [*stages, stage], [*drives, drive]
            slopes.append(target - stage)
        y1 = y + p.gain * _combine(scheme.b, slopes)
        return (y1 if noise is None else y1 + noise), (y, stages[1:], drives)

    final, (before, later, drives) = jax.lax.scan(step, p.y0, (p.inputs, p.noise))
    return (before, final), ([before, *later], drives)


@eqx.filter_custom_vjp
def discrete_solve(p: SolveParameters, kernel: AbstractKernel, scheme: Scheme) -> _States:
    """All the states of a solve: those before each step, and the last."""
    return _forward(p, kernel, scheme)[0]


@discrete_solve.def_fwd
def _discrete_fwd(perturbed, p, kernel, scheme):
    del perturbed
    return _forward(p, kernel, scheme)


@discrete_solve.def_bwd
def _discrete_bwd(residuals, cotangents, perturbed, p, kernel, scheme):
    stages, drives = residuals
    before_bar, final_bar = cotangents
    final_bar = jnp.zeros_like(p.y0) if final_bar is None else final_bar
    rate_form, count = scheme.form == "rate", len(scheme.b)

    def step(y_bar, xs):
        stages, drives, before_bar = xs
        deltas: list[Any] = [None] * count
        stage_bars, gain_bar = [0.0] * count, 0.0
        for i in reversed(range(count)):
            column = [row[i] if len(row) > i else 0.0 for row in scheme.a]
            slope_bar = _combine([scheme.b[i], *column], [y_bar, *stage_bars])
            pull = p.gain * slope_bar
            target, phi_vjp = jax.vjp(scheme.phi, drives[i] if rate_form else stages[i])
            deltas[i] = phi_vjp(pull)[0] if rate_form else pull
            heard_bar = kernel.transpose(p.layout, deltas[i])
            stage_bars[i] = (heard_bar if rate_form else phi_vjp(heard_bar)[0]) - pull
            slope = (target if rate_form else drives[i]) - stages[i]
            gain_bar = gain_bar + jnp.sum(slope_bar * slope, 1, keepdims=True)
        noise_bar = y_bar if perturbed.noise else None
        y_bar = y_bar + sum(stage_bars)
        y_bar = y_bar if before_bar is None else y_bar + before_bar
        return y_bar, (deltas, gain_bar if perturbed.gain else None, noise_bar)

    y0_bar, (deltas, gain_bars, noise_bar) = jax.lax.scan(
        step, final_bar, (stages, drives, before_bar), reverse=True
    )
    layout_bar = jax.tree.map(lambda _: None, p.layout)
    if any(jax.tree.leaves(perturbed.layout)):
        heard = stages if rate_form else map(scheme.phi, stages)
        outers = [kernel.outer(*both) for both in zip(deltas, heard, strict=True)]
        layout_bar = jax.tree.map(lambda *x: functools.reduce(operator.add, x), *outers)
    total = lambda terms: functools.reduce(operator.add, terms)  # noqa: E731 typed, unlike sum
    project = lambda d: jnp.einsum("tnb,ni->tib", d, p.input_weights)  # noqa: E731 used once
    bars = (
        layout_bar,
        None if gain_bars is None else jnp.sum(gain_bars, 0),
        total(jnp.einsum("tnb,tib->ni", d, p.inputs[:, i]) for i, d in enumerate(deltas)),
        jnp.stack([project(d) for d in deltas], 1) if perturbed.inputs else None,
        total(jnp.sum(d, 0) for d in deltas),
        noise_bar,
        y0_bar,
    )
    # Not by the constructor: `None`, where nobody asked for a cotangent, is of no field's type.
    where = lambda p: (p.layout, p.gain, p.input_weights, p.inputs, p.drive, p.noise, p.y0)  # noqa: E731 used once
    return eqx.tree_at(where, p, bars, is_leaf=lambda x: x is None)
