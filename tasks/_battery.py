import dataclasses
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from ._conventions import CORRECTED, Conventions
from ._family import PERIODS, RING, AbstractFamily
from ._numpy import as_numpy
from ._render import Scene, joined, padded, scene
from ._spec import TrialSpec, check_spec, check_tasks
from ._stack import Stack, timings
from ._table import SETS, TABLE, select_names
from ._trial import Trial


class Battery(eqx.Module):
    """A set of tasks that are sampled and rendered together, in one jitted call.

    **Attributes:**

    - `names`: the tasks, in order; `rule_size` is their number.
    - `in_size`, `out_size`: 33 inputs (fixation and two rings), 17 answers (fixate, 16 directions).
    - `dt`: ms per frame.
    - `steps`: number of frames of the longest possible trial.
    - `conventions`: see [`tasks.Conventions`][].

    !!! example

        ```python
        battery = tasks.Battery.named("132")
        trial = battery.batch(jax.random.key(0), 64)
        ```
    """

    names: tuple[str, ...] = eqx.field(static=True)
    conventions: Conventions = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    _shortest: int = eqx.field(static=True)
    _noisy_steps: tuple[int, ...] = eqx.field(static=True)
    _tasks: Stack
    _timing: Int[Array, "tasks 5 3"]  # shortest, step and number of choices, in ms
    _noisy: Bool[Array, "tasks 5"]

    def __init__(
        self,
        rows: Mapping[str, AbstractFamily],
        *,
        conventions: Conventions = CORRECTED,
        dt: float = 100.0,
    ):
        """**Arguments:**

        - `rows`: the tasks by name: rows of `tasks.TABLE`, and your own.
        - `conventions`: [`tasks.CORRECTED`][] or [`tasks.REFERENCE`][].
        - `dt`: ms per frame. It has to divide 100 ms and every duration.

        **Raises:**

        `ValueError` if there are no tasks, or if `dt` does not divide the durations.
        """
        if not rows:
            raise ValueError("a battery needs at least one task; `tasks.TABLE` has 132")
        if not dt > 0 or abs(100 / dt - round(100 / dt)) > 1e-9:
            raise ValueError(f"dt has to divide 100 ms (100, 50, 20, 10, ...), which {dt} does not")
        per_turn = round(100 / dt)
        timing = timings(rows, conventions)
        if np.any(timing[..., :2] * per_turn % 100):
            raise ValueError(f"dt has to divide every duration, which {dt} ms does not")
        if np.any(timing[:, 4, 0] == 0):
            raise ValueError("every task needs a decision period; give Timing a `decision` in ms")
        shortest, step = np.moveaxis(timing[..., :2] * per_turn // 100, -1, 0)
        longest = shortest + step * (timing[..., 2] - 1)
        noisy = np.array([[period in row.noisy for period in PERIODS] for row in rows.values()])
        self.names = tuple(rows)
        self.conventions = conventions
        self.dt = float(dt)
        self.steps = int(longest.sum(axis=1).max())
        self._shortest = int(shortest.sum(axis=1).min())
        self._noisy_steps = tuple((longest * noisy).max(axis=0).tolist())
        self._tasks = Stack(rows)
        self._timing = jnp.asarray(timing)
        self._noisy = jnp.asarray(noisy)

    @classmethod
    def named(
        cls, name: str = "132", conventions: Conventions = CORRECTED, dt: float = 100.0
    ) -> "Battery":
        """One of the named sets.

        **Arguments:**

        - `name`: `"20"` (Yang et al. 2019), `"82"` (the public Mod-Cog list, in its order), `"126"`
            (and the tasks that both integrate and answer in sequence) or `"132"` (and the go task
            that integrates over the stimulus).
        - `conventions`, `dt`: as for [`tasks.Battery`][].

        **Raises:**

        `ValueError` if there is no such set.
        """
        if name not in SETS:
            raise ValueError(
                f"no set is called {name!r}; the sets are {', '.join(SETS)} "
                "(`Battery.select` takes names of tasks)"
            )
        return cls.select(name, conventions, dt)

    @classmethod
    def select(
        cls, names: str, conventions: Conventions = CORRECTED, dt: float = 100.0
    ) -> "Battery":
        """The tasks that a comma-separated list of names, globs and sets asks for.

        **Arguments:**

        - `names`: for instance `"dly*,dmsintr"`. `<base>intseq`, as the public code has it, is
            `<base>intrseqr`.
        - `conventions`, `dt`: as for [`tasks.Battery`][].

        **Raises:**

        `ValueError` for an unknown name, with the nearest one.
        """
        rows = {name: TABLE[name] for name in select_names(names)}
        return cls(rows, conventions=conventions, dt=dt)

    @property
    def in_size(self) -> int:
        """33: fixation, and 16 directions on each of two rings."""
        return 1 + 2 * RING

    @property
    def out_size(self) -> int:
        """17: keep fixating, or one of 16 directions."""
        return 1 + RING

    @property
    def rule_size(self) -> int:
        """Number of tasks, each a channel of the rule input."""
        return len(self.names)

    @property
    def rows(self) -> dict[str, AbstractFamily]:
        """The tasks by name, to make another battery of."""
        return dict(zip(self.names, self._tasks.rows(), strict=True))

    def sample(self, key: PRNGKeyArray, task_ids: Int[Array, " batch"]) -> TrialSpec:
        """Draws what the trials are.

        **Arguments:**

        - `key`: a JAX key.
        - `task_ids`: the task of each trial: its place in `names`.

        **Returns:**

        A [`tasks.TrialSpec`][] with leading shape `[batch]`.

        **Raises:**

        `ValueError` if a task is not in the battery.
        """
        check_tasks(task_ids, self.names)
        return self._sample(key, task_ids.astype(jnp.int32))

    def render(self, spec: TrialSpec, key: PRNGKeyArray | None = None) -> Trial:
        """Renders trials on the time grid.

        **Arguments:**

        - `spec`: trials, from `sample` or made by hand, with leading shape `[batch]`.
        - `key`: a JAX key for the noise of the inputs; `None` for no noise.

        **Returns:**

        A [`tasks.Trial`][].

        **Raises:**

        `ValueError` if the spec has a task, ring or direction that does not exist, a duration that
        `dt` does not divide, or trials longer than `steps`. (Not under `jax.jit`, where the values
        are not known.)
        """
        check_tasks(spec.task, self.names)
        check_spec(spec, self._durations(spec), self.dt, self.steps)
        return self._render(spec, key)

    @eqx.filter_jit
    def batch(
        self, key: PRNGKeyArray, batch_size: int, weights: Float[Array, " tasks"] | None = None
    ) -> Trial:
        """Draws and renders trials, with noise.

        **Arguments:**

        - `key`: a JAX key; all randomness comes from it.
        - `batch_size`: number of trials.
        - `weights`: how often each task is drawn relative to the others; by default equally often.

        **Returns:**

        A [`tasks.Trial`][].
        """
        task_key, sample_key, noise_key = jr.split(key, 3)
        task_ids = self._draw_tasks(task_key, batch_size, weights)
        return self._render(self._sample(sample_key, task_ids), noise_key)

    @eqx.filter_jit
    def stream(
        self,
        key: PRNGKeyArray,
        batch_size: int,
        seq_len: int = 350,
        weights: Float[Array, " tasks"] | None = None,
    ) -> Trial:
        """Draws trials and joins them into sequences, with noise.

        Each sequence begins with a whole trial, and the trial at its end is cut off there.

        **Arguments:**

        - `key`: a JAX key; all randomness comes from it.
        - `batch_size`: number of sequences.
        - `seq_len`: frames in each.
        - `weights`: how often each task is drawn relative to the others; by default equally often.

        **Returns:**

        A [`tasks.Trial`][] of `seq_len` frames, all of them inside a trial, whose `rule` is
        `[batch, time, tasks]` since it changes as the trials do.
        """
        task_key, sample_key, noise_key = jr.split(key, 3)
        trials = -(-seq_len // self._shortest)
        task_ids = self._draw_tasks(task_key, batch_size * trials, weights)
        scenes = self._scenes(self._sample(sample_key, task_ids))
        scenes = jax.tree.map(lambda x: x.reshape(batch_size, trials, *x.shape[1:]), scenes)
        inputs, answer, trial = joined(scenes, seq_len, noise_key, self.dt, self.conventions)
        task = jnp.take_along_axis(task_ids.reshape(batch_size, trials), trial, axis=1)
        return Trial(
            times=jnp.arange(seq_len) * self.dt,
            rule=jax.nn.one_hot(task, self.rule_size),
            length=jnp.full(batch_size, seq_len),
            dt=self.dt,
            inputs=inputs,
            **answer._asdict(),
        )

    def numpy_batch(self, seed: int, n: int) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Draws and renders trials, with noise, as NumPy arrays: for other frameworks.

        **Arguments:**

        - `seed`: an integer; all randomness comes from it.
        - `n`: number of trials.

        **Returns:**

        The arrays of a [`tasks.Trial`][] by name.
        """
        return as_numpy(self.batch(jr.key(seed), n))

    def describe(self, name: str) -> tuple[str, str]:
        """The family of a task, and what the task asks in one sentence.

        **Raises:**

        `ValueError` if the battery has no such task.
        """
        if name not in self.names:
            raise ValueError(f"this battery has no task {name!r}; it has {', '.join(self.names)}")
        row = self.rows[name]
        return type(row).__name__.lower(), row.describe()

    def _draw_tasks(
        self, key: PRNGKeyArray, count: int, weights: Float[Array, " tasks"] | None
    ) -> Int[Array, " count"]:
        upto = jnp.cumsum(jnp.ones(self.rule_size) if weights is None else weights)
        place = jr.uniform(key, (count,), maxval=upto[-1])
        return jnp.searchsorted(upto, place, side="right", method="compare_all").astype(jnp.int32)

    @eqx.filter_jit
    def _sample(self, key: PRNGKeyArray, task_ids: Int[Array, " batch"]) -> TrialSpec:
        keys = jr.split(key, len(task_ids) + 1)
        shortest, step, count = jnp.moveaxis(self._timing[task_ids, :3], -1, 0)
        uniform = jr.uniform(keys[0], shortest.shape)
        drawn = shortest + step * jnp.floor(uniform * count).astype(jnp.int32)
        zero = jnp.zeros_like(task_ids)
        spec = TrialSpec(
            task=task_ids,
            fixation=drawn[:, 0],
            stimulus=drawn[:, 1],
            delay=drawn[:, 2],
            modality=zero,
            first=zero,
            second=zero,
            coherence=jnp.zeros((*task_ids.shape, 2, 2)),
            match=zero > 0,
            first_wins=zero == 0,
        )
        return self._tasks(
            task_ids,
            lambda family, key, spec: family.draw(key, spec, self.conventions),
            keys[1:],
            spec,
        )

    @eqx.filter_jit
    def _render(self, spec: TrialSpec, key: PRNGKeyArray | None) -> Trial:
        scenes = self._scenes(spec)
        inputs, answer = padded(
            scenes, self.steps, self._noisy_steps, key, self.dt, self.conventions
        )
        return Trial(
            times=jnp.arange(self.steps) * self.dt,
            rule=jax.nn.one_hot(spec.task, self.rule_size),
            length=scenes.ends[:, -1],
            dt=self.dt,
            inputs=inputs,
            **answer._asdict(),
        )

    def _scenes(self, spec: TrialSpec) -> Scene:
        durations = self._durations(spec)
        fixation, stimulus, delay, *_ = durations.T
        spec = dataclasses.replace(spec, fixation=fixation, stimulus=stimulus, delay=delay)
        plans = self._tasks(
            spec.task, lambda family, spec: family.plan(spec, self.conventions), spec
        )
        lay_out = jax.vmap(scene, in_axes=(0, 0, 0, None))
        return lay_out(plans, durations, self._noisy[spec.task], self.dt)

    def _durations(self, spec: TrialSpec) -> Int[Array, "batch 5"]:
        timing = self._timing[spec.task]
        drawn = jnp.stack([spec.fixation, spec.stimulus, spec.delay], axis=1)
        left_out = (timing[:, :3, 0] == 0) & (timing[:, :3, 2] == 1)
        return jnp.concatenate([jnp.where(left_out, 0, drawn), timing[:, 3:, 0]], axis=1)
