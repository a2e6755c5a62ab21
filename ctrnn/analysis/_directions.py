"""Directions in the colours of a cyclic map."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

# A hue for every direction, darker than full so that yellow shows on white.
_CYCLE = ListedColormap(0.85 * colormaps["hsv"](np.linspace(0, 1, 256))[:, :3])


def direction_colour(i: int, count: int) -> Any:
    """The colour of direction `i` of `count`."""
    return _CYCLE(i / count)


def direction_bar(figure: Figure, axes: Any, label: str) -> None:
    """A colour bar of directions beside some axes."""
    scale = ScalarMappable(Normalize(0, 360), _CYCLE)
    bar = figure.colorbar(scale, ax=axes, ticks=[0, 90, 180, 270, 360], shrink=0.9, aspect=30)
    bar.set_label(label)
