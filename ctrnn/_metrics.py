"""metrics.jsonl: what happened in a run, one flushed line per event, readable while it grows."""

import json
import math
from pathlib import Path
from typing import Any

from ._checkpoint import atomic_write


class Metrics:
    """Writes events. A run that goes on from `step` forgets those after it: they will happen again."""

    def __init__(self, file: Path, step: int):
        self.file = file
        if file.exists():
            kept = [line for line in file.read_text().splitlines() if _at(line) <= step]
            with atomic_write(file) as stream:
                stream.write("".join(f"{line}\n" for line in kept).encode())

    def write(self, event: str, **values: Any) -> None:
        with open(self.file, "a") as stream:
            stream.write(json.dumps({"event": event, **values}) + "\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The events of a run so far: "start", "train", "evaluate" and "end".

    **Raises:**

    `ValueError` if there are none.
    """
    try:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
    except OSError as error:
        raise ValueError(f"{folder} has no metrics.jsonl: {error.strerror}.") from error
    return [json.loads(line) for line in lines if _at(line) < math.inf]


def _at(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # a line cut short when the machine went down
        return math.inf
