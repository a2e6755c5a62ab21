"""A psychometric curve of a small network, beside the ideal observer's. Draws psychophysics.png."""

import jax
import numpy as np
from _small_network import subject
from matplotlib.figure import Figure

from ctrnn import analysis


def main() -> None:
    trained = subject()
    network, battery = trained.network, trained.battery
    key = jax.random.key(0)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for task, rings in analysis.questions(battery, key=key).coherence.items():
        curve = analysis.psychometric(
            network, battery, task, rings, integration=trained.integration, key=key, trials=100
        )
        print(f"{task}: threshold {curve['threshold']:.3f}, ideal {curve['ideal threshold']:.3f}")
        fine = np.linspace(-0.64, 0.64, 201)
        axes.plot(curve["coherence"], curve["first"], "o", label=task)
        axes.plot(fine, analysis.Psychometric(*curve["fit"])(fine), color="C0")
        axes.plot(curve["coherence"], curve["ideal"], "k--", label="ideal observer")
    axes.set(xlabel="coherence, for the first option", ylabel="fraction of choices of the first")
    axes.legend()
    figure.savefig("psychophysics.png", dpi=150)
    print("drawn in psychophysics.png")


if __name__ == "__main__":
    main()
