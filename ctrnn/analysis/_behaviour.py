"""What a network answers: choices against coherence, errors against an interval, reaction times."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._battery import Battery, Trials
from .._network import RateNetwork
from .._solver import Integration
from ._psychometrics import (
    circular_difference,
    discriminability,
    fit_psychometric,
    ideal_accuracy,
    reaction_times,
    response_angle,
)
from ._questions import answers, frame_inputs, input_noise, last_decision, with_coherence
from ._subject import aligned, responses, task_spec

_LEVELS = np.array(
    [-0.64, -0.32, -0.16, -0.08, -0.04, -0.02, 0, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64]
)


def psychometric(
    network: RateNetwork,
    battery: Battery,
    task: str,
    rings: Bool[np.ndarray, " rings"],
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 40,
) -> dict[str, Any]:
    """Choices against signed coherence, with noise, and the ideal observer's on the same trials.

    A choice is the largest output in the last frame of the decision. The ideal observer knows the
    two options and how the inputs of either answer look, and applies the matched filter of
    [`ctrnn.analysis.discriminability`][] between coherences c and -c, with the noise that the battery
    draws (sd 0.1 per 100 ms frame and channel while a stimulus is on).

    **Arguments:**

    - `network`, `battery`, `task`, `integration`: what is asked of whom, and how it is solved.
    - `rings`: those whose coherence decides, from [`ctrnn.analysis.questions`][].
    - `key`, `trials`: draws the trials; how many per coherence.

    **Returns:**

    By name: `coherence`; `first` and `ideal`, the fraction of choices of the first option;
    `neither`, the fraction of trials with another answer; and of the curves fitted to both
    `threshold`, `bias`, `lapse`, `ideal threshold`. A threshold is None if no choice was made.

    !!! example

        ```python
        rings = questions(battery, key=key).coherence["dm1"]
        psychometric(network, battery, "dm1", rings, integration=i, key=key)["threshold"]
        ```
    """
    spec_key, response_key, noise_key = jr.split(key, 3)
    coherence = jnp.repeat(jnp.array(_LEVELS), trials)
    spec, _ = aligned(task_spec(battery, task, len(coherence), key=spec_key))
    spec, mirrored, clear, clearly_not = (
        _replace_coherence(spec, c, rings)
        for c in (
            coherence,
            -coherence,
            jnp.full_like(coherence, 0.64),
            jnp.full_like(coherence, -0.64),
        )
    )
    trial, trajectory = responses(network, battery, spec, integration=integration, key=response_key)
    choice = _last_outputs(trial, trajectory.outputs).argmax(1)
    options = [answers(battery.render(s))[1] for s in (clear, clearly_not)]
    first, second = ((choice == option).reshape(-1, trials).sum(1) for option in options)
    one, other = (frame_inputs(battery, battery.render(s)) for s in (spec, mirrored))
    noise = input_noise(battery, spec, key=noise_key, repeats=2)
    right = ideal_accuracy(discriminability(one, other, noise)).reshape(-1, trials).mean(1)
    ideal = np.where(_LEVELS >= 0, right, 1 - right)
    chosen, even = first + second, np.full(len(_LEVELS), float(trials))
    curve = (
        fit_psychometric(_LEVELS, first.astype(float), chosen.astype(float))
        if chosen.sum()
        else None
    )
    return {
        "coherence": _LEVELS.tolist(),
        "first": [
            f / n if n else None for f, n in zip(first.tolist(), chosen.tolist(), strict=True)
        ],
        "ideal": ideal.tolist(),
        "neither": (1 - chosen / trials).tolist(),
        "fit": curve and list(curve),
        "threshold": curve and curve.threshold,
        "bias": curve and curve.bias,
        "lapse": curve and curve.lapse,
        "ideal threshold": fit_psychometric(_LEVELS, ideal * trials, even).threshold,
    }


def _last_outputs(trial: Trials, outputs: Array) -> np.ndarray:
    return np.asarray(outputs)[last_decision(trial), np.arange(outputs.shape[1])]


def interval_error(
    network: RateNetwork,
    battery: Battery,
    task: str,
    field: str,
    intervals: Int[np.ndarray, " intervals"],
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 12,
) -> dict[str, Any]:
    """How far off the response is, against the interval timed, with noise.

    The response is [`ctrnn.analysis.response_angle`][] in the last frame of the decision. Nothing
    hides the interval itself from the ideal observer, since fixation carries no noise; it errs by
    taking one option for the other, or a direction for its neighbour. Its error is the sum over these
    of their probability, by [`ctrnn.analysis.discriminability`][], times what they cost: a bound from
    above.

    **Arguments:**

    - `network`, `battery`, `task`, `integration`: what is asked of whom, and how it is solved.
    - `field`, `intervals`: what is timed and how long it is, from [`ctrnn.analysis.questions`][].
    - `key`, `trials`: draws the trials; how many per interval.

    **Returns:**

    By name, per interval: `responded`, the fraction of the trials which ask for a response whose
    answer is not to keep fixating; and of these, in degrees, `error`, the mean absolute error, and
    `bias`, the mean signed one (positive the way that directions count); `ideal`. None where there is
    no such trial.

    !!! example

        ```python
        field, intervals = questions(battery, key=key).interval["dlygointr"]
        interval_error(network, battery, "dlygointr", field, intervals, integration=i, key=key)
        ```
    """
    spec_key, response_key, noise_key = jr.split(key, 3)
    ring, count = battery.out_size - 1, len(intervals)
    spec, _ = aligned(task_spec(battery, task, count * trials, key=spec_key))
    spec = dataclasses.replace(spec, **{field: jnp.repeat(jnp.asarray(intervals), trials)})
    trial, trajectory = responses(network, battery, spec, integration=integration, key=response_key)
    label = answers(trial)[1]
    goes = label > 0
    outputs = _last_outputs(trial, trajectory.outputs)
    responded = outputs.argmax(1) > 0
    angle = np.asarray(response_angle(jnp.asarray(outputs)))
    error = np.asarray(circular_difference(angle, (label - 1) * (2 * np.pi / ring)))

    clean = frame_inputs(battery, battery.render(spec))
    noise = np.repeat(input_noise(battery, spec, count, key=noise_key), trials, axis=0)
    mistakes = [dataclasses.replace(spec, coherence=spec.coherence[:, ::-1])] + [
        dataclasses.replace(spec, **{option: (getattr(spec, option) + step) % ring})
        for option in ("first", "second")
        for step in (-1, 1)
    ]
    ideal = np.zeros(len(label))
    for mistaken in mistakes:
        other = battery.render(mistaken)
        wrong = 1 - ideal_accuracy(discriminability(clean, frame_inputs(battery, other), noise))
        turned = (answers(other)[1] - label) * (2 * np.pi / ring)
        cost = np.abs(np.asarray(circular_difference(turned, np.zeros(1))))
        ideal += np.where(answers(other)[1] > 0, wrong * cost, 0)

    def mean(x, of):
        rows = zip(x.reshape(count, -1), of.reshape(count, -1), strict=True)
        return [float(row[some].mean()) if some.any() else None for row, some in rows]

    return {
        "interval (ms)": intervals.tolist(),
        "responded": mean(responded, goes),
        "error": mean(np.degrees(np.abs(error)), goes & responded),
        "bias": mean(np.degrees(error), goes & responded),
        "ideal": mean(np.degrees(ideal), goes),
    }


def reactions(
    network: RateNetwork,
    battery: Battery,
    task: str,
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 64,
) -> tuple[Float[np.ndarray, " trials"], Bool[np.ndarray, " trials"]]:
    """Reaction times of a task, from a solve in steps of 10 ms (or the battery's frame, if it does not
    divide by 10), as [`ctrnn.analysis.reaction_times`][] reads them.

    **Returns:**

    The reaction time of each trial in ms from the start of the decision, NaN if there was none, and
    whether the answer given then was right.

    !!! example

        ```python
        reaction, right = reactions(network, battery, "rtgo", integration=i, key=key)
        ```
    """
    spec_key, response_key = jr.split(key)
    spec = task_spec(battery, task, trials, key=spec_key)
    return _react(network, battery, spec, integration, response_key)


def chronometric(
    network: RateNetwork,
    battery: Battery,
    task: str,
    rings: Bool[np.ndarray, " rings"],
    *,
    integration: Integration,
    key: PRNGKeyArray,
    trials: int = 40,
) -> dict[str, Any]:
    """Reaction times against coherence, with noise: the chronometric function (Palmer, Huk & Shadlen,
    Journal of Vision 5(5), 2005), of a task that shows its evidence while it may be answered.

    No decision task of the 132 is one: their evidence ends before the answer may begin. Reach tasks
    have reaction times ([`ctrnn.analysis.reactions`][]) and no coherence.

    **Arguments:**

    - `network`, `battery`, `task`, `integration`: what is asked of whom, and how it is solved.
    - `rings`: those whose coherence decides, from [`ctrnn.analysis.questions`][].
    - `key`, `trials`: draws the trials; how many per coherence, for either option half of them.

    **Returns:**

    By name, per unsigned `coherence`: `median`, `lower quartile` and `upper quartile` of the reaction
    times in ms (None where there were none), `responded`, and `right`, fractions of the trials.

    !!! example

        ```python
        rings = questions(battery, key=key).coherence["rtdm1"]
        chronometric(network, battery, "rtdm1", rings, integration=i, key=key)["median"]
        ```
    """
    spec_key, response_key = jr.split(key)
    levels = _LEVELS[_LEVELS > 0]
    sign = np.where(np.arange(trials) % 2, -1, 1)
    coherence = jnp.asarray(np.outer(levels, sign).ravel(), jnp.float32)
    spec, _ = aligned(task_spec(battery, task, len(coherence), key=spec_key))
    spec = _replace_coherence(spec, coherence, rings)
    reaction, right = _react(network, battery, spec, integration, response_key)
    rows = [row[~np.isnan(row)] for row in reaction.reshape(-1, trials)]
    quartiles = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
    return {
        "coherence": levels.tolist(),
        **{
            name: [float(np.quantile(row, at)) if len(row) else None for row in rows]
            for name, at in quartiles.items()
        },
        "responded": [len(row) / trials for row in rows],
        "right": right.reshape(-1, trials).mean(1).tolist(),
    }


def _replace_coherence(spec: Any, coherence: Array, rings: np.ndarray) -> Any:
    """The same trials, with this coherence in the rings that decide."""
    changed = with_coherence(spec, coherence, rings).coherence
    return dataclasses.replace(spec, coherence=jnp.where(rings, changed, spec.coherence))


def _react(
    network: RateNetwork, battery: Battery, spec: Any, integration: Integration, key: PRNGKeyArray
) -> tuple[np.ndarray, np.ndarray]:
    fine = battery.dt / max(1, round(battery.dt / 10))
    if integration.rtol is None:
        integration = dataclasses.replace(integration, dt=fine)
    trial, trajectory = responses(
        network, battery, spec, integration=integration, key=key, every=fine
    )
    inside = jnp.repeat(trial.mask.T, round(battery.dt / fine), axis=0)
    start = battery.dt * jnp.argmax(trial.decision, axis=1)
    reaction, choice = reaction_times(trajectory.outputs, trajectory.times, start, inside)
    frame = jnp.nan_to_num((start + reaction) / battery.dt - 1e-3).astype(int)
    label = jnp.take_along_axis(trial.labels, frame[:, None], 1)[:, 0]
    return np.asarray(reaction), np.asarray((choice == label) & ~jnp.isnan(reaction))
