"""Activations, convolutions, pooling and losses: the functions of ``keras.ops.nn``.

>>> import jax.numpy as jnp
>>> from lamina.ops import nn
>>> nn.relu(jnp.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from lamina.ops import _group

__getattr__, __dir__ = _group("nn")
