# %% [markdown]
# # Lesions and clusters on the sheet
#
# What does a neuron do? One answer watches it: it takes part in the tasks in which its rate varies. Another takes it away and sees what
# fails. The two need not agree. On a sheet there is a third question: do neurons that do the same lie together? This page asks all three of a
# small trained network, the tiny preset: 144 neurons, each hearing its 14 nearest, and seven tasks. (`subject()` trains it once, and keeps it in
# `~/.cache/ctrnn`; with the folder of a run on the command line the page asks that run.)

# %%
import matplotlib
import numpy as np
from _small_network import subject

import ctrnn
from ctrnn import analysis

trained = subject()
network, battery, names = trained.network, trained.battery, trained.battery.names
space = network.graph.space
assert space is not None
evaluate = ctrnn.make_evaluation(
    battery, trials_per_task=64, integration=trained.integration, key=trained.key
)
print("accuracy:", *(f"{n} {a:.2f}" for n, a in zip(names, evaluate(network), strict=True)))

# %% [markdown]
# ## Watching: task variance
#
# A neuron's *task variance* is how much its rate differs between the trials of a task, averaged over time; divided by that in the task in
# which it is largest, it is the neuron's profile ([Yang et al. 2019](https://doi.org/10.1038/s41593-018-0310-2)). Profiles are
# clustered by k-means, and the silhouette chooses how many clusters there are.

# %%
variance = analysis.task_variances(
    network, battery, integration=trained.integration, key=trained.key
)
profiles, active = analysis.normalised_variance(variance)
found = analysis.cluster(profiles, most=12)
labels = np.full(network.size, -1)
labels[active] = found.labels
count = labels.max() + 1
print(f"{active.sum()} of {network.size} neurons active, in {count} clusters")
print(f"{'mean profile':<14}" + "".join(f"{name:>10}" for name in names))
for c in range(count):
    mean = profiles[found.labels == c].mean(0)
    label = f"{c + 1} ({(labels == c).sum()} neurons)"
    print(f"{label:<14}" + "".join(f"{m:10.2f}" for m in mean))

# %% [markdown]
# ## Where they lie
#
# Wiring is local, so that neighbours hear nearly the same neurons, and might come to do the same. We count how often
# neighbours share a cluster, and compare with the same neurons shuffled over the sheet a thousand times.

# %%
same = found.labels[:, None] == found.labels
chance = analysis.agreement(same, active, *analysis.neighbour_pairs(space))
print(f"neighbours in one cluster: {chance.mean:.1%}, shuffled {chance.shuffled.mean():.1%}")
print(f"p = {chance.p:.3f}")

# %% [markdown]
# The untrained network has to be asked too, before training gets the credit: local wiring by itself makes neighbours alike. It has
# other clusters, so we compare the profiles themselves, by their correlation.

# %%
for when, one in (("before", trained.untrained), ("after", network)):
    v = analysis.task_variances(one, battery, integration=trained.integration, key=trained.key)
    p, on = analysis.normalised_variance(v)
    alike = analysis.agreement(np.corrcoef(p), on, *analysis.neighbour_pairs(space))
    print(
        f"{when:>6} training: neighbours' profiles correlate {alike.mean:.2f}, "
        f"shuffled {alike.shuffled.mean():.2f}"
    )

# %% [markdown]
# ## Taking away
#
# A lesioned network is a network: [`silence`][ctrnn.analysis.silence] changes weights and no shapes, so all lesions go through one compiled
# evaluation. It matters how many neurons are lost, and not only which, so every lesion needs a control of its own size. We
# silence each cluster, and as many neurons drawn at random, ten times over.

# %%
rng = np.random.default_rng(0)


def scattered(size):
    chosen = np.zeros(network.size, bool)
    chosen[rng.choice(network.size, size, replace=False)] = True
    return chosen


def lost(lesions):
    """Accuracy lost per lesion and task."""
    return analysis.damage(evaluate, network, [analysis.silence(network, x) for x in lesions])


def row(label, values):
    print(f"{label:<26}" + "".join(f"{v:10.2f}" for v in values))


print(f"{'accuracy lost':<26}" + "".join(f"{name:>10}" for name in names))
by_cluster = lost([labels == c for c in range(count)])
by_control = np.stack(
    [lost([scattered((labels == c).sum()) for _ in range(10)]).mean(0) for c in range(count)]
)
for c in range(count):
    row(f"cluster {c + 1} ({(labels == c).sum()} neurons)", by_cluster[c])
    row("  as many, scattered", by_control[c])

# %% [markdown]
# ## A disc
#
# A stroke asks for no cluster: it takes what lies together. We silence a disc of the sheet around each neuron in turn, and
# again as many scattered neurons.

# %%
discs = [analysis.disc(space, centre, 0.1) for centre in range(network.size)]
by_disc = lost(discs)
by_scatter = lost([scattered(disc.sum()) for disc in discs])
print(f"{'accuracy lost':<26}" + "".join(f"{name:>10}" for name in names))
row(f"discs of {discs[0].sum()} neurons: mean", by_disc.mean(0))
row("  the worst disc", by_disc.max(0))
row("scattered: mean", by_scatter.mean(0))
row("  the worst", by_scatter.max(0))

# %% [markdown]
# Compare the tables. The task in which a cluster varies most need not be the one that fails without it, nor need it fail at all: variance shows where a signal is,
# not who depends on it. And lesions of one size differ by their shape.
#
# Below: the clusters on the sheet; what silencing each does to each task, beyond what as many scattered neurons do; and how much accuracy,
# averaged over tasks, a disc around each place costs.

# %%
from matplotlib.figure import Figure

with matplotlib.rc_context(analysis.STYLE):
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    places, costs, map_of_damage = figure.subplots(1, 3)
    analysis.draw_sheet(places, space, analysis.group_colours(labels))
    for c in range(count):
        colour = analysis.group_colours(np.array([c]))
        places.scatter([], [], color=colour, marker="s", label=f"{c + 1}")
    places.legend(title="cluster", loc="upper left", bbox_to_anchor=(1, 1))
    places.set_title("Clusters (grey: inactive)")
    image = costs.imshow((by_cluster - by_control).T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    costs.set_yticks(range(len(names)), names)
    costs.set_xticks(range(count), [f"{c + 1}" for c in range(count)])
    costs.set(xlabel="cluster silenced", title="Accuracy lost, less scattered")
    figure.colorbar(image, ax=costs, label="accuracy")
    shown = analysis.draw_sheet(map_of_damage, space, by_disc.mean(1), vmin=0, cmap="viridis")
    map_of_damage.set_title("Lost to a disc around here")
    figure.colorbar(shown, ax=map_of_damage, label="mean accuracy lost")
    figure.savefig("clusters-and-what-is-lost-without-them.png", dpi=110)
