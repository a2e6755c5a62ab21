# %% [markdown]
# # A right solve with a wrong gradient
#
# This page measures a trap that we fell into, and that anyone who trains a network with a fixed step may fall into. The obvious way to
# solve a rate network with [Diffrax](https://docs.kidger.site/diffrax/) and keep its states at each step is to take constant steps and to
# ask for the solution at the ends of the steps. The solution is right. Its gradient may not be.
#
# Everything here is in double precision, so that rounding cannot be what is seen.

# %%
import jax

jax.config.update("jax_enable_x64", True)

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.figure import Figure

import ctrnn
import tasks

N, TAU, STEP = 16, 100.0, 20.0  # neurons; ms
network = ctrnn.RateNetwork(
    ctrnn.Dense()(ctrnn.Sheet(4, 4), key=jr.key(0)), 1, 0, 1, activation="tanh", key=jr.key(1)
)
network = jax.tree.map(lambda x: x.astype(float) if eqx.is_inexact_array(x) else x, network)
weights = network.weights.reshape(N, N)
drive = jr.normal(jr.key(2), (20, 1, 1))  # one number per step
target = jr.normal(jr.key(3), (20, N))

# %% [markdown]
# ## The same Euler steps, five ways
#
# The loss asks the state at every step to be somewhere, as any loss over a trajectory does. First, a loop written by hand and
# differentiated by JAX, and finite differences, which know nothing of how a gradient is computed. Then the same 15 steps by others.


# %%
def slope(t, r, weights):
    u = drive[jnp.floor(t / STEP + 1e-6).astype(int), 0]
    return (-r + jnp.tanh(weights @ r + network.input_weights @ u)) / TAU


def loop(weights, steps):
    def step(r, t):
        r = r + STEP * slope(t, r, weights)
        return r, r

    return jax.lax.scan(step, jnp.zeros(N), STEP * jnp.arange(steps))[1]


def by_diffrax(**how):
    def states(weights, steps):
        ends = STEP * jnp.arange(1, steps + 1)
        settings: dict[str, Any] = dict(saveat=diffrax.SaveAt(ts=ends)) | how
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope), diffrax.Euler(), t0=0.0, t1=steps * STEP, dt0=STEP,
            y0=jnp.zeros(N), args=weights, max_steps=steps, **settings,
        )  # fmt: skip
        assert solution.ys is not None
        return solution.ys[:steps]

    return states


def by_ctrnn(adjoint):
    integration = ctrnn.Integration("euler", STEP, adjoint=adjoint)

    def states(weights, steps):
        own = eqx.tree_at(lambda n: n.weights, network, weights.ravel())
        ends = STEP * np.arange(1, steps + 1)
        return own(tasks.GridPath(drive, STEP), ends, integration=integration).rates[:, 0]

    return states


def loss(weights, states, steps):
    return ((states(weights, steps) - target[:steps]) ** 2).mean()


all_kept = diffrax.RecursiveCheckpointAdjoint(checkpoints=15)
trap = "constant steps, SaveAt(ts)"
ways = {
    trap: by_diffrax(),
    "the same, a checkpoint for each step": by_diffrax(adjoint=all_kept),
    "constant steps, SaveAt(steps=True)": by_diffrax(saveat=diffrax.SaveAt(steps=True)),
    "ctrnn, adjoint='scan'": by_ctrnn("scan"),
    "ctrnn, adjoint='discrete' (default)": by_ctrnn("discrete"),
}
right = loop(weights, 15)
exact = jax.grad(loss)(weights, loop, 15)
direction, h = jr.normal(jr.key(4), weights.shape), 1e-5
up, down = (loss(weights + sign * h * direction, loop, 15) for sign in (1, -1))
print(f"along a direction, the loop's gradient is {(exact * direction).sum():.10f}")
print(f"                       finite differences {(up - down) / (2 * h):.10f}\n")
print(f"{'':<37} error of the states   of the gradient")
gradients = {}
for name, states in ways.items():
    gradients[name] = jax.grad(loss)(weights, states, 15)
    forward = jnp.abs(states(weights, 15) - right).max()
    backward = jnp.linalg.norm(gradients[name] - exact) / jnp.linalg.norm(exact)
    print(f"{name:<37} {forward:19.0e} {backward:17.0e}")

# %% [markdown]
# All five solve the same recursion, to rounding, and the gradient of the first is wrong. Nothing fails, nothing is NaN, and training
# still goes down, with the gradient of something else.
#
# ## When does it happen?
#
# What the rows have in common: the default adjoint keeps fewer states than there are steps, and takes the others again on the
# way back (*recursive checkpointing*). With a checkpoint for each step nothing is taken again, and the gradient is right. It is right too
# if the steps are saved by index instead of by time. So it takes three things together: constant steps, saving by time on the grid of these
# steps, and steps that are taken again. Even then it does not happen at every length, which makes it hard to see:

# %%
lengths, errors = [13, 14, 15, 16], []
for steps in lengths:
    true = jax.grad(loss)(weights, loop, steps)
    error = jax.grad(loss)(weights, by_diffrax(), steps) - true
    errors.append(float(jnp.linalg.norm(error) / jnp.linalg.norm(true)))
    print(f"{steps} steps: relative error of the gradient {errors[-1]:.0e}")

# %% [markdown]
# (Other steps and time constants fail at other lengths. A value on the edge between two steps can go with one of them on the way forward
# and with the other on the way back; we take this to be the reason, and have not proved it.) Fixed-step solves of this library save by index, and its gradients are held against the scan and
# against finite differences by tests, for every solver and adjoint.

# %%
figure = Figure(figsize=(9, 3.4), layout="constrained")
left, middle = figure.subplots(1, 2)
left.plot(np.ravel(exact), np.ravel(gradients[trap]), ".", color="#D55E00", markersize=4)
limits = [float(exact.min()), float(exact.max())]
left.plot(limits, limits, color="black", linewidth=0.8)
left.set(xlabel="gradient of the loop", ylabel="gradient of SaveAt(ts)")
left.set_title("15 steps, a dot per weight; right is on the line")
middle.bar([str(n) for n in lengths], np.maximum(errors, 1e-17), color="#D55E00")
middle.set(xlabel="steps", ylabel="relative error of the gradient", yscale="log", ylim=(1e-17, 1))
figure.savefig("wrong-gradients-against-right-ones.png", dpi=110)
