# %% [markdown]
# # Sweeps, here and on a cluster
#
# One network is an anecdote. Whether sparse wiring helps or hurts is a question to several densities, and at each of them to several seeds, since
# two networks that differ by the seed alone differ too. `ctrnn sweep` trains every combination, each in a folder of its own. This
# page does so for two densities and two seeds, on three tasks and 64 neurons; everything it does here goes to a
# cluster with one more option.
#
# ## A sweep that is interrupted
#
# A setting of `ctrnn train` takes a list here, and `--seeds 2` is short for `--seed 0,1`. Two runs at a time are enough for two
# cores. Sweeps are long and machines fail, so we stop this one, as Ctrl-C would, as soon as a run has been evaluated twice.

# %%
cat > sweep.sh <<'END'
exec ctrnn sweep --preset tiny --tasks dlygo,dm1,dms --neurons 8x8 --steps 300 --evaluate-every 50 \
  --sparsity 0.03,0.3 --seeds 2 --jobs 2 --out densities
END
bash sweep.sh & sweep=$!
until [ "$(grep -c evaluate densities/sparsity-0.03_seed-0/metrics.jsonl)" = 2 ]; do sleep 0.2; done 2> /dev/null
kill -INT $sweep
wait $sweep || echo "exit code $?"

# %% [markdown]
# Each run that was in progress saved itself and ended. `results.csv` says how far everything has come, at any time: a row per run, with all its
# settings and the accuracy in each task.

# %%
cut -d, -f1-6 densities/results.csv

# %% [markdown]
# ## The same command again goes on
#
# There is no option for it. What is finished is skipped, what was stopped goes on from its checkpoint, what never began begins.

# %%
bash sweep.sh

# %% [markdown]
# All randomness of a run follows from its key and the number of the step, so that a run that was interrupted ends, bit for bit, as one that was
# not (`tests/ctrnn/test_resume.py` holds it to that). Values
# may be added to the lists later on, and only what is new is trained.
#
# ## What came of it

# %%
python - <<'END'
import polars as pl

results = pl.read_csv("densities/results.csv")
tasks = [name for name in results.columns if name.startswith("task:")]
print(results.select("sparsity", "seed", "mean_decision_accuracy", *tasks))
END

# %% [markdown]
# The same table is there as `results.parquet`, typed. `ctrnn plot` draws learning at each density with its spread over the seeds, and the last
# accuracy against density. Two seeds of a toy are no result; what a real comparison takes is the subject of
# [its plan](../science/plan.md).
#
# ## The same on a Slurm cluster
#
# This is not run here, as there is no Slurm where pages are built:
#
# ```bash
# ctrnn sweep --sparsity 0.01,0.04,1 --seeds 3 --tasks 132 --out densities \
#   --executor slurm --slurm partition=gpu --slurm time=120 --slurm gpus_per_node=1
# ```
#
# puts all runs into the queue as one array of jobs and shows how far each has come. The command may be ended: the jobs stay, and the
# same command watches them again. A job that nears its time limit, or is preempted, does what you saw above (it saves itself and
# goes on later), and puts itself back into the queue. [Sweeps, here and on Slurm](../explanation/sweeps.md) has the details,
# and what was seen when it was tested on a Slurm of one machine.

# %%
ctrnn plot densities
cp densities/figures/sweep.png learning-at-two-densities.png
