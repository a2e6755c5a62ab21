# %% [markdown]
# # Coming from PyTorch, neurogym or the public Mod-Cog code
#
# If you have trained networks on these tasks before, you have most likely written a loop over time in PyTorch. This page says what became of each
# part of it, and takes a network trained here back there, where it must give the same numbers.
#
# ## What maps to what
#
# | there | here |
# |---|---|
# | `h = (1 - alpha) * h + alpha * relu(...)`, `alpha = dt / tau` | `tau=100.0` of the network, `ctrnn.Integration("euler", dt=...)` of the solve; the default is Heun's method |
# | `weight * mask` in `forward` | a graph; only its synapses are parameters |
# | `nn.Linear(inputs + rules, hidden)` | `input_weights` for what changes in a trial, `context_weights` for the rule, `bias` |
# | `nn.Linear(hidden, 17)` | `output_weights`, `output_bias` |
# | noise added at each step, `sigma * sqrt(2 / alpha)` or the like | `noise`: its stationary standard deviation, whatever the step |
# | `neurogym.Dataset(env, batch_size, seq_len)` | `battery.stream(key, batch_size, seq_len)`; or trials, `battery.batch(key, batch_size)` |
# | `env.ob`, `env.gt` | `trial.inputs` and `trial.rule`, `trial.labels` |
# | a task's class, `env.new_trial` | a row of a table, `battery.sample` and `battery.render` |
# | `<base>intseq` | `<base>intrseqr` (the old name works too) |
# | the public code's labels and timings | `conventions=tasks.REFERENCE` ([the differences](../reference/tasks.md#conventions)) |
# | `loss.backward(); optimiser.step()` | `jax.value_and_grad`, Optax: see [your own loop](own_network.md) |
# | `torch.manual_seed` | a key per thing drawn: `jax.random.key(0)`, `jax.random.split` |
# | `[time, batch, ...]` or `batch_first` | trajectories are `[time, batch, ...]`, trials `[batch, time, ...]` |
#
# You need not leave PyTorch to use the battery: `tasks.NumpyBatches` feeds a `DataLoader`, and [`tasks.gym.TaskEnv`][] speaks the
# interface of Gymnasium, `info["gt"]` included. See [other frameworks](../reference/tasks.md#other-frameworks).
#
# ## Train here

# %%
import importlib.util
import json

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from safetensors.numpy import load_file

import ctrnn
import tasks

battery = tasks.Battery.select("dlygo,dm1,dms", conventions=tasks.REFERENCE)
graph = ctrnn.Locality(0.1)(ctrnn.Sheet(10, 10), key=jr.key(0))
network = ctrnn.RateNetwork(graph, 33, 3, 17, tau=100.0, key=jr.key(1))
integration = ctrnn.Integration("euler", dt=20.0)  # alpha = 0.2
optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(5e-3))
state = ctrnn.start_training(network, optimiser, 3, key=jr.key(2))
step = ctrnn.make_train_step(battery, optimiser, batch_size=32, integration=integration)
for _ in range(100):
    state, metrics = step(state)
network = state.network
print(f"decision accuracy of the last batch {float(metrics.accuracy):.2f}")

# %% [markdown]
# ## Take the weights along
#
# `ctrnn export RUN --format safetensors --out model.safetensors` (or [`ctrnn.export`][]) writes arrays and nothing else, with a `config.json` beside them. No
# code of ours is needed to read them, and nothing is unpickled.

# %%
files = ctrnn.export("model.safetensors", network, "safetensors", tasks=battery.names)
arrays = load_file("model.safetensors")
for name, array in arrays.items():
    print(f"{name:<16} {array.shape!s:<12} {array.dtype}")
about = json.loads(files[1].read_text())
print({name: about["network"][name] for name in ("size", "form", "activation", "noise")})

# %% [markdown]
# The recurrent weights are a list of synapses: synapse $s$ carries the rate of neuron `graph.sources[s]` to `graph.targets[s]`. Put into a
# matrix, rows are targets. (A network under Dale's law stores magnitudes; its column $j$ has the sign of `excitatory[j]`.)
#
# ## The forward pass, by hand
#
# In NumPy, the recursion is what you would expect. The rule is a constant drive, and `tau = exp(log_tau)`.


# %%
def forward(arrays, inputs, rule, dt=20.0, frame=100.0):
    """Logits [frames, batch, 17] from inputs [batch, frames, 33] and rule [batch, tasks]."""
    size = len(arrays["bias"])
    w = np.zeros((size, size), np.float32)
    w[arrays["graph.targets"], arrays["graph.sources"]] = arrays["weights"]
    alpha = dt / np.exp(arrays["log_tau"])
    drive = rule @ arrays["context_weights"].T + arrays["bias"]
    r = np.zeros((len(inputs), size), np.float32)
    logits = []
    for u in np.swapaxes(inputs, 0, 1):
        total = u @ arrays["input_weights"].T + drive
        for _ in range(round(frame / dt)):  # the input is held through a frame
            r = (1 - alpha) * r + alpha * np.maximum(r @ w.T + total, 0)
        logits.append(r @ arrays["output_weights"].T + arrays["output_bias"])
    return np.stack(logits)


trial = battery.batch(jr.key(3), 100)
frame_ends = battery.dt * np.arange(1, battery.steps + 1)
ours = np.asarray(
    network(trial.path(), frame_ends, context=trial.rule, integration=integration).outputs
)
by_hand = forward(arrays, np.asarray(trial.inputs), np.asarray(trial.rule))
gap = np.abs(by_hand - ours).max()
print(f"logits of 100 trials: largest {np.abs(ours).max():.1f}, largest difference {gap:.1e}")
print(f"the same answers in {(by_hand.argmax(-1) == ours.argmax(-1)).mean():.1%} of frames")
assert gap < 1e-4 * np.abs(ours).max()

# %% [markdown]
# ## The same as a PyTorch module
#
# A class to paste into your code. Where PyTorch is installed, this page builds it and holds it against ours as well.

# %%
TORCH = '''
import torch
from safetensors.torch import load_file


class RateNetwork(torch.nn.Module):
    def __init__(self, file):
        super().__init__()
        arrays = load_file(file)
        size = len(arrays["bias"])
        weight, mask = torch.zeros(size, size), torch.zeros(size, size)
        where = arrays["graph.targets"].long(), arrays["graph.sources"].long()
        weight[where], mask[where] = arrays["weights"], 1.0
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(arrays["bias"])
        self.input = torch.nn.Parameter(arrays["input_weights"])
        self.context = torch.nn.Parameter(arrays["context_weights"])
        self.output = torch.nn.Parameter(arrays["output_weights"])
        self.output_bias = torch.nn.Parameter(arrays["output_bias"])
        self.register_buffer("mask", mask)  # keeps absent synapses absent in training
        self.register_buffer("tau", arrays["log_tau"].exp())

    def forward(self, inputs, rule, dt=20.0, frame=100.0):
        """Logits [frames, batch, 17] from inputs [batch, frames, 33] and rule [batch, tasks]."""
        alpha, w = dt / self.tau, self.weight * self.mask
        drive = rule @ self.context.T + self.bias
        r, logits = inputs.new_zeros(len(inputs), len(self.bias)), []
        for u in inputs.unbind(1):
            total = u @ self.input.T + drive
            for _ in range(round(frame / dt)):
                r = (1 - alpha) * r + alpha * torch.relu(r @ w.T + total)
            logits.append(r @ self.output.T + self.output_bias)
        return torch.stack(logits)
'''
if importlib.util.find_spec("torch"):
    names: dict = {}
    exec(TORCH, names)
    torch = names["torch"]
    module = names["RateNetwork"]("model.safetensors")
    inputs, rule = (torch.from_numpy(np.array(x)) for x in (trial.inputs, trial.rule))
    theirs = module(inputs, rule).detach().numpy()
    gap = np.abs(theirs - ours).max()
    print(f"PyTorch {torch.__version__}: largest difference {gap:.1e}")
    assert gap < 1e-4 * np.abs(ours).max()
else:
    print("PyTorch is not installed where this page was built.")

# %% [markdown]
# ## And the other way
#
# Weights from PyTorch come in by name. A masked matrix becomes a graph, and the graph's order is the order of the weights:

# %%
import equinox as eqx

rng = np.random.default_rng(0)
mask = rng.random((100, 100)) < 0.1  # yours: rows are targets
weight = rng.normal(size=(100, 100)).astype(np.float32)
targets, sources = np.nonzero(mask)
graph = ctrnn.Graph(sources, targets, size=100)
network = ctrnn.RateNetwork(graph, 33, 3, 17, tau=100.0, key=jr.key(0))
network = eqx.tree_at(
    lambda n: n.weights, network, jnp.asarray(weight[graph.targets, graph.sources])
)
dense = np.zeros((100, 100), np.float32)
dense[graph.targets, graph.sources] = network.synaptic_weights
print("the same matrix:", np.array_equal(dense, weight * mask))

# %% [markdown]
# ## Then ask it a question that a loop cannot
#
# `alpha = 0.2` is a step of Euler's method. Does the network mean the same when its equation is solved better? The picture shows the readout of
# the right answer through the decision of each task, as trained and by an adaptive solver of fifth order.

# %%
from matplotlib.figure import Figure

spec = battery.sample(jr.key(9), jnp.arange(3))
trial = battery.render(spec)
times = np.arange(20.0, battery.dt * battery.steps + 1, 20.0)
hows = {
    "Euler, 20 ms": ctrnn.Integration("euler", 20.0),
    "Tsit5, rtol 1e-5": ctrnn.Integration("tsit5", rtol=1e-5),
}
figure = Figure(figsize=(9, 3), layout="constrained")
panels = figure.subplots(1, 3, sharey=True)
for (label, how), style in zip(hows.items(), ("-", "--"), strict=True):
    outputs = np.exp(
        np.asarray(state.network(trial.path(), times, context=trial.rule, integration=how).outputs)
    )
    odds = outputs / outputs.sum(-1, keepdims=True)
    for i, axis in enumerate(panels):
        n = int(trial.length[i]) * 5
        right = np.asarray(trial.labels)[i].repeat(5)[:n]
        axis.plot(times[:n], odds[np.arange(n), i, right], style, label=label)
        axis.set(title=battery.names[i], xlabel="time (ms)")
panels[0].set_ylabel("probability of the right answer")
panels[0].legend(frameon=False)
figure.savefig("the-right-answer-as-trained-and-refined.png", dpi=110)
