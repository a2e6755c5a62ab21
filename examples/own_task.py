"""Tasks of your own: a new row of an existing family, and a new family.

A task is a row of a table: a name, and a family with its settings. A battery is any such table, so
a task of your own takes part in everything (sampling, noise, paths, streams, plots, training)
without a change to the package.

Draw both tasks with `python own_task.py`, and train on them, among the 20 of Yang et al. (2019),
from the folder of this file with

    ctrnn train --tasks own_task:my_battery
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr

import tasks


class Midpoint(tasks.AbstractFamily):
    """Two directions are shown at once; respond midway between them.

    The fields are the settings of a task. A battery holds many tasks in one array, so that in
    `draw` and `plan` they are JAX scalars: `jnp.where`, not `if`.
    """

    delayed: bool = False

    # The periods in which the inputs carry noise; how much is said in `plan`.
    noisy = ("stimulus",)

    def timing(self, conventions):
        # A range is drawn from evenly, trial by trial.
        delay = range(200, 801, 100) if self.delayed else 0
        return tasks.Timing(fixation=300, stimulus=500, delay=delay, decision=500)

    def draw(self, key, spec, conventions):
        # All that is random about a trial. The durations have been drawn already.
        where, apart, ring = jr.split(key, 3)
        first = jr.randint(where, (), 0, 16)
        second = (first + 2 * jr.randint(apart, (), 1, 4)) % 16
        modality = jr.randint(ring, (), 0, 2)
        return dataclasses.replace(spec, first=first, second=second, modality=modality)

    def plan(self, spec, conventions):
        # All that a trial shows and asks for. Nothing is random here, and there is no time grid.
        in_ring = jnp.arange(2) == spec.modality
        return tasks.Plan(
            position=jnp.stack([spec.first, spec.second]).astype(float),
            strength=tasks.strengths(stimulus=jnp.stack([in_ring, in_ring])),  # bump by ring
            response=(spec.first + (spec.second - spec.first) % 16 // 2) % 16,
            go=jnp.array(True),
            sequence=jnp.array(0),
            noise=jnp.array([0.0, 0.1, 0.1]),  # fixation, ring 1, ring 2
        )

    def describe(self):
        when = "after a delay" if self.delayed else "when fixation ends"
        return f"Respond midway between the two directions shown, {when}."


my_battery = tasks.Battery(
    {
        **{name: tasks.TABLE[name] for name in tasks.SETS["20"]},
        # A new row: away from the stimulus, and turned by one ring unit per 100 ms of it.
        "antiintr": tasks.Reach(anti=True, integrate=1),
        # A new family.
        "midpoint": Midpoint(),
        "dlymidpoint": Midpoint(delayed=True),
    }
)


if __name__ == "__main__":
    names = ("antiintr", "midpoint", "dlymidpoint")
    task_ids = jnp.array([my_battery.names.index(name) for name in names])
    spec = my_battery.sample(jax.random.key(0), task_ids)
    trial = my_battery.render(spec, jax.random.key(1))
    for index, name in enumerate(names):
        family, sentence = my_battery.describe(name)
        print(f"{name} ({family}): {sentence}")
        tasks.plot_trial(trial, index, my_battery).savefig(f"{name}.png")
        print(f"  drawn in {name}.png")
