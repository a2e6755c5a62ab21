"""How the equation is solved: solvers by name, and the record that chooses among them."""

from collections.abc import Callable
from typing import ClassVar, Literal

import diffrax
import equinox as eqx
import jax.numpy as jnp
import lineax
import numpy as np
import optimistix
from diffrax import RESULTS, AbstractTerm
from jaxtyping import Array, Float


class ExponentialEuler(diffrax.AbstractSolver):
    r"""Exponential Euler: integrates the leak exactly and holds the drive for one step.

    For $\tau\, \dot y = -y + g(t, y)$ the step is
    $y_1 = e^{-h/\tau} y_0 + (1 - e^{-h/\tau})\, g(t_0, y_0)$, which equals
    $y_0 + \tau (1 - e^{-h/\tau}) f(t_0, y_0)$ for the vector field $f = \dot y$. First order, one
    evaluation per step; never unstable through the leak, however large the step. See Hochbruck &
    Ostermann, "Exponential integrators", Acta Numerica 19 (2010), eq. 2.4.

    **Arguments:**

    - `tau`: time constant in ms, broadcastable against the state.

    !!! example

        ```python
        solver = ctrnn.ExponentialEuler(tau=100.0)
        diffrax.diffeqsolve(term, solver, t0=0.0, t1=1000.0, dt0=20.0, y0=y0)
        ```
    """

    tau: Float[Array, "*#state"] = eqx.field(converter=jnp.asarray)

    term_structure: ClassVar = AbstractTerm
    interpolation_cls: ClassVar[Callable[..., diffrax.LocalLinearInterpolation]] = (
        diffrax.LocalLinearInterpolation
    )

    def order(self, terms):
        del terms
        return 1

    def init(self, terms, t0, t1, y0, args):
        del terms, t0, t1, y0, args
        return None

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del solver_state, made_jump
        effective_step = -self.tau * jnp.expm1(-(t1 - t0) / self.tau)
        y1 = y0 + effective_step * terms.vf(t0, y0, args)
        return y1, None, dict(y0=y0, y1=y1), None, RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


EXPLICIT = {
    "heun": diffrax.Heun,
    "midpoint": diffrax.Midpoint,
    "bosh3": diffrax.Bosh3,
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
}
IMPLICIT = {"kvaerno3": diffrax.Kvaerno3, "kvaerno5": diffrax.Kvaerno5}
ONE_STAGE = ("euler", "exponential-euler")

SOLVERS: tuple[str, ...] = (*ONE_STAGE, *EXPLICIT, *IMPLICIT)
"""Names accepted by [`ctrnn.Integration`][]."""


def solver_named(name: str, tau: Float[Array, "neurons 1"]) -> diffrax.AbstractSolver:
    if name == "euler":
        return diffrax.Euler()
    if name == "exponential-euler":
        return ExponentialEuler(tau)
    if name in IMPLICIT:
        # The Jacobian of a batch is [neurons * batch] squared: never formed, only multiplied by.
        krylov = lineax.GMRES(rtol=1e-6, atol=1e-6)
        newton = diffrax.with_stepsize_controller_tols(optimistix.Newton)(linear_solver=krylov)
        return IMPLICIT[name](root_finder=newton)
    return EXPLICIT[name]()


def tableau(name: str) -> tuple[tuple, tuple[float, ...], tuple[float, ...]]:
    """Butcher's a (rows), b and c of an explicit solver, without stages that only estimate errors."""
    if name in ONE_STAGE:
        return ((),), (1.0,), (0.0,)
    of = EXPLICIT[name].tableau
    b = np.trim_zeros(np.asarray(of.b_sol), "b").tolist()
    rows = ((), *(tuple(row.tolist()) for row in map(np.asarray, of.a_lower)))
    return rows[: len(b)], tuple(b), (0.0, *np.asarray(of.c).tolist())[: len(b)]


def step_gain(name: str, dt: float, tau: Float[Array, "neurons 1"]) -> Float[Array, "neurons 1"]:
    """The step in units of tau; for exponential Euler, the part of the leak that it covers."""
    return -jnp.expm1(-dt / tau) if name == "exponential-euler" else dt / tau


class Integration(eqx.Module):
    """How the equation is solved: solver, step, tolerance and adjoint.

    Without `rtol` the step is fixed; the gradient is then that of the discrete recursion, to
    rounding. With `rtol` the step adapts and Diffrax's own adjoints differentiate the solve.

    **Arguments:**

    - `solver`: "euler", "exponential-euler", "heun", "midpoint", "bosh3", "tsit5" or "dopri5", and
        with `rtol` also the implicit "kvaerno3" and "kvaerno5".
    - `dt`: the fixed step, or the first one of an adaptive solve, in ms.
    - `rtol`, `atol`: relative and absolute tolerance of an adaptive solve. `atol` defaults to `rtol`.
    - `adjoint`: "auto" is the first of those that go. Fixed step: "discrete" (parameter gradients in
        one pass after the reverse scan) or "scan" (autodiff through a scan of the Diffrax solver's
        steps, slower; in forward mode too). Adaptive: "checkpointed" or "direct" (Diffrax's
        `RecursiveCheckpointAdjoint`, `DirectAdjoint`).
    - `max_steps`: an adaptive solve that needs more steps fails.

    **Raises:**

    `ValueError` if the solver is unknown or the choices do not go together.

    !!! example

        ```python
        training = ctrnn.Integration()  # Heun, 20 ms
        refined = ctrnn.Integration(solver="tsit5", rtol=1e-5)
        ```
    """

    solver: str = eqx.field(static=True, default="heun")
    dt: float = eqx.field(static=True, default=20.0)
    rtol: float | None = eqx.field(static=True, default=None)
    atol: float | None = eqx.field(static=True, default=None)
    adjoint: Literal["auto", "discrete", "scan", "checkpointed", "direct"] = eqx.field(
        static=True, default="auto"
    )
    max_steps: int = eqx.field(static=True, default=16384)

    def __check_init__(self):
        if self.solver not in SOLVERS:
            raise ValueError(f"unknown solver {self.solver!r}; choose one of {', '.join(SOLVERS)}.")
        if not self.dt > 0:
            raise ValueError(f"dt must be a positive step in ms, got {self.dt}; try dt=20.")
        if self.rtol is None:
            if self.atol is not None:
                raise ValueError("atol without rtol has no effect; give rtol for an adaptive step.")
            if self.solver in IMPLICIT:
                raise ValueError(f"{self.solver} needs an adaptive step; give rtol, such as 1e-5.")
            allowed = ("auto", "discrete", "scan")
        else:
            if not self.rtol > 0:
                raise ValueError(f"rtol must be positive, got {self.rtol}; try 1e-5.")
            if self.solver in ONE_STAGE:
                raise ValueError(
                    f"{self.solver} has no error estimate to adapt its step by; "
                    f"choose one of {', '.join([*EXPLICIT, *IMPLICIT])}, or leave rtol out."
                )
            allowed = ("auto", "checkpointed", "direct")
        if self.adjoint not in allowed:
            raise ValueError(
                f"adjoint {self.adjoint!r} does not go with this solve; "
                f"choose one of {', '.join(allowed)}."
            )
