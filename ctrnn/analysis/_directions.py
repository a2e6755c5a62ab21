"""Directions in the colours of a cyclic map."""

from typing import Any

from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

BEHIND = "0.85"
"""The ground of such axes: one of the map's colours is nearly white, another nearly black."""


def direction_colour(i: int, count: int) -> Any:
    """The colour of direction `i` of `count`."""
    return colormaps["twilight_shifted"](i / count)


def direction_bar(figure: Figure, axes: Any, label: str) -> None:
    """A colour bar of directions beside some axes."""
    scale = ScalarMappable(Normalize(0, 360), "twilight_shifted")
    bar = figure.colorbar(scale, ax=axes, ticks=[0, 90, 180, 270, 360], shrink=0.9, aspect=30)
    bar.set_label(label)
