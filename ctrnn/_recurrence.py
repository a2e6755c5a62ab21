import jax

from ._gather import GatherKernel as GatherKernel
from ._graph import Graph
from ._kernel import AbstractKernel as AbstractKernel
from ._kernel import DenseKernel as DenseKernel
from ._kernel import DiagonalKernel as DiagonalKernel
from ._kernel import MaskedKernel as MaskedKernel
from ._kernel import apply as apply


def choose_kernel(graph: Graph, batch: int = 64, backend: str | None = None) -> AbstractKernel:
    """The kernel that is fastest for a graph of this kind, as measured.

    **Arguments:**

    - `graph`: The graph.
    - `batch`: How many trials are solved together.
    - `backend`: `"cpu"`, `"gpu"` or `"tpu"`; by default, the one that JAX uses.

    **Returns:**

    A kernel.
    """
    backend = jax.default_backend() if backend is None else backend
    if graph.synapses == graph.size**2:
        return DenseKernel(graph)
    if bool((graph.targets == graph.sources).all()):
        return DiagonalKernel(graph)
    if backend == "cpu" and graph.density < 0.15:
        return GatherKernel(graph)
    return MaskedKernel(graph)


_KERNELS = dict(auto=choose_kernel, dense=DenseKernel, masked=MaskedKernel, gather=GatherKernel)


def kernel_named(name: str, graph: Graph) -> AbstractKernel:
    """The kernel of a given name.

    **Arguments:**

    - `name`: `"auto"` for [`ctrnn.choose_kernel`][], or `"dense"`, `"masked"` or `"gather"`.
    - `graph`: The graph.

    **Returns:**

    A kernel.

    **Raises:** `ValueError` if there is no such kernel, or if it cannot hold this graph.
    """
    if name not in _KERNELS:
        raise ValueError(f"Unknown kernel {name!r}; choose one of {', '.join(_KERNELS)}.")
    return _KERNELS[name](graph)
