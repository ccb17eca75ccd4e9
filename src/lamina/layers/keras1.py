"""Names of Keras 1 whose arguments meant something else: convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core import dialects
from lamina.core.configurable import Configurable
from lamina.layers import checks
from lamina.layers.conv import Conv1D, Conv2D, Conv3D
from lamina.layers.conv_transpose import Conv2DTranspose
from lamina.layers.separable import SeparableConv2D
from lamina.ops.conv import conv_output_size, conv_transpose_output_size
from lamina.typing import Config, DataFormat, LayerOptions, Padding, Shape


class OldName(Configurable):
    """Class of an old name: calling it makes a layer of today's class.

    Where `today` is ``None`` the class stands for itself, with arguments in their old order.
    """

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if "today" not in vars(cls):  # a subclass of the user's
                return super().__call__(*args, **kwargs)
            args, named = dialects.by_name(cls.__name__, args)
            make = vars(cls)["today"] or super().__call__
            return make(*args, **named, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        today = vars(cls).get("today") or ()
        return isinstance(instance, today) or super().__instancecheck__(instance)


class AtrousConvolution1D(Conv1D, metaclass=OldName):
    """`Conv1D` with a dilation, as Keras 1 called it.

    Takes the arguments of Keras 1 and those of `Conv1D`, and makes a `Conv1D`.

    >>> AtrousConvolution1D(64, 3, atrous_rate=2).dilation_rate
    (2,)
    """

    today = Conv1D


class AtrousConvolution2D(Conv2D, metaclass=OldName):
    """`Conv2D` with a dilation, as Keras 1 called it.

    Takes the arguments of Keras 1 and those of `Conv2D`, and makes a `Conv2D`.

    >>> AtrousConvolution2D(64, 3, 5, atrous_rate=(2, 1)).dilation_rate
    (2, 1)
    """

    today = Conv2D


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


class SeparableConvolution2D(SeparableConv2D, metaclass=OldName):
    """`SeparableConv2D` as Keras 1 called it, with the sides of the window one by one.

    Takes the arguments of Keras 1 and those of `SeparableConv2D`, and makes a `SeparableConv2D`.

    >>> SeparableConvolution2D(64, 3, 5).kernel_size
    (3, 5)
    """

    today = SeparableConv2D


@registry.register("layer")
class Deconvolution2D(Conv2DTranspose, metaclass=OldName):
    """`Conv2DTranspose` as Keras 1 called it, with the shape of the output as an argument.

    Takes the arguments of Keras 1, such as ``Deconvolution2D(3, 4, 4, (None, 14, 14, 3))``, and
    those of `Conv2DTranspose`. The size of the output is the stated one, as in Keras 1; Keras 2
    left `output_shape` out and computed it.

    Args:
        output_shape: shape of the output, batch included; ``None`` for the size that
            `output_padding` says.
        options: the arguments of `Conv2DTranspose`.

    Raises:
        ValueError: no convolution leads from `output_shape` to the shape of the input.

    >>> layer = Deconvolution2D(3, 4, 5, (None, 15, 16, 3), subsample=(2, 2))
    >>> layer.compute_output_shape((None, 6, 6, 8))
    (None, 15, 16, 3)
    """

    today = None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.Like = None,
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        *,
        output_shape: Sequence[int | None] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding if output_shape is None else None,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **options,
        )
        self.stated_shape = None if output_shape is None else self._checked(output_shape)

    def _checked(self, output_shape: Any) -> tuple[int | None, ...]:
        """The stated shape, whose channels and spatial sizes must make sense."""
        stated = tuple(output_shape) if isinstance(output_shape, list | tuple) else ()
        sizes = self.spatial(stated) if len(stated) == 4 else ()
        known = [int(size) for size in sizes if size is not None and checks.is_int(size)]
        good = len(known) == 2 and min(known) > 0
        if not good or self.channels(stated) not in (self.filters, None):
            raise ValueError(
                f"{self}: output_shape must be a whole shape of {self.data_format} with the batch "
                f"first and {self.filters} channels, got {output_shape!r}."
            )
        self.output_size = tuple(known)
        return stated

    def build(self, input_shape: Shape) -> None:
        if self.output_size is not None:
            first = 1 if self.channel_axis == -1 else 2
            sizes = [checks.known_size(input_shape, axis, self) for axis in (first, first + 1)]
            cases = zip(sizes, self.kernel_size, self.strides, self.output_size, strict=True)
            added = [self._added(*case) for case in cases]
            # What later releases are told, see `lamina.saving.writing`.
            known = [more for more, _ in added]
            self.output_padding = None if all(usual for _, usual in added) else tuple(known)
        super().build(input_shape)

    def _added(self, size: int, window: int, stride: int, out: int) -> tuple[int, bool]:
        """The `output_padding` that leads to a size, and whether it is what is usual."""
        rule: dict[str, Any] = {"padding": self.padding}
        usual = conv_transpose_output_size(size, window, stride, **rule)
        least = conv_transpose_output_size(size, window, stride, output_padding=0, **rule) or 0
        if conv_output_size(out, window, stride, **rule) != size:
            raise ValueError(
                f"{self}: output_shape says size {out}, which no convolution with window {window}, "
                f"stride {stride} and padding {self.padding!r} leads to {size} from; take from "
                f"{least} to {least + stride - 1}."
            )
        return out - least, out == usual

    def get_config(self) -> Config:
        return super().get_config() | {"output_shape": self.stated_shape}
