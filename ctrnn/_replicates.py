"""Networks of one shape and several seeds, trained side by side in one program."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from ._recurrence import equally_wide
from ._train import TrainState

_T = TypeVar("_T")


def stack(states: Sequence[TrainState]) -> TrainState:
    """States of one shape as one, each of its arrays [seeds, ...].

    Their graphs differ, and so does how wide the index tables of their kernels are: these are made as
    wide as the widest needs.

    **Raises:**

    `ValueError` if the graphs have different numbers of neurons or synapses.
    """
    graphs = [state.network.graph for state in states]
    if len({(graph.size, graph.synapses) for graph in graphs}) > 1:
        counts = ", ".join(f"{graph.synapses:,}" for graph in graphs)
        raise ValueError(
            f"the graphs of these seeds have different numbers of synapses ({counts}), so they cannot "
            "be trained together; train each seed on its own."
        )
    kernels = equally_wide([state.network.kernel for state in states], graphs)
    states = [
        eqx.tree_at(lambda s: s.network.kernel, state, kernel)
        for state, kernel in zip(states, kernels, strict=True)
    ]
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *states)


def member(stacked: _T, i: int) -> _T:
    """One of what is stacked."""
    return jax.tree.map(lambda array: array[i], stacked)


def side_by_side(
    function: Callable, mesh: Mesh | None = None, backend: str | None = None
) -> Callable:
    """`function`, for stacked arguments and results; the devices of a mesh have equal shares of them.

    An accelerator does all of its share at once, by `vmap`. A CPU takes one after the other: together
    they would leave its cache, and batched products and gathers are slow there (measured by
    `python -m benchmarks replicates`).
    """
    backend = jax.default_backend() if backend is None else backend

    def share(*arguments: Any) -> Any:
        if backend == "cpu":
            return jax.lax.map(lambda one: function(*one), arguments)
        return eqx.filter_vmap(function)(*arguments)

    if mesh is None:
        return share
    split = PartitionSpec(mesh.axis_names)
    # Rather than by sharding alone: so no device ever needs to hear of another.
    return jax.shard_map(share, mesh=mesh, in_specs=split, out_specs=split, check_vma=False)
