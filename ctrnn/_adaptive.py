"""Solves by Diffrax in steps that adapt, differentiated by Diffrax's own adjoints."""

import diffrax
import jax
import jax.numpy as jnp
import lineax

from ._field import plain_product, readout, vector_field
from ._recurrence import apply
from ._solver import IMPLICIT, solver_named

_STOCHASTIC = ("heun", "midpoint")


def adaptive_solve(network, path, times, context, y0, until, integration, key):
    """States at `times`, what is read out of them, and the last state."""
    dtype = network.weights.dtype
    times = jnp.asarray(times, dtype)
    saves = times
    if until is not None:
        end = jax.lax.stop_gradient(jnp.asarray(until, dtype))
        saves = jnp.minimum(times, jnp.maximum(end, path.t0))
    drive = network.bias[:, None]
    jumps = [] if getattr(path, "jump_ts", None) is None else [jnp.asarray(path.jump_ts, dtype)]  # pyright: ignore[reportAttributeAccessIssue] an optional part of the path's interface
    args = (jnp.asarray(jnp.inf, dtype), None)
    if context is not None and context.ndim == 2:
        drive = drive + network.context_weights @ context.T
    # An implicit solver's Newton steps need forward mode.
    product = plain_product if integration.solver in IMPLICIT else apply
    field = vector_field(network, path, drive, product)
    if context is not None and context.ndim == 3:
        jumps.append(times)

        def field(t, y, args, inner=field):
            now = context[jnp.minimum(jnp.searchsorted(times, t, side="right"), len(times) - 1)]
            return inner(t, y, (args[0], now))

    terms: diffrax.AbstractTerm = diffrax.ODETerm(field)
    if key is not None:
        if integration.solver not in _STOCHASTIC:
            raise ValueError(
                f"{integration.solver} cannot carry private noise with an adaptive step; "
                f"choose one of {', '.join(_STOCHASTIC)}, or a fixed step."
            )
        brownian = diffrax.VirtualBrownianTree(
            path.t0, times[-1], tol=integration.dt / 8, shape=y0.shape, key=key
        )
        amplitude = jnp.broadcast_to(network.noise * jnp.sqrt(2 / network.tau)[:, None], y0.shape)
        diffusion = diffrax.ControlTerm(
            lambda t, y, args: lineax.DiagonalLinearOperator(amplitude), brownian
        )
        terms = diffrax.MultiTerm(terms, diffusion)
    controller = diffrax.PIDController(
        rtol=integration.rtol,
        atol=integration.rtol if integration.atol is None else integration.atol,
    )
    if jumps:
        controller = diffrax.ClipStepSizeController(controller, jump_ts=jnp.concatenate(jumps))
    adjoint = (
        diffrax.DirectAdjoint()
        if integration.adjoint == "direct"
        else diffrax.RecursiveCheckpointAdjoint()
    )
    solution = diffrax.diffeqsolve(
        terms,
        solver_named(integration.solver, network.tau[:, None]),
        t0=jnp.asarray(path.t0, dtype),
        t1=saves[-1],
        dt0=jnp.asarray(integration.dt, dtype),
        y0=y0,
        args=args,
        saveat=diffrax.SaveAt(ts=saves),
        stepsize_controller=controller,
        adjoint=adjoint,
        max_steps=integration.max_steps,
    )
    assert solution.ys is not None
    return solution.ys, readout(network, solution.ys), solution.ys[-1]
