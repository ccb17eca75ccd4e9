"""`Loss`: a loss of rows, its weights and how it becomes one number."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core import context, faulty
from lamina.core.derived import follows
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import SymbolicTensor, is_symbolic
from lamina.losses.checks import floats

if TYPE_CHECKING:
    from lamina.typing import Array, Config

MEAN = "sum_over_batch_size"
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", "auto")


class Reduction:
    """The names of the reductions, as ``tf.keras`` spelled them.

    >>> Reduction.SUM
    'sum'
    """

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"


def _checked_reduction(owner: str, reduction: Any) -> str | None:
    if reduction is None or reduction in REDUCTIONS:
        return reduction
    hint = registry.did_you_mean(str(reduction), list(REDUCTIONS))
    raise ValueError(
        f"{owner}: reduction must be one of {', '.join(map(repr, REDUCTIONS))} or None, "
        f"got {reduction!r}.{hint}"
    )


class Loss:
    """Compute one number from targets and outputs.

    A subclass says in `call` what each row loses.

    Args:
        reduction: what becomes of the losses l with weights w: ``"sum_over_batch_size"`` and
            ``"mean"`` are ``sum(w * l) / n``, ``"sum"`` is ``sum(w * l)``,
            ``"mean_with_sample_weight"`` is ``sum(w * l) / sum(w)``, and ``"none"`` or
            ``None`` leaves ``w * l``.
        name: name in logs; by default that of the class, as ``my_loss``.
        dtype: dtype of the computation; by default that of the outputs, 32 bits at least.

    >>> class Cubic(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return jnp.mean(abs(y_true - y_pred) ** 3, axis=-1)
    >>> Cubic()([[1.0], [2.0]], [[2.0], [4.0]], sample_weight=[1.0, 0.5])
    Array(2.5, dtype=float32)
    """

    integer_targets = False

    def __init__(
        self,
        reduction: str | None = MEAN,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.name = name or _snake_case(type(self).__name__)
        self.reduction = _checked_reduction(type(self).__name__, reduction)
        self.dtype = None if dtype is None else np.dtype(getattr(dtype, "compute_dtype", dtype))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What each row loses: ``(rows, ...)``, or one number for all."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred).")

    def counted(self, y_true: Any, y_pred: Any, losses: Array) -> Array | None:
        """Which losses count in a mean; ``None`` if all do."""
        return None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The reduced loss.

        Args:
            y_true: targets.
            y_pred: outputs.
            sample_weight: one weight a row, or as many as there are losses.
        """
        given = y_true, y_pred, sample_weight
        if is_symbolic(given) or (context.current() is None and follows(given)):
            return dispatch(self.masked, y_true, y_pred, sample_weight, None)
        return self.masked(y_true, y_pred, sample_weight, None)

    def masked(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> Array:
        """The reduced loss of what a mask leaves.

        Args:
            y_true: targets.
            y_pred: outputs.
            sample_weight: as in ``__call__``, or ``None``.
            mask: which losses count, or ``None``. A mean divides by their number.
        """
        outputs = floats(y_pred, self.dtype)
        targets = y_true
        if not self.integer_targets:
            targets = jnp.asarray(y_true).astype(outputs.dtype)
        losses = floats(self._rows(targets, outputs))
        own = self.counted(targets, outputs, losses)
        masks = [one for one in (mask, own) if one is not None]
        return reduce(self.name, losses, sample_weight, masks, self.reduction)

    def _rows(self, y_true: Any, y_pred: Any) -> Any:
        """What `call` gives; an error in it says which loss it is and on what shapes."""
        try:
            found = self.call(y_true, y_pred)
        except Exception as error:
            if faulty.is_foreign(self._code()):
                faulty.explain_measure(f"loss {self.name!r}", error, y_true, y_pred)
            raise
        if found is None:
            raise faulty.no_measure(f"loss {self.name!r}", y_true, y_pred)
        return found

    def _code(self) -> Any:
        """The class or function that computes, of which errors are to speak."""
        return type(self)

    def get_config(self) -> Config:
        """The arguments that make an equal loss."""
        accepted = inspect.signature(type(self).__init__).parameters
        names = [name for name in accepted if name not in ("self", "dtype", "args", "kwargs")]
        config = {"name": self.name, "reduction": self.reduction} if "kwargs" in accepted else {}
        config |= {name: _plain(getattr(self, name)) for name in names if hasattr(self, name)}
        return config if self.dtype is None else {**config, "dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make the loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({inside})"


class LossFunctionWrapper(Loss):
    """A function ``(y_true, y_pred, **arguments)`` as a `Loss`.

    Args:
        fn: function that gives what each row loses, or one number.
        reduction: as in `Loss`.
        name: name in logs; by default the function's.
        dtype: as in `Loss`.
        **arguments: further arguments of the function, kept as attributes too.

    >>> loss = LossFunctionWrapper(lambda t, p: abs(t - p).sum(axis=-1), name="city_block")
    >>> loss([[1.0, 2.0]], [[0.0, 0.0]])
    Array(3., dtype=float32)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = MEAN,
        name: str | None = None,
        dtype: Any = None,
        **arguments: Any,
    ) -> None:
        super().__init__(reduction, name or getattr(fn, "__name__", None), dtype)
        self.fn = fn
        self._arguments = arguments
        for argument, value in arguments.items():
            setattr(self, argument, value)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        try:
            found = self.fn(y_true, y_pred, **self._arguments)
        except (TypeError, ValueError) as error:
            if _uses_symbolic(self.fn):
                raise self._no_value() from error
            raise
        if isinstance(found, SymbolicTensor) and not is_symbolic((y_true, y_pred)):
            raise self._no_value()
        return found

    def _code(self) -> Any:
        return self.fn if type(self) is LossFunctionWrapper else type(self)

    def _no_value(self) -> TypeError:
        return TypeError(
            f"The loss {self.name!r} uses a symbolic tensor of a model, which has no value there: "
            "a loss function computes from y_true and y_pred alone. Compute what you need from "
            "the tensors of the model and add it, model.add_loss(K.mean(...)), with "
            "compile(loss=None) if it is all; or make the tensor an output of the model."
        )

    def get_config(self) -> Config:
        config = super().get_config()
        if "fn" in config:
            config["fn"] = registry.serialize(self.fn)
            config |= self._arguments
        return config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        if isinstance(config.get("fn"), str | dict):
            config = {**config, "fn": registry.deserialize("loss", config["fn"])}
        return cls(**config)


def _uses_symbolic(function: Callable[..., Any]) -> bool:
    """Whether a function takes symbolic tensors from around it."""
    if not inspect.isfunction(function):
        return False
    around = inspect.getclosurevars(function)
    return is_symbolic([*around.nonlocals.values(), *around.globals.values()])


def reduce(
    name: str, losses: Array, weights: Any, masks: list[Any], reduction: str | None
) -> Array:
    """Losses times weights and masks as one number; see `Loss` for the reductions.

    A mean divides by the number of losses, or by that of those which the masks leave.
    """
    kept = _product(name, "mask", masks, losses)
    weights = None if weights is None else [weights]
    weight = _product(name, "sample_weight", weights or [], losses)
    for factor in (weight, kept):
        if factor is not None:
            losses = losses * jnp.broadcast_to(
                factor, np.broadcast_shapes(factor.shape, losses.shape)
            )
    if reduction in (None, "none"):
        return losses
    total = jnp.sum(losses)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        weight = weight if kept is None else weight * kept
        return _quotient(total, jnp.sum(jnp.broadcast_to(weight, losses.shape)))
    if kept is None:
        return total / max(losses.size, 1)
    return _quotient(total, jnp.sum(jnp.broadcast_to(kept, losses.shape)))


def _product(name: str, what: str, factors: list[Any], losses: Array) -> Array | None:
    """The product of weights, or masks, with the rank of the losses."""
    product = None
    for factor in factors:
        array = _fitted(name, what, jnp.asarray(factor).astype(losses.dtype), losses)
        product = array if product is None else jnp.multiply(*jnp.broadcast_arrays(product, array))
    return product


def _fitted(name: str, what: str, factor: Array, losses: Array) -> Array:
    if factor.ndim == losses.ndim + 1 and factor.shape[-1] == 1:
        factor = factor[..., 0]
    if losses.ndim == 0 and what == "sample_weight":
        return factor
    missing = losses.ndim - factor.ndim
    fits = missing >= 0 and all(
        size == full or (size == 1 and axis > 0)
        for axis, (size, full) in enumerate(zip(factor.shape, losses.shape, strict=False))
    )
    if not fits:
        raise ValueError(
            f"{name}: {what} has shape {factor.shape} but there are losses of shape "
            f"{losses.shape}; it must have one entry a loss, or one a row. {_remedy(what)}"
        )
    return factor.reshape(factor.shape + (1,) * missing)


def _remedy(what: str) -> str:
    if what == "mask":
        return "A loss for masked outputs reduces the last axis only: K.mean(..., axis=-1)."
    return "Weights of steps have the shape (rows, steps)."


def _quotient(total: Array, count: Array) -> Array:
    # Nothing counted: nothing lost.
    return jnp.where(count == 0, 0.0, total / jnp.where(count == 0, 1.0, count))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _snake_case(name: str) -> str:
    letters = [
        f"_{letter}" if letter.isupper() and i and not name[i - 1].isupper() else letter
        for i, letter in enumerate(name)
    ]
    return "".join(letters).lower()
