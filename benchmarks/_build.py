"""Building a network's wiring: the graph, and the kernel made of it.

`python -m benchmarks._build RULE NEURONS DENSITY` is a process that has built nothing, and writes the
seconds of the graph and of the kernel, and the bytes that the process grew by in each, as JSON.
"""

import json
import resource
import subprocess
import sys

import jax.random as jr

import ctrnn

from ._measure import Case, Row, row, seconds


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
    ctrnn.keep_memory()
    sheet, key = ctrnn.Config(neurons=neurons).sheet(), jr.key(0)
    built = {}

    def graph():
        built["graph"] = _rules(density)[rule](sheet, key=key)
        return built

    def kernel():
        return ctrnn.choose_kernel(built["graph"])

    print(json.dumps([_measured(work) for work in (graph, kernel)]))


def _measured(work) -> tuple[float, int]:
    before = _largest()
    return seconds(work), _largest() - before


def _largest() -> int:
    """The most bytes that this process has held. (Linux counts in KiB.)"""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
