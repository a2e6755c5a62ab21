# %% [markdown]
# # Fixed points of a ring memory
#
# A monkey sees a cue, waits, and looks to where the cue was. Something in its brain holds a direction for seconds, though each
# neuron forgets within a tenth of one. The oldest idea of how: neurons that prefer similar directions excite each other, all
# inhibit all, and a bump of activity keeps itself alive, wherever on the ring it was put ([Ben-Yishai, Bar-Or and Sompolinsky
# 1995](https://doi.org/10.1073/pnas.92.9.3844)). Such a bump is a *fixed point* of the network's equation, and there is one for every
# direction: a ring of fixed points.
#
# This page builds one by hand, where theory says what should be found, and finds it. Then it asks the same questions of a network
# that learned to remember, which nobody told how.
#
# ## A ring by hand
#
# $N$ neurons on a [`ctrnn.Ring`][], each with a preferred direction $\theta_i$ and an input of its own. Synapses depend on the
# difference of preferences alone:
#
# $$
# W_{ij} = \tfrac{1}{N} \big( 3 \cos(\theta_i - \theta_j) - 2 \big)
# $$

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib
import numpy as np
from matplotlib.figure import Figure

import ctrnn
import tasks
from ctrnn import analysis


def preferred(cells):
    return 2 * np.pi * np.arange(cells) / cells


def build(cells):
    graph = ctrnn.Dense()(ctrnn.Ring(cells), key=jr.key(0))
    difference = preferred(cells)[graph.targets] - preferred(cells)[graph.sources]
    weights = jnp.asarray((3 * np.cos(difference) - 2) / cells, jnp.float32)
    return eqx.tree_at(
        lambda n: (n.weights, n.input_weights),
        ctrnn.RateNetwork(graph, cells, 0, 1, tau=100.0, key=jr.key(1)),
        (weights, jnp.eye(cells)),
    )


by_hand = build(64)

# %% [markdown]
# Cue it for half a second at one of 48 directions, on top of an even input, and then leave it alone with the even input for a minute.
# To read a direction from rates, take the phase of their first Fourier component around the ring.

# %%
cues = preferred(48)
times = np.arange(1500.0, 60501.0, 1000.0)  # ms


def hold(network):
    """Rates from a second after the cue on, one row per second."""
    bumps = 0.5 * jnp.cos(cues[:, None] - preferred(network.size))
    frames = jnp.ones((round(times[-1] / 500), *bumps.shape)).at[0].add(bumps)
    path = tasks.GridPath(frames, 500.0)
    return network(path, times, integration=ctrnn.Integration("heun", 10.0)).rates


def direction(rates):
    return np.angle(np.asarray(rates) @ np.exp(1j * preferred(rates.shape[-1])))


def apart(a, b):
    """Degrees from b to a, the short way round."""
    return np.rad2deg(np.angle(np.exp(1j * (a - b))))


ring = hold(by_hand)[-1]  # a state per cue
active = np.asarray(ring > 0.01 * ring.max()).sum(1)
print(f"neurons in a bump: {active.min()} to {active.max()} of {by_hand.size}")
print(f"largest error after a minute: {np.abs(apart(direction(ring), cues)).max():.2f} degrees")

# %% [markdown]
# ## Are these fixed points?
#
# A [`HeldField`][ctrnn.analysis.HeldField] is the right-hand side of the equation, $\dot r = F(r)$, with the input held.
# [`fixed_points`][ctrnn.analysis.fixed_points] looks for states in which $|F|$ is least, from wherever it is told to start;
# `speed` is what is left of $|F|$, and the honest part of the answer. We start from where the trials ended, and from states of noise.

# %%
field = analysis.HeldField(by_hand, jnp.ones(by_hand.size))
noise = jr.uniform(jr.key(2), (16, by_hand.size))
points = analysis.fixed_points(field, jnp.concatenate([ring, noise]))
print(
    f"{len(points.speed)} points from 64 starts; speeds up to {1000 * points.speed.max():.0e} rates/s"
)
size = np.abs(points.states @ np.exp(1j * preferred(by_hand.size)))
print(
    f"with a bump: {(size > 0.1 * size.max()).sum()}; without: {(size <= 0.1 * size.max()).sum()}"
)

# %% [markdown]
# Linearised at a fixed point, the equation is $\dot x = J x$, and the eigenvalues of the Jacobian $J$ say what becomes of a small
# push: along an eigenvector of eigenvalue $\lambda$ it changes as $e^{\lambda t}$. If there is another fixed point right
# beside this one, a push towards it does not decay. So a ring attractor has **one eigenvalue near zero**, and its
# eigenvector points along the ring: it is what a bump gains on one side and loses on the other when it turns.

# %%
spectrum, vectors = np.linalg.eig(np.asarray(jax.jacfwd(field)(ring[3]), float))
slowest = np.real(vectors[:, np.real(spectrum).argmax()])
along = np.asarray(ring[4] - ring[2])
cosine = np.abs(slowest @ along) / np.linalg.norm(slowest) / np.linalg.norm(along)
print(f"cosine of the slowest eigenvector and the way along the ring: {cosine:.3f}\n")
print("neurons   largest two eigenvalues (per s)")
for cells in (16, 32, 64, 128):
    network = build(cells)
    held = analysis.HeldField(network, jnp.ones(cells))
    values = 1000 * analysis.eigenvalues(held, hold(network)[-1][:1])[0].real
    print(f"{cells:7} {values[0]:12.3f} {values[1]:10.3f}")

# %% [markdown]
# Near zero, and not zero: theory has a continuum of neurons, and this ring has a few. A bump is at rest on a neuron or between two; where its
# largest eigenvalue is negative it stays, where it is positive it rolls off to the next such place. The more neurons, the shallower the hills.
#
# ## What a small flaw does
#
# All this rests on synapses that are the same all around the ring. We change each weight by a few percent at random.
# [`ring_drift`][ctrnn.analysis.ring_drift] reads off, with no simulation, how fast the flow carries what is held along the ring;
# beside it, what the simulation does.

# %%
flaws, drifts = (0.0, 0.01, 0.03, 0.1), {}
print("flaw   drift (degrees/s)   moved in 5 s (degrees)   directions left after a minute")
for flaw in flaws:
    factor = 1 + flaw * jr.normal(jr.key(3), by_hand.weights.shape)
    network = eqx.tree_at(lambda n: n.weights, by_hand, by_hand.weights * factor)
    held = hold(network)
    along, _ = analysis.ring_drift(analysis.HeldField(network, jnp.ones(network.size)), held[0])
    drifts[flaw] = 1000 * np.rad2deg(np.asarray(along))
    moved = np.abs(apart(direction(held[5]), direction(held[0])))
    end = np.sort(direction(held[-1]))
    left = (np.abs(apart(end, np.roll(end, 1))) > 1).sum()
    print(f"{flaw:4.0%} {np.abs(drifts[flaw]).mean():15.2f} {moved.mean():23.2f} {left:26}")

# %% [markdown]
# The memory that could rest anywhere comes to rest in a few places, which is known as the fine-tuning problem. What is left of the ring is
# a *slow* ring: for seconds, and with errors of degrees, it is still a memory. (Directions count as two if they are more than a degree apart.)
#
# ## A memory that was learned
#
# The tiny preset is 144 neurons on a sheet, each hearing its 14 nearest, trained on seven tasks. In one of them, `dlygo`, a
# direction is held through a delay. (`subject()` trains it once, and keeps it in `~/.cache/ctrnn`.) Nobody built a ring into it. We show it 32 directions (16 as the task has them, and those
# between), hold the input as it is in the delay, and ask what we asked above, starting from the states that its trials reach.

# %%
from _small_network import subject

trained = subject()
network, battery = trained.network, trained.battery
task, delay = analysis.memory_task(battery, key=trained.key)
spec = analysis.ring_spec(battery, task, key=trained.key)
spec = analysis.alike(
    spec, 16, first=spec.first, second=spec.second, delay=jnp.full_like(spec.delay, delay)
)
trial = battery.render(spec)
onset = int(spec.fixation[0] + spec.stimulus[0])
shown = analysis.Between(trial.path("step"), 16, 32)
rule = trial.rule[0]
saved = np.arange(50.0, onset + delay + 1, 50.0)
during = network(
    shown, saved, context=jnp.tile(rule, (32, 1)), integration=trained.integration
).rates
visited = during[-1]

quiet = shown.evaluate(onset + delay / 2)[0]  # the input of the delay: fixation, and nothing else
memory = analysis.HeldField(network, quiet, rule)
found = analysis.fixed_points(memory, visited, steps=500)
values = analysis.eigenvalues(memory, found.states[:8])
drift = 1000 * np.rad2deg(np.asarray(analysis.ring_drift(memory, visited)[0]))
print(f"{task}, delay of {delay} ms")
print(f"points from 32 starts: {len(found.speed)}; speeds, slowest first (rates/s):")
print(" ", *(f"{1000 * speed:.2g}" for speed in found.speed[:8]))
print("largest two eigenvalues there (per s):")
print(" ", *(f"{1000 * v[0]:.1f},{1000 * v[1]:.1f}" for v in np.real(values)))
print(
    f"drift of what is held: {np.abs(drift).mean():.1f} degrees/s, at most {np.abs(drift).max():.0f}"
)

# %% [markdown]
# No fixed points were found, then, but slow ones, about as many as directions, at some distance from the states held, and the largest eigenvalues there are positive: what is
# held will be lost, and not yet. Is that how it behaves? We make the delay longer than any it was trained with, then end fixation and
# look at the answers, half a second later.

# %%
extra = np.arange(500.0, 8001.0, 500.0)
waiting = tasks.GridPath(jnp.tile(quiet, (80, 16, 1)), battery.dt)
how = trained.integration
later = network(waiting, extra, context=trial.rule, y0=visited[::2], integration=how).rates
later = jnp.concatenate([visited[None, ::2], later])

go = shown.evaluate(onset + delay + battery.dt / 2)[0]  # the input once fixation has ended
answering = tasks.GridPath(jnp.tile(go, (5, 17 * 16, 1)), battery.dt)
outputs = network(
    answering,
    np.array([500.0]),
    context=jnp.tile(trial.rule, (17, 1)),
    y0=later.reshape(17 * 16, -1),
    integration=how,
).outputs[0]
answers = np.asarray(outputs).argmax(1).reshape(17, 16)
asked = np.asarray(trial.labels).max(1)
right = (answers == asked).mean(1)
waits = (delay + np.array([0.0, *extra])) / 1000
for wait, fraction in zip(waits[::2], right[::2], strict=True):
    print(f"delay {wait:3.1f} s: {fraction:4.0%} of 16 directions answered right")

largest = np.asarray(later).max((1, 2))
print(f"largest rate at the end of the delay: {largest[0]:.1f}, a second later {largest[2]:.1f},")
print(f"eight seconds later {largest[-1]:.0e}")

# %% [markdown]
# It is a memory for as long as it was asked to be one. What training never saw it never mended: along the positive eigenvalues states
# drift off and at last explode, since a rectified rate has no ceiling.
#
# Above, the ring by hand: where bumps go in a minute when each weight is off by a tenth, how fast they drift there, and the eigenvalues. Below, the
# trained network on the plane on which the directions spread most, in the delay (thick) and in the second after (thin, to the dots; diamonds are the
# slow points), the drift, and the answers.


# %%
def plain(axes, **labels):
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(**labels)


def draw_eigenvalues(axes, values, label, colour, marker):
    x, y = 1000 * values.real.ravel(), 1000 * values.imag.ravel()
    axes.plot(x, y, marker, color=colour, markersize=4, alpha=0.5, label=label)


figure = Figure(figsize=(12, 7), layout="constrained")
(turned, turning, spectra), (learned, learned_turning, answered) = figure.subplots(2, 3)
colour = matplotlib.colormaps["twilight_shifted"]
wave = np.exp(1j * preferred(64)) / 32
for i, path in enumerate((np.asarray(held) @ wave).T):  # of the last network, the most flawed
    turned.plot(path.real, path.imag, color=colour(i / 48), linewidth=1.5)
    turned.plot(path[-1].real, path[-1].imag, "ko", markersize=4)
plain(turned, xlabel="first Fourier component, real", ylabel="imaginary", aspect="equal")
turned.set_title("By hand, weights off by 10 %: a minute")
for flaw, shade in zip(flaws, ("black", "#56B4E9", "#0072B2", "#D55E00"), strict=True):
    turning.plot(np.rad2deg(cues), drifts[flaw], color=shade, label=f"{flaw:.0%}")
plain(
    turning, xlabel="direction held (degrees)", ylabel="drift (degrees/s)", title="By hand: drift"
)
turning.legend(title="weights off by", frameon=False, fontsize=8)
exact = analysis.eigenvalues(field, np.asarray(ring[:1]))
draw_eigenvalues(spectra, exact, "by hand", "black", "o")
draw_eigenvalues(spectra, values, "trained, 8 points", "#D55E00", "^")
spectra.axvline(0, color="0.7", linewidth=0.8, zorder=0)
plain(spectra, xlabel="real part (per s)", ylabel="imaginary part (per s)", title="Eigenvalues")
spectra.legend(frameon=False, fontsize=8)

across = analysis.principal_components(np.asarray(visited), 2)
for i in range(16):
    before, after = (
        across(np.asarray(during[:, 2 * i])[saved >= onset]),
        across(np.asarray(later[:3, i])),
    )
    learned.plot(*before.T, color=colour(i / 16), linewidth=2.5)
    learned.plot(*after.T, color=colour(i / 16), linewidth=0.8)
    learned.plot(*after[-1], "ko", markersize=4)
learned.plot(*across(found.states).T, "D", color="none", markeredgecolor="black", markersize=4)
plain(learned, xlabel="PC 1", ylabel="PC 2", aspect="equal", title="Trained: delay, and 1 s more")
learned_turning.plot(360 * np.arange(32) / 32, drift, color="#D55E00")
learned_turning.axhline(0, color="0.7", linewidth=0.8, zorder=0)
plain(learned_turning, xlabel="direction held (degrees)", ylabel="drift (degrees/s)")
learned_turning.set_title("Trained: drift at the end of the delay")
answered.plot(waits, right, "o-", color="#D55E00", markersize=4)
answered.axhline(1 / 16, color="0.5", linestyle=":", label="a guess")
plain(
    answered, xlabel="delay (s)", ylabel="answered right", ylim=(0, 1.03), title="Trained: answers"
)
answered.legend(frameon=False, fontsize=8)
figure.savefig("two-ring-memories.png", dpi=110)
