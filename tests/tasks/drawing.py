import dataclasses

import jax
import jax.numpy as jnp

import tasks

COUNT = 24_000


def draws(name: str, conventions: tasks.Conventions = tasks.CORRECTED) -> tasks.TrialSpec:
    """Many drawn trials of one task."""
    battery = tasks.Battery.named("132", conventions)
    return battery.sample(jax.random.key(0), jnp.full(COUNT, battery.names.index(name)))


def one_trial(battery: tasks.Battery, name: str, key=None, **fields):
    """One trial of a task whose spec has `fields`; the rest is drawn."""
    spec = battery.sample(jax.random.key(0), jnp.array([battery.names.index(name)]))
    spec = dataclasses.replace(spec, **{k: jnp.asarray([v]) for k, v in fields.items()})
    return battery.render(spec, key)


def every_task(battery: tasks.Battery, repeats: int, seed: int = 0) -> tasks.TrialSpec:
    """`repeats` drawn trials of each task, in the order of the tasks."""
    ids = jnp.repeat(jnp.arange(len(battery.names)), repeats)
    return battery.sample(jax.random.key(seed), ids)
