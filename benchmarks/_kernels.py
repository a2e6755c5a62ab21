"""The kernels of the recurrence: forward, backward and weight gradient, without the rest."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import ctrnn


def rows(
    sizes: Sequence[int] = (256, 1024, 4096),
    density: float = 0.04,
    batch: int = 64,
    steps: int = 100,
    repeats: int = 5,
    kernels: Sequence[str] = ("masked", "gather"),
) -> list[dict[str, Any]]:
    """Times the kernels on locality graphs, in turns.

    **Arguments:**

    - `sizes`: Numbers of neurons; squares.
    - `density`: The fraction of synapses that exist.
    - `batch`, `steps`: Trials solved together, and how many steps.
    - `repeats`: Measurements of each.
    - `kernels`: Names of kernels; the first is what the others are held against. A `floor`
        is added to them: the same steps with one synapse per neuron.

    **Returns:**

    One dictionary per kernel and size: name, neurons, density, batch, steps, median_seconds,
    raw_seconds, against, ratio.
    """
    table = []
    for size in sizes:
        side = round(size**0.5)
        if side**2 != size:
            raise ValueError(f"Sizes are those of square sheets; {size} is not a square.")
        sheet = ctrnn.Sheet(side, side)
        graph = ctrnn.Locality(density)(sheet, key=jr.key(0))
        cases = {
            name: _case(ctrnn.kernel_named(name, graph), graph, batch, steps) for name in kernels
        }
        alone = ctrnn.Autapse()(sheet, key=jr.key(0))
        cases["floor"] = _case(ctrnn.DiagonalKernel(alone), alone, batch, steps)
        seconds = _in_turns(cases, repeats)
        reference = statistics.median(seconds[kernels[0]])
        for name, raw in seconds.items():
            median = statistics.median(raw)
            table.append(
                dict(
                    name=f"kernel {name}",
                    neurons=size,
                    density=graph.density,
                    batch=batch,
                    steps=steps,
                    median_seconds=median,
                    raw_seconds=raw,
                    against=f"kernel {kernels[0]}",
                    ratio=median / reference,
                )
            )
    return table


def _case(kernel, graph, batch, steps) -> Callable[[], Any]:
    """A relu network's solve and its gradient, by three uses of the kernel."""
    weights = jr.normal(jr.key(1), (graph.synapses,)) / (graph.synapses / graph.size) ** 0.5
    rates = jr.uniform(jr.key(2), (graph.size, batch))

    @eqx.filter_jit
    def solve(kernel, weights, rates):
        layout, pull = jax.vjp(kernel.layout, weights)

        def forward(rates, _):
            drive = kernel.product(layout, rates)
            return 0.8 * rates + 0.2 * jax.nn.relu(drive), (rates, drive)

        def backward(cotangent, drive):
            delta = jnp.where(drive > 0, 0.2 * cotangent, 0.0)
            return 0.8 * cotangent + kernel.transpose(layout, delta), delta

        final, (before, drives) = jax.lax.scan(forward, rates, length=steps)
        _, deltas = jax.lax.scan(backward, final, drives, reverse=True)
        return pull(kernel.outer(deltas, before))

    return lambda: jax.block_until_ready(solve(kernel, weights, rates))


def _in_turns(cases, repeats) -> dict[str, list[float]]:
    # Machines drift: one measurement of each case, then the next of each.
    seconds = {name: [] for name in cases}
    for case in cases.values():
        case()
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row['neurons']:6d} {row['name']:16s} {row['median_seconds']:9.4f} {row['ratio']:.2f}"
        )
