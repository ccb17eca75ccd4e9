"""`Layer`: configuration, weights and one pure function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

from lamina import regularizers
from lamina.core import (
    calls,
    configurable,
    context,
    dialects,
    dispatch,
    faulty,
    masks,
    naming,
    policy,
    shapes,
    sizes,
    spec,
)
from lamina.core.added import Adds
from lamina.core.building import Builds, first_of
from lamina.core.configurable import Configurable, FromConfig
from lamina.core.copying import Copies
from lamina.core.derived import recorded
from lamina.core.graph import Node, tensors
from lamina.core.nodes import NodeOwner, mask_structure
from lamina.core.symbolic import SymbolicTensor, is_symbolic, refuse_texts
from lamina.core.variable import Variable
from lamina.typing import Config, LayerOptions

_OWN = ("name", "dtype", "trainable", "autocast")
_UNSAID = {"activity_regularizer": None, "autocast": True}
_ARRAYS = (jax.Array, np.ndarray)
OPTIONS = tuple(name for name in LayerOptions.__annotations__ if name not in _OWN)


class Layer(Adds, Builds, Copies, NodeOwner, FromConfig, metaclass=Configurable):
    """Base of all layers.

    A subclass says in ``build`` which weights there are, in ``call`` what happens to arrays, and
    in ``compute_output_shape`` which shape comes out; where the last is missing it is inferred.
    Layers written for Keras 1, 2 and 3 work as they are.

    Args:
        activity_regularizer: function of the output; what it gives is added to the loss.
        trainable: whether training changes the weights.
        dtype: dtype of computations and weights, or the name of a mixed policy.
        autocast: whether inputs of other float dtypes are cast to the dtype of computations.
        name: unique name; made from the class name if left out.
        options: `input_shape`, `batch_input_shape` or `batch_shape`, `batch_size`, `input_dim`,
            `input_length`, `input_dtype`: what a first layer says about its input; and
            `weights`: initial values.

    Raises:
        TypeError: an unknown argument.

    >>> import numpy as np
    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", (), initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor.value
    >>> Scale()(np.ones((1, 3)))
    Array([[1., 1., 1.]], dtype=float32)
    """

    supports_masking = False
    stateful = False
    takes_sequences = False
    takes_any_mask = False
    takes_texts = False
    constants: Any = None  # what call computes with beside weights: another object, other programs
    _convolves = False
    input_spec: Any = None
    _compiled_calls: dict[Any, Any]
    _call_token: tuple[int, int, dict[Any, int]]
    _random_calls: int

    def __init__(
        self,
        *,
        activity_regularizer: regularizers.Like = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> None:
        cls = type(self)
        for option in options:
            if option not in OPTIONS:
                raise dialects.unknown(cls, option, (*OPTIONS, "name", "trainable", "dtype"))
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{cls.__name__}: name must be a string, got {name!r}.")
        self.name = name or naming.unique(naming.snake_case(cls.__name__))
        vars(self).update(calls.uncalled())
        self._trainable_weights: list[Variable] = []
        self._non_trainable_weights: list[Variable] = []
        for word, value in (("trainable", trainable), ("autocast", autocast)):
            if value not in (True, False):
                raise ValueError(f"{self}: {word} must be True or False, got {value!r}.")
        self._trainable = bool(trainable)
        self.dtype_policy = self._policy(options.get("input_dtype") if dtype is None else dtype)
        self._input_dtype: str | None = options.get("input_dtype")
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.built = False
        self._build_shape: Any = None
        self._building = False
        self._call_losses: list[Any] = []
        self._loss_functions: list[Callable[[], Any]] = []
        self._initial_weights = spec.stated_weights(self, options.get("weights"))
        self.batch_input_shape = spec.stated_input_shape(self, options)

    def _policy(self, dtype: Any) -> policy.DTypePolicy:
        """The policy of a dtype; an error names the layer."""
        try:
            return policy.get(dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}") from None

    @property
    def dtype(self) -> str:
        """Dtype of the weights."""
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """Dtype of the computations."""
        return self.dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self.dtype_policy.variable_dtype

    @property
    def input_dtype_of_first(self) -> str:
        """Dtype of the input that this layer opens a `Sequential` with."""
        return self._input_dtype or self.dtype_policy.compute_dtype

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of a shape; called once, before the first ``call``."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the output from arrays."""
        raise NotImplementedError(f"{self}: {type(self).__name__} defines no method call.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape that comes out of a shape that goes in, with ``None`` for unknown sizes."""
        if hasattr(self, "get_output_shape_for"):
            return self.get_output_shape_for(input_shape)  # type: ignore[attr-defined]
        symbolic = shapes.symbolic_inputs(input_shape, self.compute_dtype)
        self._prepare((symbolic,), {})
        outputs = dispatch.infer(self.name, self._inferred, (symbolic,), {})
        return shapes.shapes_of(outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, from the inputs and their masks.

        Raises:
            TypeError: there is a mask and the layer does not support masking.
        """
        if not self.supports_masking and any(m is not None for m in shapes.listed(mask)):
            raise TypeError(
                f"{self} does not support masking, but its input carries a mask made by "
                f"{_origin(inputs, mask)}. Put a layer that consumes the mask between the two, "
                "drop the mask with Lambda(lambda x: x, mask=None), or do not make it "
                "(mask_zero=False)."
            )
        return mask if self.supports_masking else None

    def output_dtype(self, inputs: Any) -> Any:
        """Dtype of the output for symbolic inputs: that of the computations, unless overridden."""
        return self.compute_dtype

    def named_arrays(self) -> dict[str, Any]:
        """Arrays beside the weights that Keras 3 keeps in files, by their names there."""
        return {}

    def get_config(self) -> Config:
        """The constructor's arguments, as JSON can hold them."""
        config: Config = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = self.dtype_policy.name
        if self.batch_input_shape is not None:
            config["batch_input_shape"] = self.batch_input_shape
        # The policy again: constructors with a `dtype` keep that of the weights under its name.
        config |= configurable.arguments_of(self) | {"dtype": config["dtype"]}
        if type(self).__init__ is Layer.__init__:  # no arguments of its own
            config = {k: v for k, v in config.items() if k not in _UNSAID or v is not _UNSAID[k]}
        return config

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the layer: to arrays it gives arrays, to symbolic tensors symbolic ones."""
        record = context.current()
        if record is None:
            return calls.call(self, args, kwargs)
        single = len(args) == 1 and isinstance(args[0], _ARRAYS)
        if kwargs and single:
            single = len(kwargs) == 1 and type(kwargs.get("training")) is bool
        if not single and is_symbolic((args, kwargs)):
            return self._record(args, kwargs)
        # Within a run `call` is reached from here, so that the way down is short.
        if not self.built:
            self._prepare(args, kwargs)
        elif self.input_spec is not None:
            spec.check(self, args[0] if args else first_of(self, args, kwargs))
        mask = calls.given_mask(self, args, kwargs) if kwargs or masks.table else None
        outer = record.training
        try:
            args, kwargs = self._filled(record, args, kwargs, mask)
            outputs = self.call(*args, **kwargs)
        except Exception as error:
            faulty.explain(self, error, args)
            raise
        finally:
            record.training = outer
        mask = self._finished(record, args, kwargs, outputs, mask)
        if mask is not None:
            calls.keep_masks(self, outputs, mask)
        return outputs

    def run(self, node: Node, values: dict[int, Any], found: dict[int, Any]) -> Any:
        """Compute a node of a graph from the values and masks of its inputs."""
        args, kwargs = dispatch.filled(node, values)
        if "mask" in kwargs:
            mask = masks.checked(self, args[0] if args else None, kwargs.pop("mask"))
        else:
            mask = dispatch.gathered(node.args[0] if node.args else node.kwargs, found)
        try:
            outputs, mask = self._computed(args, kwargs, mask)
        except (TypeError, ValueError) as error:
            sizes.explain(error, node, (args, kwargs))
            raise
        flat = shapes.flat(outputs)
        given = shapes.listed(mask) if mask is not None else []
        return flat, given + [None] * (len(flat) - len(given))

    def _computed(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any
    ) -> tuple[Any, Any]:
        """Outputs and their mask."""
        record = context.current()
        assert record is not None
        outer = record.training
        try:
            args, kwargs = self._filled(record, args, kwargs, mask)
            outputs = self.call(*args, **kwargs)
        except Exception as error:
            faulty.explain(self, error, args)
            raise
        finally:
            record.training = outer
        return outputs, self._finished(record, args, kwargs, outputs, mask)

    def _filled(
        self, record: context.Call, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What ``call`` gets; the ambient training flag and the mask are put in here."""
        accepted = _accepted(type(self))
        if "training" in kwargs:
            given = kwargs["training"] if "training" in accepted else kwargs.pop("training")
            record.training = record.training if given is None else given
        place = accepted.get("training")
        if place is not None and kwargs.get("training") is None and len(args) <= place:
            kwargs["training"] = bool(record.training)
        if mask is not None and "mask" in accepted and "mask" not in kwargs:
            kwargs["mask"] = mask
        if self.autocast:
            dtype = self.dtype_policy.compute_dtype
            if len(args) != 1 or not isinstance(args[0], jax.Array) or args[0].dtype != dtype:
                args = shapes.cast_floats(args, dtype)
        return args, kwargs

    def _finished(
        self,
        record: context.Call,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Any,
        mask: Any,
    ) -> Any:
        """The mask of outputs that were just computed; their penalty is added to the losses."""
        if not isinstance(outputs, jax.Array):
            faulty.check_outputs(self, outputs)
        if self.activity_regularizer is not None or self._loss_functions:
            self._add_computed(outputs, record)
        if mask is None and not _makes_mask(type(self)):
            return None
        inputs = args[0] if args else next(iter(kwargs.values()), None)
        return self._output_mask(inputs, outputs, mask)

    def _output_mask(self, inputs: Any, outputs: Any, mask: Any) -> Any:
        """The mask of outputs that were just computed, where there is one or the layer makes it."""
        return self.compute_mask(inputs, mask)

    def _inferred(self, *args: Any, **kwargs: Any) -> Any:
        return self._computed(args, kwargs, None)[0]

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call on symbolic tensors: outputs without values, and a node."""
        args, kwargs = recorded((args, kwargs))
        inputs = first_of(self, args, kwargs)
        self._prepare(args, kwargs)
        if not self.takes_texts:
            refuse_texts(self, tensors((args, kwargs)))
        mask = mask_structure(inputs)
        if mask is not None and not _makes_mask(type(self)):
            self.compute_mask(inputs, mask)
        outputs = self._output_spec(args, kwargs, inputs)
        Node(self, args, kwargs, outputs)
        if mask is not None or _makes_mask(type(self)):
            dispatch.attach_masks(self, inputs, mask, outputs)
        return outputs

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        """Symbolic outputs: by the layer's own rule of shapes, or inferred."""
        if hasattr(self, "compute_output_spec"):
            return self.compute_output_spec(*args, **kwargs)  # type: ignore[attr-defined]
        if _has_shape_rule(type(self)):
            promised = self.compute_output_shape(shapes.shapes_of(inputs))
            return shapes.tensors_of(promised, self.output_dtype(inputs), self.name)
        return self._inferred_spec(args, kwargs, inputs)

    def _inferred_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        """Symbolic outputs by tracing the layer, with the masks of the inputs."""
        mask = mask_structure(inputs)
        if mask is None or "mask" in kwargs:
            return dispatch.infer(self.name, self._inferred, args, kwargs)
        return dispatch.infer(self.name, self._inferred_masked, (args, kwargs, mask), {})

    def _inferred_masked(self, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any) -> Any:
        return self._computed(args, kwargs, mask)[0]

    def report(self, row: Any, value: Any, explain: Callable[[int, float], str]) -> None:
        """Say that a check of values failed at a row, or did not (-1).

        Args:
            row: int32 scalar.
            value: the value that was found there.
            explain: makes the message from row and value.
        """
        call = context.current()
        if call is not None:
            call.faults.append(context.Fault(row, value, explain))

    def random_key(self, seed: int | None = None) -> jax.Array:
        """The key of this draw in this run, for a layer's own seed if it has one.

        Raises:
            RuntimeError: no layer is being called.
        """
        call = context.current()
        if call is None:
            raise RuntimeError(
                f"{self}: random_key is for use within call, which a run gives a key. Call the "
                "layer itself, layer(x), instead of its method call."
            )
        return call.next_key(seed)

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.__dict__.get('name', '')!r}"

    def __repr__(self) -> str:
        return f"<{self}{', built' if self.__dict__.get('built') else ''}>"


@cache
def _accepted(cls: type[Layer]) -> dict[str, int]:
    """Names of the arguments of ``call`` and their places."""
    names = list(inspect.signature(cls.call).parameters)[1:]
    return {name: place for place, name in enumerate(names)}


@cache
def _makes_mask(cls: type[Layer]) -> bool:
    return cls.compute_mask is not Layer.compute_mask


@cache
def _has_shape_rule(cls: type[Layer]) -> bool:
    own = cls.compute_output_shape is not Layer.compute_output_shape
    return own or hasattr(cls, "get_output_shape_for")


def _origin(inputs: Any, mask: Any) -> str:
    """Name of the layer that made a mask."""
    for one in shapes.listed(mask):
        if isinstance(one, SymbolicTensor):
            return getattr(one, "origin", None) or one.name
    return masks.origin(shapes.listed(inputs), shapes.listed(mask)) or "an earlier layer"
