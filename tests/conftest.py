"""Settings before any test: several devices, and nothing silent."""

import os

os.environ.setdefault("KERAS_HOME", os.path.join(os.path.dirname(__file__), "no-keras-home"))
os.environ.setdefault("MPLBACKEND", "agg")

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
