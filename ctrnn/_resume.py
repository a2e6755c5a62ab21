"""The state of training on the disk, by Orbax: saved while training goes on, restored to the bit."""

from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ._checkpoint import CheckpointError
from ._train import TrainState


def open_checkpoints(folder: Path):
    """The Orbax manager of a run: keeps the two newest checkpoints and the best."""
    import orbax.checkpoint as ocp  # over a second to import: only training pays for it

    policy = ocp.checkpoint_managers
    best = policy.BestN(get_metric_fn=lambda metrics: metrics["accuracy"], n=1)
    options = ocp.CheckpointManagerOptions(
        preservation_policy=policy.AnyPreservationPolicy([policy.LatestN(2), best])
    )
    return ocp.CheckpointManager((folder / "checkpoints").absolute(), options=options)


def _split(state: TrainState) -> tuple[list, Callable[[list], TrainState]]:
    """The arrays that training changes, and how to put others in their place."""
    bare = eqx.tree_at(lambda s: s.key, state, jr.key_data(state.key))
    bare = eqx.tree_at(lambda s: (s.network.graph, s.network.kernel), bare, (None, None))
    arrays, rest = eqx.partition(bare, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def join(stored: list) -> TrainState:
        whole = eqx.combine(jax.tree.unflatten(structure, map(jnp.asarray, stored)), rest)
        whole = eqx.tree_at(lambda s: s.key, whole, jr.wrap_key_data(whole.key))
        fixed = (state.network.graph, state.network.kernel)
        return eqx.tree_at(
            lambda s: (s.network.graph, s.network.kernel), whole, fixed, is_leaf=lambda x: x is None
        )

    return leaves, join


def save_state(manager, state: TrainState, accuracy: float) -> None:
    """Saves in the background; atomic, and a no-op if this step is saved already."""
    import orbax.checkpoint as ocp

    if manager.latest_step() == int(state.step):
        return
    # Copies: training goes on in the memory of these arrays while they are written.
    leaves = [np.array(x) for x in _split(state)[0]]
    manager.save(
        int(state.step),
        args=ocp.args.StandardSave(leaves),
        metrics={"accuracy": accuracy},
        force=True,
    )


def restore_state(manager, state: TrainState) -> TrainState:
    """The newest checkpoint, or `state` itself if there is none.

    **Raises:**

    `CheckpointError` if it cannot be read, or is of another network.
    """
    import orbax.checkpoint as ocp

    step = manager.latest_step()
    if step is None:
        return state
    leaves, join = _split(state)
    try:
        return join(manager.restore(step, args=ocp.args.StandardRestore(leaves)))
    except (ValueError, OSError, KeyError) as error:
        raise CheckpointError(f"cannot restore the checkpoint of step {step}: {error}") from error
