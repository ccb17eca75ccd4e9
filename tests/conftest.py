"""Settings before any test: several devices, and nothing silent."""

import os

os.environ.setdefault("KERAS_HOME", os.path.join(os.path.dirname(__file__), "no-keras-home"))
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("LAMINA_CACHE", "off")

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

import pytest  # noqa: E402

from lamina import config  # noqa: E402
from lamina.core import policy  # noqa: E402


def _reset() -> None:
    """Settings as a new process without a ``keras.json`` has them."""
    vars(config.settings).update(vars(config.Settings()))
    policy.set_dtype_policy(None)
    if jax.config.read("jax_enable_x64"):
        jax.config.update("jax_enable_x64", False)


@pytest.fixture(autouse=True)
def _settings_of_a_new_process():
    """No test leaves settings behind: ``keras.json``'s, the dtype policy, 64-bit types."""
    _reset()
    yield
    _reset()
