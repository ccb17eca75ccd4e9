"""Connectionist temporal classification: its loss, and reading labels off the outputs.

Graves et al. (2006). The last class is the blank.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from lamina import config
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import is_symbolic


def _lengths(values: Any, rows: int, who: str, argument: str) -> Any:
    lengths = jnp.asarray(values)
    if lengths.size != rows:
        raise ValueError(
            f"{who}: {argument} must have one number for each of {rows} rows, got shape "
            f"{lengths.shape}."
        )
    return lengths.reshape(rows).astype(jnp.int32)


def _cost(labels: Any, outputs: Any, steps: Any, counts: Any) -> Any:
    import optax

    who = "K.ctc_batch_cost"
    outputs, labels = jnp.asarray(outputs), jnp.asarray(labels).astype(jnp.int32)
    rows, time, classes = outputs.shape
    steps = _lengths(steps, rows, who, "input_length")
    counts = _lengths(counts, rows, who, "label_length")
    absent = lax.broadcasted_iota(jnp.int32, labels.shape, 1) >= counts[:, None]
    past = lax.broadcasted_iota(jnp.int32, (rows, time), 1) >= steps[:, None]
    logits = jnp.log(outputs + config.epsilon())
    loss = optax.ctc_loss(
        logits,
        past.astype(logits.dtype),
        jnp.where(absent, 0, labels),
        absent.astype(logits.dtype),
        blank_id=classes - 1,
    )
    return loss[:, None]


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Negative log-likelihood of each row's labels.

    Args:
        y_true: labels, ints of shape ``(batch, longest)``.
        y_pred: probabilities of shape ``(batch, steps, classes)``; the last class is the blank.
        input_length: number of steps of each row that count, ``(batch, 1)``.
        label_length: number of labels of each row, ``(batch, 1)``.

    Returns:
        Losses of shape ``(batch, 1)``; a very large number where the labels do not fit into
        the steps.

    Raises:
        ValueError: the lengths are not one number a row.

    >>> y_pred = jnp.array([[[0.5, 0.5], [0.5, 0.5]]])
    >>> round(float(ctc_batch_cost(jnp.array([[0]]), y_pred, [[2]], [[1]])[0, 0]), 3)
    0.288
    """
    return dispatch(_cost, y_true, y_pred, input_length, label_length)


def _sparse(labels: Any, counts: Any) -> Any:
    from jax.experimental import sparse

    who = "K.ctc_label_dense_to_sparse"
    labels = jnp.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"{who}: labels must have shape (batch, longest), got {labels.shape}.")
    rows, longest = labels.shape
    counts = _lengths(counts, rows, who, "label_lengths")
    held = lax.broadcasted_iota(jnp.int32, (rows, longest), 1) < counts[:, None]
    # How many entries there are must not depend on values that are not known yet: entries that
    # are not held lie outside of the matrix then, where they do not count.
    size = rows * longest if isinstance(held, Tracer) else int(jnp.sum(held))
    places = jnp.stack(jnp.nonzero(held, size=size, fill_value=(rows, longest)), 1)
    values = labels.at[places[:, 0], places[:, 1]].get(mode="fill", fill_value=0)
    return sparse.BCOO(
        (values, places), shape=(rows, longest), indices_sorted=True, unique_indices=True
    )


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Any:
    """The labels of each row up to its length, as a sparse matrix.

    Args:
        labels: array of shape ``(batch, longest)``.
        label_lengths: number of labels of each row, ``(batch,)``; a length beyond `longest`
            stands for all of them.

    Returns:
        A `jax.experimental.sparse.BCOO` of shape ``(batch, longest)`` with one entry for each
        label, ordered by rows, in the dtype of `labels`; a label 0 is an entry too. Inside of
        ``jax.jit`` it has room for ``batch * longest`` entries, and those that are not used lie
        outside of the matrix, as BCOO pads.

    Raises:
        TypeError: an argument is symbolic: the tensors of a graph are dense.
        ValueError: `labels` has not two axes, or the lengths are not one number a row.

    >>> matrix = ctc_label_dense_to_sparse(jnp.array([[3, 1], [4, 5]]), [1, 2])
    >>> matrix.data, matrix.todense().tolist()
    (Array([3, 4, 5], dtype=int32), [[3, 0], [4, 5]])
    """
    if is_symbolic((labels, label_lengths)):
        raise TypeError(
            "K.ctc_label_dense_to_sparse: expected arrays or variables, got a symbolic tensor; "
            "K.ctc_batch_cost takes dense labels."
        )
    return dispatch(_sparse, labels, label_lengths)


def _greedy(outputs: Any, steps: Any) -> tuple[list[Any], Any]:
    outputs = jnp.asarray(outputs)
    rows, time, classes = outputs.shape
    steps = _lengths(steps, rows, "K.ctc_decode", "input_length")
    logits = jnp.log(outputs + config.epsilon())
    best = jnp.argmax(logits, -1)
    place = lax.broadcasted_iota(jnp.int32, (rows, time), 1)
    within = place < steps[:, None]
    score = -jnp.sum(jnp.where(within, jnp.max(logits, -1), 0.0), -1)
    before = jnp.concatenate([jnp.full((rows, 1), -1, best.dtype), best[:, :-1]], 1)
    kept = within & (best != before) & (best != classes - 1)
    # A stable sort brings what is kept to the front, in order.
    order = jnp.argsort(jnp.where(kept, place, time), axis=-1)
    labels = jnp.take_along_axis(jnp.where(kept, best, -1), order, axis=1)
    return [_narrow(labels)], score[:, None]


def _narrow(labels: Any) -> Any:
    """Without the columns that no row uses, where the values are known."""
    if isinstance(labels, Tracer):
        return labels
    return labels[:, : int(jnp.max(jnp.sum(labels != -1, 1), initial=0))]


Beam = dict[tuple[int, ...], tuple[float, float]]


def _add(one: float, two: float) -> float:
    """Logarithm of the sum of two exponentials."""
    high, low = max(one, two), min(one, two)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _extended(beam: Beam, log_p: np.ndarray, width: int) -> Beam:
    """One step of the search: prefix to log-probabilities (ending in blank, in a label)."""
    new: Beam = {}
    blank = len(log_p) - 1

    def put(prefix: tuple[int, ...], in_blank: float, in_label: float) -> None:
        old = new.get(prefix, (-math.inf, -math.inf))
        new[prefix] = (_add(old[0], in_blank), _add(old[1], in_label))

    for prefix, (in_blank, in_label) in beam.items():
        total = _add(in_blank, in_label)
        put(prefix, total + log_p[blank], -math.inf)
        for label in range(blank):
            again = bool(prefix) and prefix[-1] == label
            if again:
                put(prefix, -math.inf, in_label + log_p[label])
            put((*prefix, label), -math.inf, (in_blank if again else total) + log_p[label])
    ranked = sorted(new.items(), key=lambda item: -_add(*item[1]))
    return dict(ranked[:width])


def _beams(
    outputs: Any, steps: Any, *, width: int, paths: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """`beams` of probabilities that need not add up to 1."""
    outputs = np.asarray(outputs, np.float64) + epsilon
    log_p = np.log(outputs / outputs.sum(-1, keepdims=True))
    return beams(log_p, steps, width=width, paths=paths)


def beams(log_p: Any, steps: Any, *, width: int, paths: int) -> tuple[np.ndarray, np.ndarray]:
    """Beam search on the host: labels ``(paths, batch, steps)`` and log-probabilities.

    >>> log_p = np.log([[[0.9, 0.1], [0.2, 0.8]]])
    >>> beams(log_p, [2], width=4, paths=1)[0].tolist()
    [[[0, -1]]]
    """
    log_p = np.asarray(log_p, np.float64)
    rows, time = log_p.shape[:2]
    labels = np.full((paths, rows, time), -1, np.int32)
    scores = np.full((rows, paths), -np.inf, np.float32)
    for row in range(rows):
        beam: Beam = {(): (0.0, -math.inf)}
        for step in range(int(steps[row])):
            beam = _extended(beam, log_p[row, step], width)
        for path, (prefix, ends) in enumerate(list(beam.items())[:paths]):
            labels[path, row, : len(prefix)] = prefix
            scores[row, path] = _add(*ends)
    return labels, scores


def _search(outputs: Any, steps: Any, width: int, paths: int) -> tuple[list[Any], Any]:
    outputs = jnp.asarray(outputs)
    rows, time, _ = outputs.shape
    steps = _lengths(steps, rows, "K.ctc_decode", "input_length")
    kinds = (
        jax.ShapeDtypeStruct((paths, rows, time), jnp.int32),
        jax.ShapeDtypeStruct((rows, paths), jnp.float32),
    )

    def host(outputs: Any, steps: Any) -> Any:
        return _beams(outputs, steps, width=width, paths=paths, epsilon=config.epsilon())

    if isinstance(outputs, Tracer) or isinstance(steps, Tracer):
        labels, scores = jax.pure_callback(host, kinds, outputs, steps)
    else:
        labels, scores = map(jnp.asarray, host(outputs, steps))
    return [_narrow(labels[path]) for path in range(paths)], scores


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
) -> tuple[list[Any], Any]:
    """Read labels off the outputs.

    Args:
        y_pred: probabilities of shape ``(batch, steps, classes)``; the last class is the blank.
        input_length: number of steps of each row that count, ``(batch,)``.
        greedy: take the best class of each step; else search for the best labels among
            `beam_width` beginnings (on the host).
        beam_width: number of beginnings that are kept.
        top_paths: number of results of a search, the best one first.

    Returns:
        A list of labels ``(batch, longest)``, filled with -1 (as wide as the steps where the
        values are not known yet), and scores: the sum of ``-log(p)`` of the classes taken,
        ``(batch, 1)``, or the logarithms of the results' probabilities, ``(batch, top_paths)``.

    Raises:
        ValueError: `beam_width` or `top_paths` is not positive, or the lengths do not fit.

    >>> y_pred = jnp.array([[[0.9, 0.0, 0.1], [0.8, 0.1, 0.1], [0.1, 0.7, 0.2]]])
    >>> ctc_decode(y_pred, [3])[0]
    [Array([[0, 1]], dtype=int32)]
    """
    if greedy:
        return dispatch(_greedy, y_pred, input_length)
    if not 1 <= top_paths <= beam_width:
        raise ValueError(
            f"K.ctc_decode: top_paths must be from 1 to beam_width, got {top_paths} and "
            f"{beam_width}."
        )
    return dispatch(_search, y_pred, input_length, beam_width, top_paths)
