"""Measurements in turns, and the rows that they make."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

Row = dict[str, Any]


class Case(NamedTuple):
    """Something to measure: `run` does it once and says how many seconds that took."""

    name: str
    run: Callable[[], float]
    neurons: int | None = None
    density: float | None = None
    batch: int | None = None
    steps: int | None = None
    peak_bytes: int | None = None


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes, until the arrays that it returns are there."""
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def cores() -> int:
    """How many cores this process may use."""
    available = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return len(available(0))


def in_turns(cases: Sequence[Case], rounds: int) -> list[Row]:
    """A row per case. Machines drift, so each case is measured once before any is again."""
    raw: list[list[float]] = [[] for _ in cases]
    for _ in range(rounds):
        for case, times in zip(cases, raw, strict=True):
            times.append(case.run())
    return [row(case, times) for case, times in zip(cases, raw, strict=True)]


def row(case: Case, raw_seconds: list[float]) -> Row:
    """The record of a case, not yet held against another."""
    fields = case._asdict()
    del fields["run"]
    median = statistics.median(raw_seconds)
    return fields | dict(median_seconds=median, raw_seconds=raw_seconds, against=None, ratio=None)


def versus(ours: Row, theirs: Row) -> Row:
    """Our row with `ratio`, our median time over theirs."""
    ratio = ours["median_seconds"] / theirs["median_seconds"]
    return ours | dict(against=theirs["name"], ratio=ratio)
