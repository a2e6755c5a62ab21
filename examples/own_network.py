# %% [markdown]
# # Bring your own network or loss
#
# The library can be used from either end. Someone with a loss of their own needs our network inside their Optax loop; someone with
# an equation of their own needs our wiring and our tasks, and not our network. This page does both.
#
# ## Your loss
#
# A network is a tree of arrays ([Equinox](https://docs.kidger.site/equinox/)), and calling it solves its equation. What is done with the rates is up to you.
# Here: cross-entropy over the frames of trials, and two costs that brains pay,
#
# $$
# L = L_{task} + \lambda_r \, \langle r^2 \rangle + \lambda_w \sum_{ij} |W_{ij}|\, d_{ij},
# $$
#
# energy for spikes and wire for synapses ($d_{ij}$ in mm). There is no trainer to subclass and no callback. It is a loop.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from matplotlib.figure import Figure

import ctrnn
import tasks

battery = tasks.Battery.select("go,dlygo,dms")
frame_ends = battery.dt * np.arange(1, battery.steps + 1)
sheet = ctrnn.Sheet(10, 10)
graph = ctrnn.Locality(0.2, ctrnn.Gaussian(0.2))(sheet, key=jr.key(0))
network = ctrnn.RateNetwork(
    graph, battery.in_size, battery.rule_size, battery.out_size, autapse=0.3, key=jr.key(1)
)
integration = ctrnn.Integration("heun", 100.0)
optimiser = optax.adam(3e-3)


def loss_fn(parameters, static, trial, wire_cost, rate_cost=1e-3):
    network = eqx.combine(parameters, static)
    trajectory = network(trial.path(), frame_ends, context=trial.rule, integration=integration)
    task = ctrnn.decision_loss(trajectory.outputs, trial.labels, trial.mask, trial.decision)
    wire = (jnp.abs(network.synaptic_weights) * network.graph.lengths).sum()
    return task + rate_cost * (trajectory.rates**2).mean() + wire_cost * wire, task


@eqx.filter_jit
def step(network, opt_state, key, wire_cost):
    trial = battery.batch(key, 64)
    # `trainable` says which leaves may change: time constants only if they are to be learnt.
    parameters, static = eqx.partition(network, ctrnn.trainable(network))
    (_, task), gradient = jax.value_and_grad(loss_fn, has_aux=True)(
        parameters, static, trial, wire_cost
    )
    updates, opt_state = optimiser.update(gradient, opt_state, parameters)
    return eqx.combine(eqx.apply_updates(parameters, updates), static), opt_state, task


def train(network, wire_cost, steps=300):
    opt_state = optimiser.init(eqx.filter(network, ctrnn.trainable(network)))
    for i in range(steps):
        key = jr.fold_in(jr.key(2), i)
        network, opt_state, _ = step(network, opt_state, key, jnp.asarray(wire_cost))
    return network


evaluate = ctrnn.make_evaluation(
    battery, trials_per_task=64, integration=integration, key=jr.key(3)
)
length = np.asarray(graph.lengths)
trained = {}
for wire_cost in (0.0, 1e-3):
    trained[wire_cost] = train(network, wire_cost)
    used = np.abs(np.asarray(trained[wire_cost].synaptic_weights))
    print(
        f"cost of wire {wire_cost:g}: decision accuracy {evaluate(trained[wire_cost]).mean():.2f}, "
        f"wire {(used * length).sum():.1f} mm, mean length of a unit of weight "
        f"{(used * length).sum() / used.sum():.3f} mm"
    )

# %% [markdown]
# `static` carries the graph, the kernel and the time constants, so the optimiser cannot touch them. The same `step` could use any Optax chain, weight decay included,
# or sum the losses of two batteries.
#
# ## Your equation
#
# Real neurons tire. Add to the rate equation an adaptation $a$ that follows the rate slowly and subtracts from the drive:
#
# $$
# \tau \dot r = -r + \varphi\big(W r + W_{in} u + W_c c + b - g\, a\big), \qquad \tau_a\, \dot a = -a + r
# $$
#
# That is not our network any more. What is wanted of the library is the sparse product $W r$ at the cost of its synapses, with its gradient, and the trials. [`ctrnn.apply`][]
# is that product: rates are `[neurons, batch]`, and weights are one number per synapse.


# %%
class AdaptingNetwork(eqx.Module):
    weights: jax.Array
    input_weights: jax.Array
    output_weights: jax.Array
    strength: jax.Array  # g, learnt
    kernel: ctrnn.AbstractKernel

    def __init__(self, graph, in_size, out_size, *, key):
        w_key, in_key, out_key = jr.split(key, 3)
        fan_in = graph.fan_in[graph.targets]
        self.weights = 0.7 * jr.normal(w_key, (graph.synapses,)) / jnp.sqrt(fan_in)
        self.input_weights = jr.normal(in_key, (graph.size, in_size)) / np.sqrt(in_size)
        self.output_weights = jr.normal(out_key, (out_size, graph.size)) / np.sqrt(graph.size)
        self.strength = jnp.array(0.1)
        self.kernel = ctrnn.choose_kernel(graph)

    def __call__(self, inputs, tau=100.0, tau_a=500.0, dt=100.0):
        """Logits [time, batch, 17] from inputs [batch, time, channels]; Heun's method."""
        layout = self.kernel.layout(self.weights)

        def slope(state, drive):
            r, a = state
            total = ctrnn.apply(self.kernel, layout, r) + drive - self.strength * a
            return (jax.nn.relu(total) - r) / tau, (r - a) / tau_a

        def step(state, u):
            drive = self.input_weights @ u.T
            first = slope(state, drive)
            guess = jax.tree.map(lambda y, k: y + dt * k, state, first)
            second = slope(guess, drive)
            state = jax.tree.map(lambda y, k, l: y + dt / 2 * (k + l), state, first, second)
            return state, (self.output_weights @ state[0]).T

        rest = jnp.zeros((self.input_weights.shape[0], inputs.shape[0]))
        return jax.lax.scan(step, (rest, rest), jnp.swapaxes(inputs, 0, 1))[1]


def with_rule(trial):
    """The rule as 3 more input channels, as most code outside of this library has it."""
    rule = jnp.broadcast_to(trial.rule[:, None], (*trial.labels.shape, trial.rule.shape[-1]))
    return jnp.concatenate([trial.inputs, rule], -1)


@eqx.filter_jit
def own_step(network, opt_state, key):
    def loss_fn(network, trial):
        outputs = network(with_rule(trial))
        return ctrnn.decision_loss(outputs, trial.labels, trial.mask, trial.decision)

    loss, gradient = eqx.filter_value_and_grad(loss_fn)(network, battery.batch(key, 64))
    updates, opt_state = optimiser.update(gradient, opt_state)
    return eqx.apply_updates(network, updates), opt_state, loss


own = AdaptingNetwork(graph, battery.in_size + battery.rule_size, battery.out_size, key=jr.key(4))
opt_state, losses = optimiser.init(eqx.filter(own, eqx.is_inexact_array)), []
for i in range(300):
    own, opt_state, loss = own_step(own, opt_state, jr.fold_in(jr.key(5), i))
    losses.append(float(loss))
test = battery.batch(jr.key(6), 200)
answers = own(with_rule(test)).argmax(-1).T
accuracy = (answers == test.labels)[test.decision].mean()
print(
    f"with adaptation: decision accuracy {accuracy:.2f}, strength {own.strength:.2f}, at first 0.10"
)

# %% [markdown]
# The strength was free, and these tasks ask for memory, which tiring works against: training takes it away.

# %%
figure = Figure(figsize=(9, 3.4), layout="constrained")
left, right = figure.subplots(1, 2)
bins = np.linspace(0, length.max(), 16)
for wire_cost, colour in ((0.0, "#999999"), (1e-3, "#0072B2")):
    used = np.abs(np.asarray(trained[wire_cost].synaptic_weights))
    total, _ = np.histogram(length, bins, weights=used)
    mean = total / np.maximum(np.histogram(length, bins)[0], 1)
    left.stairs(mean, bins, color=colour, label=f"cost of wire {wire_cost:g}", linewidth=2)
left.set(xlabel="length of the synapse (mm)", ylabel="mean |weight|", title="Your loss")
left.legend(frameon=False)
right.plot(losses, color="#0072B2")
right.set(xlabel="optimiser step", ylabel="loss", yscale="log", title="Your equation")
figure.savefig("weights-under-a-cost-of-wire-and-learning-with-adaptation.png", dpi=110)

# %% [markdown]
# ## Your framework
#
# Trials leave as NumPy arrays (`battery.numpy_batch`, [`tasks.NumpyBatches`][]) and as a Gymnasium environment ([`tasks.gym.TaskEnv`][]); networks leave as
# safetensors and npz. [Coming from PyTorch](from_pytorch.md) goes that way.
