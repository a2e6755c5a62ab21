"""The fixed points of a memory: what a network does while it holds a direction."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._directions import direction_bar, direction_colour
from ._fixed_points import (
    FixedPoints,
    HeldField,
    eigenvalues,
    fixed_points,
    follow,
    ring_drift,
    ring_turns,
    slow_ring,
)
from ._state_space import principal_components
from ._subject import Section, Subject
from ._trials import Between, memory_task, ring_spec

_POINTS, _LINEARISED, _STEPS = 32, 8, 2000
_STILL = 1e-5  # rates per ms: below it a point is fixed, to rounding
_NO_RING = (
    " Here there is no ring: round both the states visited and the slow ones the angles go back and "
    "forth, so that there is no drift along it to draw."
)


def fixed_points_section(subject: Subject) -> Section:
    """Fixed and slow points of the delay of a memory task, how stable they are, and how the flow
    drifts along the ring of directions held.

    **Raises:**

    [`ctrnn.analysis.Cannot`][] if no task has a delay and ring directions.
    """
    network, battery = subject.network, subject.battery
    key, noise_key = jr.split(subject.key)
    task, delay = memory_task(battery, key=key)
    spec = ring_spec(battery, task, key=key)
    spec = dataclasses.replace(spec, delay=jnp.full_like(spec.delay, delay))
    trial = battery.render(spec)
    path = Between(trial.path("step"), battery.out_size - 1, _POINTS)
    rule = trial.rule[0]
    stimulus, onset = int(spec.fixation[0]), int(spec.fixation[0] + spec.stimulus[0])
    end = onset + delay
    held = subject.integration.dt * np.arange(1, round(end / subject.integration.dt) + 1)
    context = jnp.broadcast_to(rule, (_POINTS, *rule.shape))
    trajectory = network(path, held, context=context, integration=subject.integration)
    visited, during = trajectory.state, np.asarray(trajectory.rates)[held > onset]

    field = HeldField(network, path.evaluate(onset + delay / 2)[0], rule)
    noise = 0.1 * visited.std() * jr.normal(noise_key, visited.shape)
    starts = jnp.concatenate([visited[::2], (visited + noise)[::2]])
    points = fixed_points(field, starts, steps=_STEPS)
    values = eigenvalues(field, points.states[:_LINEARISED])
    ring = slow_ring(field, visited, steps=_STEPS)
    rings = {"visited": visited, "slow": ring}
    drift, about = {}, {}
    for name, states in rings.items():
        along, across = map(np.asarray, ring_drift(field, states))
        turns, ordered = ring_turns(states)
        about[name] = {"turns": turns, "angles_in_order": ordered,
                       "largest_speed_across_per_s": float(1000 * across.max())}  # fmt: skip
        if ordered and abs(turns) == 1:  # else there is no ring to drift along
            drift[name] = np.rad2deg(along) * 1000
            about[name]["median_drift_deg_per_s"] = float(np.median(np.abs(drift[name])))
            about[name]["largest_drift_deg_per_s"] = float(np.abs(drift[name]).max())
    moved = np.linalg.norm(np.asarray(ring - visited), axis=1)
    radius = np.linalg.norm(np.asarray(visited - visited.mean(0)), axis=1).mean()
    about["slow"]["median_distance_moved_per_radius"] = float(np.median(moved) / radius)
    shown = path.evaluate((stimulus + onset) / 2)[::2]
    lap = jnp.concatenate([shown, shown[:1]])
    driven, driven_speed = map(np.asarray, follow(network, lap, rule, visited[0], steps=_STEPS))
    gap = np.linalg.norm(driven[-1] - driven[0])
    size = np.linalg.norm(driven - driven[:-1].mean(0), axis=1).mean()
    speed = np.linalg.norm(np.asarray(jax.vmap(field)(visited)), axis=1)

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    plane, spectrum, *turning = figure.subplots(1, 3 if drift else 2)
    rates = np.asarray(network.rates(jnp.asarray(points.states)))
    followed = np.asarray(network.rates(jnp.asarray(driven)))
    slow = np.asarray(network.rates(ring))
    draw_ring(plane, during, slow, followed, rates, values, joined="slow" in drift)
    plane.set_title(f"Delay of {task}: {delay} ms")
    direction_bar(figure, plane, "direction held (°)")
    draw_eigenvalues(spectrum, values)
    for axes in turning:
        draw_drift(axes, drift)

    growing = (np.real(values) > 0).sum(1)
    return Section(
        title="Fixed and slow points",
        text=(
            f"Where the flow stands still, or nearly, while {task} is held in memory under the "
            "input of its delay (Sussillo & Barak 2013). A point's eigenvalues say which "
            "perturbations fade (time constant positive) and which grow (negative). If the "
            "directions held form a continuous attractor, the flow does not drift along their ring. "
            f"Points slower than {1000 * _STILL:g} per s count as fixed, others as slow; those of "
            "searches that did not converge are only the slowest states found. The slow ring is "
            "called one only if its states go round once and in the order of the directions."
            + ("" if drift else _NO_RING)
        ),
        numbers={
            "task": task,
            "delay_ms": delay,
            "points": _numbers(points),
            "unstable_directions": growing.tolist(),
            "leading_time_constants_ms": (-1 / np.real(values[:, :5])).round(1).tolist(),
            "speed_at_the_end_of_the_delay_per_s": float(1000 * np.median(speed)),
            "rings_of_directions": about,
            "followed_round_the_stimulus": {
                "largest_speed_per_s": float(1000 * driven_speed.max()),
                "gap_after_a_lap_per_radius": float(gap / size) if size else 0.0,
            },
        },
        figures={"fixed_points": figure},
    )


def _numbers(points: FixedPoints) -> dict:
    return {
        "fixed": int((points.speed < _STILL).sum()),
        "slow": int((points.speed >= _STILL).sum()),
        "searches_that_converged": int(points.converged.sum()),
        "relative_gradient": points.gradient.round(6).tolist(),
        "starts": int(points.starts.sum()),
        "speed_per_s": (1000 * points.speed).round(4).tolist(),
    }


def draw_ring(
    axes: Axes,
    during: np.ndarray,
    ring: np.ndarray,
    followed: np.ndarray,
    points: np.ndarray,
    values: np.ndarray,
    joined: bool,
) -> None:
    """Trajectories [time, directions, neurons] coloured by direction, the slowest states nearby
    (joined to a curve where they are a ring), the points followed round the stimuli, and fixed or
    slow points (filled if stable, open if not), on the plane where the states at the end spread."""
    plane = principal_components(during[-1], 2)
    directions = during.shape[1]
    for i in range(0, directions, max(1, directions // 16)):
        line = plane(during[:, i])
        colour = direction_colour(i, directions)
        axes.plot(*line.T, color=colour, linewidth=1.3)
        axes.plot(*line[-1], "o", color=colour, markersize=4)
    closed = plane(np.concatenate([ring, ring[:1]]))
    style = "-" if joined else "x"
    axes.plot(*closed.T, style, color="black", linewidth=0.9, markersize=4,
              label="slowest states nearby")  # fmt: skip
    axes.plot(*plane(followed).T, ":", color="0.4", linewidth=1.2, label="followed, stimulus on")
    stable = (np.real(values) <= 0).all(1)
    where = plane(points)
    for mask, face, label in ((stable, "black", "stable"), (~stable, "white", "unstable")):
        x, y = where[: len(values)][mask].T
        axes.scatter(x, y, s=42, marker="D", facecolor=face, edgecolor="black", zorder=3,
                     label=f"{label} point" if mask.any() else None)  # fmt: skip
    axes.set(xlabel="PC 1 (rate)", ylabel="PC 2 (rate)", aspect="equal")
    axes.legend(loc="best", fontsize=8, frameon=True)


def draw_eigenvalues(axes: Axes, values: np.ndarray) -> None:
    """Eigenvalues (per ms) of some points: rate of growth per second against frequency in Hz."""
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(values)))
    for row, colour in zip(values[::-1], colours[::-1], strict=True):
        growth, turning = 1000 * np.real(row), 1000 * np.imag(row) / (2 * np.pi)
        axes.plot(growth, turning, ".", color=colour, markersize=4)
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel="growth rate (1/s)", ylabel="frequency (Hz)", title="Eigenvalues at the points")
    axes.plot([], [], ".", color=colours[0], label="slowest point")
    if len(values) > 1:
        axes.plot([], [], ".", color=colours[-1], label=f"number {len(values)} by speed")
    axes.legend(loc="upper left", fontsize=8, frameon=True)


def draw_drift(axes: Axes, drift: dict[str, np.ndarray]) -> None:
    """Drift (degrees per second) along one or two rings of states at even angles, by name."""
    for name, values in drift.items():
        angle = np.linspace(0, 360, len(values) + 1)
        style = "-" if name == "visited" else "--"
        axes.plot(angle, np.append(values, values[0]), style, label=f"{name} ring")
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlabel="direction held (°)", ylabel="drift (°/s)", xticks=[0, 90, 180, 270, 360])
    axes.set_title(
        "Drift along the ring" if len(drift) == 2 else f"Drift: {next(iter(drift))} ring only"
    )
    axes.legend(fontsize=8)
