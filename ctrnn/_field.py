"""The right-hand side of a network's equation, and what is read out of its states."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._recurrence import apply

if TYPE_CHECKING:
    from ._network import RateNetwork


def plain_product(kernel, layout, rates):
    """`apply` for forward mode, which a custom VJP does not have; in reverse, rows are fetched anew."""
    return eqx.filter_checkpoint(kernel.product)(layout, rates)


def readout(network, states):
    return jnp.einsum("on,tnb->tob", network.output_weights, network.rates(states))


def vector_field(
    network: "RateNetwork",
    path: diffrax.AbstractPath,
    drive: Float[Array, "neurons #batch"],
    product: Callable = apply,
) -> Callable:
    """dy/dt for Diffrax: `field(t, y, (latest, context))`, with y [neurons, batch] and t in ms.

    The input is read no later than at `latest`; `context` [batch, context] or None adds to `drive`.
    """
    layout = network.kernel.layout(network.synaptic_weights)
    tau = network.tau[:, None]

    def field(t, y, args):
        latest, context = args
        u = path.evaluate(jnp.minimum(t, latest), left=False).astype(y.dtype)
        total = drive + network.input_weights @ u.T
        if context is not None:
            total = total + network.context_weights @ context.T
        if network.form == "rate":
            return (network.phi(product(network.kernel, layout, y) + total) - y) / tau
        return (product(network.kernel, layout, network.phi(y)) + total - y) / tau

    return field
