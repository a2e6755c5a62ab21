"""What the command shows while it works, and the signals that stop it."""

import collections
import contextlib
import math
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ._config import Config
from ._curves import Curves, base_and_variant
from ._results import RunState
from ._run import Progress

console, complaints = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)


@contextlib.contextmanager
def signals(received: list[int], *others: signal.Signals) -> Iterator[None]:
    """Collects SIGINT and SIGTERM, a second of which ends the process at once, and any others."""

    def note(number: int, frame: Any) -> None:
        received.append(number)
        if number not in others:
            signal.signal(number, previous[signal.Signals(number)])

    previous = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM, *others)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Shows a warning as one line, without the code that it comes from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *where: complaints.print(
            Text.assemble(("Warning: ", "bold yellow"), str(message))
        )
        yield


class Display:
    """A live line on a terminal; elsewhere a line at each evaluation."""

    def __init__(self, config: Config, frame: float):
        """`frame`: the step until refinement, in ms."""
        self.config, self.frame = config, frame
        self.live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self.begun = time.monotonic()
        self.first: int | None = None
        self.evaluated: np.ndarray | None = None

    def __enter__(self) -> "Display":
        if self.live:
            self.live.start()
            self.live.update(Text("compiling ..."))
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def _work(self, step: int) -> float:
        """Training steps, those after refinement by how many more steps of the solve they take."""
        coarse = min(step, math.ceil(self.config.refine_at * self.config.steps))
        return coarse + (step - coarse) * self.frame / self.config.dt

    def show(self, progress: Progress) -> None:
        if self.first is None:
            self.first, self.begun = progress.step, time.monotonic()
        now, end = self._work(progress.step), self._work(self.config.steps)
        done = now - self._work(self.first)
        left = (end - now) * (time.monotonic() - self.begun) / max(done, 1)
        clock = f"{left // 60:.0f} min {left % 60:02.0f} s left" if done else "..."
        line = (
            f"step {progress.step}/{self.config.steps}  loss {progress.loss:.3f}  "
            f"accuracy {progress.accuracy:.3f}  held out: mean {progress.per_task.mean():.3f} "
            f"min {progress.per_task.min():.3f}  {progress.trials_per_second:.0f} trials/s  {clock}"
        )
        if self.live:
            self.live.update(Text(line))
        elif progress.per_task is not self.evaluated:
            console.print(line, highlight=False)
            sys.stdout.flush()
        self.evaluated = progress.per_task


class SweepDisplay:
    """A live table of the runs on a terminal; elsewhere a line whenever the state of one changes."""

    def __init__(self) -> None:
        self.live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self.said: dict[str, str] = {}

    def __enter__(self) -> "SweepDisplay":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def show(self, states: dict[str, RunState]) -> None:
        if self.live:
            self.live.update(_sweep_table(states, console.height - 6))
            return
        for name, run in states.items():
            if self.said.get(name) != run.state:
                console.print(f"{name}: {run.state} at step {run.seen.step}", highlight=False)
                sys.stdout.flush()
            self.said[name] = run.state


def _sweep_table(states: dict[str, RunState], rows: int) -> Table:
    """What is under way first; what does not fit is only counted."""
    table = Table()
    table.add_column("run", overflow="fold")
    table.add_column("state")
    for column in ("step", "accuracy", "minimum"):
        table.add_column(column, justify="right")
    order = sorted(
        states, key=lambda name: (states[name].seen.done, states[name].state == "waiting")
    )
    for name in order[:rows]:
        run = states[name]
        numbers = (run.seen.mean, run.seen.minimum)
        cells = ("" if x is None else _coloured(x) for x in numbers)
        table.add_row(name, run.state, f"{run.seen.step}/{run.config.steps}", *cells)
    counts = collections.Counter(run.state for run in states.values())
    table.caption = ", ".join(f"{count} {state}" for state, count in counts.items())
    return table


def print_accuracies(per_task: dict[str, float]) -> None:
    """Base tasks down, their variants across."""
    split = {name: base_and_variant(name) for name in per_task}
    variants = list(dict.fromkeys(variant for _, variant in split.values()))
    table = Table("task", *variants)
    for base in dict.fromkeys(base for base, _ in split.values()):
        cells = {split[n][1]: per_task[n] for n in per_task if split[n][0] == base}
        table.add_row(base, *(_coloured(cells[v]) if v in cells else "" for v in variants))
    console.print("\nDecision accuracy on held-out trials", table)


def comparison_table(
    curves: dict[str, Curves], differ: dict[str, dict[str, Any]], synapses: dict[str, int]
) -> Table:
    """A column for each run: the settings in which they differ, and how they ended."""
    table = Table("")
    for name in curves:
        table.add_column(name, justify="right", overflow="fold")
    for field in next(iter(differ.values())):
        values = (differ[name][field] for name in curves)
        table.add_row(field, *("" if value is None else f"{value}" for value in values))
    last = {name: seen.per_task[:, -1] for name, seen in curves.items()}
    minutes = (seen.seconds[:, -1].mean() / 60 for seen in curves.values())
    table.add_row("synapses", *(f"{synapses[name]:,}" for name in curves))
    table.add_row("seeds", *(f"{len(x)}" for x in last.values()))
    table.add_row("trials", *(f"{seen.trials[-1]:,}" for seen in curves.values()))
    table.add_row("minutes", *(f"{x:.1f}" for x in minutes))
    table.add_row("mean accuracy", *(f"{x.mean():.3f}" for x in last.values()))
    table.add_row("worst task", *(f"{x.min(1).mean():.3f}" for x in last.values()))
    return table


def _coloured(accuracy: float) -> str:
    colour = "green" if accuracy >= 0.9 else "yellow" if accuracy >= 0.7 else "red"
    return f"[{colour}]{accuracy:.2f}[/{colour}]"
