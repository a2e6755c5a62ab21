"""Which neurons serve which tasks: task variance, its clusters and their place."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .._battery import Battery
from .._network import RateNetwork
from .._solver import Integration
from .._space import AbstractSpace
from ._clusters import (
    Agreement,
    Clusters,
    agreement,
    agreement_by_distance,
    cluster,
    neighbour_pairs,
)
from ._style import OKABE_ITO, draw_sheet, group_colours
from ._subject import Cannot, Section, Subject, aligned, responses


def task_variance(
    rates: Float[Array, "time batch neurons"], inside: Bool[Array, "time batch"]
) -> Float[Array, " neurons"]:
    """How much a neuron's rate differs between the trials of one task: its variance over trials at
    each time, averaged over time. By Yang et al., Nature Neuroscience 22 (2019), eq. 8.

    **Arguments:**

    - `rates`: noiseless responses.
    - `inside`: the times and trials that count. Times with fewer than two trials do not.

    **Returns:**

    The task variance of each neuron, in squared units of rate.

    !!! example

        ```python
        trial, trajectory = responses(network, battery, spec, integration=integration)
        variance = task_variance(trajectory.rates, trial.mask.T)
        ```
    """
    weight = inside[..., None].astype(rates.dtype)
    count = weight.sum(1)
    trials = jnp.maximum(count, 1)
    mean = (weight * rates).sum(1) / trials
    variance = (weight * (rates - mean[:, None]) ** 2).sum(1) / trials
    counts = count > 1
    return (variance * counts).sum(0) / jnp.maximum(counts.sum(), 1)


def task_variances(
    network: RateNetwork,
    battery: Battery,
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 32,
) -> Float[np.ndarray, "neurons tasks"]:
    """[`ctrnn.analysis.task_variance`][] of every neuron in every task, on noiseless trials.

    Trials have fixation periods of one length, which are left out, as Yang et al. (2019) do; other
    durations vary as the tasks draw them.

    **Arguments:**

    - `network`, `battery`, `integration`: what is asked, by what, and how it is solved.
    - `key`, `trials`: draws the trials; how many per task.

    !!! example

        ```python
        variance = task_variances(network, battery, integration=integration, key=key)
        profiles, active = normalised_variance(variance)
        ```
    """

    tasks = range(len(battery.names))
    columns = [
        _variance_of(network, battery, jnp.full(trials, i), jr.fold_in(key, i), integration)
        for i in tasks
    ]
    return np.stack(columns, axis=1)


@eqx.filter_jit
def _variance_of(network, battery, ids, key, integration):
    spec, onset = aligned(battery.sample(key, ids))
    trial, trajectory = responses(network, battery, spec, integration=integration)
    started = battery.dt * jnp.arange(battery.steps) >= onset
    return task_variance(trajectory.rates, trial.mask.T & started[:, None])


def normalised_variance(
    variance: Float[np.ndarray, "neurons tasks"], threshold: float = 1e-3
) -> tuple[Float[np.ndarray, "active tasks"], Bool[np.ndarray, " neurons"]]:
    """Each neuron's task variance relative to the task in which it is largest (Yang et al. 2019).

    **Arguments:**

    - `variance`: from [`ctrnn.analysis.task_variances`][].
    - `threshold`: neurons whose variances sum to less are left out as inactive.

    **Returns:**

    The normalised variance of the active neurons, and which they are.

    !!! example

        ```python
        profiles, active = normalised_variance(variance)
        assert (profiles.max(1) == 1).all()
        ```
    """
    active = variance.sum(1) > threshold
    kept = variance[active]
    return kept / kept.max(1, keepdims=True), active


def task_clusters(subject: Subject) -> Int[np.ndarray, " neurons"]:
    """The cluster of each neuron by its normalised task variance, largest first; -1 where inactive.

    **Raises:**

    [`ctrnn.analysis.Cannot`][] if there are too few active neurons, or without scikit-learn.

    !!! example

        ```python
        first = silence(subject.network, task_clusters(subject) == 0)
        ```
    """
    profiles, active = normalised_variance(
        task_variances(
            subject.network, subject.battery, integration=subject.integration, key=subject.key
        )
    )
    labels = np.full(len(active), -1)
    labels[active] = cluster(profiles).labels
    return labels


def variance_section(subject: Subject) -> Section:
    """Task variance, its clusters and their place, before and after training."""
    space, names = subject.network.graph.space, subject.battery.names
    if len(names) < 2:
        raise Cannot("task variance compares tasks, and this network has one.")
    numbers: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    pairs = None if space is None else neighbour_pairs(space)
    for when, network in (("before", subject.untrained), ("after", subject.network)):
        variance = task_variances(
            network, subject.battery, integration=subject.integration, key=subject.key
        )
        profiles, active = normalised_variance(variance)
        about: dict[str, Any] = {"active neurons": int(active.sum())}
        numbers[f"{when} training"] = about
        if space is not None and pairs is not None:
            varied = np.ptp(profiles, axis=1) > 0  # a constant profile has no correlation
            among = active.copy()
            among[active] = varied
            alike = np.corrcoef(profiles[varied])
            about |= _measured(
                "correlation of neighbours' profiles", agreement(alike, among, *pairs)
            )
            curves[when] = agreement_by_distance(alike, among, space)
    clusters = cluster(profiles)
    labels = np.full(len(active), -1)
    labels[active] = clusters.labels
    about["clusters"] = int(labels.max()) + 1
    about["silhouette"] = max(clusters.silhouettes.values())
    if pairs is not None:
        same = clusters.labels[:, None] == clusters.labels
        about |= _measured("neighbours in one cluster", agreement(same, active, *pairs))
    means = [profiles[clusters.labels == c].mean(0).tolist() for c in range(labels.max() + 1)]
    numbers |= {
        "tasks": list(names),
        "cluster of each neuron (-1: inactive)": labels.tolist(),
        "mean normalised variance by cluster and task": means,
        "silhouette by number of clusters": list(clusters.silhouettes.items()),
    }
    figures = {"variance": _draw_profiles(profiles, clusters, names)}
    if space is not None and space.positions.shape[1] == 2:
        figures["sheet"] = _draw_places(labels, space, curves)
    return Section(
        "Task variance and clusters",
        "How much each neuron's rate varies between the trials of a task, relative to the task in "
        "which it varies most (Yang et al. 2019). Neurons with similar profiles are clustered by "
        "k-means; the silhouette chooses the number. Clusters are local if neighbours share one more "
        "often than with the neurons shuffled. The same is asked of the profiles themselves, which "
        "needs no clusters. The untrained network shows what wiring alone brings about.",
        numbers,
        figures,
    )


def _measured(what: str, found: Agreement) -> dict[str, float]:
    return {
        what: found.mean,
        f"{what}, shuffled": float(found.shuffled.mean()),
        f"{what}, p": found.p,
    }


def _draw_profiles(profiles, clusters: Clusters, names) -> Figure:
    labels, best = clusters.labels, len(np.bincount(clusters.labels))
    order = np.lexsort([profiles.argmax(1), labels])
    height = float(np.clip(0.1 * len(names) + 1.5, 3, 13))
    figure = Figure(figsize=(10, height + 2.4), layout="constrained")
    top, below = figure.subplots(2, 1, height_ratios=[2, height])
    top.plot(list(clusters.silhouettes), list(clusters.silhouettes.values()), "o-", markersize=4)
    top.axvline(best, color="0.6", linestyle=":")
    top.set(
        xlabel="number of clusters",
        ylabel="mean silhouette",
        title=f"{best} clusters are most distinct",
    )
    top.locator_params(axis="x", integer=True)
    image = below.imshow(profiles[order].T, aspect="auto", vmin=0, vmax=1, cmap="viridis")
    edges = np.cumsum(np.bincount(labels))
    for x in edges[:-1]:
        below.axvline(x - 0.5, color="white", linewidth=1)
    below.set_yticks(range(len(names)), names, fontsize=9 if len(names) <= 40 else 5.5)
    below.set_xticks(edges - np.bincount(labels) / 2, [str(i + 1) for i in range(best)])
    below.set(xlabel="neurons, by cluster", title="Normalised task variance")
    figure.colorbar(image, ax=below, label="relative to the neuron's largest", aspect=40, pad=0.01)
    return figure


def _draw_places(labels: np.ndarray, space: AbstractSpace, curves: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_sheet(left, space, group_colours(labels))
    groups = np.unique(labels)
    handles = [
        Patch(color=colour, label="inactive" if c < 0 else f"{c + 1}")
        for c, colour in zip(groups, group_colours(groups), strict=True)
    ]
    left.legend(handles=handles, title="cluster", loc="upper left", bbox_to_anchor=(1, 1))
    left.set_title("Where the clusters lie, after training")
    for when, colour in (("after", OKABE_ITO[0]), ("before", OKABE_ITO[1])):
        distance, mean, low, high = curves[when]
        right.plot(distance, mean, "o-", color=colour, markersize=4, label=f"{when} training")
        right.fill_between(distance, low, high, color=colour, alpha=0.2, linewidth=0)
    right.set(
        xlabel="distance between two neurons (mm)", ylabel="correlation of their profiles",
        title="Is it local? (shade: 95 % of shuffled)",
    )  # fmt: skip
    right.legend()
    return figure
