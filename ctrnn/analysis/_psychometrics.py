"""Reading a network's behaviour: choices, curves through them, and an ideal observer's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.optimize import minimize
from scipy.special import expit, ndtr, xlogy


class Psychometric(NamedTuple):
    """A logistic curve with lapses: where it lies (bias), how wide it is, how often neither
    depends on the stimulus (lapse); and the threshold, width times ln 3: where 3 in 4 of the
    choices that are no lapses go the right way."""

    bias: float
    width: float
    lapse: float
    threshold: float

    def __call__(self, coherence: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
        return self.lapse / 2 + (1 - self.lapse) * expit((coherence - self.bias) / self.width)


def fit_psychometric(
    coherence: Float[np.ndarray, " levels"],
    chosen: Float[np.ndarray, " levels"],
    trials: Float[np.ndarray, " levels"],
) -> Psychometric:
    """The most likely logistic curve through proportions of choices.

    By maximum likelihood with a lapse rate: Wichmann & Hill, Perception & Psychophysics 63 (2001).

    **Arguments:**

    - `coherence`: signed, for the first option where positive.
    - `chosen`, `trials`: how often the first option was chosen, of how many choices.

    !!! example

        ```python
        curve = fit_psychometric(coherence, chosen, trials)
        curve.threshold, curve(coherence)
        ```
    """
    largest = np.abs(coherence).max()

    def loss(parameters):
        bias, log_width, lapse = parameters
        p = np.clip(Psychometric(bias, np.exp(log_width), lapse, 0.0)(coherence), 1e-9, 1 - 1e-9)
        return -np.sum(xlogy(chosen, p) + xlogy(trials - chosen, 1 - p))

    limits = [(-largest, largest), (np.log(largest / 1000), np.log(largest * 10)), (0.0, 0.5)]
    starts = [(0.0, np.log(largest * part), 0.02) for part in (0.03, 0.3)]
    fits = [minimize(loss, start, bounds=limits, method="L-BFGS-B") for start in starts]
    bias, log_width, lapse = min(fits, key=lambda fit: fit.fun).x
    width = float(np.exp(log_width))
    return Psychometric(float(bias), width, float(lapse), width * float(np.log(3)))


def discriminability(
    one: Float[np.ndarray, "trials time inputs"],
    other: Float[np.ndarray, "trials time inputs"],
    noise: Float[np.ndarray, "#trials time inputs"],
) -> Float[np.ndarray, " trials"]:
    r"""How well an ideal observer tells two noiseless inputs apart through independent Gaussian
    noise: $d' = \lVert (a - b) / \sigma \rVert$ over all frames and channels.

    The observer knows both inputs and weighs what it sees by a matched filter, $(a - b) / \sigma^2$
    (Green & Swets, Signal Detection Theory and Psychophysics, 1966; Peterson, Birdsall & Fox 1954). It
    is right in a fraction $\Phi(d'/2)$ of trials.

    **Arguments:**

    - `one`, `other`: the two noiseless inputs of each trial.
    - `noise`: the noise's standard deviation in a frame, of each trial or of all. Where it is 0, any
        difference is seen.

    **Returns:**

    d' of each trial, infinite where a difference carries no noise.

    !!! example

        ```python
        right = scipy.stats.norm.cdf(discriminability(a, b, noise) / 2)
        ```
    """
    difference = one - other
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(np.abs(difference) < 1e-6, 0.0, (difference / noise) ** 2)
    return np.sqrt(squares.sum((1, 2)))


def ideal_accuracy(d_prime: Float[np.ndarray, " trials"]) -> Float[np.ndarray, " trials"]:
    """How often an observer of this d' is right: Φ(d'/2).

    !!! example

        ```python
        ideal_accuracy(np.array([0.0, np.inf]))  # 0.5, 1
        ```
    """
    return ndtr(d_prime / 2)


def response_angle(outputs: Float[Array, "*any outputs"]) -> Float[Array, "*any"]:
    """The direction a readout points to, in radians: the mean direction of the ring, weighed by the
    odds of the answers (a population vector: Georgopoulos, Schwartz & Kettner, Science 233, 1986).

    Output 0 is "keep fixating" and does not count; output k is direction `2 pi (k - 1) / ring`.

    !!! example

        ```python
        error = circular_difference(response_angle(trajectory.outputs), trial.direction.T)
        ```
    """
    odds = jax.nn.softmax(outputs[..., 1:], axis=-1)
    angles = 2 * jnp.pi * jnp.arange(odds.shape[-1]) / odds.shape[-1]
    return jnp.arctan2(odds @ jnp.sin(angles), odds @ jnp.cos(angles))


def circular_difference(
    a: Float[Array | np.ndarray, "*#any"], b: Float[Array | np.ndarray, "*#any"]
) -> Float[Array | np.ndarray, "*#any"]:
    """The angle from b to a, from -pi to pi.

    !!! example

        ```python
        circular_difference(jnp.array(0.1), jnp.array(6.2))  # 0.18
        ```
    """
    return (a - b + jnp.pi) % (2 * jnp.pi) - jnp.pi


def reaction_times(
    outputs: Float[Array, "time batch outputs"],
    times: Float[Array, " time"],
    start: Float[Array, " batch"],
    inside: Bool[Array, "time batch"],
) -> tuple[Float[Array, " batch"], Int[Array, " batch"]]:
    """When the readout leaves fixation for good: the first time after the start of the decision from
    which its largest output is a direction until the end.

    **Arguments:**

    - `outputs`, `times`: the readout on a fine grid of times, in ms.
    - `start`: when the decision starts, in ms.
    - `inside`: times inside the trial.

    **Returns:**

    The reaction time in ms, NaN where the readout fixates at the end; and the output chosen at it.

    !!! example

        ```python
        reaction, choice = reaction_times(trajectory.outputs, trajectory.times, start, inside)
        ```
    """
    answer = jnp.argmax(outputs, -1)
    # From here to the end of the trial no fixation: a cumulative "and", from the end.
    stays = jax.lax.cummin(((answer > 0) | ~inside).astype(jnp.int32), axis=0, reverse=True) > 0
    left = stays & inside & (times[:, None] > start)
    first = jnp.argmax(left, axis=0)
    reaction = jnp.where(left.any(0), times[first] - start, jnp.nan)
    return reaction, jnp.take_along_axis(answer, first[None], 0)[0]
