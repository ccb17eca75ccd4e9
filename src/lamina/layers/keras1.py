"""Names of Keras 1 whose arguments meant something else: convolutions, and ``merge``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lamina import registry
from lamina.core import dialects
from lamina.core.configurable import Configurable
from lamina.layers.conv import Conv2D, Conv3D
from lamina.layers.function import Lambda
from lamina.layers.merge import Add, Average, Concatenate, Dot, Maximum, Multiply
from lamina.typing import Nested


class OldName(Configurable):
    """Class of an old name: calling it makes a layer of today's class."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if "today" not in vars(cls):  # a subclass of the user's
                return super().__call__(*args, **kwargs)
            args, named = dialects.by_name(cls.__name__, args)
            return vars(cls)["today"](*args, **named, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, vars(cls).get("today", ())) or super().__instancecheck__(
            instance
        )


class Convolution2D(Conv2D, metaclass=OldName):
    """`Conv2D` as Keras 1 called it: ``Convolution2D(64, 3, 3)`` has windows of 3 by 3.

    Takes the arguments of Keras 1 and those of `Conv2D`, and makes a `Conv2D`.

    >>> Convolution2D(64, 3, 5).kernel_size
    (3, 5)
    """

    today = Conv2D


class Convolution3D(Conv3D, metaclass=OldName):
    """`Conv3D` as Keras 1 called it: ``Convolution3D(64, 3, 3, 3)`` has windows of 3 by 3 by 3.

    Takes the arguments of Keras 1 and those of `Conv3D`, and makes a `Conv3D`.

    >>> Convolution3D(64, 3, 5, 2).kernel_size
    (3, 5, 2)
    """

    today = Conv3D


_MODES: dict[str, Callable[..., Any]] = {
    "sum": Add,
    "mul": Multiply,
    "ave": Average,
    "max": Maximum,
    "concat": Concatenate,
    "dot": Dot,
    "cos": Dot,
}


def merge(
    inputs: Nested,
    mode: str | Callable[..., Any] = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """Combine several tensors, as Keras 1 spelled it.

    Args:
        inputs: list of tensors.
        mode: ``"sum"``, ``"mul"``, ``"ave"``, ``"max"``, ``"concat"``, ``"dot"``, ``"cos"``, or
            a function of the list.
        concat_axis: axis to join along.
        dot_axes: axis, or pair of axes, of products.
        output_shape: shape, where `mode` is a function, as in `Lambda`.
        output_mask: mask, where `mode` is a function, as in `Lambda`.
        arguments: further arguments of the function.
        name: name of the layer.

    Returns:
        The combined tensor.

    Raises:
        ValueError: no mode of that name.

    >>> from lamina.layers import Input
    >>> merge([Input((3,)), Input((4,))], mode="concat", concat_axis=1).shape
    (None, 7)
    """
    if callable(mode):
        return Lambda(mode, output_shape, output_mask, arguments, name=name)(inputs)
    if mode not in _MODES:
        raise ValueError(
            f"merge: mode must be a function or one of {', '.join(_MODES)}, got {mode!r}."
            f"{registry.did_you_mean(str(mode), list(_MODES))}"
        )
    options: dict[str, Any] = {"name": name}
    if mode == "concat":
        options["axis"] = concat_axis
    if mode in ("dot", "cos"):
        options |= {"axes": dot_axes, "normalize": mode == "cos"}
    return _MODES[mode](**options)(inputs)
