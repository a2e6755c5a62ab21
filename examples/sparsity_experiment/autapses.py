"""How separate autapses solve tasks, and where they fail.

With nothing but autapses the equation of each neuron is tau r' = -r + relu(w r + u(t)). While
w r + u > 0 it relaxes with the time constant tau / (1 - w), towards u / (1 - w).
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

import ctrnn
import tasks
from ctrnn import analysis
from ctrnn.plotting import colours, plot_grid

from .figures import by_condition
from .outcomes import SOLVES

SLOW = 0.8  # an autapse that keeps a memory for five time constants
PARTS = 10
DELAY = 2000  # ms, longer than any in training


def own_weights(network: ctrnn.RateNetwork) -> Float[np.ndarray, " neurons"]:
    """The autapse of each neuron, of a network that has no other synapses."""
    return np.asarray(network.synaptic_weights)[np.argsort(network.graph.targets)]


def silenced(
    network: ctrnn.RateNetwork, battery: tasks.Battery
) -> Float[np.ndarray, "parts+1 tasks"]:
    """Decision accuracy by task without the tenth of the weakest autapses, the next, ...; last of all, whole."""
    end = ctrnn.make_evaluation(
        battery, trials_per_task=16, integration=SOLVES["accuracy"], key=jr.key(0)
    )
    ranks = np.argsort(np.argsort(own_weights(network)))
    parts = ranks * PARTS // network.size
    return np.stack([end(analysis.silence(network, parts == k)) for k in range(PARTS + 1)])


class Held(NamedTuple):
    """A long delay of dlygo, a trial per direction: ms since the stimulus went, rates, and inputs."""

    since: Float[np.ndarray, " time"]
    rates: Float[np.ndarray, "time directions neurons"]
    drive: Float[np.ndarray, " neurons"]


def in_delay(network: ctrnn.RateNetwork, battery: tasks.Battery) -> Held:
    """What the network does while it holds a direction in dlygo, for longer than it was trained to."""
    spec = analysis.ring_spec(battery, "dlygo", key=jr.key(0))
    spec = dataclasses.replace(spec, delay=jnp.full_like(spec.delay, DELAY))
    trial, trajectory = analysis.responses(
        network, battery, spec, integration=SOLVES["refined"], every=50.0
    )
    gone = int(spec.fixation[0] + spec.stimulus[0])
    since = 50.0 * np.arange(1, len(trajectory.rates) + 1) - gone
    during = (since >= 0) & (since <= DELAY)
    inputs = trial.path("step").evaluate(jnp.asarray(gone + DELAY / 2))[0]
    drive = network.input_weights @ inputs + network.context_weights @ trial.rule[0] + network.bias
    return Held(since[during], np.asarray(trajectory.rates)[during], np.asarray(drive))


def mechanism_figure(network: ctrnn.RateNetwork, battery: tasks.Battery) -> Figure:
    """Trained autapses, what silencing them costs, and what they hold in the delay of dlygo."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    (trained, costs), (held, forgetting) = figure.subplots(2, 2)
    weights = own_weights(network)
    tau = float(network.tau[0])

    trained.hist(weights, np.arange(-0.3, 1.31, 0.05), color=colours(1)[0])
    trained.axvline(0.5, color="0.4", linestyle=":", label="before training")
    trained.axvline(1, color="black", linewidth=1, label="a perfect integrator")
    trained.set(xlabel="autapse", ylabel="neurons")

    accuracy = silenced(network, battery)
    delays = analysis.longest_delays(battery, key=jr.key(0))
    remembers = np.array([task in delays for task in battery.names])
    ranked = np.sort(weights).reshape(PARTS, -1).mean(1)
    for kind, its, colour in zip(
        ("tasks with a delay", "without"), (remembers, ~remembers), colours(2), strict=True
    ):
        costs.plot(ranked, accuracy[:-1, its].mean(1), "o-", color=colour, label=kind)
        costs.axhline(accuracy[-1, its].mean(), color=colour, linestyle=":")
    costs.set(
        xlabel="autapses of the tenth that is silenced (mean)",
        ylabel="decision accuracy (dotted: none silenced)",
        ylim=(0, 1),
    )

    since, rates, drive = in_delay(network, battery)
    active = rates[0].max(0) > 0.05 * rates[0].max()
    at = rates[since == 500.0][0][:, (weights >= SLOW) & active]
    angles = 2 * np.pi * np.arange(len(at)) / len(at)
    preferred = np.angle(np.exp(1j * angles) @ at) % (2 * np.pi)
    shown = (at / np.maximum(at.max(0), 1e-9)).T[np.argsort(preferred)]
    image = held.imshow(
        shown, aspect="auto", cmap="viridis", extent=(0, 360, len(shown), 0), interpolation="none"
    )
    figure.colorbar(image, ax=held, label="rate / largest")
    held.set(
        xlabel="direction held (degrees)",
        ylabel=f"neurons with autapses above {SLOW}",
        title="500 ms into the delay of dlygo",
        xticks=(0, 90, 180, 270, 360),
    )

    for want, colour in zip((0.2, 0.5, 0.7, 0.85, 0.95), colours(5, ordered=True), strict=True):
        near = np.flatnonzero((np.abs(weights - want) < 0.05) & active)
        if not len(near):
            continue
        one = near[np.argmax(rates[0, :, near].max(1))]
        course = rates[:, rates[0, :, one].argmax(), one]
        rest = drive[one] / (1 - weights[one])
        theory = rest + (course[0] - rest) * np.exp(-since * (1 - weights[one]) / tau)
        forgetting.plot(since, course, color=colour, label=f"{weights[one]:.2f}")
        forgetting.plot(since, np.maximum(theory, 0), ":", color="black", linewidth=1)
    forgetting.set(
        xlabel="ms since the stimulus went",
        ylabel="rate (dotted: time constant tau / (1 - w))",
        title="five neurons, each at the direction it likes",
    )
    forgetting.legend(frameon=False, title="autapse")
    for axes in (trained, costs, forgetting):
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (trained, costs):
        axes.legend(frameon=False)
    return figure


def broken_figure(rows: list[dict]) -> Figure:
    """Which of the 132 tasks autapses fail, beside locality 4 %: medians over seeds."""
    runs = by_condition(rows, "132")
    names = tasks.Battery.named("132").names
    figure = Figure(figsize=(15, 7), layout="constrained")
    both = figure.subplots(1, 2)
    for axes, condition in zip(both, ("autapses", "locality 4%"), strict=True):
        medians = np.median([r["accuracy"] for r in runs[condition]], 0)
        plot_grid(axes, dict(zip(names, medians, strict=True)))
        axes.set_title(condition)
    figure.colorbar(both[0].images[0], ax=both, label="decision accuracy at the end")
    return figure
