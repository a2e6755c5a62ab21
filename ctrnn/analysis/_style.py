"""How figures look: Okabe & Ito's colours, which the colour-blind can tell apart, and plain axes."""

from typing import Any

import numpy as np
from cycler import cycler
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from .._space import AbstractSpace

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=OKABE_ITO),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "svg.hashsalt": "ctrnn",
}
"""Settings for `matplotlib.rc_context`, in which the report is drawn."""


def group_colours(labels: Int[np.ndarray, " neurons"]) -> Float[np.ndarray, "neurons 3"]:
    """A colour for each group: those of Okabe & Ito, then lighter ones; -1 is light grey."""
    dark = np.array([to_rgb(c) for c in OKABE_ITO])
    colours = np.concatenate([dark, 0.45 * dark + 0.55])
    return np.where(labels[:, None] < 0, 0.9, colours[labels % len(colours)])


def draw_sheet(
    axes: Axes, space: AbstractSpace, colours: np.ndarray, **options: Any
) -> PolyCollection:
    """Neurons on a plane, as tiles of a colour or a value each, as wide as neighbours are apart.

    **Arguments:**

    - `axes`, `space`: where to draw, and which neurons; their positions have two coordinates.
    - `colours`: [neurons, 3] colours, or [neurons] values, such as the accuracy lost there.
    - `options`: for values, of matplotlib's `PolyCollection`: `cmap` and the like; `vmin`, `vmax`.

    !!! example

        ```python
        draw_sheet(axes, network.graph.space, group_colours(labels))
        ```
    """
    limits = {name: options.pop(name) for name in ("vmin", "vmax") if name in options}
    centres = space.positions[:, ::-1]
    _, distances = space.neighbours(min(2, space.size))
    half = (float(np.median(distances[:, -1])) or 1.0) / 2
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    which: dict[str, Any] = {"array": colours} if colours.ndim == 1 else {"facecolors": colours}
    tiles = PolyCollection(
        list(centres[:, None] + corners), edgecolors="face", linewidths=0.3, **which, **options
    )
    if limits:
        tiles.set_clim(**limits)
    axes.add_collection(tiles)
    axes.autoscale_view()
    axes.set(xlabel="mm", ylabel="mm", aspect="equal")
    axes.spines[["left", "bottom"]].set_visible(False)
    return tiles
