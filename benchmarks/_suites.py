"""What is measured, and against what."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from . import _battery, _build, _first, _kernels, _replicates, _torch
from ._measure import Case, Row, in_turns, row, seconds, versus
from ._step import Shape, network, peer

_CROSSOVER = dict(
    cpu=((400, 1024), (0.08, 0.12, 0.16, 0.24), "gather"),
    gpu=((1024, 2048, 4096), (0.01, 0.02, 0.08, 0.16, 0.24), "tiles"),
)


class Options(NamedTuple):
    """`large` are two sizes, of which the first is held against the second, in fewer steps."""

    sizes: Sequence[int] = (256, 1024, 4096)
    large: Sequence[int] = (16384, 8192)
    density: float = 0.04
    batch: int = 64
    steps: int = 100
    large_steps: int = 10
    rounds: int = 9
    python: str = sys.executable

    def shape(self, neurons: int) -> Shape:
        return Shape(neurons, self.density, self.batch, self.steps)

    def turns(self, neurons: int) -> int:
        """Rounds for a size: large ones take long, and vary less."""
        return max(3, self.rounds // (1 + neurons // 2048))


def step(options: Options) -> Iterator[Row]:
    """A training step: ours, dense and local, and Diffrax's, against the scan; ours against PyTorch
    if it is there.
    """
    threads = (1,) if jax.default_backend() == "gpu" else (1, 2)
    for neurons in options.sizes:
        shape = options.shape(neurons)
        with contextlib.ExitStack() as stack:
            cases = [peer(shape), peer(shape, "Diffrax, dense")]
            cases += [network(shape, "dense"), network(shape)]
            if _torch.version(options.python) is not None:
                cases += [
                    stack.enter_context(_torch.loop(shape, count, options.python))
                    for count in threads
                ]
            hand, theirs, dense, local, *loops = in_turns(cases, options.turns(neurons))
        yield from [hand, *(versus(each, hand) for each in (theirs, dense, local)), *loops]
        if loops:
            yield versus(local, min(loops, key=lambda each: each["median_seconds"]))


def large(options: Options) -> list[Row]:
    """A network whose matrix would be a burden, against one of half the neurons and half the fan-in."""
    shapes = [Shape(n, options.density, options.batch, options.large_steps) for n in options.large]
    more, fewer = in_turns([network(shape) for shape in shapes], 3)
    return [fewer, versus(more, fewer)]


def first(options: Options) -> list[Row]:
    """The first step of each program of the command's defaults, compilation included, and later ones."""
    del options
    return _first.rows()


def memory(options: Options) -> list[Row]:
    """Training steps with the memory that they free kept or given back."""
    return _first.memory_rows(options.rounds)


def devices(options: Options) -> list[Row]:
    """Training steps with the batch on one device, and shared by the cores."""
    return _first.device_rows(options.rounds)


def lengths(options: Options) -> list[Row]:
    """Training steps on trials of all lengths, and on those of one class of length at a time."""
    return _first.length_rows(options.rounds)


def calls(options: Options) -> list[Row]:
    """Training steps asked for one by one, and several in a call."""
    return _first.call_rows(options.rounds)


def build(options: Options) -> list[Row]:
    """The wiring of the larger network of the suite large."""
    return _build.rows(options.large[0], options.density)


def kernels(options: Options) -> Iterator[Row]:
    """The kernels alone, on accelerators also with operands of 16 bits."""
    half = () if jax.default_backend() == "cpu" else ("masked", "tiles")
    for n in options.sizes:
        yield from _kernels.rows([options.shape(n)], options.turns(n), half=half)


def crossover(options: Options) -> Iterator[Row]:
    """The kernels where the matrix product overtakes: some sizes, denser and denser."""
    cpu = jax.default_backend() == "cpu"
    sizes, densities, ours = _CROSSOVER["cpu" if cpu else "gpu"]
    for n in sizes:
        shapes = [options.shape(n)._replace(density=density) for density in densities]
        yield from _kernels.rows(shapes, options.rounds, ("masked", ours))


def battery(options: Options) -> list[Row]:
    """Drawing trials."""
    table = {}
    for record in _battery.rows(options.rounds):
        case = Case(record["name"], lambda: 0.0, batch=record["batch"], steps=record["steps"])
        measured = table[case.name, case.batch] = row(case, record["raw_seconds"])
        if record["against"] is not None:
            table[case.name, case.batch] = versus(measured, table[record["against"], case.batch])
    return list(table.values())


def replicates(options: Options) -> Iterator[Row]:
    """Several seeds together, against one after the other."""
    for neurons, count in {"8x8": 8, "16x16": 8, "32x32": 4}.items():
        yield from _replicates.rows(neurons, count, options.rounds)


def sweep(options: Options) -> list[Row]:
    """Neurons, density, batch and steps, each varied on its own: for the scaling page's plots."""
    base = Shape(1024, options.density, options.batch, options.steps)
    changes: dict[str, Sequence] = dict(
        neurons=(256, 512, 1024, 2048, 4096),
        density=(0.01, 0.02, 0.04, 0.08, 0.16),
        batch=(16, 32, 64, 128, 256),
        steps=(25, 50, 100, 200, 400),
    )
    shapes = dict.fromkeys(base._replace(**{axis: x}) for axis, xs in changes.items() for x in xs)
    dense = {shape: shape._replace(density=1.0) for shape in shapes}
    cases = {}  # ours after the scan of the same size, which does not depend on the density
    for shape in shapes:
        cases.setdefault(dense[shape], peer(dense[shape]))
        cases[shape] = network(shape)
    # All of them together, so that curves are smooth.
    table = dict(zip(cases, in_turns([*cases.values()], options.rounds), strict=True))
    return [
        versus(record, table[dense[shape]]) if shape in dense else record
        for shape, record in table.items()
    ]


SUITES: dict[str, Callable[[Options], Iterable[Row]]] = dict(
    step=step,
    large=large,
    first=first,
    memory=memory,
    devices=devices,
    lengths=lengths,
    calls=calls,
    build=build,
    kernels=kernels,
    crossover=crossover,
    battery=battery,
    replicates=replicates,
    sweep=sweep,
)
USUAL = [name for name in SUITES if name != "sweep"]


def gemm_rate(size: int = 2048, rounds: int = 5) -> float:
    """Floating-point operations per second of this machine's matrix product, at its best."""
    product = jax.jit(lambda a: a @ a)
    matrix = jnp.ones((size, size))
    seconds(lambda: product(matrix))
    times = [seconds(lambda: product(matrix)) for _ in range(rounds)]
    return 2 * size**3 / min(times)
