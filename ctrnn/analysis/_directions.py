"""Directions in the colours of a cyclic map."""

from typing import Any

from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

# No part is lighter than a grey with 3 : 1 contrast to white paper.
_DARK, _BLUE, _LIGHT, _ORANGE = "#222222", "#0072B2", "#949494", "#B85000"
DIRECTIONS = LinearSegmentedColormap.from_list("directions", [_DARK, _BLUE, _LIGHT, _ORANGE, _DARK])
"""Directions of a ring as colours, a matplotlib colour map: dark, blue, light, orange, and round again,
as matplotlib's twilight goes. Opposite directions differ in lightness or in blue against yellow, which
the colour-blind see."""


def direction_colour(i: int, count: int) -> Any:
    """The colour of direction `i` of `count`."""
    return DIRECTIONS(i / count)


def direction_bar(figure: Figure, axes: Any, label: str) -> None:
    """A colour bar of directions beside some axes."""
    scale = ScalarMappable(Normalize(0, 360), DIRECTIONS)
    bar = figure.colorbar(scale, ax=axes, ticks=[0, 90, 180, 270, 360], shrink=0.9, aspect=30)
    bar.set_label(label)
