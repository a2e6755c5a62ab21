"""Trials as curves in the space of rates: their axes, their dimension, their length."""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Components(NamedTuple):
    """Axes of the space of rates.

    - `decoders` [axes, neurons]: (rates - `mean`) @ decoders.T are the coordinates.
    - `explained` [axes]: fractions of the variance.
    - `mean` [neurons].
    """

    decoders: Float[np.ndarray, "axes neurons"]
    explained: Float[np.ndarray, " axes"]
    mean: Float[np.ndarray, " neurons"]

    def __call__(self, rates: Float[Array | np.ndarray, "*any neurons"]) -> np.ndarray:
        """Coordinates [*any, axes]."""
        return (np.asarray(rates) - self.mean) @ self.decoders.T


def _covariance(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = samples.reshape(-1, samples.shape[-1]).astype(np.float64)
    mean = flat.mean(0)
    return (flat - mean).T @ (flat - mean) / len(flat), mean


def principal_components(
    rates: Float[Array | np.ndarray, "*samples neurons"], count: int = 3
) -> Components:
    """The orthogonal axes along which rates vary most.

    !!! example

        ```python
        axes = principal_components(trajectory.rates)
        axes(trajectory.rates)  # [time, batch, 3]
        ```
    """
    covariance, mean = _covariance(np.asarray(rates))
    values, vectors = np.linalg.eigh(covariance)
    share = values[::-1][:count] / max(np.trace(covariance), np.finfo(float).tiny)
    return Components(vectors[:, ::-1][:, :count].T, share, mean)


def participation_ratio(
    rates: Float[Array | np.ndarray, "*samples neurons"],
) -> Float[Array | np.ndarray, ""] | np.floating:
    r"""How many dimensions rates fill: $(\sum_i \lambda_i)^2 / \sum_i \lambda_i^2$ over the eigenvalues
    of their covariance; n if they vary alike along n axes. See Gao et al., "A theory of multineuronal
    dimensionality, dynamics and measurement", bioRxiv 214262 (2017).

    !!! example

        ```python
        participation_ratio(trajectory.rates)
        ```
    """
    flat = rates.reshape(-1, rates.shape[-1])
    flat = flat - flat.mean(0)
    # The traces of the covariance and of its square need no eigenvalues, and are those of the
    # smaller of the two Gram matrices.
    gram = flat.T @ flat if flat.shape[0] > flat.shape[1] else flat @ flat.T
    return (flat**2).sum() ** 2 / (gram**2).sum()


def marginals(
    rates: Float[Array | np.ndarray, "*conditions time neurons"], names: tuple[str, ...]
) -> dict[str, Float[np.ndarray, "..."]]:
    """Rates as a sum of parts: due to time alone, to each factor of the condition, to factors together.

    The part of a set of factors is the mean over all the others less the parts of its subsets;
    interactions with time are counted with their factors. Parts are uncorrelated and sum to the rates
    less their mean. Kobak et al., "Demixed principal component analysis of neural population data",
    eLife 5 (2016), eq. 4 to 7.

    **Arguments:**

    - `rates`: averages over trials; one axis per factor, as in `names`, then time, then neurons.
    - `names`: of the factors, without time.

    **Returns:**

    Arrays that broadcast to the shape of the rates, by name: "time", each of `names`, and
    "a x b" for factors together.

    **Raises:**

    `ValueError` if there are not as many names as factors.

    !!! example

        ```python
        parts = marginals(rates, ("modality", "direction"))  # rates [2, 16, time, neurons]
        parts["modality x direction"]
        ```
    """
    rates = np.asarray(rates)
    factors = rates.ndim - 2
    if len(names) != factors:
        raise ValueError(
            f"rates have {factors} factors before time and neurons; name each of them."
        )
    axes = range(factors + 1)
    pure: dict[tuple[int, ...], np.ndarray] = {(): rates.mean(tuple(axes), keepdims=True)}
    parts: dict[str, np.ndarray] = {"time": np.zeros(())}
    for size in range(1, factors + 2):
        for kept in itertools.combinations(axes, size):
            mean = rates.mean(tuple(set(axes) - set(kept)), keepdims=True)
            pure[kept] = mean - sum(part for some, part in pure.items() if set(some) < set(kept))
            name = " x ".join(names[axis] for axis in kept if axis < factors) or "time"
            parts[name] = parts.get(name, 0) + pure[kept]
    return parts


def demixed_components(
    rates: Float[Array | np.ndarray, "*conditions time neurons"],
    names: tuple[str, ...],
    count: int = 2,
    *,
    ridge: float = 1e-6,
) -> dict[str, Components]:
    """Axes that show each of the factors of the condition alone, as far as any axes can.

    For each part of the rates (see [`ctrnn.analysis.marginals`][]), the decoders are the first
    `count` of a reduced-rank regression of that part on the rates. Kobak et al., eLife 5 (2016),
    eq. 10 to 13.

    **Arguments:**

    - `rates`, `names`: as for `marginals`.
    - `count`: axes for each part.
    - `ridge`: the penalty, as a fraction of the total variance.

    **Returns:**

    [`ctrnn.analysis.Components`][] by part; `explained` is the part's own variance along its axes,
    as a fraction of the variance of the rates.

    !!! example

        ```python
        axes = demixed_components(rates, ("modality", "direction"))
        axes["direction"](rates)  # [2, 16, time, 2]
        ```
    """
    rates = np.asarray(rates)
    covariance, mean = _covariance(rates)
    total = np.trace(covariance)
    centred = (rates - mean).reshape(-1, len(mean))
    found = {}
    for name, part in marginals(rates, names).items():
        part = np.broadcast_to(part, rates.shape).reshape(centred.shape)
        shared = part.T @ centred / len(centred)  # [neurons of the part, neurons]
        penalised = covariance + ridge * total * np.eye(len(mean))
        regression = np.linalg.solve(penalised, shared.T).T
        _, vectors = np.linalg.eigh(regression @ covariance @ regression.T)
        encoders = vectors[:, ::-1][:, :count]
        variance = np.var(part @ encoders, axis=0) / total
        found[name] = Components(encoders.T @ regression, variance, mean)
    return found


def path_length(rates: Float[Array, "time *batch neurons"]) -> Float[Array, "time *batch"]:
    """The distance that the state has travelled since the first time, in rates.

    !!! example

        ```python
        path_length(trajectory.rates)[-1]  # [batch]
        ```
    """
    steps = jnp.linalg.norm(jnp.diff(rates, axis=0), axis=-1)
    return jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps, 0)])
