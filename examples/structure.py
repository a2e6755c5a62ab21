"""What training did to the wiring: weights, spectrum, modules, small-worldness, wiring length.

Needs the extra: `pip install ".[analysis]"` in a clone. Draws structure.png.
"""

import numpy as np
from _small_network import subject
from matplotlib.figure import Figure

from ctrnn import analysis


def main() -> None:
    trained = subject()
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for when, one, colour in (
        ("before training", trained.untrained, analysis.OKABE_ITO[1]),
        ("after training", trained.network, analysis.OKABE_ITO[0]),
    ):
        matrix = analysis.weight_matrix(one)
        ties = analysis.undirected(matrix)
        eigenvalues = analysis.spectrum(matrix)
        length, cost = analysis.wiring_length(one)
        print(
            f"{when}: modularity {analysis.modules(ties).modularity:.3f}, "
            f"small-worldness {analysis.small_world(ties > 0).small_worldness:.2f}, "
            f"spectral radius {np.abs(eigenvalues).max():.2f}, "
            f"wiring {length:.1f} mm, weighted {cost:.1f} mm"
        )
        profile = analysis.by_distance(one.graph, np.asarray(one.synaptic_weights))
        left.plot(profile.distance, profile.weight, "o-", color=colour, label=when)
        right.scatter(np.real(eigenvalues), np.imag(eigenvalues), s=10, color=colour, label=when)
    left.set(xlabel="distance (mm)", ylabel="mean |W|", ylim=(0, None))
    right.set(xlabel="real part", ylabel="imaginary part", aspect="equal", title="Eigenvalues of W")
    left.legend()
    figure.savefig("structure.png", dpi=150)
    print("drawn in structure.png")


if __name__ == "__main__":
    main()
