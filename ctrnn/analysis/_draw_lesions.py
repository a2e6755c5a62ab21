"""The damage that lesions and pulses do, and a map of it."""

import dataclasses
import itertools

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from .._space import AbstractSpace
from .._train import make_evaluation
from ._lesions import (
    damage,
    disc,
    lesion_centres,
    pulse_accuracy,
    random_pattern,
    scale_synapses,
    silence,
)
from ._style import OKABE_ITO, draw_sheet
from ._subject import Cannot, Section, Subject
from ._trials import alike, memory_task, ring_spec

_CENTRES, _SCATTERED, _FRACTION, _BANDS, _TRIALS = 24, 8, 0.1, 4, 256
_STRENGTHS, _PULSE = (0.0, 1.0, 2.0, 4.0, 8.0), 100.0


def lesions_section(subject: Subject) -> Section:
    """Accuracy per task after discs of the sheet are silenced, after as many scattered neurons are,
    after synapses are cut by their length, and after pulses during a delay.

    **Raises:**

    [`ctrnn.analysis.Cannot`][] if the network's neurons have no positions.
    """
    network, battery, space = subject.network, subject.battery, subject.network.graph.space
    if space is None:
        raise Cannot("this network's neurons have no positions; give its graph a space.")
    evaluate = make_evaluation(
        battery,
        trials_per_task=max(1, _TRIALS // len(battery.names)),
        integration=subject.integration,
        key=subject.key,
    )
    whole = evaluate(network)
    centres = lesion_centres(space, _CENTRES).tolist()
    every = np.arange(space.size)
    distances = np.asarray(space.distance(every, np.full(space.size, centres[0])))
    radius = float(np.quantile(distances, _FRACTION))
    discs = np.stack([disc(space, centre, radius) for centre in centres])
    rng = np.random.default_rng(0)
    scattered = np.stack([rng.permutation(discs[i]) for i in range(_SCATTERED)])
    local = damage(evaluate, network, (silence(network, neurons) for neurons in discs))
    spread = damage(evaluate, network, (silence(network, neurons) for neurons in scattered))
    lengths = np.asarray(network.graph.lengths)
    bands = length_bands(lengths)
    cut = damage(evaluate, network, (scale_synapses(network, *band) for band in bands))
    try:
        task, pulses = pulse_table(subject)
    except Cannot:
        task, pulses = "", {}

    figure = Figure(figsize=(11, 8), layout="constrained")
    grid = figure.subplots(2, 2)
    draw_damage(grid[0, 0], space, discs, local.mean(1), radius, centres)
    draw_comparison(grid[0, 1], {"discs": local.mean(1), "scattered": spread.mean(1)})
    draw_bands(grid[1, 0], bands, lengths, cut.mean(1))
    draw_pulses(grid[1, 1], task, pulses)

    worst = np.argsort(-local.mean(0), kind="stable")[:10]
    return Section(
        title="Lesions and perturbations",
        text=(
            f"Accuracy lost when {discs[0].sum()} neurons ({discs[0].mean():.0%}) fall silent, in a "
            "disc of the sheet or scattered; when synapses of a band of lengths are cut; and when a "
            f"random current is injected for {_PULSE:g} ms of a delay. Every lesion meets the same "
            f"trials, {max(1, _TRIALS // len(battery.names))} of each task."
        ),
        numbers={
            "accuracy": float(whole.mean()),
            "radius_mm": radius,
            "neurons_silenced": int(discs[0].sum()),
            "lost_to_discs": _spread(local.mean(1)),
            "lost_to_scattered": _spread(spread.mean(1)),
            "tasks_that_discs_hurt_most": {
                battery.names[i]: float(local[:, i].mean()) for i in worst
            },
            "lost_without_synapses_mm": {
                f"{a:.3f} to {b:.3f}": float(x)
                for (a, b), x in zip(bands, cut.mean(1), strict=True)
            },
            "pulses": {"task": task, "strengths": list(_STRENGTHS), "accuracy_by_onset_ms": pulses},
        },
        figures={"lesions": figure},
    )


def _spread(lost: np.ndarray) -> dict[str, float]:
    return {"mean": float(lost.mean()), "least": float(lost.min()), "most": float(lost.max())}


def length_bands(lengths: np.ndarray) -> list[tuple[float, float]]:
    """Autapses, and the other synapses in bands of length (mm) with about as many in each."""
    others = np.sort(np.unique(np.round(lengths[lengths > 0], 6)))
    edges = np.searchsorted(np.sort(lengths[lengths > 0]), others, side="right")
    group = np.minimum(_BANDS * (edges - 1) // edges[-1], _BANDS - 1)
    bands = [
        (float(others[group == g][0]), float(others[group == g][-1])) for g in np.unique(group)
    ]
    return [(0.0, 0.0), *bands] if (lengths == 0).any() else bands


def pulse_table(subject: Subject) -> tuple[str, dict[str, list[float]]]:
    """A task with a delay, and its accuracy after pulses: by onset in ms, for each strength.

    All strengths, onsets and directions are trials of one batch.
    """
    key, pattern_key = jr.split(subject.key)
    task, delay = memory_task(subject.battery, key=key)
    ring = ring_spec(subject.battery, task, key=key)
    begins = int(ring.fixation[0] + ring.stimulus[0])
    onsets = begins + _PULSE * np.unique(np.linspace(0, delay // _PULSE - 1, 3).astype(int))
    count = len(ring.first)
    start, strength, first = (
        jnp.asarray(x.ravel())
        for x in np.meshgrid(onsets, np.array(_STRENGTHS), np.arange(count), indexing="ij")
    )
    gap = ring.second[0] - ring.first[0]
    spec = alike(ring, len(start), first=first.astype(ring.first.dtype),
                 second=((first + gap) % count).astype(ring.second.dtype))  # fmt: skip
    spec = dataclasses.replace(spec, delay=jnp.full_like(spec.delay, delay))
    accuracy = pulse_accuracy(
        subject.network,
        subject.battery,
        spec,
        random_pattern(subject.network, key=pattern_key),
        start=start.astype(float),
        duration=_PULSE,
        strength=strength.astype(float),
        integration=subject.integration,
    )
    table = np.asarray(accuracy).reshape(len(onsets), len(_STRENGTHS), count).mean(2)
    return task, {
        f"{onset - begins:g}": row.tolist() for onset, row in zip(onsets, table, strict=True)
    }


def draw_damage(
    axes: Axes,
    space: AbstractSpace,
    discs: np.ndarray,
    lost: np.ndarray,
    radius: float,
    centres: list[int],
) -> None:
    """Each neuron in the colour of the mean damage of the discs [discs, neurons] that silence it."""
    if space.positions.shape[1] != 2:
        axes.set_axis_off()
        axes.set_title("No map: the neurons do not lie on a sheet")
        return
    hits = discs.sum(0)
    value = np.where(hits > 0, discs.T @ lost / np.maximum(hits, 1), np.nan)
    axes.set_facecolor("0.9")
    tiles = draw_sheet(axes, space, value, vmin=0, vmax=max(float(np.nanmax(value)), 1e-3))
    bar = axes.figure.colorbar(tiles, ax=axes)
    bar.set_label("accuracy lost, mean over tasks")
    limits = axes.get_xlim(), axes.get_ylim()
    y, x = space.positions[centres[lost.argmax()]]
    height, width = space.box or (0.0, 0.0)
    for i, j in itertools.product((-1, 0, 1), repeat=2):  # the disc goes on at the opposite edge
        outline = Circle((x + i * width, y + j * height), radius, fill=False, color="white")
        axes.add_patch(outline)
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.set_title(f"Damage by discs of {radius:.2f} mm; the worst outlined")


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
    axes.set_title("A disc, or as many neurons scattered")


def draw_bands(
    axes: Axes, bands: list[tuple[float, float]], lengths: np.ndarray, lost: np.ndarray
) -> None:
    """Damage by the lengths of the synapses that were cut, with the fraction of all that these are."""
    ends = [(f"{a:.2f}", f"{b:.2f}") for a, b in bands]
    names = ["autapses" if b == "0.00" else a if a == b else f"{a} to {b}" for a, b in ends]
    shares = [((lengths > a - 1e-5) & (lengths < b + 1e-5)).mean() for a, b in bands]
    labels = [f"{name}\n({share:.0%})" for name, share in zip(names, shares, strict=True)]
    axes.bar(range(len(bands)), lost, color=OKABE_ITO[2], width=0.6)
    axes.set_xticks(range(len(bands)), labels)
    axes.set(
        xlabel="length of the synapses cut in mm (fraction of all)",
        ylabel="accuracy lost, mean over tasks",
    )
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_title("Synapses cut by their length")


def draw_pulses(axes: Axes, task: str, pulses: dict[str, list[float]]) -> None:
    """Accuracy against the strength of a pulse, a line for each onset in ms after the delay began."""
    for onset, accuracy in pulses.items():
        axes.plot(_STRENGTHS, accuracy, "o-", markersize=4, label=f"{onset} ms into the delay")
    axes.set(
        xlabel="rms current per neuron (units of its input)", ylabel="accuracy", ylim=(0, 1.03)
    )
    axes.set_title(
        f"Pulses of {_PULSE:g} ms in the delay of {task}" if task else "No delay to pulse"
    )
    if pulses:
        axes.legend(fontsize=8)
