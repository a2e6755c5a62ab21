"""How separate autapses solve tasks, and where they fail.

With nothing but autapses the equation of each neuron is tau r' = -r + relu(w r + u(t)). While
w r + u > 0 it relaxes with the time constant tau / (1 - w), towards u / (1 - w).
"""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ctrnn
import tasks
from ctrnn import analysis
from ctrnn.plotting import colours, plot_grid

from .measures import by_condition
from .outcomes import REFINED

TRAINED = ctrnn.Integration("heun", 100.0)
SLOW = 0.8  # an autapse that keeps a memory for five time constants
CAPS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)
PARTS = 10
DELAY = 2000  # ms


def own_weights(network: ctrnn.RateNetwork) -> Float[np.ndarray, " neurons"]:
    """The autapse of each neuron, of a network that has no other synapses."""
    return np.asarray(network.synaptic_weights)


def capped(network: ctrnn.RateNetwork, cap: float) -> ctrnn.RateNetwork:
    """The network with no autapse above `cap`: nothing is remembered for longer than tau / (1 - cap)."""
    return eqx.tree_at(lambda n: n.weights, network, jnp.minimum(network.weights, cap))


def tenths(network: ctrnn.RateNetwork) -> list[ctrnn.RateNetwork]:
    """The network without the tenth of its neurons with the weakest autapses, without the next, ..."""
    part = np.argsort(np.argsort(own_weights(network))) * PARTS // network.size
    return [analysis.silence(network, part == k) for k in range(PARTS)]


class Held(NamedTuple):
    """A delay of dlygo, a trial per direction: ms since the stimulus went, rates, and inputs."""

    since: Float[np.ndarray, " time"]
    rates: Float[np.ndarray, "time directions neurons"]
    drive: Float[np.ndarray, " neurons"]


def in_delay(network: ctrnn.RateNetwork, battery: tasks.Battery) -> Held:
    """What the network does while it holds a direction, for longer than it was trained to."""
    spec = analysis.ring_spec(battery, "dlygo", key=jr.key(0))
    spec = dataclasses.replace(spec, delay=jnp.full_like(spec.delay, DELAY))
    trial, trajectory = analysis.responses(network, battery, spec, integration=REFINED, every=50.0)
    gone = int(spec.fixation[0] + spec.stimulus[0])
    since = 50.0 * np.arange(1, len(trajectory.rates) + 1) - gone
    during = (since >= 0) & (since <= DELAY)
    inputs = trial.path("step").evaluate(jnp.asarray(gone + DELAY / 2))[0]
    drive = network.input_weights @ inputs + network.context_weights @ trial.rule[0] + network.bias
    return Held(since[during], np.asarray(trajectory.rates)[during], np.asarray(drive))


def mechanism_figure(network: ctrnn.RateNetwork, battery: tasks.Battery) -> Figure:
    """Trained autapses, what they are for, and what they hold in the delay of dlygo."""
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplot_mosaic([list("aabbcc"), list("dddeee")])
    weights, held = own_weights(network), in_delay(network, battery)
    _plot_trained(axes["a"], weights)
    evaluate = ctrnn.make_evaluation(
        battery, trials_per_task=16, integration=TRAINED, key=jr.key(0)
    )
    whole = evaluate(network)
    shorter = [evaluate(capped(network, cap)) for cap in CAPS]
    _plot_cost(axes["b"], battery, CAPS, shorter, whole)
    axes["b"].set(xlabel="largest autapse allowed")
    without = [evaluate(one) for one in tenths(network)]
    _plot_cost(axes["c"], battery, np.sort(weights).reshape(PARTS, -1).mean(1), without, whole)
    axes["c"].set(xlabel="autapses of the tenth that is silenced")
    _plot_held(axes["d"], weights, held)
    _plot_forgetting(axes["e"], weights, held, float(network.tau[0]))
    for letter, one in axes.items():
        one.set_title(letter, loc="left", fontweight="bold")
    return figure


def _plot_trained(axes: Axes, weights: Float[np.ndarray, " neurons"]) -> None:
    edges = np.linspace(-0.5, 1.3, 37)
    axes.hist(weights.clip(edges[0], edges[-1]), edges.tolist(), color=colours(1)[0])
    axes.axvline(0.5, color="0.4", linestyle=":", label="before training")
    axes.axvline(1, color="black", linewidth=1, label="a perfect integrator")
    axes.set(xlabel="autapse", ylabel="neurons")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])
    axes.legend(frameon=False, loc="upper left")


def _plot_cost(
    axes: Axes,
    battery: tasks.Battery,
    x: Iterable[float],
    damaged: list[Float[np.ndarray, " tasks"]],
    whole: Float[np.ndarray, " tasks"],
) -> None:
    delays = analysis.longest_delays(battery, key=jr.key(0))
    remembers = np.array([task in delays for task in battery.names])
    for kind, its, colour in zip(
        ("tasks with a delay", "tasks without a delay"),
        (remembers, ~remembers),
        colours(2),
        strict=True,
    ):
        axes.plot(list(x), np.stack(damaged)[:, its].mean(1), "o-", color=colour, label=kind)
        axes.axhline(whole[its].mean(), color=colour, linestyle=":")
    axes.set(ylabel="decision accuracy (dotted: whole)", ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _plot_held(axes: Axes, weights: Float[np.ndarray, " neurons"], held: Held) -> None:
    slow = (weights >= SLOW) & _active(held)
    at = held.rates[held.since == 500.0][0][:, slow]
    angles = 2 * np.pi * np.arange(len(at)) / len(at)
    # Sorted by what each prefers as the stimulus goes, shown by what it does later.
    preferred = np.angle(np.exp(1j * angles) @ held.rates[0][:, slow]) % (2 * np.pi)
    shown = (at / np.maximum(at.max(0), 1e-9)).T[np.argsort(preferred)]
    half = 180 / len(at)
    extent = (-half, 360 - half, len(shown), 0)
    image = axes.imshow(shown, aspect="auto", cmap="viridis", extent=extent, interpolation="none")
    axes.figure.colorbar(image, ax=axes, label="rate / largest")
    axes.set(
        xlabel="direction held (degrees)",
        ylabel=f"neurons with autapses above {SLOW}",
        title="500 ms into the delay of dlygo",
        xticks=(0, 90, 180, 270),
    )


def _plot_forgetting(
    axes: Axes, weights: Float[np.ndarray, " neurons"], held: Held, tau: float
) -> None:
    wanted = (0.2, 0.5, 0.7, 0.85, 0.95, 1.05)
    for want, colour in zip(wanted, colours(len(wanted), ordered=True), strict=True):
        near = np.flatnonzero((np.abs(weights - want) < 0.05) & _active(held))
        if not len(near):
            continue
        one = near[np.argmax(held.rates[0, :, near].max(1))]
        course = held.rates[:, held.rates[0, :, one].argmax(), one]
        rest = held.drive[one] / (1 - weights[one])
        theory = rest + (course[0] - rest) * np.exp(-held.since * (1 - weights[one]) / tau)
        axes.plot(held.since, course, color=colour, label=f"{weights[one]:.2f}")
        axes.plot(held.since, np.maximum(theory, 0), ":", color="black", linewidth=1)
    axes.set(
        xlabel="ms since the stimulus went",
        ylabel="rate (dotted: time constant tau / (1 - w))",
        title="single neurons, each at the direction it likes",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="autapse", loc="upper left", bbox_to_anchor=(1, 1))


def _active(held: Held):
    return held.rates[0].max(0) > 0.05 * held.rates[0].max()


def broken_figure(rows: list[dict]) -> Figure:
    """Which of the 132 tasks autapses fail, beside locality 4 % and dense: medians over seeds."""
    runs = by_condition(rows, "132")
    names = tasks.Battery.named("132").names
    figure = Figure(figsize=(8.5, 17), layout="constrained")
    panels = figure.subplots(3, 1)
    for axes, condition in zip(panels, ("autapses", "locality 4%", "dense"), strict=True):
        medians = np.median([r["accuracy"] for r in runs[condition]], 0)
        plot_grid(axes, dict(zip(names, medians, strict=True)))
        axes.set_title(condition)
    figure.colorbar(panels[0].images[0], ax=panels, label="decision accuracy", shrink=0.3)
    return figure
