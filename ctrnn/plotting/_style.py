"""What all figures share: colours that colour-blind readers tell apart, plain axes, both files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis._style import OKABE_ITO

# Yellow is faint on white, and black is kept for means.
COLOURS = OKABE_ITO[:6]


def colours(count: int, *, ordered: bool = False) -> list:
    """So many colours; `ordered` ones run from dark to light, for settings that are numbers.

    !!! example

        ```python
        dark, middle, light = ctrnn.plotting.colours(3, ordered=True)
        ```
    """
    if ordered or count > len(COLOURS):
        return list(colormaps["viridis"](np.linspace(0, 0.88, count)))
    return list(COLOURS[:count])


def plain(axes: Axes, **settings) -> None:
    axes.set(**settings)
    axes.spines[["top", "right"]].set_visible(False)


def plot_spread(
    axes: Axes,
    x: Shaped[np.ndarray, " points"],
    y: Float[np.ndarray, "replicates points"],
    style: str = "-",
    **line,
) -> None:
    """The mean over replicates, with a band from the lowest to the highest."""
    (drawn,) = axes.plot(x, y.mean(0), style, **line)
    if len(y) > 1:
        axes.fill_between(x, y.min(0), y.max(0), color=drawn.get_color(), alpha=0.2, linewidth=0)


def write(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Writes each figure as folder/name.png and folder/name.svg. Returns the files.

    !!! example

        ```python
        ctrnn.plotting.write({"sheet": ctrnn.plotting.sheet_figure(network)}, Path("figures"))
        ```
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.{kind}" for name in figures for kind in ("png", "svg")]
    for file in files:
        figures[file.stem].savefig(file, dpi=150)
    return files
