"""One solve: a network, its input path and a grid of times become a trajectory."""

import dataclasses
from typing import TYPE_CHECKING

import diffrax
import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, Real

from ._adaptive import adaptive_solve
from ._discrete import Scheme, SolveParameters, discrete_solve
from ._field import plain_product, readout, vector_field
from ._solver import Integration, solver_named, step_gain, tableau

if TYPE_CHECKING:
    from ._network import RateNetwork


class Trajectory(eqx.Module):
    """What the network did.

    - `times` [time] in ms; `rates` [time, batch, neurons]; `outputs` [time, batch, outputs];
    - `state` [batch, neurons]: the solver's state at its end, to go on from.
    """

    times: Float[Array, " time"]
    rates: Float[Array, "time batch neurons"]
    outputs: Float[Array, "time batch outputs"]
    state: Float[Array, "batch neurons"]


def integrate(
    network: "RateNetwork",
    path: diffrax.AbstractPath,
    times: Real[Array | np.ndarray, " time"],
    *,
    context: Float[Array, "*time batch context"] | None = None,
    y0: Float[Array, "batch neurons"] | None = None,
    until: Real[ArrayLike, ""] | None = None,
    integration: Integration | None = None,
    key: PRNGKeyArray | None = None,
) -> Trajectory:
    """Solve the network's equation from `path.t0` and save it at `times`.

    A batch is one solve: all its trials share the grid of times.

    **Arguments:**

    - `network`: a [`ctrnn.RateNetwork`][].
    - `path`: the input u(t) over ms; `path.evaluate(t, left=False)` has shape [batch, inputs]. If
        it has an attribute `jump_ts`, an adaptive solve steps to these times.
    - `times`: increasing times in ms at which to save. On a fixed step they lie on the grid
        `path.t0 + k dt` and are concrete (a NumPy array does inside `jit`).
    - `context`: the rule, [batch, context] if constant; or [time, batch, context], where entry i
        holds between `times[i - 1]` and `times[i]`.
    - `y0`: the state at `path.t0`; zero by default.
    - `until`: when the solve ends, in ms (on a fixed step: with the step that reaches it); from then
        on the state is held. By default the last of `times`. It need not be concrete: of one
        compiled program, a batch of short trials takes less time than one of long ones (but with the
        adjoint "scan", which takes all steps). No gradient flows to it.
    - `integration`: how to solve; by Heun's method in steps of 20 ms by default.
    - `key`: draws the private noise. Without it the deterministic equation is solved.

    **Returns:**

    A [`ctrnn.Trajectory`][].

    **Raises:**

    `ValueError` if times are off the step's grid, `until` is not one number, or the solver
    cannot carry the noise. A solve that fails at run time raises with Diffrax's result.

    !!! example

        ```python
        times = battery.dt * np.arange(1, battery.steps + 1)  # the end of each frame, ms
        trajectory = ctrnn.integrate(network, trial.path(), times, context=trial.rule)
        ```
    """
    integration = Integration() if integration is None else integration
    start = path.evaluate(path.t0, left=False)
    if start.ndim != 2 or start.shape[1] != network.in_size:
        raise ValueError(
            f"the path's value has shape {start.shape}; it must be [batch, {network.in_size}]."
        )
    batch, dtype = start.shape[0], network.weights.dtype
    if network.context_size and context is None:
        raise ValueError(f"this network hears a context of {network.context_size}; give context.")
    shape = (batch, network.context_size)
    if context is not None and context.shape not in (shape, (len(times), *shape)):
        raise ValueError(
            f"context has shape {context.shape}; it must be {shape}, or {(len(times), *shape)} to "
            "change with time (a stream's rule needs its first two axes swapped)."
        )
    if y0 is not None and y0.shape != (batch, network.size):
        raise ValueError(f"y0 has shape {y0.shape}; it must be {(batch, network.size)}.")
    if until is not None and jnp.shape(until):
        raise ValueError(
            f"until has shape {jnp.shape(until)}; a batch is one solve, which ends once: give one time "
            "in ms, such as that of the longest trial."
        )
    y0 = jnp.zeros((batch, network.size), dtype) if y0 is None else y0.astype(dtype)
    context = None if context is None else context.astype(dtype)
    key = key if network.noise > 0 else None
    solve = _fixed if integration.rtol is None else adaptive_solve
    states, outputs, final = solve(network, path, times, context, y0.T, until, integration, key)
    return Trajectory(
        times=jnp.asarray(times, dtype),
        rates=jnp.swapaxes(network.rates(states), 1, 2),
        outputs=jnp.swapaxes(outputs, 1, 2) + network.output_bias,
        state=final.T,
    )


def _fixed(network, path, times, context, y0, until, integration, key):
    grid, saved = _step_grid(path.t0, times, integration.dt)
    if len(grid) == 1:  # the start alone
        return y0[None], readout(network, y0[None]), y0
    inner = saved[:-1]  # The last time to save at is the end of the last step.
    starts = jnp.asarray(grid[:-1], network.weights.dtype)
    steps = len(starts)
    if until is not None:
        # A step that has begun is done whole, but a thousandth of one is rounding.
        count = (jax.lax.stop_gradient(jnp.asarray(until, starts.dtype)) - path.t0) / integration.dt
        steps = jnp.clip(jnp.ceil(count - 1e-3 - 1e-6 * count), 0, steps).astype(jnp.int32)
    tau = network.tau[:, None]
    drive = network.bias[:, None]
    if context is not None and context.ndim == 2:
        drive = drive + network.context_weights @ context.T
    frame = np.searchsorted(saved, np.arange(len(starts)), side="right")
    held = context[frame] if context is not None and context.ndim == 3 else None
    noise = None
    if key is not None:
        noise = _noise_steps(network, integration, key, (len(starts), *y0.shape))

    if integration.adjoint != "scan":
        a, b, c = tableau(integration.solver)
        # Stages at the end of a step belong to it, not to the input's next frame.
        latest = jnp.nextafter(starts + integration.dt, starts)
        stage_times = jnp.minimum(
            starts[:, None] + integration.dt * jnp.asarray(c), latest[:, None]
        )
        inputs = jax.vmap(jax.vmap(lambda t: path.evaluate(t, left=False)))(stage_times)
        inputs = inputs.astype(starts.dtype)
        weights = network.input_weights
        if held is not None:
            held = jnp.broadcast_to(held[:, None], (*inputs.shape[:3], held.shape[-1]))
            inputs = jnp.concatenate([inputs, held], -1)
            weights = jnp.concatenate([weights, network.context_weights], 1)
        parameters = SolveParameters(
            layout=network.kernel.layout(network.synaptic_weights),
            gain=step_gain(integration.solver, integration.dt, tau) * jnp.ones_like(tau),
            input_weights=weights,
            inputs=jnp.swapaxes(inputs, 2, 3),
            drive=jnp.broadcast_to(drive, y0.shape),
            noise=noise,
            output_weights=network.output_weights,
            y0=y0,
        )
        scheme = Scheme(network.form, network.phi, a, b)
        before, outputs, final = discrete_solve(parameters, steps, network.kernel, scheme)
        states, outputs = before[inner], outputs[inner]
        if until is not None:
            live = jnp.asarray(inner)[:, None, None] < steps
            states = jnp.where(live, states, final)
            outputs = jnp.where(live, outputs, network.output_weights @ network.rates(final))
    else:
        solver = solver_named(integration.solver, tau)
        if isinstance(solver, diffrax.AbstractRungeKutta):
            # Diffrax's loop over stages is for reverse mode alone unless told otherwise.
            solver = dataclasses.replace(solver, scan_kind="bounded")
        field = vector_field(network, path, drive, plain_product)

        def step(y, xs):
            now, t0, t1, context_now, noise_now = xs
            args = (jnp.nextafter(t1, t0), context_now)
            terms = diffrax.ODETerm(field)
            state = solver.init(terms, t0, t1, y, args)
            y1, _, _, _, _ = solver.step(terms, t0, t1, y, args, state, made_jump=True)
            y1 = y1 if noise_now is None else y1 + noise_now
            return (y1 if until is None else jnp.where(now < steps, y1, y)), y

        ends = jnp.asarray(grid[1:], starts.dtype)
        xs = (jnp.arange(len(starts)), starts, ends, held, noise)
        final, before = jax.lax.scan(step, y0, xs)
        states = before[inner]
        outputs = readout(network, states)

    states = jnp.concatenate([states, final[None]])
    return states, jnp.concatenate([outputs, readout(network, final[None])]), final


def _step_grid(t0, times, dt) -> tuple[np.ndarray, np.ndarray]:
    """The step boundaries in ms, and which of them each saved time is."""
    if any(isinstance(x, jax.core.Tracer) for x in (times, t0)):
        raise ValueError(
            "a fixed-step solve needs concrete times and path.t0; inside jit, give times as a NumPy "
            "array made outside."
        )
    start, steps = float(t0), (np.asarray(times, np.float64) - float(t0)) / dt
    saved = np.rint(steps).astype(int)
    if np.any(np.abs(steps - saved) > 1e-4) or np.any(np.diff(saved) < 1) or saved[0] < 0:
        raise ValueError(
            f"the step dt={dt:g} ms does not divide the grid of times; save at increasing multiples of "
            "dt after path.t0, or choose a dt that divides their spacing."
        )
    return start + dt * np.arange(saved[-1] + 1), saved


def _noise_steps(network, integration, key, shape):
    """Increments of the private noise, so scaled that its stationary sd does not depend on dt."""
    a, b, _ = tableau(integration.solver)
    h = step_gain(integration.solver, integration.dt, network.tau[:, None])
    slopes = []
    for row in a:  # one step of y' = -y from 1 leaves `kept`
        slopes.append(-1 - h * sum(w * k for w, k in zip(row, slopes, strict=True)))
    kept = 1 + h * sum(w * k for w, k in zip(b, slopes, strict=True))
    scale = network.noise * jnp.sqrt(1 - kept**2)
    return scale * jax.random.normal(key, shape, network.weights.dtype)
