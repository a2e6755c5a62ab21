"""Do two networks represent the same trials alike?"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray
from matplotlib.figure import Figure

from .._battery import Battery
from .._network import RateNetwork
from .._solver import Integration
from ._subject import Cannot, Section, Subject, responses


def linear_cka(
    x: Num[Array | np.ndarray, "samples units"], y: Num[Array | np.ndarray, "samples others"]
) -> float:
    r"""Linear centred kernel alignment, $\lVert Y^\top X \rVert^2 / (\lVert X^\top X \rVert \,
    \lVert Y^\top Y \rVert)$ in Frobenius norms of centred responses: 1 if they are the same up to a
    rotation and a scale, 0 if no linear map of one tells anything of the other.

    By Kornblith et al., "Similarity of neural network representations revisited", ICML 2019.

    **Arguments:**

    - `x`, `y`: responses to the same samples (times of trials).

    **Raises:**

    `ValueError` if the samples are not equally many; `Cannot` if one of the networks does not respond.

    !!! example

        ```python
        linear_cka(x, 3 * x @ rotation)  # 1.0
        ```
    """
    a, b = _shape(x, y)
    return float(_square(a.T @ b) / np.sqrt(_square(a.T @ a) * _square(b.T @ b)))


def procrustes_distance(
    x: Num[Array | np.ndarray, "samples units"], y: Num[Array | np.ndarray, "samples others"]
) -> float:
    r"""The angle in radians between two responses once one is rotated onto the other,
    $\arccos \lVert X^\top Y \rVert_*$ of centred responses of unit norm: 0 for the same shape, at
    most $\pi / 2$, and a metric (it obeys the triangle inequality).

    By Williams, Kunz, Kornblith & Linderman, "Generalized shape metrics on neural representations",
    NeurIPS 2021. The smaller network counts as if padded with silent neurons.

    **Arguments:**

    - `x`, `y`: responses to the same samples (times of trials).

    **Raises:**

    `ValueError` if the samples are not equally many; `Cannot` if one of the networks does not respond.

    !!! example

        ```python
        procrustes_distance(x, 3 * x @ rotation)  # 0.0
        ```
    """
    a, b = _shape(x, y)
    return float(np.arccos(min(np.linalg.norm(a.T @ b, "nuc"), 1.0)))


def _shape(x, y) -> tuple[np.ndarray, np.ndarray]:
    """Centred and of unit norm, in double precision, for near its end an arccosine halves the digits."""
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} samples and y {len(y)}; give both the same trials.")
    shapes = []
    for responses_ in (x, y):
        z = np.asarray(responses_, np.float64)
        z = z - z.mean(0)
        norm = np.linalg.norm(z)
        if norm == 0:
            raise Cannot("these responses do not vary: there is nothing to compare.")
        shapes.append(z / norm)
    return shapes[0], shapes[1]


def _square(x: np.ndarray) -> float:
    return np.sum(x**2)


def population_responses(
    network: RateNetwork,
    battery: Battery,
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 2,
) -> Float[np.ndarray, "samples neurons"]:
    """What a network does in noiseless trials of all tasks, one row per frame inside a trial.

    The same key and battery give the same trials: rows of two networks belong together.

    **Arguments:**

    - `network`, `battery`, `integration`: what is asked, by what, and how it is solved.
    - `key`, `trials`: draws the trials; how many per task.

    !!! example

        ```python
        x, y = (population_responses(n, battery, integration=i, key=key) for n in (one, other))
        linear_cka(x, y), procrustes_distance(x, y)
        ```
    """
    ids, rows = jnp.repeat(jnp.arange(len(battery.names)), trials), []
    spec = battery.sample(key, ids)
    for start in range(0, len(ids), 64):
        part = jnp.arange(start, start + 64) % len(ids)  # one shape, compiled once
        chosen = jax.tree.map(lambda leaf, part=part: leaf[part], spec)
        trial, trajectory = responses(network, battery, chosen, integration=integration)
        inside = np.array(trial.mask.T)
        inside[:, len(ids) - start :] = False
        rows.append(np.asarray(trajectory.rates)[inside])
    return np.concatenate(rows)


def similarity_section(subject: Subject) -> Section:
    """Linear CKA and Procrustes distance between this run, its untrained network and other runs."""
    untrained = dataclasses.replace(subject, network=subject.untrained)
    others = enumerate(subject.others.items(), 1)
    asked = {"this run": subject, **{f"run {i}: {name}": other for i, (name, other) in others}}
    asked["untrained"] = untrained
    densities = [f" ({s.network.graph.density:.3g})" for s in asked.values()]
    names, labels = (
        [name + density for name, density in zip(which, densities, strict=True)]
        for which in (asked, [name.partition(":")[0] for name in asked])
    )
    rows = [
        population_responses(s.network, subject.battery, integration=s.integration, key=subject.key)
        for s in asked.values()
    ]
    cka, distance = np.eye(len(rows)), np.zeros((len(rows), len(rows)))
    for i, j in zip(*np.triu_indices(len(rows), 1), strict=True):
        cka[i, j] = cka[j, i] = linear_cka(rows[i], rows[j])
        distance[i, j] = distance[j, i] = procrustes_distance(rows[i], rows[j])
    numbers = {
        "linear CKA": _by_name(names, cka),
        "Procrustes distance (rad)": _by_name(names, distance),
        "samples": len(rows[0]),
    }
    return Section(
        "Comparing networks",
        "How alike the responses to the same noiseless trials are, up to a rotation and a scale. "
        "Linear CKA (Kornblith et al. 2019): 1 is the same. Procrustes distance (Williams et al. "
        "2021): 0 is the same, pi/2 as far apart as can be. In brackets, the fraction of synapses "
        "present. Compare with what the untrained network has in common with the run: that much "
        "comes from the inputs alone. "
        + ("The table names the runs." if subject.others else "Name other runs with --against."),
        numbers,
        {"similarity": _draw(labels, cka, distance)},
    )


def _by_name(names: list[str], matrix: np.ndarray) -> dict[str, dict[str, float]]:
    return {
        a: dict(zip(names, row, strict=True)) for a, row in zip(names, matrix.tolist(), strict=True)
    }


def _draw(names: list[str], cka: np.ndarray, distance: np.ndarray) -> Figure:
    size = 2.2 + 0.7 * len(names)
    figure = Figure(figsize=(2 * size + 1, size), layout="constrained")
    panels = ((cka, "Linear CKA", 1.0), (distance, "Procrustes distance (rad)", np.pi / 2))
    for axes, (values, title, top) in zip(figure.subplots(1, 2), panels, strict=True):
        image = axes.imshow(values, vmin=0, vmax=top, cmap="viridis")
        for (i, j), value in np.ndenumerate(values):
            colour = "black" if value > 0.6 * top else "white"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_title(title)
        figure.colorbar(image, ax=axes, shrink=0.8)
    return figure
