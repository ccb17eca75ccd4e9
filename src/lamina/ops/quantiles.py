"""Quantiles of data that comes in batches: a summary that stays small, on the host."""

from __future__ import annotations

import numpy as np

Summary = np.ndarray
"""Two rows: values in ascending order, and how many numbers each stands for."""


def summarized(values: np.ndarray, epsilon: float) -> Summary:
    """Summarize numbers by about ``1 / epsilon`` of them, evenly spaced in their order.

    Args:
        values: numbers of any shape.
        epsilon: share of all numbers that one value of the summary stands for.

    >>> summarized(np.arange(6.0), 0.5).tolist()
    [[2.0, 5.0], [3.0, 3.0]]
    """
    ordered = np.sort(values, axis=None)
    step = max(ordered.size / (1.0 / epsilon), 1)
    kept = ordered[int(step - 1) :: int(step)]
    return np.stack([kept, np.full_like(kept, step)])


def joined(one: Summary, two: Summary, epsilon: float) -> Summary:
    """Summarize what two summaries stand for together.

    >>> joined(np.array([[1.0, 4.0], [1.0, 1.0]]), np.array([[2.0], [5.0]]), 0.01).tolist()
    [[1.0, 2.0, 4.0], [1.0, 5.0, 1.0]]
    """
    both = np.concatenate([one, two], axis=1)
    return condensed(both[:, np.argsort(both[0])], epsilon)


def condensed(summary: Summary, epsilon: float) -> Summary:
    """A summary by values that stand for a share of `epsilon` each, between its own ones.

    >>> condensed(np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 1.0]]), 0.5)[0].tolist()
    [1.5, 4.0]
    """
    if summary.shape[1] * epsilon < 1:
        return summary
    values, weights = summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    below = np.cumsum(weights)
    places = np.interp(shares, below / below[-1], values)
    totals = np.interp(shares, below / below[-1], below)
    return np.stack([places, np.diff(totals, prepend=0)]).astype(np.float32)


def boundaries(summary: Summary, bins: int) -> list[float]:
    """Values that part the numbers into bins of about the same size.

    >>> boundaries(summarized(np.arange(8.0), 0.01), 4)
    [1.0, 3.0, 5.0]
    """
    return [float(value) for value in condensed(summary, 1.0 / bins)[0, :-1]]
