"""Losses and metrics as users name them, made into objects once shapes are known."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import jax.numpy as jnp

from lamina import losses, metrics, registry
from lamina.core import faulty
from lamina.training import outputs

ACCURACIES = ("acc", "accuracy")
CROSSENTROPIES = ("ce", "crossentropy")


class Measure(NamedTuple):
    """A metric at its place.

    Attributes:
        key: its name in the logs.
        metric: the object that keeps its sums.
        output: number of its output.
        weighted: whether sample weights count.
    """

    key: str
    metric: metrics.Metric
    output: int
    weighted: bool


def check_loss(entry: Any) -> None:
    """Raise `ValueError` or `TypeError` for what can be no loss."""
    if isinstance(entry, str) and entry not in CROSSENTROPIES:
        registry.lookup("loss", entry)
    elif not isinstance(entry, str) and not callable(entry) and not outputs.is_config(entry):
        raise TypeError(
            f"compile: loss must hold names, functions and Loss objects, got {entry!r}."
        )


def check_metric(entry: Any) -> None:
    """Raise `ValueError` or `TypeError` for what can be no metric."""
    if isinstance(entry, str) and entry not in (*ACCURACIES, *CROSSENTROPIES):
        if registry.find("loss", entry) is None:
            registry.lookup("metric", entry)
    elif not isinstance(entry, str) and not callable(entry) and not outputs.is_config(entry):
        raise TypeError(
            f"compile: metrics must hold names, functions and Metric objects, got {entry!r}."
        )


def loss_of(entry: Any, y_true: Any, y_pred: Any) -> losses.Loss:
    """The loss of an entry; ``"crossentropy"`` is one of three, by the shapes."""
    if isinstance(entry, str) and entry in CROSSENTROPIES:
        entry = f"{_kind(None, y_true, y_pred)}_crossentropy"
    return losses.as_loss(entry)


def _kind(loss: losses.Loss | None, y_true: Any, y_pred: Any) -> str:
    """Whether targets are binary, one-hot or class indices."""
    if len(y_pred.shape) < 2 or y_pred.shape[-1] == 1:
        return "binary"
    if isinstance(loss, losses.BinaryCrossentropy | losses.BinaryFocalCrossentropy):
        return "binary"
    if isinstance(loss, losses.SparseCategoricalCrossentropy) or y_true is None:
        return "sparse_categorical"
    fewer = len(y_true.shape) < len(y_pred.shape)
    return "sparse_categorical" if fewer or y_true.shape[-1] == 1 else "categorical"


def metric_of(entry: Any, loss: losses.Loss | None, y_true: Any, y_pred: Any) -> tuple[Any, str]:
    """The metric of an entry, and its name in the logs."""
    if isinstance(entry, str):
        return _named_metric(entry, loss, y_true, y_pred), entry
    found = entry
    if not isinstance(found, metrics.Metric) and not isinstance(found, losses.Loss):
        found = metrics.get(entry)
    if isinstance(found, metrics.Metric):
        return found, found.name
    name = getattr(found, "__name__", None) or getattr(found, "name", type(found).__name__)
    function: Any = found.call if isinstance(found, losses.Loss) else found
    return metrics.MeanMetricWrapper(function, name=name), name


def _named_metric(name: str, loss: losses.Loss | None, y_true: Any, y_pred: Any) -> Any:
    options: dict[str, Any] = {}
    identifier = name
    if name in ACCURACIES:
        identifier = f"{_kind(loss, y_true, y_pred)}_accuracy"
    elif name in CROSSENTROPIES:
        identifier = f"{_kind(loss, y_true, y_pred)}_crossentropy"
        options["from_logits"] = bool(getattr(loss, "from_logits", False))
    kind = "loss" if registry.find("metric", identifier) is None else "metric"
    found = registry.lookup(kind, identifier)
    if inspect.isclass(found):
        found = found()
    if isinstance(found, metrics.Metric):
        found.name = name
        return found
    function: Any = found.call if isinstance(found, losses.Loss) else found
    return metrics.MeanMetricWrapper(function, name=name, **options)


def build(metric: Any, y_true: Any, y_pred: Any) -> None:
    """Let a metric make the variables whose shapes depend on the data's, before a step runs."""
    if y_true is None or getattr(metric, "built", True):
        return
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    pred = (*pred, 1) if len(pred) == 1 else pred
    true = (*true, 1) if len(true) + 1 == len(pred) and pred[-1] == 1 else true
    metric.build(true, pred)


def columns(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets and outputs with a last axis to reduce: vectors become columns."""
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_pred.ndim == 1:
        y_pred = y_pred[:, None]
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    return y_true, y_pred


def weight_of(weight: Any, mask: Any) -> Any:
    """Sample weights times a mask, or the one of them that there is."""
    if mask is None:
        return weight
    kept = jnp.asarray(mask).astype(jnp.float32)
    if weight is None:
        return kept
    weight = jnp.asarray(weight).astype(kept.dtype)
    rank = max(weight.ndim, kept.ndim)
    factors = [array.reshape(array.shape + (1,) * (rank - array.ndim)) for array in (weight, kept)]
    return jnp.multiply(*jnp.broadcast_arrays(*factors))


def update(key: str, metric: Any, pair: tuple[Any, Any], weight: Any) -> None:
    """Take a batch into a metric; an error in a class of the user's says which metric it is."""
    options = {}
    if weight is not None:
        check_weighable(key, metric)
        options = {"sample_weight": weight}
    try:
        metric.update_state(*pair, **options)
    except Exception as error:
        if faulty.is_foreign(type(metric)):
            faulty.explain_measure(f"metric {key!r}", error, *pair)
        raise


def check_weighable(key: str, metric: Any) -> None:
    """Raise `TypeError` if a metric of the user's cannot leave out masked rows."""
    parameters = inspect.signature(metric.update_state).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"The metric {key!r} would be computed over masked or weighted rows, but "
            f"{type(metric).__name__}.update_state takes no sample_weight. Add the argument "
            "sample_weight=None and count with it."
        )
