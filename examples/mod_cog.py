# %% [markdown]
# # Mod-Cog, task by task
#
# The battery extends twenty tasks that are given to animals and people. They come in three families, and two modifications
# multiply them to 132. This page goes through them; it ends with all of them in one picture.
#
# Every trial happens on two *rings* of 16 directions, say motion and colour. The inputs are one fixation
# channel and 16 channels per ring; a stimulus at direction $\theta$ of strength $s$ is a bump,
#
# $$
# u_i = 0.8\, s\, \exp\Big(-\frac{1}{2} \Big(\frac{d(\theta, \theta_i)}{\pi / 8}\Big)^2\Big), \qquad \theta_i = \frac{2 \pi i}{16},
# $$
#
# with $d$ the distance around the circle. There are 17 answers: 0 keeps fixating, 1 to 16 are the directions. While the fixation input is on, 0 is right. The
# *rule* input says which task it is; nothing in the stimuli does.

# %%
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.figure import Figure

import tasks
from ctrnn import analysis

battery = tasks.Battery.named("132")


def draw(names, file, seed=3):
    """A noiseless trial of each task: the rings above, the right answer below."""
    ids = jnp.array([battery.names.index(name) for name in names])
    trial = battery.render(battery.sample(jr.key(seed), ids))
    figure = Figure(figsize=(2.6 * len(names), 3.6), layout="constrained")
    panels = figure.subplots(3, len(names), sharex="col", height_ratios=[2, 2, 1.6])
    for i, name in enumerate(names):
        print(f"{name:<14} {battery.describe(name)[1]}")
        n = int(trial.length[i])
        edges = np.arange(n + 1) * battery.dt
        for ring in (0, 1):
            channels = trial.inputs[i, :n, 1 + 16 * ring : 17 + 16 * ring]
            image = np.asarray(channels).T
            panels[ring, i].pcolormesh(edges, np.arange(17) - 0.5, image, vmin=0, vmax=0.8)
            panels[ring, i].set_yticks([0, 8], ["0°", "180°"] if i == 0 else [])
        panels[2, i].stairs(trial.labels[i, :n], edges, baseline=None, color="#D55E00", linewidth=2)
        panels[2, i].axvspan(
            edges[np.argmax(trial.decision[i])], edges[-1], color="0.92", linewidth=0, zorder=0
        )
        panels[2, i].set(ylim=(-1, 17), yticks=[0, 9] if i == 0 else [], xlabel="time (ms)")
        panels[0, i].set_title(name)
    for axis, label in zip(panels[:, 0], ("ring 1", "ring 2", "answer"), strict=True):
        axis.set_ylabel(label)
    figure.savefig(file, dpi=90)


# %% [markdown]
# ## Reach: hold a direction, move to it
#
# `go` shows a direction, and fixation ends: answer it. In `dlygo` there is a delay between the two, so it has to be held in
# memory. `anti` answers the opposite direction, which asks for a transformation and not just a copy. In `rtgo` and `rtanti` the fixation
# input does not end: the stimulus itself is the signal to go (a *reaction time* task).

# %%
draw(["go", "dlygo", "dlyanti", "rtgo"], "reach-tasks.png")

# %% [markdown]
# The grey stretch is the decision. Only there is an answer due, and only there is accuracy counted.
#
# ## Decision: weigh two options
#
# Two directions, the stronger is right. `dm1` shows them in the first ring. `ctxdm1` and `ctxdm2` show them in both
# rings with different strengths, and the rule says which ring counts: context decides what the same input means. In `multidm` both rings count together. The `dly`
# forms show the options one after the other, so that the first strength has to be remembered.

# %%
draw(["dm1", "ctxdm2", "multidm", "dlydm1"], "decision-tasks.png")

# %% [markdown]
# ## Match: compare with what was seen
#
# A sample, a delay, a test. `dms` answers with the test direction if the two are equal, and keeps fixating if not; `dnms` the
# other way round. `dmc` and `dnmc` compare *categories*, the halves of the ring. In half of the trials the right thing is to do
# nothing: to keep fixating through the decision is then the answer, and is counted as one (two of the trials below are such).

# %%
draw(["dms", "dnms", "dmc", "dnmc"], "match-tasks.png", seed=2)

# %% [markdown]
# ## Two modifications
#
# **Integrate** (`intr`, `intl`): the answer is turned by one ring unit (a sixteenth of a turn, 22.5°) for each 100 ms of the delay, `r` up the ring and `l` down. So the delay has to be *timed*, and
# a memory that only holds is not enough. **Sequence** (`seqr`, `seql`): during the decision the answer goes on turning, a unit per 100 ms. So it has
# to be *produced* as a movement. Both compose: `dlygointrseql`.

# %%
draw(["dlygo", "dlygointr", "dlygoseqr", "dlygointrseql"], "modified-tasks.png", seed=5)

# %% [markdown]
# ## What is hard about it
#
# Chance is not the same everywhere. A network that ignores the stimuli, knows the rule and answers as well as it can scores what the table's last column says:

# %%
spec = battery.sample(jr.key(0), jnp.repeat(jnp.arange(132), 100))
trial = battery.render(spec)
labels, decision = np.asarray(trial.labels), np.asarray(trial.decision)
print("task            ms (shortest..longest)   decision frames   best blind answer")
for name in ("go", "dlygointr", "goseqr", "dm1", "ctxdlydm1intr", "dms", "dmcintlseqr"):
    rows = slice(100 * battery.names.index(name), 100 * battery.names.index(name) + 100)
    due = labels[rows][decision[rows]]
    lengths = 100 * np.asarray(trial.length)[rows]
    blind = np.bincount(due, minlength=17).max() / len(due)
    frames = decision[rows].sum() / 100
    print(f"{name:<15} {lengths.min():8} ..{lengths.max():5}   {frames:21.0f}   {blind:17.2f}")

# %% [markdown]
# Match tasks begin at one half, since half of their trials want no answer. The others begin near one sixteenth (a little above in the table, since the commonest
# of 16 answers in 100 trials is so by luck). A mean over tasks that hides this is worth little, so
# results here are reported per task, with mean and minimum.
#
# ## All of them
#
# One function draws any mix of tasks from one key. Below, the right answer over time in one trial of each of the 132: light grey while it is to fixate, then the directions of the ring.

# %%
spec = battery.sample(jr.key(1), jnp.arange(132))
trial = battery.render(spec)
order = np.argsort([battery.describe(name)[0] for name in battery.names], kind="stable")
answers = np.where(np.asarray(trial.mask), np.asarray(trial.labels), np.nan)[order]
figure = Figure(figsize=(9, 6.5), layout="constrained")
axis = figure.subplots()
end = battery.steps * battery.dt
fixating = axis.imshow(
    np.where(answers == 0, 0.2, np.nan), cmap="Greys", vmin=0, vmax=1, aspect="auto",
    extent=(0, end, 132, 0),
)  # fmt: skip
image = axis.imshow(
    np.where(answers > 0, answers, np.nan), cmap=analysis.DIRECTIONS, vmin=1, vmax=17, aspect="auto",
    extent=(0, end, 132, 0), interpolation="nearest",
)  # fmt: skip
families = np.array([battery.describe(battery.names[i])[0] for i in order])
for family in dict.fromkeys(families.tolist()):
    first = int(np.argmax(families == family))
    axis.axhline(first, color="black", linewidth=0.8)
    axis.text(
        end * 1.005, first + (families == family).sum() / 2, family, rotation=270, va="center"
    )
axis.set(xlabel="time (ms)", ylabel="task", yticks=[])
figure.colorbar(image, ax=axis, label="answer", pad=0.06)
figure.savefig("the-right-answer-over-time-in-all-132-tasks.png", dpi=100)

# %% [markdown]
# `ctrnn tasks list` prints all 132 with what each asks; `ctrnn tasks show NAME --plot FILE` draws any of them. How the battery came to
# have 82, 126 or 132 tasks is told in [its history](../explanation/battery.md).
