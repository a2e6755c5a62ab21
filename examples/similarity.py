"""Do networks of other densities, trained on the same tasks, represent their trials alike?

Trains two more small networks, half a minute each. Draws similarity.png.
"""

import tempfile
from pathlib import Path

import jax
import numpy as np
from _small_network import subject
from matplotlib.figure import Figure

import ctrnn
from ctrnn import analysis

OTHERS = (0.05, 0.3)


def main() -> None:
    trained = subject()
    battery, config = trained.battery, ctrnn.Config(**ctrnn.PRESETS["tiny"])
    networks = {config.sparsity: trained.network}
    for density in OTHERS:
        other = config.model_copy(update={"sparsity": density})
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "run"
            ctrnn.create_run(folder, other, battery)
            summary = ctrnn.train(other, battery, folder)
            networks[density], _ = ctrnn.load(folder / "model.eqx")
        print(f"density {density}: accuracy {summary.mean_decision_accuracy:.2f}", flush=True)
    networks = dict(sorted(networks.items()))
    rows = [
        analysis.population_responses(
            network, battery, integration=trained.integration, key=jax.random.key(0), trials=32
        )
        for network in networks.values()
    ]
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, (title, measure) in zip(
        figure.subplots(1, 2),
        (
            ("Linear CKA", analysis.linear_cka),
            ("Procrustes distance (rad)", analysis.procrustes_distance),
        ),
        strict=True,
    ):
        values = np.array([[measure(x, y) for x in rows] for y in rows])
        print(title, np.round(values, 3), sep="\n")
        image = axes.imshow(values, vmin=0)
        axes.set_xticks(range(len(rows)), map(str, networks))
        axes.set_yticks(range(len(rows)), map(str, networks))
        axes.set(xlabel="fraction of synapses present", title=title)
        figure.colorbar(image, ax=axes)
    figure.savefig("similarity.png", dpi=150)
    print("drawn in similarity.png")


if __name__ == "__main__":
    main()
