"""All figures of a run, by name."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from .._curves import Curves, History
from ..analysis import Subject
from ._learning import grid_figure, learning_figure, tasks_figure
from ._network import rates_figure, sheet_figure, weights_figure
from ._overview import run_figure, trial_figure


def suite(
    subject: Subject, history: History, curves: Curves, families: Mapping[str, str], task: str
) -> dict[str, Figure]:
    """All figures of a run.

    **Arguments:**

    - `subject`: the network before and after training, and its tasks.
    - `history`, `curves`: its events, from [`ctrnn.read_metrics`][], and [`ctrnn.read_curves`][].
    - `families`: the family of each task.
    - `task`: of the trial shown.

    **Returns:**

    Figures by name, for [`ctrnn.plotting.write`][].

    !!! example

        ```python
        figures = ctrnn.plotting.suite(subject, history, curves, families, "dlygo")
        ctrnn.plotting.write(figures, run / "figures")
        ```
    """
    network, solve = subject.network, (subject.battery, task, subject.integration)
    return {
        "overview": run_figure(network, history, *solve),
        "learning": learning_figure(curves, families),
        "tasks": tasks_figure(curves, families),
        "grid": grid_figure(curves),
        "sheet": sheet_figure(network),
        "weights": weights_figure(network, subject.untrained),
        "rates": rates_figure(subject),
        "trial": trial_figure(network, *solve),
    }
