import jax

from ._gather import GatherKernel as GatherKernel
from ._graph import Graph
from ._kernel import AbstractKernel as AbstractKernel
from ._kernel import DenseKernel as DenseKernel
from ._kernel import DiagonalKernel as DiagonalKernel
from ._kernel import MaskedKernel as MaskedKernel
from ._kernel import apply as apply

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
# with 16, 0.44 and 0.35 with 256. On accelerators the matrix units favour the dense product for longer,
# and memory decides.
_SPARSE = 0.15
_ACCELERATOR_NEURONS = 16384


def choose_kernel(graph: Graph, backend: str | None = None) -> AbstractKernel:
    """The kernel that is likely the fastest for a graph, by how many neurons one hears or is heard by.

    **Arguments:**

    - `graph`: The graph.
    - `backend`: `"cpu"`, `"gpu"` or `"tpu"`; by default, the one that JAX uses.

    **Returns:**

    [`ctrnn.DenseKernel`][] if every synapse is there, [`ctrnn.DiagonalKernel`][] for autapses
    alone, [`ctrnn.GatherKernel`][] if every neuron hears and is heard by few (on accelerators: and
    the graph is too large for a matrix), else [`ctrnn.MaskedKernel`][].

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
    sparse = longest < _SPARSE * graph.size
    if sparse and (backend == "cpu" or graph.size > _ACCELERATOR_NEURONS):
        return GatherKernel(graph)
    return MaskedKernel(graph)


_KERNELS = dict(
    auto=choose_kernel,
    dense=DenseKernel,
    masked=MaskedKernel,
    gather=GatherKernel,
    diagonal=DiagonalKernel,
)


def kernel_named(name: str, graph: Graph) -> AbstractKernel:
    """The kernel of a given name.

    **Arguments:**

    - `name`: `"auto"` for [`ctrnn.choose_kernel`][], or `"dense"`, `"masked"`, `"gather"` or
        `"diagonal"`.
    - `graph`: The graph.

    **Returns:**

    A kernel.

    **Raises:** `ValueError` if there is no such kernel, or if it cannot hold this graph.

    !!! example

        ```python
        kernel = ctrnn.kernel_named("gather", graph)
        ```
    """
    if name not in _KERNELS:
        raise ValueError(f"Unknown kernel {name!r}; choose one of {', '.join(_KERNELS)}.")
    return _KERNELS[name](graph)
