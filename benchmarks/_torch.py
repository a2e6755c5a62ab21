"""The PyTorch peer as a case: a process that waits between its turns."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax

from ._measure import Case
from ._step import INPUTS, OUTPUTS, RULES, Shape

_LOOP = Path(__file__).with_name("_torch_loop.py")
# The peer keeps the memory that it frees, as the others here do (glibc 2.35 or newer), and its threads
# sleep when they wait: on a busy machine two that spin wait for each other for seconds.
_SETTINGS = dict(
    OMP_WAIT_POLICY="passive",
    GLIBC_TUNABLES="glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736",
)


def version(python: str = sys.executable) -> str | None:
    """The version of PyTorch that an interpreter has; `None` if it has none."""
    ask = [python, "-c", "import torch; print(torch.__version__)"]
    with contextlib.suppress(OSError):
        answer = subprocess.run(ask, capture_output=True, text=True)
        return answer.stdout.strip() or None


@contextlib.contextmanager
def loop(shape: Shape, threads: int, python: str = sys.executable) -> Iterator[Case]:
    """A training step of the peer, in a process of its own: threads are set once in a process."""
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    settings = device, *shape, INPUTS + RULES, OUTPUTS, threads
    with subprocess.Popen(
        [python, str(_LOOP), *map(str, settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | _SETTINGS,
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None and answers is not None

        def step() -> tuple[float, int]:
            print(file=asked, flush=True)
            took, grown = answers.readline().split()
            return float(took), int(grown)

        step()
        _, peak = step()
        where = "GPU" if device == "cuda" else f"{threads} thread" + "s" * (threads > 1)
        name = f"PyTorch, weights * mask, {where}"
        yield Case(name, lambda: step()[0], *shape, peak or None)
        asked.close()
