"""The functions of ``keras.ops.numpy``, those of NumPy.

>>> import jax.numpy as jnp
>>> from lamina.ops import numpy
>>> numpy.add(jnp.ones(2), 1).tolist()
[2.0, 2.0]
"""

from lamina.ops import _group

__getattr__, __dir__ = _group("numpy")
