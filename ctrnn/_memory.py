import ctypes
import importlib.util
import os
import sys
from importlib.metadata import entry_points

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of mallopt(3)
_HUGEPAGE = 14  # of madvise(2)
_PAGE = 2**21  # bytes of a large page on x86-64; elsewhere it aligns, no more


def keep_memory(mebibytes: int = 1024) -> bool:
    """Has this process keep the memory that it frees, in large pages. On Linux with glibc alone, and
    where JAX computes on a CPU; elsewhere nothing happens.

    XLA asks for the temporary memory of a training step anew at every step, and beyond 32 MiB glibc
    takes it from the system and returns it each time: pages of 4 KiB that the system must find and fill
    with zeros, up to a quarter of the time of a step. Call it before JAX computes anything: memory of
    threads that have begun is not kept. From then on the process never shrinks, all its threads share
    one heap, and nothing undoes it. Where JAX has been installed for accelerators, it is left out unless
    `JAX_PLATFORMS` is `cpu`: arrays are elsewhere, and programs are compiled by all cores at once, which
    would wait for the heap. An allocator preloaded in the place of glibc's is left as it is.

    **Arguments:**

    - `mebibytes`: how much to ask for in large pages, which Linux gives unless its
        `transparent_hugepage` is `never`. It counts as virtual memory at once, and is taken when it is
        used; what is needed beyond it is kept in small pages.

    **Returns:**

    Whether glibc keeps memory.

    !!! example

        ```python
        ctrnn.keep_memory()
        state, metrics = step(state)
        ```
    """
    if not sys.platform.startswith("linux") or _accelerated():
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    # One heap, never a mapping of its own for a large piece, never returned.
    options = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _ARENA_MAX: 1}
    kept = all([libc.mallopt(option, value) for option, value in options.items()])
    # The heap grows once, so that there is something to ask large pages for.
    libc.sbrk.restype = libc.malloc.restype = ctypes.c_void_p
    before = libc.sbrk(ctypes.c_ssize_t(0))
    libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(mebibytes * 2**20))))
    start, end = -(-before // _PAGE) * _PAGE, libc.sbrk(ctypes.c_ssize_t(0))
    if end > start:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _HUGEPAGE)
    return kept


def _accelerated() -> bool:
    """Whether JAX will look for accelerators. (Asked for its devices, it would start its threads.)"""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return False
    plugins = entry_points(group="jax_plugins")
    return bool(plugins) or any(importlib.util.find_spec(x) for x in ("jax_plugins", "libtpu"))
