# %% [markdown]
# # The same in thirty lines of Python
#
# [The command](first_run.md) is a thin layer over a library. Here is the same training without it: a battery gives
# trials, a graph says who hears whom, a network is an equation with parameters, and a step is one jitted
# function.

# %%
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import ctrnn
import tasks

network_key, training_key, held_out_key = jr.split(jr.key(0), 3)
battery = tasks.Battery.select("go,dlygo,dm1,dms")
sheet = ctrnn.Sheet(10, 10)  # mm: neurons are 0.05 mm apart
graph = ctrnn.Locality(density=0.1)(sheet, key=network_key)
network = ctrnn.RateNetwork(
    graph,
    in_size=battery.in_size,  # fixation, and two rings of 16 channels
    context_size=battery.rule_size,  # which task this is, one-hot
    out_size=battery.out_size,  # keep fixating, or one of 16 directions
    tau=100.0,  # ms
    key=network_key,
)
integration = ctrnn.Integration(solver="heun", dt=100.0)
optimiser = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adam(ctrnn.warmup_cosine(5e-3, warmup=50, steps=300))
)
state = ctrnn.start_training(network, optimiser, len(battery.names), key=training_key)
step = ctrnn.make_train_step(battery, optimiser, batch_size=64, integration=integration)
evaluate = ctrnn.make_evaluation(
    battery, trials_per_task=32, integration=integration, key=held_out_key
)
losses = []
for _ in range(300):
    state, metrics = step(state)
    losses.append(float(metrics.loss))
for name, accuracy in zip(battery.names, evaluate(state.network), strict=True):
    print(f"{name:>6} {accuracy:.2f}")

# %% [markdown]
# A few things that are easy to miss:
#
# - **One key in, everything out.** Nothing is random but what follows from a key, so the same key gives the same network, the same
#   trials and, on one machine, the same bits.
# - **A step consumes its state.** The memory of `state` is reused for the next one; go on with what it returns.
# - **`state.network` is an ordinary [Equinox](https://docs.kidger.site/equinox/) module**, a tree of arrays. Its synapses are one
#   flat array, in the order of the graph. What does not exist has no weight, no gradient and no momentum:

# %%
for path, array in ctrnn.arrays(state.network).items():
    print(f"{path:<16} {array.shape!s:<12} {array.dtype}")

# %% [markdown]
# ## Look inside a trial
#
# Calling the network solves its equation along an input path and saves rates and outputs at the times asked for: any times on the
# grid of steps. Below, one trial of `dlygo`, saved every 20 ms. The network was trained in steps of 100 ms; that it can be asked at a
# step of 20 ms is what *continuous time* means.

# %%
spec = battery.sample(jr.key(5), jnp.array([battery.names.index("dlygo")]))
trial = battery.render(spec)  # no key, no noise
times = np.arange(20.0, 100.0 * int(trial.length[0]) + 1, 20.0)
fine = ctrnn.Integration(solver="heun", dt=20.0)
trajectory = state.network(trial.path(), times, context=trial.rule, integration=fine)
print("rates", trajectory.rates.shape, "outputs", trajectory.outputs.shape, "[time, batch, ...]")

# %%
from matplotlib.figure import Figure

figure = Figure(figsize=(9, 3.4), layout="constrained")
left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.2, 1.2])
left.plot(losses, color="#0072B2")
left.set(xlabel="optimiser step", ylabel="loss", yscale="log", title="Learning")
middle.plot(times, trajectory.rates[:, 0, ::5], linewidth=0.8)
middle.set(xlabel="time (ms)", ylabel="rate", title="Rates: a trial of dlygo")
odds = np.exp(trajectory.outputs[:, 0])
odds /= odds.sum(1, keepdims=True)
right.pcolormesh(times, np.arange(17), odds.T, cmap="Greys", vmin=0, vmax=1)
right.step(trial.times, trial.labels[0], where="post", color="#D55E00")
right.set(xlabel="time (ms)", ylabel="answer (0: keep fixating)", xlim=(0, times[-1]))
right.set_title("Readout, right answer")
figure.savefig("loss-rates-and-readout.png", dpi=110)

# %% [markdown]
# The bump is shown from 500 to 1000 ms, and the answer is due when fixation ends at 1500 ms. Between the two nothing comes in; what is
# still there in the middle panel (every fifth neuron) is the network's memory.
#
# To keep the network: `ctrnn.save("model.eqx", state.network)`. To train it in a folder that can be resumed, use [`ctrnn.train`][].
