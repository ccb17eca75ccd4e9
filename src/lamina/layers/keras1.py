"""Classes of Keras 1 whose positional arguments meant something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.core import dialects
from lamina.core.configurable import Configurable
from lamina.layers.conv import Conv2D, Conv3D


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
