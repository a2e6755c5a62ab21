"""Training: the loss, and one jitted step."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ._battery import Battery, draw_trials, solve_trials
from ._evaluate import correct
from ._network import RateNetwork, trainable
from ._solver import Integration


class TrainState(eqx.Module):
    """All that training carries from one step to the next.

    `task_error` [tasks] is a running mean of each task's decision error, `step` the number of
    steps taken.
    """

    network: RateNetwork
    opt_state: Any
    task_error: Float[Array, " tasks"]
    key: PRNGKeyArray
    step: Int[Array, ""]


class StepMetrics(eqx.Module):
    """What one step saw: the loss, the norm of its gradient, accuracy over decision frames."""

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    accuracy: Float[Array, ""]


def decision_loss(
    outputs: Float[Array, "time batch outputs"],
    labels: Int[Array, "batch time"],
    mask: Bool[Array, "batch time"],
    decision: Bool[Array, "batch time"],
    decision_weight: float = 1.0,
) -> Float[Array, ""]:
    """Cross-entropy, averaged over the frames inside trials; decision frames weigh `decision_weight`.

    **Arguments:**

    - `outputs`: logits [time, batch, outputs], as a [`ctrnn.Trajectory`][] has them.
    - `labels`, `mask`, `decision`: [batch, time], as [`ctrnn.Trials`][] have them.
    - `decision_weight`: weight of a decision frame; other frames weigh 1.

    **Returns:**

    The loss in nats.

    !!! example

        ```python
        loss = ctrnn.decision_loss(trajectory.outputs, trial.labels, trial.mask, trial.decision)
        ```
    """
    loss = optax.softmax_cross_entropy_with_integer_labels(outputs, labels.T)
    weights = _frame_weights(mask, decision, decision_weight)
    return jnp.sum(loss * weights) / jnp.sum(weights)


def _frame_weights(mask, decision, decision_weight):
    return mask.T * jnp.where(decision.T, decision_weight, 1.0)


def warmup_cosine(learning_rate: float, warmup: int, steps: int) -> optax.Schedule:
    """A learning rate that rises linearly over `warmup` steps, then falls on half a cosine to a
    hundredth of `learning_rate` at `steps`.

    !!! example

        ```python
        optimiser = optax.adam(ctrnn.warmup_cosine(5e-3, warmup=100, steps=10500))
        ```
    """
    return optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, warmup, max(steps, warmup + 1), learning_rate / 100
    )


def start_training(
    network: RateNetwork, optimiser: optax.GradientTransformation, tasks: int, *, key: PRNGKeyArray
) -> TrainState:
    """The state before the first step. The network's arrays are copied: steps reuse their memory.

    **Arguments:**

    - `network`, `optimiser`: what is trained, and what updates it.
    - `tasks`: how many there are.
    - `key`: draws all trials and private noise of training.

    !!! example

        ```python
        state = ctrnn.start_training(network, optax.adam(3e-3), len(battery.names), key=key)
        ```
    """
    network = jax.tree.map(lambda x: jnp.array(x) if eqx.is_array(x) else x, network)
    return TrainState(
        network=network,
        opt_state=optimiser.init(eqx.filter(network, trainable(network))),
        task_error=jnp.ones(tasks),
        key=key,
        step=jnp.array(0),
    )


def make_train_step(
    battery: Battery,
    optimiser: optax.GradientTransformation,
    *,
    batch_size: int,
    integration: Integration,
    decision_weight: float = 1.0,
    focus: float = 0.0,
    length_classes: int = 1,
    mesh: Mesh | None = None,
) -> Callable[[TrainState], tuple[TrainState, StepMetrics]]:
    """One jitted step: draw a batch, solve, differentiate, update. Its argument's memory is reused.

    **Arguments:**

    - `battery`, `optimiser`, `integration`: where trials come from, what updates the weights, how
        the equation is solved.
    - `batch_size`: trials per step.
    - `decision_weight`: weight of decision frames in the loss.
    - `focus`: fraction of trials drawn in proportion to each task's running error; the rest are
        drawn evenly.
    - `length_classes`: so many times `batch_size` trials are drawn and sorted by length, and the step
        takes one part of them: the shortest, at the next step longer ones, and so on in turn. A solve
        lasts as long as the longest trial of its batch.
    - `mesh`: devices that have equal shares of a batch, as of [`ctrnn.device_mesh`][]. The trials are
        those that one device would draw; private noise each device draws for its own.

    **Returns:**

    `step(state) -> (state, metrics)`. The same state gives the same bits.

    **Raises:**

    `ValueError` if there is less than one class of length; at the first step, if a fixed step of the
    solve does not divide the frames.

    !!! example

        ```python
        step = ctrnn.make_train_step(battery, optimiser, batch_size=64, integration=integration)
        state, metrics = step(state)
        ```
    """
    if length_classes < 1:
        raise ValueError(f"length_classes is {length_classes}; it must be 1 (all lengths) or more.")

    def loss_fn(parameters, static, trial, key):
        network: RateNetwork = eqx.combine(parameters, static)
        trajectory = solve_trials(network, battery, trial, integration, key)
        loss = decision_loss(
            trajectory.outputs, trial.labels, trial.mask, trial.decision, decision_weight
        )
        return loss, correct(trajectory.outputs, trial.labels, trial.decision)

    differentiate = jax.value_and_grad(loss_fn, has_aux=True)
    if mesh is not None:
        differentiate = _shared(differentiate, mesh, battery, batch_size, decision_weight)

    @eqx.filter_jit(donate="all")
    def step(state: TrainState) -> tuple[TrainState, StepMetrics]:
        batch_key, noise_key = jr.split(jr.fold_in(state.key, state.step))
        # The floor keeps tasks that are never wrong in view, and the odds finite if none is.
        error = jnp.maximum(state.task_error, 1e-3)
        odds = (1 - focus) / len(battery.names) + focus * error / error.sum()
        turn = state.step % length_classes
        trial = draw_trials(
            battery,
            batch_key,
            batch_size,
            odds,
            length_classes=length_classes,
            length_class=turn,
        )
        parameters, static = eqx.partition(state.network, trainable(state.network))
        (loss, (right, frames)), gradient = differentiate(parameters, static, trial, noise_key)
        norm = optax.tree.norm(gradient)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        # So that an optimiser that skips what is not finite skips all of these.
        gradient = jax.tree.map(lambda g: jnp.where(finite, g, jnp.nan), gradient)
        updates, opt_state = optimiser.update(gradient, state.opt_state, parameters)
        network = eqx.combine(eqx.apply_updates(parameters, updates), static)
        # A running mean over about ten visits of each task.
        visits = trial.rule.sum(0)
        error = ((1 - right / frames) @ trial.rule) / jnp.maximum(visits, 1)
        decay = jnp.where(finite, jnp.power(0.9, visits), 1.0)
        state = TrainState(
            network=network,
            opt_state=opt_state,
            task_error=decay * state.task_error + (1 - decay) * error,
            key=state.key,
            step=state.step + 1,
        )
        metrics = StepMetrics(loss, norm, right.sum() / frames.sum())
        if mesh is not None:
            state, metrics = eqx.filter_shard(
                (state, metrics), NamedSharding(mesh, PartitionSpec())
            )
        return state, metrics

    return step


def _shared(differentiate, mesh, battery, batch_size, decision_weight):
    """`differentiate` with a share of the trials for each device, and one sum over devices at its end.

    The compiler, told only how trials lie, would sum over devices in every step of the solve.
    """
    axes, everywhere = mesh.axis_names, PartitionSpec()
    # What grows with the batch has a trial each along its first axis.
    odds = jnp.ones(len(battery.names))
    one, two = (
        jax.eval_shape(lambda key, n=n: draw_trials(battery, key, n * batch_size, odds), jr.key(0))
        for n in (1, 2)
    )
    trials = jax.tree.map(
        lambda x, y: everywhere if x.shape == y.shape else PartitionSpec(axes), one, two
    )

    def share(parameters, static, trial, key):
        weight = _frame_weights(trial.mask, trial.decision, decision_weight).sum()
        weight = weight / jax.lax.psum(weight, axes)
        key = jr.fold_in(key, jax.lax.axis_index(axes))
        (loss, counts), gradient = differentiate(parameters, static, trial, key)
        loss, gradient = jax.tree.map(lambda x: weight * x, (loss, gradient))
        return (jax.lax.psum(loss, axes), counts), jax.lax.psum(gradient, axes)

    return jax.shard_map(
        share,
        mesh=mesh,
        in_specs=(everywhere, everywhere, trials, everywhere),
        out_specs=((everywhere, PartitionSpec(axes)), everywhere),
        check_vma=False,
    )
