"""A training step (forward, backward, Adam) of our network, of a scan written by hand, and of one by
Diffrax's own solve.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import ctrnn
import tasks

from ._measure import Case, seconds

INPUTS, RULES, OUTPUTS = 33, 132, 17
DT, TAU = 20.0, 100.0  # ms


class Shape(NamedTuple):
    """The size of a problem."""

    neurons: int
    density: float = 0.04
    batch: int = 64
    steps: int = 100


def _trials(shape: Shape):
    """Inputs that change at every step, a rule per trial, and labels for every step."""
    keys = jr.split(jr.key(0), 3)
    inputs = jr.normal(keys[0], (shape.steps, shape.batch, INPUTS))
    rule = jax.nn.one_hot(jr.randint(keys[1], (shape.batch,), 0, RULES), RULES)
    labels = jr.randint(keys[2], (shape.steps, shape.batch), 0, OUTPUTS)
    return inputs, rule, labels


def _loss(outputs, labels):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()


def _case(name: str, shape: Shape, density: float, loss: Callable, parameters, data) -> Case:
    """Steps of Adam down `loss(parameters, data)`, compiled here, that reuse their memory."""
    optimiser = optax.adam(1e-3)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, state, data):
        value, gradient = jax.value_and_grad(loss)(parameters, data)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, value

    state = [parameters, optimiser.init(parameters)]
    compiled = step.lower(*state, data).compile()

    def run() -> float:
        def work():
            state[0], state[1], value = compiled(*state, data)
            return value

        return seconds(work)

    run()
    memory: Any = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes
    peak = held - memory.alias_size_in_bytes + memory.temp_size_in_bytes
    return Case(name, run, shape.neurons, density, shape.batch, shape.steps, peak)


def hand_written(p, inputs):
    """Outputs of the dense network as a competent JAX user writes it: batch-major products
    `x @ W.T` in a `lax.scan`, the rule among the inputs.

    The products with the inputs, taken out of the scan and made in one, save nothing at 256 and 1,024
    neurons (0.99 to 1.13 of the time), and at 4,096 about a tenth for a third more memory.
    """

    def step(rates, inputs):
        drive = rates @ p["recurrent"].T + inputs @ p["input"].T + p["bias"]
        rates = rates + DT / TAU * (jax.nn.relu(drive) - rates)
        return rates, rates

    start = jnp.zeros((inputs.shape[1], len(p["bias"])))
    _, rates = jax.lax.scan(step, start, inputs)
    return rates @ p["output"].T + p["output_bias"]


def diffeqsolve(p, inputs):
    """The same by [`diffrax.diffeqsolve`][], in the fastest setting found for it: given steps, each
    saved, its state kept as a checkpoint; and inputs by index, without an interpolation, and not among
    the arguments that are differentiated.
    """

    def field(t, rates, p):
        now = inputs[jnp.round(t / DT).astype(int)]
        drive = rates @ p["recurrent"].T + now @ p["input"].T + p["bias"]
        return (jax.nn.relu(drive) - rates) / TAU

    steps = len(inputs)
    times = DT * jnp.arange(steps + 1.0)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Euler(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=jnp.zeros((inputs.shape[1], len(p["bias"]))),
        args=p,
        saveat=diffrax.SaveAt(steps=True),
        stepsize_controller=diffrax.StepTo(times),
        adjoint=diffrax.RecursiveCheckpointAdjoint(checkpoints=steps),
        max_steps=steps,
        throw=False,
    )
    return solution.ys @ p["output"].T + p["output_bias"]


PEERS = {"scan, dense": hand_written, "Diffrax, dense": diffeqsolve}


def peer(shape: Shape, name: str = "scan, dense") -> Case:
    """The dense network by one of the `PEERS`, differentiated by JAX."""
    n = shape.neurons
    inputs, rule, labels = _trials(shape)
    rule = jnp.broadcast_to(rule, (shape.steps, *rule.shape))
    keys = jr.split(jr.key(1), 3)
    parameters = dict(
        recurrent=jr.normal(keys[0], (n, n)) / n**0.5,
        input=jr.normal(keys[1], (n, INPUTS + RULES)) / (INPUTS + RULES) ** 0.5,
        bias=jnp.zeros(n),
        output=jr.normal(keys[2], (OUTPUTS, n)) / n**0.5,
        output_bias=jnp.zeros(OUTPUTS),
    )

    def loss(parameters, data):
        inputs, labels = data
        return _loss(PEERS[name](parameters, inputs), labels)

    data = jnp.concatenate([inputs, rule], -1), labels
    return _case(name, shape, 1.0, loss, parameters, data)


def solve(model: ctrnn.RateNetwork, inputs, rule) -> ctrnn.Trajectory:
    """Our network, with the same steps."""
    return model(
        tasks.GridPath(inputs, DT),
        DT * np.arange(1, len(inputs) + 1),
        context=rule,
        integration=ctrnn.Integration(solver="euler", dt=DT),
    )


def network(shape: Shape, wiring: Literal["locality", "dense"] = "locality") -> Case:
    """Our network, through `ctrnn.integrate`."""
    config = ctrnn.Config(neurons=str(shape.neurons), connectivity=wiring, sparsity=shape.density)
    graph = config.wiring()(config.sheet(), key=jr.key(0))
    model = ctrnn.RateNetwork(graph, INPUTS, RULES, OUTPUTS, tau=TAU, key=jr.key(1))
    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    arrays, static = eqx.partition(rest, eqx.is_array)

    def loss(parameters, data):
        arrays, (inputs, rule, labels) = data
        model = eqx.combine(parameters, arrays, static)
        return _loss(solve(model, inputs, rule).outputs, labels)

    data = arrays, _trials(shape)
    return _case(f"ctrnn, {wiring}", shape, graph.density, loss, parameters, data)
