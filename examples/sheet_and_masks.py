# %% [markdown]
# # The sheet and its masks
#
# Axons cost space, energy and time, and cortex is frugal: most synapses join neurons less than a millimetre apart.
# Here neurons have places, and a *wiring rule* draws who hears whom from where they are. This page
# looks at the rules before any weight exists.
#
# ## A space
#
# A sheet is a grid of neurons 0.05 mm apart. By default opposite edges meet (a torus), so that no neuron is special
# for lying at the border. Positions and distances are in mm.

# %%
import jax.random as jr
import numpy as np
from matplotlib.figure import Figure

import ctrnn

sheet = ctrnn.Sheet(24, 24)
print(f"{sheet.size} neurons, {24 * sheet.spacing:.1f} mm from side to side")
print(f"from one edge to the other: {float(sheet.distance(np.array(0), np.array(23))):.2f} mm")

# %% [markdown]
# There are rings, blocks and your own coordinates too: [`ctrnn.Ring`][], [`ctrnn.Volume`][], [`ctrnn.Points`][].
#
# ## A wiring rule
#
# *Density* is the fraction of all $N^2$ possible synapses that exist (autapses count). Every rule below is drawn at 4 %, so they
# differ in where the synapses go and in nothing else:
#
# - **Locality**: each neuron hears its $K = 0.04\,N$ nearest, itself first.
# - **A distance kernel**: synapses drawn with odds that fall with distance, $p \propto e^{-d^2 / 2 w^2}$. Fan-in varies.
# - **Rewired**: the local graph with its synapses exchanged in pairs. Each neuron keeps its fan-in *and* fan-out; only place is
#   forgotten. If a local network differs from this one, it is for its locality.
# - **Random**: each neuron hears $K$ neurons from anywhere.

# %%
key = jr.key(0)
graphs = {
    "Locality": ctrnn.Locality(0.04)(sheet, key=key),
    "Gaussian, 0.15 mm": ctrnn.Locality(0.04, ctrnn.Gaussian(0.15))(sheet, key=key),
    "Rewired": ctrnn.Rewired(0.04)(sheet, key=key),
    "Random": ctrnn.RandomSparse(0.04)(sheet, key=key),
}
print(f"{'':<18}  synapses  fan-in    fan-out   wire (mm)  mean length (mm)")
for name, graph in graphs.items():
    fan_in, fan_out, length = (np.asarray(x) for x in (graph.fan_in, graph.fan_out, graph.lengths))
    print(
        f"{name:<18}  {graph.synapses:8,}  {fan_in.min():2}..{fan_in.max():<4}  "
        f"{fan_out.min():3}..{fan_out.max():<4}  {length.sum():9,.0f}  {length.mean():.3f}"
    )

# %% [markdown]
# The same number of synapses needs about five times less wire if it is local. (Fan-out of the local graph is not quite even: the neighbours at the largest
# distance tie, and ties are broken at random.)
#
# ## Mask and sheet
#
# A mask is the same graph as a matrix, a dot per synapse. On the sheet, row by row, neighbours lie in bands, a row of the sheet apart; the corners of the
# matrix are filled since edges meet.

# %%
figure = Figure(figsize=(10, 5.6), layout="constrained")
panels = figure.subplots(2, 4)
centre = sheet.size // 2 + 12
y, x = sheet.positions.T
for (above, below), (name, graph) in zip(panels.T, graphs.items(), strict=True):
    sources, targets = np.asarray(graph.sources), np.asarray(graph.targets)
    heard = sources[targets == centre]
    above.scatter(x, y, s=4, color="0.85", linewidths=0)
    above.scatter(x[heard], y[heard], s=14, color="#0072B2", linewidths=0)
    above.plot(x[centre], y[centre], "+", color="black", markersize=9)
    above.set(aspect="equal", title=name, xlabel="mm")
    below.plot(sources, targets, ",", color="#0072B2")
    below.set(xlim=(0, graph.size), ylim=(graph.size, 0), aspect="equal", xlabel="source")
panels[0, 0].set_ylabel("heard by + (mm)")
panels[1, 0].set_ylabel("target")
figure.savefig("whom-one-neuron-hears-and-the-masks.png", dpi=110)

# %% [markdown]
# ## What the wiring does to a signal
#
# Locality slows things down. An input to one spot reaches the far side of the sheet through many synapses, each of which takes about a time constant. We
# excite a patch of a sheet with excitatory synapses alone, and ask when each neuron's rate reaches a tenth of its largest.


# %%
import equinox as eqx
import jax.numpy as jnp

import tasks

patch = np.asarray(sheet.distance(np.array(centre), np.arange(sheet.size))) < 0.12
times = np.arange(10.0, 1501.0, 10.0)
arrival = {}
for name in ("Locality", "Rewired"):
    graph = graphs[name]
    network = ctrnn.RateNetwork(graph, 1, 0, 1, tau=100.0, key=key)
    fan_in = np.asarray(graph.fan_in)[np.asarray(graph.targets)]
    network = eqx.tree_at(
        lambda n: (n.weights, n.input_weights),
        network,
        (jnp.asarray(0.8 / fan_in), jnp.asarray(patch[:, None], float)),
    )
    pulse = tasks.GridPath(jnp.ones((15, 1, 1)), dt=100.0)
    how = ctrnn.Integration("heun", dt=10.0)
    rates = np.asarray(network(pulse, times, integration=how).rates)[:, 0]
    arrival[name] = times[(rates >= 0.1 * rates.max(0)).argmax(0)]
    outside = arrival[name][~patch]
    print(
        f"{name:<9} first and last neuron outside the patch: {outside.min():.0f} and {outside.max():.0f} ms"
    )

# %%
figure = Figure(figsize=(8, 3.6), layout="constrained")
axes = figure.subplots(1, 2)
for axis, (name, when) in zip(axes, arrival.items(), strict=True):
    image = axis.imshow(
        when.reshape(24, 24), vmin=0, vmax=arrival["Locality"].max(), extent=(0, 1.2, 1.2, 0)
    )
    axis.set(title=name, xlabel="mm")
axes[0].set_ylabel("mm")
figure.colorbar(image, ax=axes, label="time to a tenth of the largest rate (ms)")
figure.savefig("a-signal-crossing-the-sheet.png", dpi=110)

# %% [markdown]
# On the local sheet activity spreads as a wave; on the rewired one it is everywhere at once. A local network trained on a task with a
# deadline has to live with that, and the trained answer to it is where its neurons end up doing what.
