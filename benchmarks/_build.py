"""Building a network's wiring: the graph, and the kernel made of it.

`python -m benchmarks._build RULE NEURONS DENSITY` is a process that has built nothing, and writes the
seconds of the graph and of the kernel, and the bytes that each took beside what was there, as JSON.
(Nothing keeps memory in it: what the graph gave back would be the kernel's, and not be seen.)
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax.random as jr

import ctrnn

from ._measure import Case, Row, row, seconds

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def _rules(density: float) -> dict[str, ctrnn.AbstractConnectivity]:
    return dict(
        locality=ctrnn.Locality(density),
        gaussian=ctrnn.Locality(density, ctrnn.Gaussian(0.5)),
        random=ctrnn.RandomSparse(density),
        rewired=ctrnn.Rewired(density),
    )


def rows(neurons: int, density: float, rounds: int = 3) -> list[Row]:
    """Two rows for each rule, each of `rounds` processes: its graph, and the kernel of that."""
    table = []
    for rule in _rules(density):
        command = [sys.executable, "-m", "benchmarks._build", rule, str(neurons), str(density)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(rounds)]
        for name, measured in zip(("graph", "kernel"), zip(*runs, strict=True), strict=True):
            times, grown = zip(*measured, strict=True)
            case = Case(f"{name}, {rule}", lambda: 0.0, neurons, density, peak_bytes=max(grown))
            table.append(row(case, list(times)))
    return table


def main():
    rule, neurons, density = sys.argv[1], sys.argv[2], float(sys.argv[3])
    sheet, key = ctrnn.Config(neurons=neurons).sheet(), jr.key(0)
    built = {}

    def graph():
        built["graph"] = _rules(density)[rule](sheet, key=key)
        return built

    def kernel():
        return ctrnn.choose_kernel(built["graph"])

    print(json.dumps([_measured(work) for work in (graph, kernel)]))


def _measured(work) -> tuple[float, int]:
    if _CLEAR.exists():
        _CLEAR.write_text("5")  # the most that was held is now what is held: see proc(5)
    before = _largest()
    return seconds(work), _largest() - before


def _largest() -> int:
    """The most bytes that this process has held; 0 where there is no /proc. (`resource.getrusage` would
    count what the process that started it held.)
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text() if _STATUS.exists() else "")
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
