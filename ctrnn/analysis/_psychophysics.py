"""Psychophysics of a run: its curves, its errors and its reaction times beside an ideal observer's."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ._behaviour import chronometric, interval_error, psychometric, reactions
from ._psychometrics import Psychometric
from ._questions import questions
from ._style import OKABE_ITO
from ._subject import Cannot, Section, Subject

_NO_SPEEDS = (
    ": by task, for none of these tasks shows evidence of some coherence while it may be answered."
)


def psychophysics_section(subject: Subject) -> Section:
    """Psychometric curves, error against the interval timed, and reaction times."""
    network, battery = subject.network, subject.battery
    asked = questions(battery, key=subject.key)
    if not any(asked):
        raise Cannot("no task has a coherence to vary, an interval to time or a reaction time.")
    how: dict[str, Any] = {"integration": subject.integration, "key": subject.key}
    curves = {
        task: psychometric(network, battery, task, rings, **how)
        for task, rings in list(asked.coherence.items())[:10]
    }
    errors = {
        task: interval_error(network, battery, task, *timed, **how)
        for task, timed in list(asked.interval.items())[:30]
    }
    times = {task: reactions(network, battery, task, **how) for task in asked.reaction[:8]}
    speeds = {
        task: chronometric(network, battery, task, asked.coherence[task], **how)
        for task in times
        if task in asked.coherence
    }
    spread = {task: (t[~np.isnan(t)], t, right) for task, (t, right) in times.items()}
    numbers = {
        "thresholds": {
            task: {k: curve[k] for k in ("threshold", "ideal threshold", "bias", "lapse")}
            for task, curve in curves.items()
        },
        "mean error over intervals (degrees)": {
            task: {k: _mean(error[k]) for k in ("responded", "error", "bias", "ideal")}
            for task, error in errors.items()
        },
        "reaction times": {
            task: {
                "median (ms)": float(np.median(seen)) if len(seen) else None,
                "quartiles (ms)": " to ".join(f"{q:.0f}" for q in np.quantile(seen, [0.25, 0.75]))
                if len(seen)
                else None,
                "responded": len(seen) / len(t),
                "right when it did": float(right[~np.isnan(t)].mean()) if len(seen) else None,
            }
            for task, (seen, t, right) in spread.items()
        },
        "psychometric curves": curves,
        "reaction times by coherence (ms)": speeds,
        "errors by interval (degrees)": errors,
    }
    left_out = [
        f"the first {len(drawn)} of {len(all_)} tasks with {what}"
        for what, drawn, all_ in (
            ("a coherence", curves, asked.coherence),
            ("an interval", errors, asked.interval),
            ("a reaction time", times, asked.reaction),
        )
        if len(drawn) < len(all_)
    ]
    figures: dict[str, Figure] = {}
    if curves:
        figures["psychometric"] = _draw_curves(curves)
    if errors:
        figures["intervals"] = _draw_errors(errors)
    if times:
        figures["reactions"] = _draw_reactions({task: t for task, (t, _) in times.items()}, speeds)
    return Section(
        "Psychophysics",
        "Noisy trials. Choices of the first option against signed coherence, with a logistic curve "
        "(its threshold: 75 % right but for lapses) and the ideal observer, a matched filter that "
        "knows the options and the noise. The error in tasks that time an interval, against how long "
        "it was, of trials in which it responded (as many as the fraction says). "
        "When the readout leaves fixation for good, where the stimulus comes with the decision"
        + (", also against coherence." if speeds else _NO_SPEEDS if times else ".")
        + (f" Shown: {', '.join(left_out)}." if left_out else ""),
        {name: value for name, value in numbers.items() if value},
        figures,
    )


def _mean(values: list[float | None]) -> float | None:
    kept = [value for value in values if value is not None]
    return float(np.mean(kept)) if kept else None


def _draw_curves(curves: dict[str, dict[str, Any]]) -> Figure:
    columns = min(len(curves), 5)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(max(2.1 * columns, 4.5), 2.3 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    fine = np.linspace(-0.64, 0.64, 201)
    for panel in panels.ravel()[len(curves) :]:
        panel.set_axis_off()
    for panel, (task, curve) in zip(panels.ravel(), curves.items(), strict=False):
        panel.axhline(0.5, color="0.85", linewidth=0.8)
        panel.axvline(0, color="0.85", linewidth=0.8)
        panel.plot(curve["coherence"], curve["ideal"], "--", color="black", label="ideal observer")
        if curve["fit"]:
            fit = Psychometric(*curve["fit"])
            panel.plot(fine, fit(fine), color=OKABE_ITO[0], label="logistic fit")
        first = [np.nan if y is None else y for y in curve["first"]]
        panel.plot(
            curve["coherence"], first, "o", color=OKABE_ITO[0], markersize=4, label="network"
        )
        panel.plot(
            curve["coherence"], curve["neither"], ":", color=OKABE_ITO[1], label="neither option"
        )
        panel.set(title=task, ylim=(-0.04, 1.04))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4 if columns > 2 else 2)
    figure.supxlabel("coherence, for the first option", fontsize=10)
    figure.supylabel("fraction of choices of the first", fontsize=10)
    return figure


def _draw_errors(errors: dict[str, dict[str, Any]]) -> Figure:
    intervals = sorted({ms for error in errors.values() for ms in error["interval (ms)"]})

    def table(name):
        rows = [dict(zip(e["interval (ms)"], e[name], strict=True)) for e in errors.values()]
        cells = [[np.nan if row.get(ms) is None else row[ms] for ms in intervals] for row in rows]
        return np.ma.masked_invalid(np.array(cells, float))

    height = max(4.0, 0.19 * len(errors) + 1.5)
    figure = Figure(figsize=(11, height), layout="constrained")
    panels = figure.subplot_mosaic("ET;ET;RT")
    left, below, right = (panels[name] for name in "ERT")
    error = table("error")
    left.plot(intervals, error.mean(0), "o-", markersize=4, label="network, mean of the tasks")
    left.plot(intervals, table("ideal").mean(0), "--", color="black", label="ideal, upper bound",
              clip_on=False, zorder=3)  # fmt: skip
    left.set(ylabel="mean error (degrees)", ylim=(0, None), title="Error of the responses")
    left.legend()
    below.plot(intervals, table("responded").mean(0), "o-", markersize=4)
    below.set(xlabel="interval timed (ms)", ylabel="responded", ylim=(0, 1.04))
    step = min(np.diff(intervals), default=100)
    image = right.imshow(
        error, aspect="auto", vmin=0, cmap="viridis",
        extent=(intervals[0] - step / 2, intervals[-1] + step / 2, len(errors) - 0.5, -0.5),
    )  # fmt: skip
    right.set_yticks(range(len(errors)), list(errors), fontsize=8)
    right.set(xlabel="interval timed (ms)", title="The same, by task")
    figure.colorbar(image, ax=right, label="mean absolute error (degrees)")
    return figure


def _draw_reactions(times: dict[str, np.ndarray], speeds: dict[str, dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes, *against = figure.subplots(1, 2 if speeds else 1, squeeze=False)[0]
    end = 1.15 * max((np.nanmax(t, initial=0) for t in times.values()), default=0) or 100
    for i, (task, t) in enumerate(times.items()):
        seen = np.sort(t[~np.isnan(t)])
        axes.plot(
            [0, *seen, end], [*np.arange(len(seen) + 1) / len(t), len(seen) / len(t)],
            drawstyle="steps-post", linestyle=("-", "--", ":")[i // 3 % 3],
            color=OKABE_ITO[i % 3], label=task,
        )  # fmt: skip
    axes.set(
        xlabel="time since the decision started (ms)", ylabel="fraction of trials responded",
        title="Reaction times", ylim=(0, 1.04), xlim=(0, end),
    )  # fmt: skip
    axes.legend(loc="lower right")
    for panel in against:
        for task, speed in speeds.items():
            low, middle, high = (
                np.array(speed[name], float)  # None becomes nan, which is not drawn
                for name in ("lower quartile", "median", "upper quartile")
            )
            (line,) = panel.plot(speed["coherence"], middle, "o-", markersize=4, label=task)
            panel.fill_between(
                speed["coherence"], low, high, alpha=0.15, linewidth=0, color=line.get_color()
            )
        panel.set(
            xlabel="coherence", ylabel="reaction time (ms)", xscale="log", ylim=(0, None),
            title="Reaction times by coherence: median, quartiles",
        )  # fmt: skip
        panel.legend()
    return figure
