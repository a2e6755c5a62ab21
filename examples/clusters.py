"""Which neurons serve which tasks, and do neurons of one cluster lie together?

Needs `pip install 'ctrnn-jax[analysis]'`. Draws clusters.png.
"""

import jax
import numpy as np
from _small_network import subject
from matplotlib.figure import Figure

from ctrnn import analysis


def main() -> None:
    trained = subject()
    network, battery = trained.network, trained.battery
    space = network.graph.space
    assert space is not None
    variance = analysis.task_variances(
        network, battery, integration=trained.integration, key=jax.random.key(0)
    )
    profiles, active = analysis.normalised_variance(variance)
    clusters = analysis.cluster(profiles, most=12)
    labels = np.full(network.size, -1)
    labels[active] = clusters.labels
    for number in range(labels.max() + 1):
        mean = profiles[clusters.labels == number].mean(0)
        shares = ", ".join(f"{n} {m:.2f}" for n, m in zip(battery.names, mean, strict=True))
        print(f"cluster {number + 1}: {np.sum(labels == number)} neurons; {shares}")
    same = clusters.labels[:, None] == clusters.labels
    found = analysis.agreement(same, active, *analysis.neighbour_pairs(space))
    print(f"neighbours in one cluster: {found.mean:.3f}, shuffled {found.shuffled.mean():.3f}")
    print(f"p = {found.p:.3f}")

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(clusters.labels, kind="stable")
    image = left.imshow(profiles[order].T, aspect="auto", vmin=0, vmax=1, interpolation="nearest")
    left.set_yticks(range(len(battery.names)), battery.names)
    left.set(xlabel="neurons, by cluster", title="Normalised task variance")
    figure.colorbar(image, ax=left)
    analysis.draw_sheet(right, space, analysis.group_colours(labels))
    right.set_title("Where the clusters lie (grey: inactive)")
    figure.savefig("clusters.png", dpi=150)
    print("drawn in clusters.png")


if __name__ == "__main__":
    main()
