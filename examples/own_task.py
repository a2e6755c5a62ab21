# %% [markdown]
# # Bring your own task
#
# A task is a row of a table: a name, and a *family* with its settings. A battery is any such table, so a task of
# your own takes part in everything (sampling, noise, paths, streams, plots, training from the command) without a change to the package.
# This page adds a row to a family that exists, and a family that does not.

# %%
import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr

import tasks

# %% [markdown]
# ## A new family
#
# *Two directions are shown at once; respond midway between them.* A family answers four questions: how long its periods last, what is drawn at random, what a drawn trial shows and asks
# for, and how to say it in a sentence.
#
# Randomness and rendering are kept apart on purpose. `draw` decides what a trial *is*; `plan` says what is seen and what is right, with nothing random in it and
# no time grid. So the same trial can be shown again with other noise or other durations, on any grid.


# %%
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


# %% [markdown]
# ## A battery that has it
#
# The 20 tasks of Yang et al. (2019), one new row of the reach family, and two of the new one:

# %%
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

# %% [markdown]
# Before any training, look at trials. A task that is wrong here stays wrong. (The command imports this file to find the battery; what stands
# under `if __name__ == "__main__":` runs when the script is run and not when it is imported.)

# %%
if __name__ == "__main__":
    names = ("antiintr", "midpoint", "dlymidpoint")
    task_ids = jnp.array([my_battery.names.index(name) for name in names])
    spec = my_battery.sample(jax.random.key(0), task_ids)
    trial = my_battery.render(spec, jax.random.key(1))
    for name in names:
        family, sentence = my_battery.describe(name)
        print(f"{name} ({family}): {sentence}")
    for index, name in enumerate(names[1:], start=1):
        tasks.plot_trial(trial, index, my_battery).savefig(f"{name}.png", dpi=80)

# %% [markdown]
# ## Train on it
#
# From the folder of this script, the command finds it by *module:attribute*:
#
# ```bash
# ctrnn train --tasks own_task:my_battery
# ```
#
# In Python a battery goes wherever ours would. Here, the new family alone on a small sheet:

# %%
if __name__ == "__main__":
    import optax
    from matplotlib.figure import Figure

    import ctrnn

    both = tasks.Battery({"midpoint": Midpoint(), "dlymidpoint": Midpoint(delayed=True)})
    graph = ctrnn.Locality(0.1)(ctrnn.Sheet(10, 10), key=jr.key(0))
    network = ctrnn.RateNetwork(graph, both.in_size, 2, both.out_size, key=jr.key(1))
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(ctrnn.warmup_cosine(5e-3, 50, 400))
    )
    how = ctrnn.Integration("heun", 100.0)
    state = ctrnn.start_training(network, optimiser, 2, key=jr.key(2))
    step = ctrnn.make_train_step(both, optimiser, batch_size=64, integration=how)
    seen = []
    for _ in range(400):
        state, metrics = step(state)
        seen.append(float(metrics.accuracy))
    evaluate = ctrnn.make_evaluation(both, trials_per_task=64, integration=how, key=jr.key(3))
    for name, accuracy in zip(both.names, evaluate(state.network), strict=True):
        print(f"{name:<12} decision accuracy {accuracy:.2f}")
    figure = Figure(figsize=(6, 3), layout="constrained")
    axis = figure.subplots()
    axis.plot(seen, color="#0072B2")
    axis.set(xlabel="optimiser step", ylabel="decision accuracy", ylim=(0, 1))
    axis.set_title("Learning to respond midway")
    figure.savefig("learning-your-own-task.png", dpi=100)

# %% [markdown]
# Is your task answerable at all? A good habit is a test in which an *observer* answers from what the inputs show alone, and is right; the
# project's own tests do so for all 132 tasks (`tests/tasks/test_answerable.py`).
#
# If your task is not on two rings at all, you need none of this: [`ctrnn.Battery`][] lists the few things that training asks of a battery, and
# [bring your own network or loss](own_network.md) shows a loop that asks for nothing.
