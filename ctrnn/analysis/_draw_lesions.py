"""The damage that lesions and pulses do, and a map of it."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._evaluate import make_evaluation
from .._network import RateNetwork
from .._space import AbstractSpace
from ._lesions import (
    cut_synapses,
    damage,
    lesion_centres,
    patch,
    pulse_accuracy,
    random_pattern,
    silence,
)
from ._style import OKABE_ITO, draw_sheet
from ._subject import Cannot, Section, Subject
from ._trials import alike, memory_task, ring_spec
from ._variance import task_clusters

_FRACTION, _BANDS, _EACH, _PATTERNS = 0.1, 4, 16, 8
_STRENGTHS, _PULSE = (0.0, 1.0, 2.0, 4.0, 8.0), 100.0


def lesions_section(subject: Subject) -> Section:
    """Accuracy per task after patches of the sheet are silenced, after as many scattered neurons
    are, after clusters of like neurons are (Yang et al. 2019), after synapses are cut by their
    length, and after pulses during a delay. What a network does not lend itself to is left out."""
    network, battery, space = subject.network, subject.battery, subject.network.graph.space
    names = battery.names
    each = max(_EACH, 256 // len(names))
    few = len(names) > 32  # evaluations of large batteries take longer: fewer lesions
    evaluate = make_evaluation(
        battery, trials_per_task=each, integration=subject.integration, key=subject.key
    )
    rng = np.random.default_rng(0)
    count = max(1, round(_FRACTION * network.size))
    scattered = rng.permuted(np.tile(np.arange(network.size) < count, (4 if few else 8, 1)), axis=1)
    lost = {"scattered": damage(evaluate, network, (silence(network, n) for n in scattered))}
    whole = evaluate(network)
    missing: dict[str, str] = {}

    panels: list[Callable[[Axes], None]] = []
    by_task: dict[str, np.ndarray] = {}
    numbers: dict[str, Any] = {
        "accuracy": float(whole.mean()),
        "neurons_silenced": count,
        "trials_per_task": each,
    }
    if space is None:
        missing["patches"] = "its neurons have no positions"
    else:
        centres = lesion_centres(space, 8 if few else 24).tolist()
        patches = np.stack([patch(space, centre, count) for centre in centres])
        lost["patches"] = damage(evaluate, network, (silence(network, n) for n in patches))
        if space.positions.shape[1] == 2:
            mean = lost["patches"].mean(1)
            panels.append(partial(draw_damage, space=space, patches=patches, lost=mean))
        else:
            missing["map"] = "its neurons do not lie on a sheet"
    panels.append(partial(draw_comparison, lost={k: v.mean(1) for k, v in lost.items()}))
    if network.graph.lengths is not None:
        lengths, shares, cut, control = _cut_by_length(evaluate, network, rng)
        means = cut.mean(1), control.mean(1)
        panels.append(
            partial(draw_bands, names=lengths, shares=shares, lost=means[0], control=means[1])
        )
        numbers["lost_without_synapses_mm"] = {
            label: {"cut": float(x), "as_many_at_random": float(y)}
            for label, x, y in zip(lengths, *means, strict=True)
        }
        by_task |= {f"cut: {label}": row for label, row in zip(lengths, cut, strict=True)}
    try:
        task, duration, pulses = pulse_table(subject)
        panels.append(partial(draw_pulses, task=task, duration=duration, pulses=pulses))
        numbers["pulses"] = {
            "task": task, "duration_ms": duration, "patterns": _PATTERNS, "strengths": list(_STRENGTHS),
            "accuracy_by_onset_ms": pulses,
        }  # fmt: skip
    except Cannot as cannot:
        missing["pulses"] = str(cannot)
    figures = {"lesions": _figure(panels)}
    try:
        clusters = task_clusters(subject)
        groups = [clusters == c for c in range(clusters.max() + 1)]
        found = damage(evaluate, network, (silence(network, group) for group in groups))
        sizes = [int(group.sum()) for group in groups]
        figures["clusters"] = draw_clusters(found, sizes, names)
        by_task |= {f"cluster {i + 1}": row for i, row in enumerate(found)}
        numbers["cluster_of_each_neuron"] = clusters.tolist()
    except Cannot as cannot:
        missing["clusters"] = str(cannot)

    by_task = {kind: values.mean(0) for kind, values in lost.items()} | by_task
    numbers |= {f"lost_to_{kind}": _spread(values.mean(1)) for kind, values in lost.items()}
    numbers["lost_by_task"] = {
        name: {kind: float(row[i]) for kind, row in by_task.items()} for i, name in enumerate(names)
    }
    numbers |= {f"no_{kind}": why for kind, why in missing.items()}
    return Section(
        title="Lesions and perturbations",
        text=(
            f"Accuracy lost when {count} neurons ({count / network.size:.0%}) fall silent, those "
            "nearest to a place or scattered; when a cluster of neurons with like task variance does "
            "(Yang et al. 2019); when synapses of a band of lengths are cut, or as many at random; "
            f"and when a random current (mean of {_PATTERNS}) is injected for a part of a "
            f"delay. Every lesion meets the same trials, {each} of each task."
        ),
        numbers=numbers,
        figures=figures,
    )


def _cut_by_length(
    evaluate: Callable[[RateNetwork], np.ndarray], network: RateNetwork, rng: np.random.Generator
) -> tuple[list[str], list[float], np.ndarray, np.ndarray]:
    """Bands of lengths, as words in mm; the fraction of synapses in each; the accuracy lost
    [bands, tasks] without them, and without as many at random."""
    lengths = np.asarray(network.graph.lengths)
    bands = length_bands(lengths)
    masks = [(lengths > a - 1e-5) & (lengths < b + 1e-5) for a, b in bands]
    names = [
        "autapses" if b == 0 else f"{a:.2f}" if a == b else f"{a:.2f} to {b:.2f}" for a, b in bands
    ]
    cut, control = (
        damage(evaluate, network, (cut_synapses(network, mask) for mask in which))
        for which in (masks, [rng.permutation(mask) for mask in masks])
    )
    return names, [float(mask.mean()) for mask in masks], cut, control


def _figure(panels: list[Callable[[Axes], None]]) -> Figure:
    """One to four panels, none of them empty."""
    rows, columns = (2, 2) if len(panels) == 4 else (1, len(panels))
    figure = Figure(figsize=(5.5 * columns, 4 * rows), layout="constrained")
    for axes, draw in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=True):
        draw(axes)
    return figure


def _spread(lost: np.ndarray) -> dict[str, float]:
    return {"mean": float(lost.mean()), "least": float(lost.min()), "most": float(lost.max())}


def length_bands(lengths: np.ndarray) -> list[tuple[float, float]]:
    """Autapses, and the other synapses in bands of length (mm) with about as many in each."""
    if not (lengths > 0).any():
        return [(0.0, 0.0)]
    others = np.sort(np.unique(np.round(lengths[lengths > 0], 6)))
    edges = np.searchsorted(np.sort(lengths[lengths > 0]), others, side="right")
    group = np.minimum(_BANDS * (edges - 1) // edges[-1], _BANDS - 1)
    bands = [
        (float(others[group == g][0]), float(others[group == g][-1])) for g in np.unique(group)
    ]
    return [(0.0, 0.0), *bands] if (lengths == 0).any() else bands


def pulse_table(subject: Subject) -> tuple[str, float, dict[str, list[float]]]:
    """A task with a delay, how long its pulses are in ms (no longer than the delay), and its accuracy
    after them: by onset in ms, for each strength, mean over patterns of current. All strengths, onsets
    and directions are trials of one batch."""
    key, pattern_key = jr.split(subject.key)
    task, delay = memory_task(subject.battery, key=key)
    ring = ring_spec(subject.battery, task, key=key)
    begins, duration = int(ring.fixation[0] + ring.stimulus[0]), min(_PULSE, float(delay))
    onsets = begins + _PULSE * np.unique(np.linspace(0, max(delay // _PULSE - 1, 0), 3).astype(int))
    count = len(ring.first)
    start, strength, first = (
        jnp.asarray(x.ravel())
        for x in np.meshgrid(onsets, np.array(_STRENGTHS), np.arange(count), indexing="ij")
    )
    gap = ring.second[0] - ring.first[0]
    spec = alike(ring, len(start), first=first.astype(ring.first.dtype),
                 second=((first + gap) % count).astype(ring.second.dtype))  # fmt: skip
    spec = dataclasses.replace(spec, delay=jnp.full_like(spec.delay, delay))
    accuracy = [
        pulse_accuracy(
            subject.network,
            subject.battery,
            spec,
            random_pattern(subject.network, key=one),
            start=start.astype(float),
            duration=duration,
            strength=strength.astype(float),
            integration=subject.integration,
        )
        for one in jr.split(pattern_key, _PATTERNS)
    ]
    shape = (_PATTERNS, len(onsets), len(_STRENGTHS), count)
    table = np.asarray(accuracy).reshape(shape).mean((0, 3))
    return (
        task,
        duration,
        {f"{onset - begins:g}": row.tolist() for onset, row in zip(onsets, table, strict=True)},
    )


def draw_damage(axes: Axes, space: AbstractSpace, patches: np.ndarray, lost: np.ndarray) -> None:
    """Each neuron in the colour of the mean damage of the patches [patches, neurons] that silence
    it; those of the worst patch are dotted."""
    hits = patches.sum(0)
    value = np.where(hits > 0, patches.T @ lost / np.maximum(hits, 1), np.nan)
    axes.set_facecolor("0.9")
    tiles = draw_sheet(axes, space, value, vmin=0, vmax=max(float(np.nanmax(value)), 1e-3))
    axes.figure.colorbar(tiles, ax=axes, label="accuracy lost, mean over tasks")
    y, x = space.positions[patches[lost.argmax()]].T
    axes.plot(x, y, ".", color="white", markersize=3)
    axes.set_title(f"Patches of {patches[0].sum()} neurons; the worst dotted")


def draw_comparison(axes: Axes, lost: dict[str, np.ndarray]) -> None:
    """The damage of each lesion, by kind, side by side."""
    for i, values in enumerate(lost.values()):
        jitter = np.linspace(-0.15, 0.15, len(values))
        axes.plot(i + jitter, np.sort(values), "o", color=OKABE_ITO[i], markersize=5)
        axes.plot([i - 0.25, i + 0.25], [values.mean()] * 2, color="black", linewidth=1.5)
        axes.text(i + 0.27, values.mean(), f"{values.mean():.2f}", va="center", fontsize=9)
    axes.set_xticks(range(len(lost)), list(lost))
    axes.set(xlim=(-0.6, len(lost) - 0.4), ylabel="accuracy lost, mean over tasks")
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_title("As many neurons, scattered or in a patch")


def draw_bands(
    axes: Axes, names: list[str], shares: list[float], lost: np.ndarray, control: np.ndarray
) -> None:
    """Damage by the lengths of the synapses that were cut, beside as many at random."""
    places = np.arange(len(names))
    axes.bar(places - 0.2, lost, color=OKABE_ITO[2], width=0.38, label="of this length")
    axes.bar(places + 0.2, control, color="0.7", width=0.38, label="as many at random")
    ticks = [f"{name}\n({share:.0%})" for name, share in zip(names, shares, strict=True)]
    axes.set_xticks(places, ticks, fontsize=8)
    axes.set(
        xlabel="length of the synapses cut in mm (fraction of all)",
        ylabel="accuracy lost, mean over tasks",
    )
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_title("Synapses cut by their length")
    axes.margins(y=0.2)  # room for the legend
    axes.legend(fontsize=8, loc="upper left", ncols=2)


def draw_clusters(lost: np.ndarray, sizes: list[int], names: tuple[str, ...]) -> Figure:
    """Accuracy that each task loses without each cluster [clusters, tasks]."""
    height = float(np.clip(0.13 * len(names) + 1.5, 3, 14))
    figure = Figure(figsize=(3.2 + 0.5 * len(sizes), height), layout="constrained")
    axes = figure.subplots()
    most = max(float(np.abs(lost).max()), 1e-3)
    image = axes.imshow(lost.T, aspect="auto", cmap="PuOr_r", vmin=-most, vmax=most)
    axes.set_xticks(range(len(sizes)), [f"{i + 1}\n({n})" for i, n in enumerate(sizes)])
    axes.set_yticks(range(len(names)), names, fontsize=9 if len(names) <= 40 else 5.5)
    axes.set(xlabel="cluster silenced (neurons)", title="Without a cluster")
    figure.colorbar(image, ax=axes, label="accuracy lost")
    return figure


def draw_pulses(axes: Axes, task: str, duration: float, pulses: dict[str, list[float]]) -> None:
    """Accuracy against the strength of a pulse, a line for each onset in ms after the delay began."""
    for onset, accuracy in pulses.items():
        axes.plot(_STRENGTHS, accuracy, "o-", markersize=4, label=f"{onset} ms into the delay")
    axes.set(
        xlabel="rms current per neuron (units of its input)", ylabel="accuracy", ylim=(0, 1.03)
    )
    axes.set_title(f"Pulses of {duration:g} ms in the delay of {task}, {_PATTERNS} patterns")
    axes.legend(fontsize=8)
