import abc
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.spatial import KDTree


class AbstractSpace(eqx.Module):
    """Where neurons are: a position in mm for each, and the distances between them.

    Spaces hold no arrays that JAX can see, so they can be static parts of other modules.
    """

    @property
    @abc.abstractmethod
    def positions(self) -> Float[np.ndarray, "neurons dim"]:
        """The position of every neuron, in mm."""

    @property
    @abc.abstractmethod
    def box(self) -> tuple[float, ...] | None:
        """The period along each dimension, in mm; `None` for a space with edges."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The number of neurons."""

    def neighbours(
        self, k: int
    ) -> tuple[Int[np.ndarray, "neurons k"], Float[np.ndarray, "neurons k"]]:
        """The `k` nearest neurons of every neuron, itself among them, by k-d tree.

        **Arguments:**

        - `k`: How many, between 1 and the number of neurons.

        **Returns:**

        The neighbours, nearest first, and their distances in mm.

        **Raises:** `ValueError` if `k` is not between 1 and the number of neurons.
        """
        if not 1 <= k <= self.size:
            raise ValueError(f"k must be between 1 and {self.size} neurons; got {k}.")
        # 0 stands for no period.
        tree = KDTree(self.positions, boxsize=0.0 if self.box is None else self.box)
        distances, indices = tree.query(self.positions, k, workers=-1)
        return indices.reshape(-1, k).astype(np.int32), distances.reshape(-1, k)

    def distance(
        self, i: Int[Array | np.ndarray, "*shape"], j: Int[Array | np.ndarray, "*shape"]
    ) -> Float[Array, "*shape"]:
        """The distance in mm between neurons `i` and `j`, the short way round if periodic."""
        positions = jnp.asarray(self.positions)
        gap = jnp.abs(positions[i] - positions[j])
        if self.box is not None:
            gap = jnp.minimum(gap, jnp.asarray(self.box) - gap)
        return jnp.sqrt(jnp.sum(gap**2, axis=-1))


class AbstractLattice(AbstractSpace):
    """Neurons at the points of a grid, numbered row-major."""

    spacing: eqx.AbstractVar[float]
    periodic: eqx.AbstractVar[bool]

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The number of neurons along each dimension."""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def box(self) -> tuple[float, ...] | None:
        return tuple(n * self.spacing for n in self.shape) if self.periodic else None

    @property
    def positions(self) -> Float[np.ndarray, "neurons dim"]:
        return np.indices(self.shape).reshape(len(self.shape), -1).T * float(self.spacing)

    def __check_init__(self):
        if min(self.shape) < 1:
            raise ValueError(f"A {type(self).__name__} needs at least 1 neuron along each side.")
        if not self.spacing > 0:
            raise ValueError(f"The spacing in mm must be positive; got {self.spacing}.")


class Sheet(AbstractLattice):
    """A two-dimensional cortical sheet. Neuron `row * columns + column` sits at
    `(row, column) * spacing` mm.

    **Arguments:**

    - `rows`, `columns`: how many neurons each way.
    - `spacing`: between neighbours, in mm; 0.05 by default.
    - `periodic`: whether opposite edges meet; they do by default.

    !!! example

        ```python
        sheet = ctrnn.Sheet(32, 32)  # 1,024 neurons on a torus of 1.6 x 1.6 mm
        sheet.distance(jnp.array(0), jnp.array(31))  # 0.05: opposite edges meet
        ```
    """

    rows: int = eqx.field(static=True)
    columns: int = eqx.field(static=True)
    spacing: float = eqx.field(static=True, default=0.05, kw_only=True)
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns


class Ring(AbstractLattice):
    """A closed line of neurons, as in models of heading; distance is along the ring.

    **Arguments:**

    - `length`: how many neurons.
    - `spacing`: between neighbours, in mm; 0.05 by default.

    !!! example

        ```python
        ring = ctrnn.Ring(100)  # 100 neurons, 5 mm around
        ```
    """

    length: int = eqx.field(static=True)
    spacing: float = eqx.field(static=True, default=0.05, kw_only=True)
    periodic: bool = eqx.field(static=True, default=True, init=False)

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)


class Volume(AbstractLattice):
    """A three-dimensional block of neurons, `layers` deep.

    **Arguments:**

    - `layers`, `rows`, `columns`: how many neurons each way.
    - `spacing`: between neighbours, in mm; 0.05 by default.
    - `periodic`: whether opposite faces meet; they do by default.

    !!! example

        ```python
        volume = ctrnn.Volume(6, 16, 16, periodic=False)  # 1,536 neurons in a block with faces
        ```
    """

    layers: int = eqx.field(static=True)
    rows: int = eqx.field(static=True)
    columns: int = eqx.field(static=True)
    spacing: float = eqx.field(static=True, default=0.05, kw_only=True)
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.layers, self.rows, self.columns


class Points(AbstractSpace):
    """Neurons at given places, as from a reconstruction.

    !!! example

        ```python
        points = ctrnn.Points(np.random.default_rng(0).uniform(size=(500, 3)))
        ```
    """

    # As bytes, the coordinates are hashable: a static field, out of reach of the optimiser.
    coordinates: bytes = eqx.field(static=True, repr=False)
    dim: int = eqx.field(static=True)

    def __init__(self, positions):
        """**Arguments:**

        - `positions`: The position of every neuron in mm, of shape `[neurons, dim]`.

        **Raises:** `ValueError` if `positions` is not a finite array of that shape.
        """
        positions = np.array(positions, dtype=float)
        if positions.ndim != 2 or positions.size == 0 or not np.isfinite(positions).all():
            raise ValueError(
                "positions must be finite, of shape [neurons, dim], one row per neuron; "
                f"got shape {positions.shape}."
            )
        self.coordinates = positions.tobytes()
        self.dim = positions.shape[1]

    @property
    def positions(self) -> Float[np.ndarray, "neurons dim"]:
        return np.frombuffer(self.coordinates).reshape(-1, self.dim)

    @property
    def box(self) -> tuple[float, ...] | None:
        return None

    @property
    def size(self) -> int:
        return len(self.coordinates) // (8 * self.dim)


def sheet_shape(neurons: str) -> tuple[int, int]:
    """Rows and columns of "32x32", or of the squarest sheet of "1024" neurons.

    **Raises:**

    `ValueError` if there is no such sheet, or only one over four times as long as wide.
    """
    try:
        rows, *rest = (int(part) for part in neurons.lower().split("x"))
        if rows < 1 or any(n < 1 for n in rest) or len(rest) > 1:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"neurons is a number such as 1024 or a sheet such as 32x32, not {neurons!r}"
        ) from None
    if rest:
        return rows, rest[0]
    short = next(k for k in range(math.isqrt(rows), 0, -1) if rows % k == 0)
    if rows > 4 * short**2:
        side = math.isqrt(rows)
        raise ValueError(
            f"{rows} neurons fill no sheet (only {short}x{rows // short}); "
            f"choose a product of two similar numbers, such as {side}x{side}"
        )
    return short, rows // short
