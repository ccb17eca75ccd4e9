"""`Lambda`: a function of yours as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core import context, dispatch, shapes
from lamina.core.configurable import plain
from lamina.core.layer import Layer
from lamina.typing import Config, LayerOptions, Nested


@registry.register("layer")
class Lambda(Layer):
    """Apply a function to the input.

    The function gets an array, or a list of arrays, and returns one or several. It may have a
    parameter `mask`, which gets the mask of the input, and `training`. It is compiled, so it must
    compute with `lamina.ops`, ``K`` or `jax.numpy`, not with NumPy.

    The layer consumes masks: the output has the mask that `mask` says, by default none.

    A config holds the name of the function. lamina's own functions load by name; any other is
    handed over when loading, as ``custom_objects={"name of the layer or function": function}``.

    Args:
        function: the function; the input is its first argument.
        output_shape: shape of a sample of the output, or a function of the input shape (or
            shapes) that gives the whole shape. By default it is found by tracing the function.
        mask: mask of the output, or a function ``(inputs, mask)`` that gives it.
        arguments: further keyword arguments of the function.
        options: what every layer takes, see `Layer`.

    Raises:
        TypeError: an argument is of the wrong kind, or the function computes with NumPy.
        ValueError: `output_shape` is not the shape of what the function returns.

    >>> Lambda(lambda x: x**2)(jnp.array([[1.0, -3.0]]))
    Array([[1., 9.]], dtype=float32)
    """

    takes_any_mask = True

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Sequence[int | None] | Callable[..., Any] | None = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"{self}: function must be a function, got {function!r}.")
        if arguments is not None and not isinstance(arguments, Mapping):
            raise TypeError(f"{self}: arguments must be a dict of keywords, got {arguments!r}.")
        if not (output_shape is None or callable(output_shape) or shapes.is_shape(output_shape)):
            raise TypeError(
                f"{self}: output_shape must be a tuple without the batch axis, a function of the "
                f"input shape or None, got {output_shape!r}."
            )
        if isinstance(mask, str | int | float):
            raise TypeError(
                f"{self}: mask must be an array, a function (inputs, mask) or None, got {mask!r}."
            )
        self.function = function
        self._promised = output_shape
        self.mask = mask
        self.arguments: dict[str, Any] = dict(arguments or {})
        accepted = _parameters(function)
        self._check_keywords(accepted)
        self._check_needed(list(accepted.values()))
        self._passes_mask = "mask" in accepted and "mask" not in self.arguments
        self._passes_training = "training" in accepted and "training" not in self.arguments

    def _check_keywords(self, accepted: Mapping[str, inspect.Parameter]) -> None:
        """Raise an error for arguments that the function does not take."""
        if not accepted or any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            return
        named = [
            n for n, p in accepted.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        unknown = [name for name in self.arguments if name not in named]
        if unknown:
            raise TypeError(
                f"{self}: arguments holds {unknown[0]!r}, which the function "
                f"{_name(self.function)!r} does not take; its parameters are "
                f"{', '.join(accepted)}."
            )

    def _check_needed(self, accepted: list[inspect.Parameter]) -> None:
        """Raise an error if a call could not give the function all that it needs."""
        first = next((p.name for p in accepted if p.kind in _POSITIONAL), None)
        if accepted and (first is None or first in self.arguments):
            raise TypeError(
                f"{self}: the function {_name(self.function)!r} has no parameter for the input, "
                "which is its first argument."
            )
        given = {*self.arguments, "mask", "training", first}
        lacking = [p.name for p in accepted if p.default is p.empty and p.name not in given]
        if lacking := [n for n in lacking if n not in _collecting(accepted)]:
            raise TypeError(
                f"{self}: the function {_name(self.function)!r} needs {lacking[0]!r}, which "
                "arguments does not hold. Several inputs come as one list, the first argument."
            )

    def call(self, inputs: Nested, mask: Any = None, training: Any = None) -> Nested:
        further = dict(self.arguments)
        if self._passes_mask:
            further["mask"] = mask
        if self._passes_training:
            further["training"] = training
        # Arrays of JAX cannot be changed in place: the caller's stay as they are.
        inputs = jax.tree.map(_of_jax, inputs)
        try:
            outputs = self.function(inputs, **further)
        except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
            raise TypeError(
                f"{self}: the function {_name(self.function)!r} needs values that are not known "
                "while it is compiled: it computes with NumPy, or with Python's if, int or float. "
                "Use the same functions of lamina.ops, K or jax.numpy, and jnp.where in the place "
                f"of if. JAX said: {str(error).splitlines()[0]}"
            ) from None
        record = context.current()
        if self._promised is not None and (record is None or record.unknown is None):
            self._check_promise(shapes.shapes_of(inputs), outputs)
        return outputs

    def _check_promise(self, input_shape: Any, outputs: Nested) -> None:
        """Compare arrays with `output_shape` as for an input without a known batch."""
        stated = self._stated(_without_batch(input_shape), len(shapes.flat(outputs)))
        for output, shape in zip(shapes.flat(outputs), stated, strict=True):
            self._agreed_shape(_without_batch(np.shape(output)), shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._promised is None:
            symbolic = shapes.symbolic_inputs(input_shape, self.compute_dtype)
            return shapes.shapes_of(dispatch.infer(self.name, self._inferred, (symbolic,), {}))
        if callable(self._promised):
            promised = self._promised(input_shape)
            parts = promised if isinstance(promised, list | tuple) else [promised]
            if not (shapes.is_shape(promised) or all(map(shapes.is_shape, parts))):
                raise TypeError(
                    f"{self}: the function output_shape must return a shape with its batch axis, a "
                    f"tuple of whole numbers and None, or a list of shapes; for {input_shape} it "
                    f"returned {promised!r}."
                )
            return promised
        first = input_shape
        while isinstance(first, list | tuple | dict) and not shapes.is_shape(first):
            first = next(iter(first.values() if isinstance(first, dict) else first))
        return (first[0] if first else None, *self._promised)

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        """The traced outputs, with sizes that only the promised shape knows."""
        outputs = self._inferred_spec(args, kwargs, inputs)
        if self._promised is None:
            return outputs
        found = shapes.flat(outputs)
        stated = self._stated(shapes.shapes_of(inputs), len(found))
        for output, shape in zip(found, stated, strict=True):
            output.shape = self._agreed_shape(output.shape, shape)
        return outputs

    def _stated(self, input_shape: Any, number: int) -> list[Any]:
        """The shapes of so many outputs that `output_shape` gives."""
        promised = self.compute_output_shape(input_shape)
        stated = [promised] if shapes.is_shape(promised) else list(promised)
        if number != len(stated):
            raise ValueError(
                f"{self}: output_shape tells of {len(stated)} outputs, but the function returns "
                f"{number}."
            )
        return [tuple(shape) for shape in stated]

    def _agreed_shape(self, real: Any, stated: Any) -> Any:
        pairs = list(zip(real, stated, strict=False))
        differ = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        if len(real) != len(stated) or differ:
            raise ValueError(
                f"{self}: output_shape says {stated}, batch included, but the function "
                f"{_name(self.function)!r} returns {real}. Correct it, or leave it out: the shape "
                "is found by itself."
            )
        return tuple(b if a is None else a for a, b in pairs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if callable(self.mask):
            return self.mask(inputs, mask)
        return None if self.mask is None else jnp.asarray(self.mask)

    def get_config(self) -> Config:
        config = super().get_config() | {
            "function": _described(self.function),
            "output_shape": _described(self._promised),
            "arguments": plain(self.arguments),
        }
        del config["mask"]
        if self.mask is not None:
            mask = self.mask if callable(self.mask) else np.asarray(self.mask)
            config["mask"] = _described(mask)
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Make a layer from what ``get_config`` returned, here or in another release.

        Raises:
            ValueError: a function is neither lamina's own nor handed over.
        """
        custom = dict(registry.get_custom_objects()) | dict(custom_objects or {})
        found = _without_types(config)
        name = found.get("name")
        for key in ("function", "output_shape", "mask"):
            found[key] = _restored(found.get(key), key, name, custom)
        return cls(**found)


def _without_batch(shape: Any) -> Any:
    """A shape, or shapes, whose first size is not known."""
    if shapes.is_shape(shape):
        return (None, *shape[1:]) if shape else ()
    if isinstance(shape, dict):
        return {key: _without_batch(part) for key, part in shape.items()}
    return [_without_batch(part) for part in shape]


def _of_jax(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, np.ndarray) else value


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Parameters of a function; none if they cannot be known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _collecting(parameters: list[inspect.Parameter]) -> list[str]:
    """Names of ``*args`` and ``**kwargs``."""
    return [p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


PLACES = ("activations", "backend", "ops")
"""Modules whose functions a config may name; nothing else is found by a name in a file."""


STATEFUL = frozenset(
    [
        *("batch_get_value", "batch_set_value", "clear_session", "eval", "function", "get_session"),
        *("get_uid", "get_value", "gradients", "manual_variable_initialization", "name_scope"),
        *("moving_average_update", "placeholder", "print_tensor", "reset_uids", "set_epsilon"),
        *("set_floatx", "set_image_data_format", "set_image_dim_ordering", "set_learning_phase"),
        *("set_legacy_weight_ordering", "set_session", "set_value", "update", "update_add"),
        *("update_sub", "variable"),
    ]
)
"""Functions there that change or read more than their arguments: a config does not name them."""


def _own(name: Any) -> Any:
    """Lamina's own function of a name such as ``backend.relu``, or ``None``."""
    place, _, function = str(name).rpartition(".")
    if place == "activations":
        found = registry.find("activation", function)
    elif place in PLACES and not function.startswith("_") and function not in STATEFUL:
        from lamina import backend, ops

        found = getattr({"backend": backend, "ops": ops}[place], function, None)
    else:
        return None
    return found if inspect.isfunction(found) and found.__name__ == function else None


def _own_name(function: Any) -> str | None:
    """The name under which `_own` finds a function, or ``None``."""
    if not str(getattr(function, "__module__", "")).startswith("lamina."):
        return None
    names = [f"{place}.{_name(function)}" for place in PLACES]
    return next((name for name in names if _own(name) is function), None)


def _described(value: Any) -> Any:
    """A function as ``{"class_name": ..., "config": its name}``, anything else as plain data."""
    if not callable(value):
        return plain(value)
    own = _own_name(value)
    if own is not None:
        return {"class_name": "lamina", "config": own}
    if registry.is_held(value):
        return value
    name = registry.registered_name(value) if hasattr(value, "__name__") else _name(value)
    return {"class_name": "function", "config": name}


def _without_types(config: Config) -> Config:
    """A config without the words with which Keras 2 says how it wrote each function."""
    found = dict(config)
    for key in ("function", "output_shape", "mask"):
        kind = found.pop(f"{key}_type", None)
        found.pop("module" if key == "function" else f"{key}_module", None)
        if kind in ("function", "lambda"):
            name = found[key] if kind == "function" else None
            found[key] = {"class_name": "function", "config": name, "module": "builtins"}
    return found


def _restored(value: Any, key: str, layer: Any, custom: Mapping[str, Any]) -> Any:
    """The function that a config describes; data as it is."""
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name = value.get("config")
    if value["class_name"] == "lamina" and _own(name) is not None:
        return _own(name)
    place = layer if key == "function" else f"{layer}.{key}"
    handed = custom.get(name) if isinstance(name, str) else None
    if handed is None:
        handed = custom.get(place)
    if handed is None and value.get("module") == "builtins":  # how Keras names its own
        handed = _own(f"activations.{name}")
    if handed is not None:
        return handed
    if name is None or isinstance(name, Mapping):
        if key == "output_shape":  # code of Keras 2 or 3; the shape is found by itself
            return None
        raise ValueError(
            f"Lambda {layer!r}: its {key} is written as Python code, which is never run. Hand "
            f"the function over: custom_objects={{{place!r}: ...}}."
        )
    raise ValueError(
        f"Lambda {layer!r}: its {key} is the function {name!r}, which a config does not hold. "
        f"Hand it over: custom_objects={{{name!r}: ...}} or {{{place!r}: ...}}."
    )
