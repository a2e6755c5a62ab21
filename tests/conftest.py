import os
import tempfile

import jax
import pytest

# Compiled programs are kept between runs of the tests.
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get("JAX_COMPILATION_CACHE_DIR", f"{tempfile.gettempdir()}/ctrnn-test-cache"),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@pytest.fixture
def float64():
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Thousands of them in one process exhaust its memory maps, and it dies."""
    yield
    jax.clear_caches()
