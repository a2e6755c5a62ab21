"""The exact discrete adjoint of one-stage solves of a rate network.

Euler and exponential Euler both move the state a fraction `gain` towards its drive. Reverse-mode
differentiation of that recursion needs state cotangents at each step, but parameter cotangents only
as one sum over all steps: the backward pass here is a scan for the former, then single products for
the latter. It is what autodiff of the scan computes, reordered, so gradients are exact.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._recurrence import AbstractKernel


class LeakyParameters(eqx.Module):
    """Everything a one-stage solve is differentiated with respect to.

    `layout` is the recurrent weights as the kernel arranges them; `gain` is dt / tau (Euler) or
    1 - exp(-dt / tau) (exponential Euler); `drive` is bias and constant context; `noise` holds the
    increments to add at each step. As a cotangent, `None` is what nobody asked for.
    """

    layout: Any
    gain: Float[Array, "neurons 1"] | None
    input_weights: Float[Array, "neurons inputs"]
    inputs: Float[Array, "steps inputs batch"] | None
    drive: Float[Array, "neurons batch"]
    noise: Float[Array, "steps neurons batch"] | None
    y0: Float[Array, "neurons batch"]


_States = tuple[Float[Array, "steps neurons batch"], Float[Array, "neurons batch"]]


def _forward(
    p: LeakyParameters, kernel: AbstractKernel, form: str, phi: Callable
) -> tuple[_States, Float[Array, "steps neurons batch"]]:
    def step(y, xs):
        u, noise = xs
        heard = y if form == "rate" else phi(y)
        drive = kernel.product(p.layout, heard) + p.input_weights @ u + p.drive
        target = phi(drive) if form == "rate" else drive
        y1 = y + p.gain * (target - y)
        return (y1 if noise is None else y1 + noise), (y, drive)

    final, (before, drives) = jax.lax.scan(step, p.y0, (p.inputs, p.noise))
    return (before, final), drives


@eqx.filter_custom_vjp
def leaky_solve(p: LeakyParameters, kernel: AbstractKernel, form: str, phi: Callable) -> _States:
    """All the states of a one-stage solve: those before each step, and the last.

    `form` is "rate" or "current"; `phi` is the elementwise activation.
    """
    return _forward(p, kernel, form, phi)[0]


@leaky_solve.def_fwd
def _leaky_fwd(perturbed, p, kernel, form, phi):
    del perturbed
    states, drives = _forward(p, kernel, form, phi)
    return states, (states[0], drives)


@leaky_solve.def_bwd
def _leaky_bwd(residuals, cotangents, perturbed, p, kernel, form, phi):
    before, drives = residuals
    before_bar, final_bar = cotangents
    final_bar = jnp.zeros_like(p.y0) if final_bar is None else final_bar

    def step(y_bar, xs):
        y, drive, before_bar = xs
        pull = p.gain * y_bar
        if form == "rate":
            target, phi_vjp = jax.vjp(phi, drive)
            (delta,) = phi_vjp(pull)
            heard_bar = kernel.transpose(p.layout, delta)
        else:
            target, delta = drive, pull
            _, phi_vjp = jax.vjp(phi, y)
            (heard_bar,) = phi_vjp(kernel.transpose(p.layout, delta))
        gain_bar = jnp.sum(y_bar * (target - y), 1, keepdims=True) if perturbed.gain else None
        noise_bar = y_bar if perturbed.noise else None
        y_bar = y_bar - pull + heard_bar
        y_bar = y_bar if before_bar is None else y_bar + before_bar
        return y_bar, (delta, gain_bar, noise_bar)

    y0_bar, (deltas, gain_bars, noise_bar) = jax.lax.scan(
        step, final_bar, (before, drives, before_bar), reverse=True
    )
    heard = before if form == "rate" else phi(before)
    layout_bar = jax.tree.map(lambda _: None, p.layout)
    if any(jax.tree.leaves(perturbed.layout)):
        layout_bar = kernel.outer(deltas, heard)
    return LeakyParameters(
        layout=layout_bar,
        gain=None if gain_bars is None else jnp.sum(gain_bars, 0),
        input_weights=jnp.einsum("tnb,tib->ni", deltas, p.inputs),
        inputs=jnp.einsum("tnb,ni->tib", deltas, p.input_weights) if perturbed.inputs else None,
        drive=jnp.sum(deltas, 0),
        noise=noise_bar,
        y0=y0_bar,
    )
