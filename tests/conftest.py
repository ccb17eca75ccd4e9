"""Settings before any test: several devices, and nothing silent."""

import os

os.environ.setdefault("KERAS_HOME", os.path.join(os.path.dirname(__file__), "no-keras-home"))
os.environ.setdefault("MPLBACKEND", "agg")

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

import pytest  # noqa: E402

from lamina import config  # noqa: E402
from lamina.core import policy  # noqa: E402


@pytest.fixture(autouse=True)
def _settings_as_before():
    """No test leaves settings behind: those of ``keras.json``, the policy, 64-bit types."""
    kept = vars(config.settings).copy()
    wide, chosen = jax.config.read("jax_enable_x64"), policy._state["policy"]
    yield
    vars(config.settings).update(kept)
    policy._state["policy"] = chosen
    if jax.config.read("jax_enable_x64") != wide:
        jax.config.update("jax_enable_x64", wide)
