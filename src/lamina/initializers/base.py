"""`Initializer`: the base of the named initializers, and what they share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config, registry

if TYPE_CHECKING:
    from lamina.typing import Array, Config

Class = TypeVar("Class", bound=type)

SMALL = 1 << 20
"""Up to this many values are shaped and scaled on the host: compiling for each shape costs more."""


class Initializer:
    """Make the first value of a weight from its shape.

    A subclass of your own overrides ``__call__(shape, dtype=None)``, and `get_config` if it has
    arguments. All classes of lamina may also be called with a shape at once, as in Keras 1:
    ``glorot_uniform((3, 4))`` is ``GlorotUniform()((3, 4))``.

    >>> class Twos(Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return np.full(shape, 2, dtype or "float32")
    >>> Twos()((2, 3)).shape
    (2, 3)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if "_classic" in cls.__dict__ and (
            "shape" in kwargs or (args and isinstance(args[0], tuple | list))
        ):
            return cls._from_shape(*args, **kwargs)
        return super().__new__(cls)

    _anew: ClassVar[bool] = False
    """Whether the values are made anew for each call, so that nobody else holds them."""

    _classic: ClassVar[tuple[str, ...]]
    """What Keras 1 took after the shape, for classes that may be called with one."""

    @classmethod
    def _from_shape(cls, shape: Any, *arguments: Any, **options: Any) -> Any:
        names = (*cls._classic, "name", "dim_ordering")
        given = dict(zip(names, arguments, strict=False)) | options
        labels = {name: given.pop(name, None) for name in ("name", "dim_ordering")}
        return cls(**given)(shape, **labels)

    def __call__(
        self,
        shape: Sequence[int] | int,
        dtype: Any = None,
        *,
        name: str | None = None,
        dim_ordering: str | None = None,
    ) -> Array:
        """Make the values.

        Args:
            shape: a size for each axis.
            dtype: dtype of the result, ``floatx`` by default.
            name: accepted for code of Keras 1, which named the result.
            dim_ordering: accepted for code of Keras 1; kernels have their channels last.

        Raises:
            ValueError: the shape, the dtype or the ordering cannot be.
        """
        if dim_ordering not in (None, "tf", "default"):
            raise ValueError(
                f"{type(self).__name__}: dim_ordering must be 'tf', got {dim_ordering!r}: kernels "
                "are stored as (..., inputs, outputs). VarianceScaling(input_axes=1, "
                "output_axes=0) reads the other order."
            )
        return self.values(checked_shape(self, shape), checked_dtype(self, dtype))

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """Make the values, for a shape and a dtype that were checked."""
        raise NotImplementedError(f"{type(self).__name__} must override __call__.")

    def get_config(self) -> Config:
        """The arguments of the constructor, to write into a file."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the initializer that `get_config` described."""
        return cls(**config)

    def clone(self) -> Self:
        """A new initializer with the same arguments."""
        return type(self).from_config(self.get_config())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def makes_anew(initializer: Any) -> bool:
    """Whether nobody else holds the array that an initializer gives.

    >>> from lamina.initializers import Constant, Ones
    >>> makes_anew(Ones()), makes_anew(Constant(2.0)), makes_anew(lambda shape: shape)
    (True, False, False)
    """
    own = type(initializer).__module__.startswith("lamina.initializers.")
    return own and bool(initializer._anew)


def named(*names: str, classic: tuple[str, ...] | None = ()) -> Callable[[Class], Class]:
    """Register a class of lamina under its name and these.

    Args:
        names: further names.
        classic: what Keras 1 took after the shape; None if a shape may not come first.
    """

    def enter(entry: Class) -> Class:
        if classic is not None:
            entry._classic = classic  # type: ignore[attr-defined]
        return registry.register("initializer", *names)(entry)

    return enter


def checked_shape(owner: object, shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of ints.

    Raises:
        ValueError: it is no shape, or has a size that is not known.
    """
    sizes: tuple[Any, ...] = (None,)
    with suppress(TypeError):
        sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or int(size) < 0:
            raise ValueError(
                f"{type(owner).__name__}: shape must be a tuple of ints of at least 0, "
                f"got {shape!r}."
            )
    return tuple(map(operator.index, sizes))


def checked_dtype(owner: object, dtype: Any) -> np.dtype:
    """The dtype, ``floatx`` if it is None.

    Raises:
        ValueError: there is no such dtype, or it has 64 bits and JAX's are off.
    """
    try:
        found = np.dtype(config.floatx() if dtype is None else dtype)
    except TypeError:
        raise ValueError(
            f"{type(owner).__name__}: dtype must name a type of numbers, got {dtype!r}."
        ) from None
    if found.itemsize == 8 and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ValueError(
            f"{type(owner).__name__}: dtype {found.name} needs JAX's 64-bit types: call "
            "set_floatx('float64') or jax.config.update('jax_enable_x64', True) first."
        )
    return found


def filled(shape: tuple[int, ...], value: Any, dtype: np.dtype) -> Array:
    """An array with `value` everywhere."""
    if np.prod(shape, dtype=np.int64) > SMALL:
        return jnp.full(shape, value, dtype)
    # Unlike jnp.array, this compiles nothing.
    return jax.device_put(np.full(shape, value, dtype))
