"""Building a network's wiring: the graph, and the kernel made of it.

`python -m benchmarks._build RULE NEURONS DENSITY` is a process that has built nothing, and writes the
seconds of the graph and of the kernel as JSON.
"""

import json
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
        for name, times in zip(("graph", "kernel"), zip(*runs, strict=True), strict=True):
            table.append(row(Case(f"{name}, {rule}", lambda: 0.0, neurons, density), list(times)))
    return table


def main():
    rule, neurons, density = sys.argv[1], sys.argv[2], float(sys.argv[3])
    ctrnn.keep_memory()
    sheet, key = ctrnn.Config(neurons=neurons).sheet(), jr.key(0)
    built = {}

    def draw():
        built["graph"] = _rules(density)[rule](sheet, key=key)
        return built

    times = seconds(draw), seconds(lambda: ctrnn.choose_kernel(built["graph"]))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
