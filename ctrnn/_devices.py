"""Which devices share a run, in one process or in several."""

import os
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from ._config import Config


def join_processes() -> None:
    """Makes this process one of several that train one network together, each on its own devices.

    Slurm and Open MPI say who is who. Elsewhere the environment does: `JAX_COORDINATOR_ADDRESS`, the
    same `host:port` for all, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`. Call it before JAX does anything.

    **Raises:**

    `ValueError` if nothing says so, or if the others cannot be reached.

    !!! example

        ```python
        ctrnn.join_processes()
        mesh = ctrnn.device_mesh("all", config)
        ```
    """
    names = {"num_processes": "JAX_NUM_PROCESSES", "process_id": "JAX_PROCESS_ID"}
    try:
        given: Any = {k: int(os.environ[name]) for k, name in names.items() if name in os.environ}
        jax.distributed.initialize(**given)
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ValueError(
            f"cannot join the other processes ({reason}); start them by Slurm or MPI, or set "
            "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID."
        ) from error


def split_cpu(devices: int) -> None:
    """Makes a CPU so many devices, each with a share of its cores, for [`ctrnn.device_mesh`][].

    Accelerators stay as they are.

    **Raises:**

    `ValueError` if JAX has computed something already.

    !!! example

        ```python
        ctrnn.split_cpu(2)
        mesh = ctrnn.device_mesh(2, config)
        ```
    """
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError as error:
        raise ValueError(
            "a CPU can be split only before JAX computes anything; do so first of all."
        ) from error


def device_mesh(devices: int | Literal["all"], config: Config) -> Mesh | None:
    """The devices that share a run: its seeds if there are several, else the trials of each batch.

    How many they are is no setting: trials are drawn from one key before they are shared out, so
    that a number of devices changes the order of sums, and nothing else.

    **Arguments:**

    - `devices`: how many, or "all": those of all processes, if [`ctrnn.join_processes`][] was called.
    - `config`: the settings of the run.

    **Returns:**

    A mesh of one axis, for [`ctrnn.train`][]; `None` for a single device.

    **Raises:**

    `ValueError` if there are not so many, or if they cannot have equal shares.

    !!! example

        ```python
        ctrnn.train(config, battery, folder, mesh=ctrnn.device_mesh("all", config))
        ```
    """
    found = jax.devices()
    count = len(found) if devices == "all" else devices
    if not 1 <= count <= len(found):
        raise ValueError(f"JAX finds {len(found)} devices, not {count}; give devices all.")
    if jax.process_count() > 1 and (count < len(found) or config.seeds > 1):
        raise ValueError(
            "several processes share the batches of one seed and use all devices; "
            "train other seeds by other commands."
        )
    shared = "batch_size" if config.seeds == 1 else "seeds"
    if getattr(config, shared) % count:
        raise ValueError(
            f"{count} devices cannot have equal shares of {shared} = {getattr(config, shared)}; "
            f"choose a multiple of {count}, or fewer devices."
        )
    return Mesh(np.array(found[:count]), ("devices",)) if count > 1 else None


def leads() -> bool:
    """Whether this process, of those that train together, is the one that writes and prints."""
    return jax.process_index() == 0


def anywhere(flag: bool) -> bool:
    """Whether the flag is set in any process. All must ask: else they wait for each other forever."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))
