"""What helps a network learn 132 tasks? One change at a time, 64,000 trials each, seed 0.

    python examples/screen_recipe.py [CHANGE ...]

Prints one JSON line per change: mean and minimum decision accuracy as training goes. A minute each.
"""

import json
import sys
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax

import ctrnn
import tasks

STEPS, FRAME = 1000, 100.0


def scaled(name: str, factor: float) -> Callable[[ctrnn.RateNetwork], ctrnn.RateNetwork]:
    """Starts an array of the network larger or smaller."""
    return lambda network: eqx.tree_at(lambda n: getattr(n, name), network, replace_fn=lambda x: factor * x)  # fmt: skip


def spread_autapses(network: ctrnn.RateNetwork) -> ctrnn.RateNetwork:
    """Autapses from 0 to 0.95: memories from tau to twenty times tau."""
    graph = network.graph
    each = jr.uniform(jr.key(9), (network.size,), maxval=0.95)[graph.targets]
    weights = jnp.where(graph.sources == graph.targets, each, network.weights)
    return eqx.tree_at(lambda n: n.weights, network, weights)


def spread_tau(network: ctrnn.RateNetwork) -> ctrnn.RateNetwork:
    """Time constants from 100 to 1,000 ms."""
    log_tau = network.log_tau + jr.uniform(jr.key(9), (network.size,), maxval=jnp.log(10.0))
    return eqx.tree_at(lambda n: n.log_tau, network, log_tau)


CHANGES: dict[str, dict] = {
    "as b2 = 0.999": {},
    "b2 = 0.99": dict(b2=0.99),
    "b2 = 0.95": dict(b2=0.95),
    "b2 = 0.99, learning rate 8e-3": dict(b2=0.99, learning_rate=8e-3),
    "learning rate 8e-3": dict(learning_rate=8e-3),
    "gain 1": dict(gain=1.0),
    "autapses spread": dict(change=spread_autapses),
    "time constants spread": dict(change=spread_tau),
    "rule weights x 0.34": dict(change=scaled("context_weights", 0.34)),
    "rule weights x 3.4": dict(change=scaled("context_weights", 3.4)),
    "rule weights x 11": dict(change=scaled("context_weights", 11.5)),
    "input weights x 2.9": dict(change=scaled("input_weights", 2.9)),
    "readout from 0": dict(change=scaled("output_weights", 0.0)),
    "decision frames weigh 5": dict(decision_weight=5.0),
    "muon": dict(make=optax.contrib.muon),
}


def run(
    change: Callable[[ctrnn.RateNetwork], ctrnn.RateNetwork] = lambda network: network,
    make: Callable[..., optax.GradientTransformation] = optax.adam,
    b2: float = 0.999,
    decision_weight: float = 1.0,
    **settings: float,
) -> tuple[list[float], float]:
    battery, keys = tasks.Battery.named("132"), ctrnn.keys(0)
    config = ctrnn.Config.model_validate({"steps": STEPS} | settings)
    network = change(config.network(battery.in_size, 132, battery.out_size, key=keys.network))
    schedule = ctrnn.warmup_cosine(config.learning_rate, config.warmup, STEPS)
    own = make(schedule, b2=b2) if make is optax.adam else make(schedule)
    optimiser = optax.chain(optax.clip_by_global_norm(config.clip), own)
    state = ctrnn.start_training(network, optimiser, 132, key=keys.training)
    integration = config.integration(FRAME)
    step = ctrnn.make_train_step(
        battery,
        optimiser,
        batch_size=64,
        integration=integration,
        decision_weight=decision_weight,
        focus=config.focus,
    )
    evaluate = ctrnn.make_evaluation(
        battery, trials_per_task=16, integration=integration, key=keys.held_out
    )
    curve, accuracy = [], jnp.zeros(132)
    for i in range(STEPS):
        state, _ = step(state)
        if (i + 1) % (STEPS // 4) == 0:
            accuracy = evaluate(state.network)
            curve.append(round(float(accuracy.mean()), 3))
    return curve, round(float(accuracy.min()), 3)


if __name__ == "__main__":
    for name in sys.argv[1:] or CHANGES:
        curve, minimum = run(**CHANGES[name])
        print(json.dumps({"change": name, "mean": curve, "min": minimum}), flush=True)
        jax.clear_caches()
