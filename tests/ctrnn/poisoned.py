"""A battery whose training batches are NaN at random."""

import equinox as eqx
import jax.numpy as jnp


class Poisoned:
    """`battery`, but the inputs of a batch are NaN where `bad(key)`, of the key that draws its noise."""

    def __init__(self, battery, bad):
        self.battery, self.bad = battery, bad

    def __getattr__(self, name):
        return getattr(self.battery, name)

    def render(self, spec, key=None):
        trial = self.battery.render(spec, key)
        if key is None:
            return trial
        factor = jnp.where(self.bad(key), jnp.nan, 1.0)
        return eqx.tree_at(lambda t: t.inputs, trial, trial.inputs * factor)
