"""Connectionist temporal classification, by Keras 3's names: from logits, the blank anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina.backend import ctc
from lamina.backend.keras3.names import own, whole
from lamina.ops import elementwise


def _checked(who: str, outputs: Any, lengths: Any, mask_index: int) -> tuple[Any, Any]:
    outputs, lengths = elementwise.as_float(outputs), jnp.asarray(lengths).astype(jnp.int32)
    if outputs.ndim != 3 or lengths.shape != outputs.shape[:1]:
        raise ValueError(
            f"ops.{who}: expected logits of shape (batch, steps, classes) and a length for each "
            f"row, got shapes {outputs.shape} and {lengths.shape}."
        )
    if whole(f"ops.{who}", "mask_index", mask_index, 0) >= outputs.shape[-1]:
        raise ValueError(
            f"ops.{who}: mask_index must be one of {outputs.shape[-1]} classes, got {mask_index}."
        )
    return outputs, lengths


def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """Negative log-likelihood of each row's labels. Graves et al. (2006).

    Args:
        target: labels, ints of shape ``(batch, longest)``.
        output: logits of shape ``(batch, steps, classes)``.
        target_length: number of labels of each row, ``(batch,)``.
        output_length: number of steps of each row, ``(batch,)``.
        mask_index: the class that stands for no label.

    Returns:
        Losses of shape ``(batch,)``; a very large number where the labels do not fit into the
        steps.

    >>> round(float(ctc_loss([[1]], jnp.zeros((1, 2, 2)), [1], [2])[0]), 3)
    0.288
    """
    import optax

    logits, steps = _checked("ctc_loss", output, output_length, mask_index)
    labels, counts = jnp.asarray(target).astype(jnp.int32), jnp.asarray(target_length)
    if labels.ndim != 2 or len(labels) != len(logits) or counts.shape != steps.shape:
        raise ValueError(
            "ops.ctc_loss: expected labels of shape (batch, longest) and a length for each row, "
            f"got shapes {labels.shape} and {counts.shape}."
        )
    absent = _from(labels.shape, counts.astype(jnp.int32))
    past = _from(logits.shape[:2], steps)
    kind = logits.dtype
    labels = jnp.where(absent, 0, labels)
    return optax.ctc_loss(
        logits, past.astype(kind), labels, absent.astype(kind), blank_id=mask_index
    )


def _from(shape: tuple[int, ...], lengths: Any) -> Any:
    """Whether each place of a row is behind its length."""
    places = lax.broadcasted_iota(jnp.int32, shape, 1)
    return places >= jnp.broadcast_to(lengths[:, None], shape)


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """Read labels off logits.

    Args:
        inputs: logits of shape ``(batch, steps, classes)``.
        sequence_lengths: number of steps of each row that count, ``(batch,)``.
        strategy: ``greedy``, the best class of each step; or ``beam_search``, the best labels
            among `beam_width` beginnings (on the host).
        beam_width: number of beginnings that are kept.
        top_paths: number of results of a search, the best one first.
        merge_repeated: the same class at steps that follow each other is one label.
        mask_index: the class that stands for no label.

    Returns:
        Labels of shape ``(results, batch, steps)``, filled with -1; and scores: minus the sum of
        the logits taken, ``(batch, 1)``, or the logarithms of the results' probabilities,
        ``(batch, top_paths)``.

    Raises:
        ValueError: an argument has a wrong value, or a search shall not merge labels.

    >>> logits = jnp.array([[[0.0, 2.0], [0.0, 3.0], [1.0, 0.0]]])
    >>> ctc_decode(logits, [3])[0].tolist()
    [[[1, -1, -1]]]
    """
    who = "ctc_decode"
    outputs, steps = _checked(who, inputs, sequence_lengths, mask_index)
    if strategy == "greedy":
        return _greedy(outputs, steps, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueError(
            f"ops.{who}: strategy must be 'greedy' or 'beam_search', got {strategy!r}."
        )
    if not merge_repeated:
        raise ValueError(
            f"ops.{who}: a search always merges repeated labels, as the loss does; set "
            "merge_repeated=True, or strategy='greedy'."
        )
    if not 1 <= top_paths <= beam_width:
        raise ValueError(
            f"ops.{who}: top_paths must be from 1 to beam_width, got {top_paths} and {beam_width}."
        )
    return _search(outputs, steps, (beam_width, top_paths), mask_index)


def _greedy(outputs: Any, steps: Any, merge: bool, blank: int) -> tuple[Any, Any]:
    shape = outputs.shape[:2]
    best = jnp.argmax(outputs, -1).astype(jnp.int32)
    within = ~_from(shape, steps)
    score = -jnp.sum(jnp.where(within, jnp.max(outputs, -1), 0.0), -1)
    kept = within & (best != blank)
    if merge:
        before = jnp.concatenate([jnp.full((shape[0], 1), -1, best.dtype), best[:, :-1]], 1)
        kept = kept & (best != before)
    # A stable sort brings what is kept to the front, in order.
    place = lax.broadcasted_iota(jnp.int32, shape, 1)
    order = jnp.argsort(jnp.where(kept, place, shape[1]), axis=-1)
    labels = jnp.take_along_axis(jnp.where(kept, best, -1), order, axis=1)
    return labels[None], score[:, None]


def _search(outputs: Any, steps: Any, plan: tuple[int, int], blank: int) -> tuple[Any, Any]:
    width, paths = plan
    rows, time, classes = outputs.shape
    # The search has the blank last.
    order = jnp.asarray([*(c for c in range(classes) if c != blank), blank], jnp.int32)
    log_p = jax.nn.log_softmax(outputs.astype("float32"), -1)[..., order]
    kinds = (
        jax.ShapeDtypeStruct((paths, rows, time), jnp.int32),
        jax.ShapeDtypeStruct((rows, paths), jnp.float32),
    )

    def host(log_p: Any, steps: Any) -> Any:
        return ctc.beams(log_p, steps, width=width, paths=paths)

    if isinstance(log_p, Tracer) or isinstance(steps, Tracer):
        labels, scores = jax.pure_callback(host, kinds, log_p, steps)
    else:
        labels, scores = map(jnp.asarray, host(log_p, steps))
    found = jnp.where(labels < 0, -1, jnp.take(order, jnp.maximum(labels, 0)))
    return found, scores


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
