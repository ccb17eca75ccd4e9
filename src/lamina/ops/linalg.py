"""Linear algebra: the functions of ``keras.ops.linalg``.

>>> import jax.numpy as jnp
>>> from lamina.ops import linalg
>>> linalg.det(jnp.eye(3)).tolist()
1.0
"""

from lamina.ops import _group

__getattr__, __dir__ = _group("linalg")
