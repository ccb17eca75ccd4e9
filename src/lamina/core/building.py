"""Building a layer: once, from the shape of its first input, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
from jax.core import Tracer

from lamina.core import calls, context, dispatch, policy, pure, shapes, spec, weights
from lamina.core.symbolic import is_symbolic
from lamina.core.weights import WeightOwner
from lamina.typing import Config


class Builds(WeightOwner):
    """The methods of `Layer` that lead to ``build``."""

    input_spec: Any
    build: Callable[..., Any]
    _build_shape: Any
    _building: bool
    _initial_weights: Any
    _inferred: Callable[..., Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "build" in vars(cls):
            cls.build = tracked(cls.build)  # type: ignore[method-assign]

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check the inputs against the input spec; build on first use."""
        inputs = args[0] if args else first_of(self, args, kwargs)
        if self.input_spec is not None:
            spec.check(self, inputs)
        if self.built:
            return
        policy.check_wide(self)
        self._build_shape = _with_unknown(self._shapes_to_build(args, kwargs))
        if not self._built_by_call():
            self.build(self._build_shape)
        self.built = True
        if self.input_spec is not None:
            spec.check(self, inputs)
        if any(not layer.built for layer in self.sublayers()):
            self._build_parts(args, kwargs)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _shapes_to_build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What ``build`` gets: the shape of the inputs, or the shapes of several."""
        return shapes.shapes_of(args[0] if args else first_of(self, args, kwargs))

    def _built_by_call(self) -> bool:
        """Whether an abstract run of ``call`` is all the building there is."""
        return False

    def _build_parts(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Build the layers in this one by a run of ``call``: abstract, unless run eagerly."""
        try:
            if self._runs_eagerly(args, kwargs):
                pure.trial(self._inferred, args, kwargs)
                return
            args, kwargs = calls.symbolic_like((args, kwargs))
            dispatch.infer(self.name, self._inferred, args, kwargs)
        except Exception:
            self.built = False
            raise

    def _runs_eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call computes with values: by its own flag, or within one that does."""
        eager = getattr(self, "run_eagerly", False) or context.current() is not None
        if not eager or is_symbolic((args, kwargs)):
            return False
        return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))

    def get_build_config(self) -> Config:
        """What `build_from_config` needs: the shape that the layer was built for."""
        return {"input_shape": self._build_shape}

    def build_from_config(self, config: Config) -> None:
        """Build the layer for the shape that ``get_build_config`` gave."""
        shape = config.get("input_shape")
        if shape is not None and not self.built:
            self.build(_tuples(shape))


def tracked(build: Callable[..., Any]) -> Callable[..., Any]:
    """A ``build`` that marks the layer as built, and leaves no half of it if it fails."""

    @wraps(build)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if vars(self).get("_building"):  # the build of a base class, called by that of the layer
            return build(self, *args, **kwargs)
        kept = {name: _copied(value) for name, value in vars(self).items()}
        self._building = True
        try:
            with context.outside(), jax.ensure_compile_time_eval():
                result = build(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(kept)
            weights.structure[0] += 1
            raise
        self._building = False
        self.built = True
        if args and self._build_shape is None:
            self._build_shape = args[0]
        return result

    return run


def _copied(value: Any) -> Any:
    return type(value)(value) if type(value) in (list, dict) else value


def first_of(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The inputs among the arguments of a call.

    Raises:
        TypeError: there are none.
    """
    if args:
        return args[0]
    for value in kwargs.values():
        return value
    raise TypeError(f"{layer} was called without inputs.")


def _with_unknown(shape: Any) -> Any:
    """A shape with ``None`` where a size only stands for an unknown one."""
    record = context.current()
    if record is None or record.unknown is None:
        return shape
    if shapes.is_shape(shape):
        return tuple(None if size == record.unknown else size for size in shape)
    if isinstance(shape, dict):
        return {key: _with_unknown(part) for key, part in shape.items()}
    return [_with_unknown(part) for part in shape]


def _tuples(shape: Any) -> Any:
    """Shapes as tuples, where a file has lists."""
    if shapes.is_shape(shape):
        return tuple(shape)
    if isinstance(shape, dict):
        return {key: _tuples(part) for key, part in shape.items()}
    return [_tuples(part) for part in shape]
