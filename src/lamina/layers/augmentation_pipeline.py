"""Layers one after another as one, and two of ``tf.keras`` whose images have no fixed size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, Unpack

from lamina import registry
from lamina.core import shapes
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds
from lamina.layers.augmentation_projecting import Factor
from lamina.layers.holding import claim, with_layers
from lamina.typing import Config, DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Pipeline(Layer):
    """Apply layers one after another, to arrays or to dicts that layers of images take.

    Unlike a `Sequential` it is no model.

    Args:
        layers: the layers.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: there are no layers, or one is none.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import RandomCrop, RandomFlip
    >>> Pipeline([RandomFlip(), RandomCrop(4, 5)])(jnp.ones((2, 7, 8, 3))).shape
    (2, 4, 5, 3)
    """

    def __init__(self, layers: Sequence[Layer], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        given = list(layers) if isinstance(layers, list | tuple) else []
        if not given or not all(isinstance(layer, Layer) for layer in given):
            raise ValueError(
                f"{self}: layers must be a list of at least one layer, got {layers!r}."
            )
        self.layers = given

    def build(self, input_shape: Any) -> None:
        for layer in self.layers:
            if not layer.built:
                layer._prepare((shapes.symbolic_inputs(input_shape, self.compute_dtype),), {})
                claim(self, layer.weights)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        return self._inferred_spec(args, kwargs, inputs)

    def get_config(self) -> Config:
        # Its constructor in Keras takes no more.
        config = super().get_config()
        return {name: config[name] for name in ("name", "layers")}

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Make the pipeline that ``get_config`` described, with its layers.

        Args:
            config: what ``get_config`` gave.
            custom_objects: classes of the caller's by name.
        """
        return cls(**with_layers(config, custom_objects, "layers"))


Method = Literal[
    "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"
]


class RandomlySized(Augmentation):
    """A layer of ``tf.keras`` that in training gave images of another size at each step.

    A compiled step has fixed sizes. So the layer opens in files and does nothing outside of
    training, and says the way out where it would have to act.

    Args:
        factor: how much larger the images got: two limits, or one number `f` for ``(-f, f)``.
        interpolation: how values between pixels come about.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or the layer is called in training.
    """

    axis: Literal[0, 1]

    def __init__(
        self,
        factor: Factor,
        interpolation: Method = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        if bounds(factor, "factor", self, -1, float("inf"))[1] == -1:
            raise ValueError(f"{self}: factor must be above -1, got {factor!r}.")
        self.factor = factor
        self.interpolation = checks.one_of(interpolation, Method, "interpolation", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> NoReturn:
        side = ("height", "width")[self.axis]
        raise ValueError(
            f"{self}: in training the images would get another {side} at each step, and a compiled "
            f"step has fixed sizes. Take RandomZoom, which changes their {side} within a fixed "
            "size; outside of training, training=False, this layer does nothing."
        )

    def change(self, images: Array, drawn: Drawn) -> Array:
        del drawn
        return images

    def _sizes(self, shape: Shape) -> Shape:
        sizes = list(super()._sizes(shape))
        sizes[self.axis] = None
        return tuple(sizes)


@registry.register("layer")
class RandomHeight(RandomlySized):
    """Stand for the layer of ``tf.keras`` that gave images another height at each step.

    It opens from files and does nothing outside of training. In training it is refused, since a
    compiled step has fixed sizes; `RandomZoom` changes heights within a fixed size.

    >>> import jax.numpy as jnp
    >>> RandomHeight(0.2)(jnp.ones((2, 4, 5, 3)), training=False).shape
    (2, 4, 5, 3)
    """

    axis = 0


@registry.register("layer")
class RandomWidth(RandomlySized):
    """Stand for the layer of ``tf.keras`` that gave images another width at each step.

    It opens from files and does nothing outside of training. In training it is refused, since a
    compiled step has fixed sizes; `RandomZoom` changes widths within a fixed size.

    >>> import jax.numpy as jnp
    >>> RandomWidth(0.2)(jnp.ones((2, 4, 5, 3)), training=False).shape
    (2, 4, 5, 3)
    """

    axis = 1
