"""What accelerators are asked otherwise than a CPU."""

from typing import Any

import jax
from jax.extend.backend import get_backend


def steps_per_call(most: int) -> int:
    """How many training steps to ask a device for at a time."""
    return 1 if jax.default_backend() == "cpu" else most


def jit_options() -> dict[str, Any]:
    """Arguments of `jit` for programs with loops: on an NVIDIA GPU, that these run there as graphs. Of a
    loop whose length is not known as it begins, such as a solve to the end of the longest trial, the
    host would otherwise ask after each round whether it was the last.
    """
    if "cuda" not in get_backend().platform_version:
        return {}
    graphs = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE"
    return dict(compiler_options={"xla_gpu_enable_command_buffer": graphs})
