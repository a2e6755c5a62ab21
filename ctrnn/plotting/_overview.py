"""A run at a glance, and the panels that it is made of."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._battery import Battery
from .._network import RateNetwork
from .._solver import Integration


def run_figure(
    network: RateNetwork,
    history: list[dict[str, Any]],
    battery: Battery,
    task: str,
    integration: Integration,
) -> Figure:
    """A run at a glance: the sheet with one neuron's synapses, the learning curve, a trial.

    **Arguments:**

    - `network`: the trained network; its neurons lie on a sheet.
    - `history`: the run's events, from [`ctrnn.read_metrics`][].
    - `battery`, `task`: where the trial comes from.
    - `integration`: how to solve it.

    !!! example

        ```python
        history = ctrnn.read_metrics(run)
        figure = ctrnn.plotting.run_figure(network, history, battery, "dlygo", config.integration())
        ```
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    grid = figure.add_gridspec(3, 3, width_ratios=[1, 1, 1.5])
    plot_synapses(figure.add_subplot(grid[:2, 0]), network, _central(network))
    plot_mask(figure.add_subplot(grid[:2, 1]), network)
    plot_learning(figure.add_subplot(grid[2, :2]), history)
    plot_trial(
        [figure.add_subplot(grid[i, 2]) for i in range(3)], network, battery, task, integration
    )
    return figure


def trial_figure(
    network: RateNetwork, battery: Battery, task: str, integration: Integration
) -> Figure:
    """Input, rates and readout through one noiseless trial of a task.

    !!! example

        ```python
        ctrnn.plotting.trial_figure(network, battery, "dlygo", ctrnn.Integration("heun", 20.0))
        ```
    """
    figure = Figure(figsize=(7, 7), layout="constrained")
    plot_trial(list(figure.subplots(3, 1)), network, battery, task, integration)
    return figure


def _central(network: RateNetwork) -> int:
    if network.graph.space is None:
        return 0
    positions = network.graph.space.positions
    return int(np.argmin(((positions - positions.mean(0)) ** 2).sum(1)))


def plot_synapses(axes: Axes, network: RateNetwork, neuron: int) -> None:
    """The neurons that `neuron` hears, coloured by the synapse's weight, where they lie (mm).

    Without a sheet to lie on, the axes are switched off.

    !!! example

        ```python
        ctrnn.plotting.plot_synapses(axes, network, neuron=0)
        ```
    """
    space = network.graph.space
    if space is None or space.positions.shape[1] != 2:
        axes.set_axis_off()
        return
    y, x = space.positions.T
    heard = np.asarray(network.graph.targets) == neuron
    sources = np.asarray(network.graph.sources)[heard]
    weights = np.asarray(network.synaptic_weights)[heard]
    limit = np.abs(weights).max()
    axes.scatter(x, y, s=3, color="0.85", linewidths=0)
    dots = axes.scatter(
        x[sources], y[sources], c=weights, cmap="PuOr", vmin=-limit, vmax=limit, s=26,
        edgecolors="0.3", linewidths=0.4,
    )  # fmt: skip
    axes.plot(x[neuron], y[neuron], "+", color="black", markersize=11)
    axes.set(xlabel="mm", ylabel="mm", aspect="equal", title=f"Who neuron {neuron} (+) hears")
    bar = axes.figure.colorbar(dots, ax=axes, orientation="horizontal", shrink=0.8)
    bar.set_label("synaptic weight")


def plot_mask(axes: Axes, network: RateNetwork) -> None:
    """The synapses that exist, targets down and sources across; each dot is one.

    !!! example

        ```python
        ctrnn.plotting.plot_mask(axes, network)
        ```
    """
    graph = network.graph
    size = min(4.0, 4 * 256 / graph.size)
    axes.plot(np.asarray(graph.sources), np.asarray(graph.targets), ",", color="#0072B2", ms=size)
    axes.set(
        xlim=(0, graph.size), ylim=(graph.size, 0), aspect="equal",
        xlabel="source", ylabel="target",
        title=f"{graph.synapses:,} synapses, {graph.density:.1%} of all",
    )  # fmt: skip


def plot_learning(axes: Axes, history: list[dict[str, Any]]) -> None:
    """Mean and minimum decision accuracy on held-out trials against optimiser steps.

    !!! example

        ```python
        ctrnn.plotting.plot_learning(axes, ctrnn.read_metrics(run))
        ```
    """
    seen = [event for event in history if event["event"] == "evaluate"]
    steps = [event["step"] for event in seen]
    for which, style in (("mean", "-"), ("min", ":")):
        values = [event[f"{which}_decision_accuracy"] for event in seen]
        axes.plot(steps, values, style, color="#0072B2", label=which)
    axes.set(xlabel="optimiser step", ylabel="decision accuracy", ylim=(0, 1))
    axes.set_title("Learning, on held-out trials")
    axes.legend(frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def plot_trial(
    axes: list[Axes], network: RateNetwork, battery: Battery, task: str, integration: Integration
) -> None:
    """Input, rates and readout through one noiseless trial of a task, over time in ms.

    `axes` are three, from above.

    !!! example

        ```python
        ctrnn.plotting.plot_trial(list(figure.subplots(3, 1)), network, battery, "dlygo", integration)
        ```
    """
    ids = jnp.array([battery.names.index(task)])
    trial = battery.render(battery.sample(jr.key(1), ids))
    path, frames = trial.path("step"), int(trial.mask[0].sum())
    end = frames * battery.dt
    fine = battery.dt / max(1, round(battery.dt / integration.dt))
    times = np.arange(1, round(end / fine) + 1) * fine
    trajectory = network(path, times, context=trial.rule, integration=integration)
    inputs = np.stack([np.asarray(path.evaluate(t, left=False))[0] for t in times - fine])
    rates = np.asarray(trajectory.rates)[:, 0]
    order = np.argsort(rates.argmax(0), kind="stable")
    active = np.abs(rates).max(0) > 0
    odds = np.exp(np.asarray(trajectory.outputs)[:, 0])
    odds /= odds.sum(1, keepdims=True)
    target = np.asarray(trial.labels)[0, :frames]

    panels = (
        (inputs, "input channel", f"A trial of {task}: input"),
        (
            np.abs(rates[:, order[active[order]]] if active.any() else rates),
            "neuron, by peak",
            "Rates",
        ),
        (odds, "answer", "Readout (shade) and right answer (line)"),
    )
    for axis, (image, label, title) in zip(axes, panels, strict=True):
        axis.imshow(
            image.T, aspect="auto", origin="lower", cmap="Greys", interpolation="nearest",
            extent=(0, end, -0.5, image.shape[1] - 0.5), vmin=0,
            vmax=max(float(np.quantile(image, 0.998)), 1e-6),
        )  # fmt: skip
        axis.set(ylabel=label, title=title)
    axes[-1].stairs(
        target, np.arange(frames + 1) * battery.dt, color="#D55E00", baseline=None, linewidth=1.5
    )
    axes[-1].set(xlabel="time (ms)")
