# %% [markdown]
# # Train your first network
#
# One command trains a network, one asks how well it does, one draws it. This page takes a network of 100
# neurons and four tasks, so that all of it runs in a moment; the commands for the real thing are the
# same with other numbers.
#
# The four tasks are of the kind that are given to monkeys and people. In `go`, a direction is shown on a ring and
# the answer is that direction; in `dlygo` it has to be remembered through a delay; in `dm1` two directions are shown
# and the stronger is the answer; in `dms` a second stimulus is compared with the first. `ctrnn tasks`
# says so:

# %%
ctrnn tasks list go,dlygo,dm1,dms

# %% [markdown]
# ## Train
#
# `--preset tiny` stands for a small network, and any [setting](../reference/settings.md) can be given beside it; here 100 neurons on a sheet of 10 by 10, each
# hearing the 10 nearest, and 400 steps of the optimiser.

# %%
ctrnn train --preset tiny --tasks go,dlygo,dm1,dms --neurons 10x10 \
  --steps 400 --evaluate-every 100 --out first

# %% [markdown]
# The line before the table is the one to read. *Decision accuracy* counts only frames in which an answer is
# due: a network that keeps fixating for ever is right in three quarters of all frames, and has learnt
# nothing. Trials are *held out*: drawn from another key than those of training. With 17 answers, chance is
# about 0.06; only in `dms`, where half of the trials want no answer, it is a half.
#
# Everything about the run is in its folder, [in formats that any program reads](../reference/files.md).

# %%
ls first
head -c 400 first/summary.json

# %% [markdown]
# ## Ask again, with a better solver
#
# The network is a differential equation, solved in steps. Had it learnt a trick of the step, it
# would fail when the equation is solved more accurately. So we ask, with an adaptive solver of fifth order:

# %%
ctrnn evaluate first --solver tsit5 --rtol 1e-5

# %% [markdown]
# How the two numbers come to agree, or not, is the subject of [a later page](refinement.md).
#
# ## Look
#
# `ctrnn plot` draws the run, and leaves its pictures in the folder `figures` of the run. The overview has, on the left, whom one
# neuron hears, and the matrix of all synapses; below, learning; on the right a trial: what comes in, what the neurons do, and what is
# read out.

# %%
ctrnn plot first --task dlygo
cp first/figures/overview.png first-run.png

# %% [markdown]
# ## The real thing
#
# ```bash
# ctrnn train --tasks 132 --sparsity 0.04
# ```
#
# trains 1,024 neurons on all 132 tasks; how long that takes and what comes of it stands under
# [the defaults](../explanation/defaults.md#what-the-default-run-gives). Ctrl-C ends it cleanly, and `ctrnn train --resume RUN` goes on.
