"""How far the answers of a trained network are from those of its equation, by solver and step.

    python examples/solver_error.py models/mod-cog-132.eqx

The reference is Dopri5 in steps of 2 ms. For each solver: how often it evaluates the equation per 100 ms,
the root-mean-square error of the logits inside trials, and the decision accuracy.
"""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import ctrnn
import tasks

SOLVERS = {"euler": 1, "heun": 2, "midpoint": 2, "bosh3": 3, "tsit5": 6}  # and evaluations per step
STEPS = (100.0, 50.0, 25.0, 10.0)
TRIALS = 2


def main(model: str) -> None:
    network, header = ctrnn.load(model)
    config = ctrnn.Config(**header.config)
    battery = tasks.Battery.select(config.tasks)
    ids = jnp.repeat(jnp.arange(len(battery.names)), TRIALS)
    trial = battery.render(battery.sample(jr.key(1), ids), jr.key(2))
    times = battery.dt * np.arange(1, battery.steps + 1)

    @eqx.filter_jit
    def logits(network, integration):
        path = trial.path("step")
        return network(path, times, context=trial.rule, integration=integration).outputs

    exact = logits(network, ctrnn.Integration("dopri5", dt=2.0))
    inside, decision = trial.mask.T, trial.decision.T

    def accuracy(outputs: jax.Array) -> float:
        right = (jnp.argmax(outputs, -1) == trial.labels.T) & decision
        return float(right.sum() / decision.sum())

    print("| solver | step (ms) | evaluations per 100 ms | error of the logits | accuracy |")
    print("|---|---|---|---|---|")
    for solver, stages in SOLVERS.items():
        for dt in STEPS:
            outputs = logits(network, ctrnn.Integration(solver, dt=dt))
            error = jnp.sqrt(jnp.mean((outputs - exact)[inside] ** 2))
            cost = stages * battery.dt / dt
            print(f"| {solver} | {dt:g} | {cost:g} | {error:.2g} | {accuracy(outputs):.3f} |")
    scale = jnp.sqrt(jnp.mean(exact[inside] ** 2))
    print(
        f"\nthe logits themselves have a root-mean-square of {scale:.2g}; {accuracy(exact):.3f} are right"
    )


if __name__ == "__main__":
    main(sys.argv[1])
