"""The kernels of the recurrence: forward, backward and weight gradient, without the rest."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import ctrnn
from ctrnn._kernel import as_wide_as

from ._measure import Case, Row, in_turns, seconds, versus
from ._step import Shape


def rows(
    shapes: Sequence[Shape],
    rounds: int = 5,
    kernels: Sequence[str] = ("masked", "gather", "tiles"),
    half: Sequence[str] = (),
) -> list[Row]:
    """Times kernels on locality graphs, and those of `half` with products of bfloat16; the first of them
    is what the others are held against.

    A `floor` is added to them: the same steps with one synapse per neuron.
    """
    table = []
    for shape in shapes:
        sheet = ctrnn.Config(neurons=str(shape.neurons)).sheet()
        graph = ctrnn.Locality(shape.density)(sheet, key=jr.key(0))
        alone = ctrnn.Autapse()(sheet, key=jr.key(0))
        cases = []
        for name in kernels:
            kernel = ctrnn.kernel_named(name, graph)
            if isinstance(kernel, ctrnn.TileKernel):
                name += f", {max(kernel.room) / graph.size:.0%} to a tile"
            cases.append(_case(name, kernel, graph, shape))
        for name in half:
            kernel = ctrnn.kernel_named(name, graph, "bfloat16")
            cases.append(_case(f"{name} bfloat16", kernel, graph, shape))
        cases.append(_case("floor", ctrnn.DiagonalKernel(alone), alone, shape))
        first, *others = in_turns(cases, rounds)
        table += [first, *(versus(other, first) for other in others)]
    return table


def _case(name: str, kernel, graph, shape: Shape) -> Case:
    """A relu network's solve and its gradient, by three uses of the kernel."""
    weights = jr.normal(jr.key(1), (graph.synapses,)) / (graph.synapses / graph.size) ** 0.5
    rates = jr.uniform(jr.key(2), (graph.size, shape.batch))

    @eqx.filter_jit
    def solve(kernel, weights, rates):
        layout, pull = jax.vjp(kernel.layout, weights)

        def forward(rates, _):
            drive = kernel.product(layout, rates)
            return 0.8 * rates + 0.2 * jax.nn.relu(drive), (rates, drive)

        def backward(cotangent, drive):
            delta = jnp.where(drive > 0, 0.2 * cotangent, 0.0)
            return 0.8 * cotangent + kernel.transpose(layout, delta), delta

        final, (before, drives) = jax.lax.scan(forward, rates, length=shape.steps)
        _, deltas = jax.lax.scan(backward, final, drives, reverse=True)
        return pull(as_wide_as(layout, kernel.outer(deltas, before, len(deltas))))

    def run() -> float:
        return seconds(lambda: solve(kernel, weights, rates))

    run()
    return Case(f"kernel {name}", run, shape.neurons, graph.density, shape.batch, shape.steps)
