"""How the odds of a synapse fall with distance."""

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Float


class AbstractFalloff(eqx.Module):
    """Odds of a synapse that fall with distance, on the scale of `width`, in mm, which is positive: a
    kernel for [`ctrnn.Locality`][], which scales them to its density.
    """

    width: eqx.AbstractVar[float]

    def __check_init__(self):
        if not self.width > 0:
            raise ValueError(
                f"The width of a distance kernel is in mm and positive; got {self.width}."
            )

    @abc.abstractmethod
    def __call__(self, distance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The odds at distances in mm."""


class Gaussian(AbstractFalloff):
    """Odds of a synapse at distance d (mm): `exp(-d^2 / (2 width^2))`. `ValueError` if `width` (mm) is
    not positive.

    !!! example

        ```python
        graph = ctrnn.Locality(0.04, ctrnn.Gaussian(0.15))(ctrnn.Sheet(32, 32), key=jr.key(0))
        ```
    """

    width: float = eqx.field(static=True)

    def __call__(self, distance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return np.exp(-0.5 * (distance / self.width) ** 2)


class Exponential(AbstractFalloff):
    """As [`ctrnn.Gaussian`][], with the heavier tail of `exp(-d / width)`.

    !!! example

        ```python
        ctrnn.Exponential(0.15)(np.array([0.0, 0.15]))  # 1, 0.37
        ```
    """

    width: float = eqx.field(static=True)

    def __call__(self, distance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return np.exp(-distance / self.width)
