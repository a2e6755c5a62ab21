"""What training did to a network: its wiring on the sheet, its weights, its rates."""

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._network import RateNetwork
from ..analysis import Subject, responses
from ._overview import plot_mask, plot_synapses
from ._style import COLOURS, plain

_GREY = "0.6"


def sheet_figure(network: RateNetwork) -> Figure:
    """Who three neurons hear, the mask, how long synapses are, and how many hear each neuron.

    !!! example

        ```python
        ctrnn.plotting.sheet_figure(network).savefig("sheet.svg")
        ```
    """
    size = network.graph.size
    figure = Figure(figsize=(12, 8), layout="constrained")
    above, below = figure.subplots(2, 3)
    for axes, neuron in zip(above, (0, size // 3, size // 2 + 1), strict=True):
        plot_synapses(axes, network, neuron)
    plot_mask(below[0], network)
    plot_lengths(below[1], network)
    plot_audience(below[2], network)
    return figure


def plot_lengths(axes: Axes, network: RateNetwork) -> None:
    """How far synapses reach (mm); autapses, of length 0, are left out."""
    graph = network.graph
    if graph.space is None:
        axes.set_axis_off()
        return
    reach = np.asarray(graph.space.distance(graph.sources, graph.targets))
    bins = np.linspace(0, 1.05 * reach.max() or 1, 41)
    axes.hist(reach[reach > 0], bins.tolist(), color=COLOURS[0])
    plain(axes, xlabel="length (mm)", ylabel="synapses", title="Length of synapses")


def plot_audience(axes: Axes, network: RateNetwork) -> None:
    """How many neurons hear each one, where it lies (mm)."""
    graph = network.graph
    if graph.space is None or graph.space.positions.shape[1] != 2:
        axes.set_axis_off()
        return
    y, x = graph.space.positions.T
    heard = np.bincount(np.asarray(graph.sources), minlength=graph.size)
    dots = axes.scatter(x, y, c=heard, s=14, cmap="viridis", linewidths=0)
    axes.set(xlabel="mm", ylabel="mm", aspect="equal", title="How many hear each neuron")
    axes.figure.colorbar(dots, ax=axes, orientation="horizontal", shrink=0.8, label="neurons")


def weights_figure(network: RateNetwork, untrained: RateNetwork) -> Figure:
    """Weights before and after training: recurrent, of the stimuli, of the rule, of the readout.

    !!! example

        ```python
        ctrnn.plotting.weights_figure(network, untrained).savefig("weights.svg")
        ```
    """
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    groups = {
        "Recurrent synapses": lambda net: net.synaptic_weights,
        "Input weights": lambda net: net.input_weights,
        "Rule weights": lambda net: net.context_weights,
        "Readout weights": lambda net: net.output_weights,
    }
    for axes, (title, group) in zip(figure.subplots(2, 2).flat, groups.items(), strict=True):
        _before_and_after(axes, group(untrained), group(network))
        plain(axes, xlabel="weight", ylabel="number", yscale="log", title=title)
    lines = axes.get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=2, frameon=False)
    return figure


def rates_figure(subject: Subject, trials_per_task: int = 2) -> Figure:
    """Firing rates before and after training, in trials of all tasks.

    Left, each neuron's mean rate over frames inside trials; right, all rates at all such frames.

    !!! example

        ```python
        ctrnn.plotting.rates_figure(subject).savefig("rates.svg")  # an analysis.Subject
        ```
    """
    ids = jnp.repeat(jnp.arange(len(subject.battery.names)), trials_per_task)
    spec = subject.battery.sample(subject.key, ids)
    rates = []
    for network in (subject.untrained, subject.network):
        trial, trajectory = responses(
            network, subject.battery, spec, integration=subject.integration
        )
        rates.append(np.asarray(trajectory.rates)[np.asarray(trial.mask).T])
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _before_and_after(left, *(x.mean(0) for x in rates))
    silent = [np.mean((x <= 0).all(0)) for x in rates]
    title = f"Neurons (never active: {silent[0]:.0%} before, {silent[1]:.0%} after)"
    plain(left, xlabel="mean rate", ylabel="neurons", yscale="log", title=title)
    _before_and_after(right, *rates)
    title, ylabel = "Rates within trials", "neurons x frames"
    plain(right, xlabel="rate", ylabel=ylabel, yscale="log", title=title)
    lines = left.get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _before_and_after(axes: Axes, before, after) -> None:
    """Two histograms on the same bins, which leave out the outermost 2 in 10,000."""
    before, after = np.ravel(before), np.ravel(after)
    both = np.concatenate([before, after])
    low, high = np.quantile(both, [1e-4, 1 - 1e-4])
    bins = np.linspace(low, high if high > low else low + 1, 60)
    axes.hist(before, bins, color=_GREY, label="before training")
    axes.hist(after, bins, color=COLOURS[1], histtype="step", linewidth=1.5, label="after training")
