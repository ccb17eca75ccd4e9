"""`Wrapper`, the base of layers around a layer, and `TimeDistributed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.core import masks, pure, shapes
from lamina.core.layer import Layer
from lamina.layers.holding import claim, with_layers
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Wrapper(Layer):
    """Base of layers that do something with another layer.

    A subclass overrides ``call``, and ``compute_output_shape`` where the shape is not that of the
    layer within.

    Args:
        layer: the layer within.
        options: what every layer takes, see `Layer`.

    Raises:
        TypeError: `layer` is no layer.

    >>> from lamina.layers import Dense, Input
    >>> class Twice(Wrapper):
    ...     def call(self, inputs):
    ...         return 2 * self.layer(inputs)
    >>> Twice(Dense(4))(Input((3,))).shape
    (None, 4)
    """

    def __init__(self, layer: Any, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{self}: layer must be a layer, such as Dense(32), got {layer!r}."
                + (" Make one of the class: put () behind it." if isinstance(layer, type) else "")
            )
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        self._build_within(self.layer, input_shape)

    def _build_within(self, layer: Layer, shape: Any) -> None:
        """Build a layer within, for inputs of a shape, if it is not built yet."""
        if not layer.built:
            layer._prepare((shapes.symbolic_inputs(shape, self.compute_dtype),), {})
            claim(self, layer.weights)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if type(self).call is Layer.call:
            return self.layer.compute_output_shape(input_shape)
        return super().compute_output_shape(input_shape)

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        if type(self).compute_output_shape is not Wrapper.compute_output_shape:
            return super()._output_spec(args, kwargs, inputs)
        return self._inferred_spec(args, kwargs, inputs)

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Make the wrapper that ``get_config`` described, with the layer within.

        Args:
            config: what ``get_config`` gave.
            custom_objects: classes of the caller's by name.
        """
        return cls(**with_layers(config, custom_objects, "layer", "backward_layer"))


@registry.register("layer")
class TimeDistributed(Wrapper):
    """Apply a layer to each time step: inputs ``(batch, steps, ...)``.

    All steps of all rows are one batch for the layer within, which may be a model. A mask of steps
    passes; one with further axes is handed to the layer within, ``(batch * steps, ...)``.

    Args:
        layer: the layer within.
        options: what every layer takes, see `Layer`.

    Raises:
        TypeError: `layer` is no layer.
        ValueError: the input has no axis of steps.

    >>> from lamina.layers import Conv2D, Input
    >>> TimeDistributed(Conv2D(8, 3))(Input((10, 32, 32, 3))).shape
    (None, 10, 30, 30, 8)
    """

    supports_masking = True

    def _within(self, shape: Any) -> Any:
        """The shape of the inputs of the layer within."""
        if not shapes.is_shape(shape):
            parts = shape.items() if isinstance(shape, dict) else enumerate(shape)
            found = {key: self._within(part) for key, part in parts}
            return found if isinstance(shape, dict) else list(found.values())
        if len(shape) < 3:
            raise ValueError(
                f"{self}: expected an input (batch, steps, ...) of at least rank 3, got shape "
                f"{tuple(shape)}. The layer within, {self.layer}, takes (batch, ...) itself."
            )
        return (None, *shape[2:])

    def build(self, input_shape: Any) -> None:
        self._build_within(self.layer, self._within(input_shape))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        del training
        self._within(shapes.shapes_of(inputs))
        first = shapes.flat(inputs)[0]
        rows, steps = first.shape[:2]
        options = {}
        if isinstance(mask, list | tuple) or mask is not None:
            self._check_mask(mask, rows, steps)
            options["mask"] = self._mask_within(mask)
        outputs = self.layer(jax.tree.map(_merged, inputs), **options)

        def parted(output: Array) -> Array:
            made = output.reshape(rows, steps, *output.shape[1:])
            found = masks.recall(output)
            if found is not None:
                masks.remember(made, found.reshape(rows, steps, *found.shape[1:]), self.name)
            return made

        return jax.tree.map(parted, outputs)

    def _mask_within(self, mask: Any) -> Any:
        """The mask of the inputs of the layer within; one of steps alone does not concern it."""
        found = [None if m is None or m.ndim < 3 else _merged(m) for m in shapes.listed(mask)]
        if all(one is None for one in found):
            return None
        return found if isinstance(mask, list | tuple) else found[0]

    def _check_mask(self, mask: Any, rows: int, steps: int) -> None:
        for one in shapes.listed(mask):
            if one is not None and tuple(one.shape[:2]) != (rows, steps):
                raise ValueError(
                    f"{self}: the mask must have shape (batch, steps, ...) = ({rows}, {steps}, "
                    f"...), got {tuple(one.shape)}."
                )

    def _output_mask(self, inputs: Any, outputs: Any, mask: Any) -> Any:
        found = [masks.recall(output) for output in shapes.flat(outputs)]
        if not any(one is not None for one in found):
            outer = _of_steps(mask)
            found = [outer for _ in found]
        if all(one is None for one in found):
            return None
        return found if isinstance(outputs, list | tuple) else found[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs: those that the layer within makes, else that of the steps.

        Args:
            inputs: of the layer.
            mask: of the inputs.
        """
        return pure.trial(self._computed, ((inputs,), {}, mask), {})[1]

    def compute_output_shape(self, input_shape: Any) -> Any:
        first: Any = input_shape
        while not shapes.is_shape(first):
            first = next(iter(first.values())) if isinstance(first, dict) else first[0]
        return _with_steps(self.layer.compute_output_shape(self._within(input_shape)), first)

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        return self._inferred_spec(args, kwargs, inputs)


def _merged(x: Any) -> Any:
    """Batch and steps as one axis."""
    return jnp.asarray(x).reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _of_steps(mask: Any) -> Any:
    """The mask of the steps: a step counts if anything in it does."""
    first = next((one for one in shapes.listed(mask) if one is not None), None)
    if first is None or first.ndim == 2:
        return first
    return jnp.any(first, axis=tuple(range(2, first.ndim)))


def _with_steps(shape: Any, outer: Shape) -> Any:
    if shapes.is_shape(shape):
        return (outer[0], outer[1], *shape[1:])
    if isinstance(shape, dict):
        return {key: _with_steps(part, outer) for key, part in shape.items()}
    return [_with_steps(part, outer) for part in shape]
