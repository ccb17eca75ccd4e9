"""Images: the functions of ``keras.ops.image``.

>>> import jax.numpy as jnp
>>> from lamina.ops import image
>>> image.rgb_to_grayscale(jnp.ones((2, 4, 4, 3))).shape
(2, 4, 4, 1)
"""

from lamina.ops import _group

__getattr__, __dir__ = _group("image")
