from collections.abc import Sequence
from typing import Any, Literal

import jax

from ._gather import GatherKernel as GatherKernel
from ._graph import Graph
from ._half import HalfKernel as HalfKernel
from ._kernel import AbstractKernel as AbstractKernel
from ._kernel import DenseKernel as DenseKernel
from ._kernel import DiagonalKernel as DiagonalKernel
from ._kernel import MaskedKernel as MaskedKernel
from ._kernel import apply as apply
from ._tiles import TileKernel as TileKernel

# Where fetching a neighbour's row overtakes the dense product, on CPU (forward, backward and the
# gradient of the weights, against the masked product; `python -m benchmarks kernels crossover`; on
# one of two cores in brackets):
#
#     density    N=256         N=400         N=1024        N=4096   (batch 64)
#     4 %        0.45 (0.40)                 0.33 (0.23)   0.21
#     8 %                      0.53 (0.45)   0.52 (0.37)
#     12 %                     0.65 (0.52)   0.67 (0.49)
#     16 %                     0.72 (0.69)   0.80
#     24 %                     1.03 (0.85)   1.10 (0.84)
#
# On another machine of two cores it overtook at 18 % of N=1024. Rows are as long as the batch, and short
# ones are fetched in vain: there, at 4 %, N=256 and 1024, 0.95 and 0.82 with a batch of 8, 0.63 and 0.30
# with 16, 0.44 and 0.35 with 256.
_SPARSE = 0.15

# Where tiles overtake it on a GPU (an NVIDIA H100), by the part of all neurons that a tile hears:
#
#     N=1024     0.89 (11 %)   0.95 (14 %)   1.02 (19 %)   1.05 (28 %)   1.14 (42 %)
#     N=2048                   0.87 (14 %)                 1.18 (33 %)
#     N=4096     0.37 (5 %)    0.56 (10 %)                 0.87 (27 %)   1.19 (37 %)
#     N=16384    0.33 (7 %)
_TILED = 0.25
# Fetching rows is the slowest way there (4 to 24 times the matrix), and fits where a layout of more
# numbers than this would not.
_NUMBERS = 2**28


def choose_kernel(graph: Graph, backend: str | None = None) -> AbstractKernel:
    """The kernel that is likely the fastest for a graph, by how many neurons hear how many.

    **Arguments:**

    - `graph`: The graph.
    - `backend`: `"cpu"`, `"gpu"` or `"tpu"`; by default, the one that JAX uses.

    **Returns:**

    [`ctrnn.DenseKernel`][] if every synapse is there, and [`ctrnn.DiagonalKernel`][] for autapses
    alone. On a CPU, [`ctrnn.GatherKernel`][] if every neuron hears and is heard by few; elsewhere
    [`ctrnn.TileKernel`][] if a tile of near neurons hears and is heard by few. Else
    [`ctrnn.MaskedKernel`][], or the gather kernel again for a graph too large for a matrix.

    !!! example

        ```python
        kernel = ctrnn.choose_kernel(graph)
        heard = ctrnn.apply(kernel, kernel.layout(weights), rates)  # [neurons, batch]
        ```
    """
    backend = jax.default_backend() if backend is None else backend
    if graph.synapses == graph.size**2:
        return DenseKernel(graph)
    if bool((graph.targets == graph.sources).all()):
        return DiagonalKernel(graph)
    # The lists of all neurons are as long as the longest: a hub makes a sparse graph's lists dense.
    longest = max(int(graph.fan_in.max()), int(graph.fan_out.max()))
    if backend == "cpu":
        return GatherKernel(graph) if longest < _SPARSE * graph.size else MaskedKernel(graph)
    kernel = _matrix_kernel(graph)
    wide = max(kernel.room) if isinstance(kernel, TileKernel) else graph.size
    fits = graph.size * wide <= _NUMBERS
    return kernel if fits or longest > _SPARSE * graph.size else GatherKernel(graph)


def _matrix_kernel(graph: Graph) -> AbstractKernel:
    if graph.synapses == graph.size**2:
        return DenseKernel(graph)
    tiles = TileKernel(graph)
    return tiles if max(tiles.room) < _TILED * graph.size else MaskedKernel(graph)


_KERNELS = dict(
    auto=choose_kernel,
    dense=DenseKernel,
    masked=MaskedKernel,
    gather=GatherKernel,
    tiles=TileKernel,
    diagonal=DiagonalKernel,
)


def kernel_named(
    name: str, graph: Graph, precision: Literal["float32", "bfloat16"] = "float32"
) -> AbstractKernel:
    """The kernel of a given name.

    **Arguments:**

    - `name`: `"auto"` for [`ctrnn.choose_kernel`][], or `"dense"`, `"masked"`, `"gather"`, `"tiles"` or
        `"diagonal"`.
    - `graph`: The graph.
    - `precision`: "bfloat16" for a [`ctrnn.HalfKernel`][] of it, with "auto" of tiles or a matrix.

    **Returns:**

    A kernel.

    **Raises:** `ValueError` if there is no such kernel or precision, or if it cannot hold this graph.

    !!! example

        ```python
        kernel = ctrnn.kernel_named("tiles", graph)
        ```
    """
    if name not in _KERNELS:
        raise ValueError(f"Unknown kernel {name!r}; choose one of {', '.join(_KERNELS)}.")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"Unknown precision {precision!r}; choose float32 or bfloat16.")
    if precision == "float32":
        return _KERNELS[name](graph)
    return HalfKernel(_matrix_kernel(graph) if name == "auto" else _KERNELS[name](graph))


def equally_wide(
    kernels: Sequence[AbstractKernel], graphs: Sequence[Graph]
) -> Sequence[AbstractKernel]:
    """Kernels of the kind of the first, with tables of equal shapes, as wide as the widest needs."""
    first = kernels[0]
    if isinstance(first, HalfKernel):
        inner = [kernel.kernel for kernel in kernels if isinstance(kernel, HalfKernel)]
        return [HalfKernel(kernel) for kernel in equally_wide(inner, graphs)]
    kind: Any = type(first)
    kernels = [k if isinstance(k, kind) else kind(g) for k, g in zip(kernels, graphs, strict=True)]
    rooms = [k.room for k in kernels if isinstance(k, GatherKernel | TileKernel)]
    if not rooms:
        return kernels
    room = max(x for x, _ in rooms), max(x for _, x in rooms)
    return [kind(graph, room) for graph in graphs]
