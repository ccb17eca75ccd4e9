"""Named initializers: how the first values of weights are made.

A layer takes a name, an object, a class, a config, an array, or a function of your own of the
form ``f(shape, dtype=None)``, ``f(shape)`` or, as in Keras 1, ``f(shape, name=None)``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina import registry
from lamina.initializers.base import Initializer
from lamina.initializers.constants import Constant, Identity, Ones, Zeros, is_array
from lamina.initializers.fourier import STFT
from lamina.initializers.random import (
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from lamina.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    compute_fans,
)

Like = str | Mapping[str, Any] | Callable[..., Any] | Any
"""What a layer takes as an initializer; see `get`."""

zeros = zero = Zeros
ones = one = Ones
constant = Constant
identity = IdentityInitializer = Identity
random_normal = normal = RandomNormal
random_uniform = uniform = RandomUniform
truncated_normal = TruncatedNormal
orthogonal = OrthogonalInitializer = Orthogonal
variance_scaling = VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
stft = STFTInitializer = STFT


def get(identifier: Like) -> Any:
    """The initializer that a name, config, class, array or function stands for.

    Args:
        identifier: as in the module's description; None stays None.

    Returns:
        An object that is called as ``(shape, dtype=None)``.

    Raises:
        ValueError: an unknown name or a wrong config.
        TypeError: none of these.

    >>> get("he_normal")
    HeNormal(seed=None, input_axes=None, output_axes=None)
    """
    if identifier is None:
        return None
    if is_array(identifier):
        return Constant(identifier)
    found = registry.resolve("initializer", identifier)
    return found if isinstance(found, Initializer) else _with_dtype(found)


def serialize(initializer: Any) -> Any:
    """The name or config of an initializer, to write into a file.

    >>> serialize(Zeros())
    {'class_name': 'Zeros', 'config': {}}
    """
    if inspect.isfunction(initializer):
        initializer = inspect.unwrap(initializer)
    return registry.serialize(initializer)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the initializer that `serialize` described.

    >>> deserialize({"class_name": "Constant", "config": {"value": 3}})
    Constant(value=3)
    """
    found = registry.deserialize("initializer", config, custom_objects)
    return found if isinstance(found, Initializer) else _with_dtype(found)


def get_fans(shape: Sequence[int], dim_ordering: str = "th") -> tuple[int, int]:
    """`compute_fans` as Keras 1 called it, for kernels in either order of axes.

    Args:
        shape: shape of the kernel.
        dim_ordering: with ``"th"`` kernels of 4 and 5 axes are (outputs, inputs, ...).

    >>> get_fans((32, 16, 3, 3)), get_fans((3, 3, 16, 32), "tf")
    ((144, 288), (144, 288))
    """
    if dim_ordering not in ("th", "tf"):
        raise ValueError(f"get_fans: dim_ordering must be 'th' or 'tf', got {dim_ordering!r}.")
    if dim_ordering == "th" and len(shape) in (4, 5):
        return compute_fans(shape, input_axes=1, output_axes=0)
    return compute_fans(shape)


def _with_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, able to take ``dtype``; it is the same one if it already does."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled code does not always tell
        return function
    kinds = [parameter.kind for parameter in parameters.values()]
    if "dtype" in parameters or inspect.Parameter.VAR_KEYWORD in kinds:
        return function
    options = {"name": None} if "name" in parameters else {}

    @functools.wraps(function)
    def initialize(shape: Any, dtype: Any = None) -> Any:
        import jax.numpy as jnp

        from lamina.initializers.base import checked_dtype

        made = function(shape, **options)
        return jnp.asarray(made, dtype=checked_dtype(function, dtype))

    return initialize


__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Like",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "get_fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
]
