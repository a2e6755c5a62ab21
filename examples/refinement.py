# %% [markdown]
# # A rate network is a differential equation
#
# The equation of a rate network says how fast each rate changes *now*:
#
# $$
# \tau \frac{dr}{dt} = -r + \varphi\big(W r + W_{in} u(t) + W_c c + b\big)
# $$
#
# A computer only ever takes steps. Euler's method, with a step $h$, takes the slope at the start of the step for the whole
# of it:
#
# $$
# r(t + h) = \Big(1 - \frac{h}{\tau}\Big) r(t) + \frac{h}{\tau}\, \varphi\big(W r(t) + \dots\big)
# $$
#
# With $h = \tau$ the first term is gone and what is left, $r_{n+1} = \varphi(W r_n + \dots)$, is the discrete recurrent
# network of machine learning. Between that and the differential equation there is only the step, and this page
# asks what it does: to one solve, to noise, and to a network that is trained.

# %%
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from matplotlib.figure import Figure

import ctrnn
import tasks

battery = tasks.Battery.select("dlygo,dlygointr,goseqr")
graph = ctrnn.Locality(density=0.1)(ctrnn.Sheet(10, 10), key=jr.key(0))
network = ctrnn.RateNetwork(
    graph, battery.in_size, len(battery.names), battery.out_size, tau=100.0, key=jr.key(1)
)

# %% [markdown]
# ## The step and the order
#
# How a network is solved is a record that is handed over when it is solved; the network knows nothing of it. We solve 16 trials
# with several methods, and compare the rates with those of a fifth-order method at a step of 1.25 ms.

# %%
trial = battery.render(battery.sample(jr.key(2), jnp.arange(16) % 3))
frame_ends = battery.dt * np.arange(1, battery.steps + 1)


def rates(**how):
    integration = ctrnn.Integration(**how)
    trajectory = network(trial.path(), frame_ends, context=trial.rule, integration=integration)
    return np.asarray(trajectory.rates)


truth = rates(solver="tsit5", dt=1.25)
scale = np.sqrt((truth**2).mean())
steps = [100.0, 50.0, 25.0, 12.5]
error = {}
print("relative error of the rates at a step of", *(f"{h:g}" for h in steps), "ms", sep="  ")
for solver in ("euler", "heun", "tsit5"):
    gaps = [rates(solver=solver, dt=h) - truth for h in steps]
    error[solver] = [np.sqrt((gap**2).mean()) / scale for gap in gaps]
    print(f"{solver:>48} ", *(f"{e:.0e}" for e in error[solver]), sep="  ")

# %% [markdown]
# Halving the step halves the error of Euler's method and quarters that of Heun's: they are of order 1 and 2. (Heun's method takes two slopes
# per step, so a fair comparison is Heun at 50 ms with Euler at 25.) Tsit5, of order 5, starts far lower, but
# does not fall as $h^5$: a rectifier has a corner, and each time a neuron's drive crosses zero within a step, an error of order $h^2$ is left. The
# input jumps, too, as stimuli come and go, but only between frames, where steps end; a step across a jump would be of order 1 whatever the method.
#
# ## Tolerance instead of a step
#
# With `rtol` the solver chooses its steps, so that its estimate of the error of each stays below a tolerance. Our inputs tell it
# when they jump, and it steps to those times.

# %%
for rtol in (1e-2, 1e-5):
    gap = rates(solver="tsit5", rtol=rtol) - truth
    print(f"tsit5, rtol {rtol:.0e}: relative error {np.sqrt((gap**2).mean()) / scale:.0e}")

# %% [markdown]
# This is the right tool to *check* a network with and costs more than fixed steps to train one, since the step
# has to suit the fastest neuron of the hardest trial in the batch.
#
# ## Noise that does not depend on the step
#
# Private noise turns the equation into a stochastic one, $\tau\, dr = (\dots)\,dt + \sigma\sqrt{2\tau}\, dB$, scaled so that a
# neuron without synapses fluctuates with standard deviation $\sigma$. A loop that adds `sigma * normal()` at each step has noise
# that grows or shrinks as the step changes. Here, it is part of the equation:

# %%
silent = ctrnn.RateNetwork(
    ctrnn.Autapse()(ctrnn.Sheet(20, 20), key=jr.key(0)),
    1,
    0,
    1,
    autapse=0.0,
    noise=0.2,
    key=jr.key(1),
)
nothing = tasks.GridPath(jnp.zeros((20, 8, 1)), 100.0)
for h in (10.0, 50.0, 100.0):
    trajectory = silent(
        nothing, np.array([800.0]), integration=ctrnn.Integration("heun", h), key=jr.key(3)
    )
    print(f"step {h:3.0f} ms: sd {trajectory.state.std():.3f} (asked for: 0.200)")

# %% [markdown]
# ## What a network learns from its step
#
# Gradients flow through the steps, so a network is trained on *what the solver computes*. If the solver errs, training uses
# the error like anything else that helps. We train the same network twice, in steps of 100 ms, once with Euler's method (so as a discrete
# network) and once with Heun's, and then ask both for their answers with better and better solves.


# %%
def trained(solver, steps=400):
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(ctrnn.warmup_cosine(5e-3, 50, steps))
    )
    start = ctrnn.RateNetwork(
        graph, battery.in_size, len(battery.names), battery.out_size, key=jr.key(4)
    )
    state = ctrnn.start_training(start, optimiser, len(battery.names), key=jr.key(5))
    step = ctrnn.make_train_step(
        battery, optimiser, batch_size=64, integration=ctrnn.Integration(solver, 100.0)
    )
    for _ in range(steps):
        state, _ = step(state)
    return state.network


solves = (100.0, 50.0, 20.0)
accuracy = {}
print(f"{'':<24}" + "".join(f"{h:7.0f} ms" for h in solves) + "   tsit5, rtol 1e-5")
for solver in ("euler", "heun"):
    network = trained(solver)
    hows = [ctrnn.Integration(solver, h) for h in solves]
    hows.append(ctrnn.Integration("tsit5", rtol=1e-5))
    accuracy[solver] = [
        ctrnn.make_evaluation(battery, trials_per_task=64, integration=how, key=jr.key(6))(
            network
        ).mean()
        for how in hows
    ]
    print(f"trained with {solver:<10}" + "".join(f"{a:10.3f}" for a in accuracy[solver]))

# %% [markdown]
# Read the rows from left to right: from the solve it was trained with to the equation itself. Whatever is lost on the way was never a
# property of the differential equation. That is why the default is Heun's method, why the last fifth of a default
# run takes steps of 50 ms, and why `ctrnn evaluate --solver tsit5 --rtol 1e-5` exists. How the full-sized network fares stands under
# [the defaults](../explanation/defaults.md#the-solver-and-the-step).

# %%
figure = Figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
for (solver, errors), mark in zip(error.items(), "o^d", strict=True):
    left.loglog(steps, errors, mark + "-", label=solver)
left.set(xlabel="step (ms)", ylabel="relative error of the rates", title="One solve")
left.set_xticks(steps, [f"{h:g}" for h in steps])
left.minorticks_off()
left.set_ylim(1e-8, 1)
left.legend(frameon=False, loc="lower right", ncols=3)
for solver, mark in (("euler", "o"), ("heun", "^")):
    right.plot(
        [*(f"{h:g}" for h in solves), "tsit5"],
        accuracy[solver],
        mark + "-",
        label=f"trained with {solver}",
    )
right.set(xlabel="evaluated with a step of (ms)", ylabel="decision accuracy", ylim=(0, 1))
right.set_title("Networks trained in steps of 100 ms")
right.legend(frameon=False)
for axis in (left, right):
    axis.spines[["top", "right"]].set_visible(False)
figure.savefig("error-of-a-solve-and-accuracy-under-refinement.png", dpi=110)
