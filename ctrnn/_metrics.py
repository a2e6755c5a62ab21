"""metrics.jsonl: what happened in a run, one flushed line per event, readable while it grows."""

import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

Sink: TypeAlias = Callable[[str, int, dict[str, float]], None]
"""Takes each event of a run: its name, its step and its numbers by name."""


class Metrics:
    """Appends events to a file, and hands their numbers to the sinks."""

    def __init__(self, file: Path, sinks: Iterable[Sink] = ()):
        self.file, self.sinks = file, tuple(sinks)
        if file.exists() and not file.read_bytes().endswith(b"\n"):
            self._append(b"\n")  # a line cut short when the machine went down stays alone

    def write(self, event: str, step: int, **values: Any) -> None:
        line = json.dumps({"event": event, "step": step, **values}, allow_nan=False)
        self._append(line.encode() + b"\n")
        for sink in self.sinks:
            try:
                sink(event, step, _numbers(values))
            except Exception as error:  # of any library: no reason to lose the training
                self.sinks = tuple(other for other in self.sinks if other is not sink)
                warnings.warn(f"from step {step} on a log is left out: {error}", stacklevel=2)

    def _append(self, line: bytes) -> None:
        with open(self.file, "ab", buffering=len(line) + 1) as stream:  # written in one go
            stream.write(line)


def _numbers(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The events of a run so far: "start", "train", "evaluate", "skip" and "end".

    Each is a dictionary with `event`, `step` and what [the format](files.md#metricsjsonl) says.

    The file is only ever appended to. A run that went on from step `k` says so by another "start"; what
    the file has of later steps before it happened again since, and is left out.

    **Raises:**

    `ValueError` if there are none.

    !!! example

        ```python
        losses = [e["loss"] for e in ctrnn.read_metrics(run) if e["event"] == "train"]
        ```
    """
    try:
        lines = (folder / "metrics.jsonl").read_bytes().splitlines()
    except OSError as error:
        raise ValueError(f"{folder} has no metrics.jsonl: {error.strerror}.") from error
    events: list[dict[str, Any]] = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # cut short, or still being written
            continue
        if not (isinstance(event, dict) and {"event", "step"} <= event.keys()):
            continue
        if event["event"] == "start":
            events = [earlier for earlier in events if earlier["step"] <= event["step"]]
        events.append(event)
    return events
