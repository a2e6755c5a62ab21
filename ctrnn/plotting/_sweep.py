"""The runs of a sweep: what a setting does to learning."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._config import Config
from .._curves import Curves, differences
from ._style import colours, plain, plot_spread

_MARKERS = "os^vDPX*"


class _Sorted(NamedTuple):
    """Runs by the other settings that vary (a panel each), then by the one on the axis."""

    along: str | None
    choices: list[Any]
    panels: dict[str, dict[Any, list[Curves]]]

    @property
    def numeric(self) -> bool:
        return all(isinstance(x, float) for x in self.choices)


def sweep_figure(runs: Mapping[str, tuple[Config, Curves]]) -> Figure:
    """Learning at each density with its spread over seeds, and the last accuracy against density.

    If density does not vary, the setting with most values stands for it. Other settings that vary
    have panels of their own.

    **Arguments:**

    - `runs`: settings and curves of the runs of a sweep, by name.

    !!! example

        ```python
        runs = {r.name: (ctrnn.open_run(r), ctrnn.read_curves(r)) for r in ctrnn.sweep_runs(sweep)}
        ctrnn.plotting.sweep_figure(runs).savefig("sweep.svg")
        ```
    """
    settings = _sort(runs)
    width = 4.6 * (len(settings.panels) + 1)
    figure = Figure(figsize=(width, 4.4), layout="constrained")
    *learning, last = figure.subplots(1, len(settings.panels) + 1, squeeze=False)[0]
    tints = dict(
        zip(settings.choices, colours(len(settings.choices), ordered=settings.numeric), strict=True)
    )
    for axes, (title, groups) in zip(learning, settings.panels.items(), strict=True):
        for choice, several in groups.items():
            trials, mean = _together(several)
            label = f"{_word(settings.along)} {_text(choice)}"
            plot_spread(axes, trials / 1000, mean, color=tints[choice], label=label)
        plain(
            axes, xlabel="trials of training (thousands)", ylabel="mean decision accuracy",
            ylim=(-0.02, 1.02), xlim=(0, None), title=title or "Mean and range over seeds",
        )  # fmt: skip
        axes.legend(frameon=False, fontsize=8)
    _plot_last(last, settings, tints)
    return figure


def _sort(runs: Mapping[str, tuple[Config, Curves]]) -> _Sorted:
    varied = differences({name: config for name, (config, _) in runs.items()})
    fields = [field for field in next(iter(varied.values())) if field != "seed"]
    values = {f: list(dict.fromkeys(one[f] for one in varied.values())) for f in fields}
    values = {f: sorted(v, key=lambda x: (str(type(x)), x)) for f, v in values.items()}
    along = max(fields, key=lambda f: (f == "sparsity", len(values[f])), default=None)
    choices = values[along] if along else [None]
    others = {n: ", ".join(f"{f} {v[f]}" for f in fields if f != along) for n, v in varied.items()}
    panels: dict[str, dict[Any, list[Curves]]] = {title: {} for title in others.values()}
    for choice in choices:
        for name, (_, curves) in runs.items():
            if along is None or varied[name][along] == choice:
                panels[others[name]].setdefault(choice, []).append(curves)
    return _Sorted(along, choices, panels)


def _together(several: Sequence[Curves]) -> tuple[np.ndarray, np.ndarray]:
    """All seeds at the evaluations that all have come to."""
    trials = functools.reduce(np.intersect1d, (curves.trials for curves in several))
    return trials, np.concatenate([c.mean[:, np.isin(c.trials, trials)] for c in several])


def _plot_last(axes: Axes, settings: _Sorted, tints: Mapping[Any, Any]) -> None:
    places = {x: x if settings.numeric else i for i, x in enumerate(settings.choices)}
    for i, (title, groups) in enumerate(settings.panels.items()):
        marker = _MARKERS[i % len(_MARKERS)]
        final = {
            x: np.concatenate([c.mean[:, -1] for c in several]) for x, several in groups.items()
        }
        x = [places[choice] for choice in final]
        mean = [values.mean() for values in final.values()]
        axes.plot(x, mean, f"-{marker}", color="0.6", markersize=0, zorder=0)
        for choice, values in final.items():
            axes.plot([places[choice]] * len(values), values, marker, color=tints[choice])
        axes.plot([], [], f"-{marker}", color="0.6", label=title)
    plain(
        axes, ylim=(-0.02, 1.02), ylabel="last mean decision accuracy", xlabel=_word(settings.along),
        title="Each mark is a run",
    )  # fmt: skip
    positions = list(places.values())
    if settings.numeric and min(positions) > 0:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.margins(x=0.1)
    axes.set_xticks(positions, [_text(choice) for choice in places])
    if len(settings.panels) > 1:
        axes.legend(frameon=False, fontsize=8)


def _word(field: str | None) -> str:
    return "density" if field == "sparsity" else field or "all"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)
