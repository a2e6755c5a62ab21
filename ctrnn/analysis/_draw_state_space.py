"""Trials drawn as curves in the space of rates."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._solver import Integration
from ._directions import direction_bar, direction_colour
from ._state_space import (
    Components,
    demixed_components,
    participation_ratio,
    path_length,
    principal_components,
)
from ._subject import Cannot, Section, Subject, aligned, responses
from ._trials import alike, longest_delays, memory_task, ring_spec

_SHOWN = ("dlygo", "dm1", "dlygointr", "dms")
_TIMED = ("dlygo", "dlygointr", "dlygointl", "dlyantiintr", "dms", "dmsintr")
_EVERY, _TRIALS = 10.0, 64
# Continuous time: the solver's own steps, read in between by its dense solution.
_DENSE = Integration(solver="tsit5", rtol=1e-4)


def _some(preferred: tuple[str, ...], names: Any, count: int) -> list[str]:
    """At most `count` of the names, those preferred first."""
    return [n for n in dict.fromkeys([*preferred, *names]) if n in names][:count]


def state_space_section(subject: Subject) -> Section:
    """Trajectories by condition, demixed axes, dimensions per task, and distance against interval.

    **Raises:**

    [`ctrnn.analysis.Cannot`][] if the trials have no ring directions.
    """
    battery, key = subject.battery, subject.key
    figures, numbers = {}, {}
    shown = _some(_SHOWN, battery.names, 4)
    figure = Figure(figsize=(3.4 * len(shown), 3.6), layout="constrained")
    for axes, task in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        spec = ring_spec(battery, task, key=key)
        trial, trajectory = responses(
            subject.network, battery, spec, integration=_DENSE, every=_EVERY
        )
        end = round(float(trial.mask[0].sum()) * battery.dt / _EVERY)
        draw_trajectories(axes, np.asarray(trajectory.rates)[:end])
        axes.set_title(task)
    direction_bar(figure, figure.axes, "direction (°)")
    figures["trajectories"] = figure

    ratios = task_dimensions(subject)
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    draw_dimensions(figure.subplots(), ratios)
    figures["dimensions"] = figure
    numbers["participation_ratio"] = ratios

    delays = longest_delays(battery, key=key)
    if delays:
        task, _ = memory_task(battery, key=key)
        rates, onsets = ring_by_modality(subject, task, key=key)
        names = ("modality", "direction")
        axes = demixed_components(rates, names, 1)
        figure = Figure(figsize=(13, 3.2), layout="constrained")
        draw_demixed(figure.subplots(1, 4), rates, axes, onsets)
        figure.suptitle(
            f"Demixed components of {task}, with the fraction of the variance each shows",
            x=0.01,
            ha="left",
            fontsize=11,
        )
        figures["demixed"] = figure
        numbers["demixed_variance"] = {k: float(a.explained[0]) for k, a in axes.items()}

        lengths = {t: delay_lengths(subject, t, delays[t], key=key)
                   for t in _some(_TIMED, delays, 5)}  # fmt: skip
        figure = Figure(figsize=(7.5, 3.4), layout="constrained")
        draw_intervals(figure.subplots(1, 2), lengths)
        figures["intervals"] = figure
        numbers["delay"] = {
            t: {
                "travelled_per_100_ms": float(
                    path[-1].mean() / max(len(path) - 1, 1) * 100 / _EVERY
                ),
                "travelled_in_the_last_100_ms": float(
                    (path[-1] - path[max(len(path) - 11, 0)]).mean()
                ),
                "displaced": float(gone[-1].mean()),
            }
            for t, (path, gone) in lengths.items()
        }
    return Section(
        title="State space",
        text=(
            "Noiseless trials as curves in the space of rates, solved with an adaptive step and saved "
            f"every {_EVERY:g} ms. Demixed axes (Kobak et al. 2016) each show one factor of the trials. "
            f"The participation ratio, of {_TRIALS} trials of each task without their fixation, says "
            "how many dimensions it fills. A network that times an interval has to keep moving through "
            "it; one that only waits may stand still."
        ),
        numbers=numbers,
        figures=figures,
    )


def task_dimensions(subject: Subject) -> dict[str, float]:
    """The participation ratio of the rates in noiseless trials of each task, over frames after
    fixation and trials."""
    battery, ratios = subject.battery, {}
    for i, name in enumerate(battery.names):
        spec, onset = aligned(battery.sample(subject.key, jnp.full(_TRIALS, i)))
        trial, trajectory = responses(
            subject.network, battery, spec, integration=subject.integration
        )
        inside = (
            np.asarray(trial.mask.T)
            & (battery.dt * np.arange(battery.steps) >= int(onset))[:, None]
        )
        ratios[name] = float(participation_ratio(np.asarray(trajectory.rates)[inside]))
    return ratios


def ring_by_modality(
    subject: Subject, task: str, *, key: PRNGKeyArray
) -> tuple[np.ndarray, list[int]]:
    """Rates [modality, direction, time, neurons] in a task, and when its periods end, in ms."""
    ring = ring_spec(subject.battery, task, key=key)
    count = len(ring.first)
    if not hasattr(ring, "modality"):
        raise Cannot("trials of this battery have no modality.")
    spec = jax.tree.map(lambda x: jnp.concatenate([x, x]), ring)
    modality = jnp.repeat(jnp.arange(2, dtype=ring.modality.dtype), count)
    spec = dataclasses.replace(spec, modality=modality)
    trial, trajectory = responses(
        subject.network, subject.battery, spec, integration=_DENSE, every=_EVERY
    )
    end = round(float(trial.mask[0].sum()) * subject.battery.dt / _EVERY)
    rates = np.asarray(trajectory.rates)[:end].swapaxes(0, 1)
    periods = np.cumsum([int(x[0]) for x in (ring.fixation, ring.stimulus, ring.delay)])
    return rates.reshape(2, count, *rates.shape[1:]), periods.tolist()


def delay_lengths(
    subject: Subject, task: str, delay: int, *, key: PRNGKeyArray
) -> tuple[np.ndarray, np.ndarray]:
    """How far the state has travelled, and how far it has come, since the delay began.

    A trial with a shorter delay is the same until it ends, so that one trial tells all intervals.

    **Returns:**

    Path length and distance from the start of the delay, both [time, directions], every 10 ms.
    """
    ring = ring_spec(subject.battery, task, key=key)
    spec = alike(ring, len(ring.first), first=ring.first, second=ring.second,
                 delay=jnp.full_like(ring.delay, delay))  # fmt: skip
    _, trajectory = responses(
        subject.network, subject.battery, spec, integration=_DENSE, every=_EVERY
    )
    onset = round(int(ring.fixation[0] + ring.stimulus[0]) / _EVERY) - 1
    rates = trajectory.rates[onset : onset + round(delay / _EVERY) + 1]
    gone = jnp.linalg.norm(rates - rates[0], axis=-1)
    return np.asarray(path_length(rates)), np.asarray(gone)


def draw_trajectories(axes: Axes, rates: np.ndarray) -> None:
    """Trajectories [time, directions, neurons] on their first two principal components."""
    plane = principal_components(rates, 2)
    for i in range(rates.shape[1]):
        line = plane(rates[:, i])
        axes.plot(*line.T, color=direction_colour(i, rates.shape[1]), linewidth=1)
        axes.plot(*line[-1], "o", color=direction_colour(i, rates.shape[1]), markersize=4)
    axes.plot(*plane(rates[0, 0]), "k+", markersize=8)
    for which, share in zip("xy", plane.explained, strict=True):
        label = f"PC {'xy'.index(which) + 1} (rate, {share:.0%} of variance)"
        getattr(axes, f"set_{which}label")(label)


def draw_dimensions(axes: Axes, ratios: dict[str, float]) -> None:
    """Participation ratio of each task, in order of size; names where they are few, else the ends."""
    names = sorted(ratios, key=lambda name: ratios[name])
    values = [ratios[name] for name in names]
    axes.plot(values, "o", markersize=4 if len(names) > 30 else 6)
    axes.set(ylabel="participation ratio", ylim=(0, 1.1 * values[-1]))
    every = max(1, -(-len(names) // 24))
    axes.set_xticks(
        range(0, len(names), every), names[::every], rotation=60, ha="right", fontsize=8
    )
    axes.set_title("Dimensions that trials of a task fill")


def draw_demixed(
    axes: Any, rates: np.ndarray, components: dict[str, Components], onsets: list[int]
) -> None:
    """The first component of each part over time: colour is direction, solid and dashed the modality."""
    time = _EVERY * np.arange(1, rates.shape[2] + 1)
    for axis, (name, part) in zip(axes, components.items(), strict=True):
        shown = part(rates)[..., 0]
        for m, style in enumerate(("-", "--")):
            for i in range(shown.shape[1]):
                axis.plot(
                    time,
                    shown[m, i],
                    style,
                    color=direction_colour(i, shown.shape[1]),
                    linewidth=0.9,
                )
        for onset in onsets:
            axis.axvline(onset, color="0.8", linewidth=1, zorder=0)
        axis.set_title(f"{name}: {part.explained[0]:.1%}")
        axis.set(xlabel="time (ms)")
    axes[0].set_ylabel("component (rate)")
    for style, label in (("-", "ring 1"), ("--", "ring 2")):
        axes[0].plot([], [], style, color="0.3", label=label)
    axes[0].legend(fontsize=8)


def draw_intervals(axes: Any, lengths: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Distance travelled and distance from the start against time in the delay, mean and spread."""
    titles = ("Distance travelled", "Distance from the start")
    for axis, title, which in zip(axes, titles, (0, 1), strict=True):
        for task, both in lengths.items():
            mean, spread = both[which].mean(1), both[which].std(1)
            time = _EVERY * np.arange(len(mean))
            (line,) = axis.plot(time, mean, label=task)
            axis.fill_between(time, mean - spread, mean + spread, alpha=0.15, linewidth=0,
                              color=line.get_color())  # fmt: skip
        axis.set(xlabel="time in the delay (ms)", title=title, ylim=(0, None))
    axes[0].set_ylabel("distance (rate)")
    axes[0].legend(fontsize=8)
