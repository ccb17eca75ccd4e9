"""Loss of each row: pure functions of targets and outputs.

All arrays of a call have one shape and one float dtype unless a function says otherwise;
`lamina.losses` sees to that. The last axis, or `axis`, is reduced, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from lamina.typing import Array


def squared_error(targets: Array, outputs: Array) -> Array:
    """Mean of the squared differences."""
    return jnp.mean(jnp.square(outputs - targets), axis=-1)


def absolute_error(targets: Array, outputs: Array) -> Array:
    """Mean of the absolute differences."""
    return jnp.mean(jnp.abs(outputs - targets), axis=-1)


def percentage_error(targets: Array, outputs: Array, epsilon: float) -> Array:
    """Mean difference in per cent of the target, which counts as `epsilon` at least."""
    size = jnp.maximum(jnp.abs(targets), epsilon)
    return 100.0 * jnp.mean(jnp.abs(outputs - targets) / size, axis=-1)


def squared_logarithmic_error(targets: Array, outputs: Array, epsilon: float) -> Array:
    """Mean squared difference of ``log(1 + x)``; negative values count as `epsilon`."""
    difference = jnp.log1p(jnp.maximum(outputs, epsilon)) - jnp.log1p(jnp.maximum(targets, epsilon))
    return jnp.mean(jnp.square(difference), axis=-1)


def log_cosh(targets: Array, outputs: Array) -> Array:
    """Mean of ``log(cosh(d))``, in a form that does not overflow."""
    size = jnp.abs(outputs - targets)
    return jnp.mean(size + jnp.log1p(jnp.exp(-2.0 * size)) - jnp.log(2.0), axis=-1)


def huber(targets: Array, outputs: Array, delta: float) -> Array:
    """Mean of a parabola up to `delta` and of its tangent beyond."""
    size = jnp.abs(outputs - targets)
    inside = jnp.minimum(size, delta)
    return jnp.mean(inside * (size - 0.5 * inside), axis=-1)


def poisson(targets: Array, outputs: Array, epsilon: float) -> Array:
    """Mean negative log-likelihood of counts, but for a term without the outputs."""
    return jnp.mean(outputs - targets * jnp.log(outputs + epsilon), axis=-1)


def kl_divergence(targets: Array, outputs: Array, epsilon: float) -> Array:
    """Sum of ``t * log(t / p)`` with both between `epsilon` and 1."""
    targets = jnp.clip(targets, epsilon, 1.0)
    outputs = jnp.clip(outputs, epsilon, 1.0)
    return jnp.sum(targets * jnp.log(targets / outputs), axis=-1)


def _unit(x: Array, axis: int) -> Array:
    # The floor keeps rows of zeros, and their gradients, finite.
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x), axis, keepdims=True), 1e-12))


def cosine_similarity(targets: Array, outputs: Array, axis: int = -1) -> Array:
    """Cosine of the angle between target and output, negated."""
    return -jnp.sum(_unit(targets, axis) * _unit(outputs, axis), axis=axis)


def signs(targets: Array) -> Array:
    """Targets as -1 and 1 if all of them are 0 or 1, else as they are."""
    binary = jnp.all((targets == 0) | (targets == 1))
    return jnp.where(binary, 2.0 * targets - 1.0, targets)


def hinge(targets: Array, outputs: Array) -> Array:
    """Mean of what the margin ``t * p`` lacks to 1."""
    return jnp.mean(jnp.maximum(1.0 - signs(targets) * outputs, 0.0), axis=-1)


def squared_hinge(targets: Array, outputs: Array) -> Array:
    """Mean of the square of what the margin ``t * p`` lacks to 1."""
    return jnp.mean(jnp.square(jnp.maximum(1.0 - signs(targets) * outputs, 0.0)), axis=-1)


def categorical_hinge(targets: Array, outputs: Array) -> Array:
    """What the right class's output lacks to the best other one plus 1."""
    right = jnp.sum(targets * outputs, axis=-1)
    wrong = jnp.max((1.0 - targets) * outputs, axis=-1)
    return jnp.maximum(wrong - right + 1.0, 0.0)


def probabilities(outputs: Array, axis: int, epsilon: float) -> Array:
    """Outputs divided by their sum and kept `epsilon` away from 0 and 1."""
    return jnp.clip(outputs / jnp.sum(outputs, axis, keepdims=True), epsilon, 1.0 - epsilon)


def categorical_crossentropy(
    targets: Array, outputs: Array, axis: int, epsilon: float | None
) -> Array:
    """Sum of ``-t * log(p)``; the outputs are logits if `epsilon` is ``None``."""
    if epsilon is not None:
        return -jnp.sum(targets * jnp.log(probabilities(outputs, axis, epsilon)), axis=axis)
    shifted, log_sum = _normaliser(outputs, axis)
    # A class that is no target may have a logit of -inf, and 0 * -inf is no number.
    reached = jnp.where(targets == 0, 0.0, shifted)
    return jnp.sum(targets, axis=axis) * log_sum - jnp.sum(targets * reached, axis=axis)


def _normaliser(logits: Array, axis: int) -> tuple[Array, Array]:
    """Logits less their maximum, and the logarithm of the sum of their exponentials."""
    shifted = logits - jax.lax.stop_gradient(jnp.max(logits, axis, keepdims=True))
    return shifted, jnp.log(jnp.sum(jnp.exp(shifted), axis))


def pick(values: Array, labels: Array, axis: int) -> Array:
    """The value of each row at its label: ``values[row, label[row]]``.

    A comparison and a sum, which XLA fuses with what comes before; a gather would not be,
    and its gradient would be a scatter.
    """
    axis %= values.ndim
    places = lax.broadcasted_iota(jnp.int32, values.shape, axis)
    others = [other for other in range(values.ndim) if other != axis]
    chosen = lax.eq(places, lax.broadcast_in_dim(labels, values.shape, others))
    return lax.reduce_sum(lax.select(chosen, values, lax.full_like(values, 0)), (axis,))


def sparse_categorical_crossentropy(
    labels: Array, outputs: Array, axis: int, epsilon: float | None
) -> Array:
    """Cross-entropy with int32 labels, which lack `axis`; logits if `epsilon` is ``None``."""
    if epsilon is None:
        shifted, log_sum = _normaliser(outputs, axis)
        return log_sum - pick(shifted, labels, axis)
    chosen = pick(outputs, labels, axis) / jnp.sum(outputs, axis)
    return -jnp.log(jnp.clip(chosen, epsilon, 1.0 - epsilon))


def binary_crossentropies(targets: Array, outputs: Array, epsilon: float | None) -> Array:
    """Cross-entropy of every entry, not reduced; logits if `epsilon` is ``None``."""
    if epsilon is None:
        return targets * jax.nn.softplus(-outputs) + (1.0 - targets) * jax.nn.softplus(outputs)
    outputs = jnp.clip(outputs, epsilon, 1.0 - epsilon)
    return -(targets * jnp.log(outputs) + (1.0 - targets) * jnp.log1p(-outputs))


def binary_focal_crossentropy(
    targets: Array,
    outputs: Array,
    *,
    alpha: float | None,
    gamma: float,
    axis: int,
    from_logits: bool,
    epsilon: float,
) -> Array:
    """Mean cross-entropy, each entry times ``(1 - p_t) ** gamma``, and `alpha` if given."""
    entries = binary_crossentropies(targets, outputs, None if from_logits else epsilon)
    chance = jax.nn.sigmoid(outputs) if from_logits else outputs
    # Away from 1, where a power below 1 has an infinite slope.
    chance = jnp.clip(chance, epsilon, 1.0 - epsilon)
    hit = targets * chance + (1.0 - targets) * (1.0 - chance)
    entries = (1.0 - hit) ** gamma * entries
    if alpha is not None:
        entries = (targets * alpha + (1.0 - targets) * (1.0 - alpha)) * entries
    return jnp.mean(entries, axis=axis)


def categorical_focal_crossentropy(
    targets: Array,
    outputs: Array,
    *,
    alpha: float | Array,
    gamma: float,
    axis: int,
    from_logits: bool,
    epsilon: float,
) -> Array:
    """Cross-entropy, each class times ``alpha * (1 - p) ** gamma``."""
    if from_logits:
        logarithms = jax.nn.log_softmax(outputs, axis=axis)
        chance = jnp.clip(jnp.exp(logarithms), epsilon, 1.0 - epsilon)
        logarithms = jnp.where(targets == 0, 0.0, logarithms)
    else:
        chance = probabilities(outputs, axis, epsilon)
        logarithms = jnp.log(chance)
    return -jnp.sum(alpha * (1.0 - chance) ** gamma * targets * logarithms, axis=axis)


def generalized_crossentropy(labels: Array, outputs: Array, q: float) -> Array:
    """``(1 - p ** q) / q`` of the label's probability."""
    return (1.0 - pick(outputs, labels, -1) ** q) / q


def dice(
    targets: Array, outputs: Array, axis: int | tuple[int, ...] | None, epsilon: float
) -> Array:
    """One less the overlap of two soft sets: twice the common part over both sizes."""
    common = jnp.sum(targets * outputs, axis=axis)
    sizes = jnp.sum(targets, axis=axis) + jnp.sum(outputs, axis=axis)
    return 1.0 - 2.0 * common / (sizes + epsilon)


def tversky(
    targets: Array,
    outputs: Array,
    alpha: float,
    beta: float,
    axis: int | tuple[int, ...] | None,
    epsilon: float,
) -> Array:
    """One less an overlap that weighs what is missed by `alpha` and what is added by `beta`."""
    common = jnp.sum(targets * outputs, axis=axis)
    missed = jnp.sum(targets * (1.0 - outputs), axis=axis)
    added = jnp.sum((1.0 - targets) * outputs, axis=axis)
    return 1.0 - common / (common + alpha * missed + beta * added + epsilon)


def circle(
    same: Array, different: Array, distances: Array, *, gamma: float, margin: float
) -> Array:
    """Circle loss of each row of a matrix of cosine distances.

    Args:
        same: which pairs have one label, bool, of the shape of `distances`.
        different: which pairs have two.
        distances: 1 less the cosine similarity of each pair.
        gamma: scale.
        margin: relaxation.
    """
    near = gamma * (margin + distances) * (distances - margin)
    far = gamma * jnp.maximum(1.0 + margin - distances, 0.0) * (1.0 - margin - distances)
    near_sum = jax.nn.logsumexp(jnp.where(same, near, -jnp.inf), axis=1)
    far_sum = jax.nn.logsumexp(jnp.where(different, far, -jnp.inf), axis=1)
    complete = jnp.any(same, axis=1) & jnp.any(different, axis=1)
    # Rows that lack a partner of either kind have no loss, nor a gradient.
    total = jnp.where(complete, near_sum + far_sum, 0.0)
    return jnp.where(complete, jax.nn.softplus(total), 0.0)


def ctc(labels: Array, logits: Array, counts: Array, blank: int = 0) -> Array:
    """Connectionist temporal classification over all steps of each row.

    Args:
        labels: int32, ``(rows, longest)``.
        logits: ``(rows, steps, classes)``.
        counts: int32, number of labels of each row.
        blank: class that stands for no label.
    """
    import optax

    places = jax.lax.broadcasted_iota(jnp.int32, labels.shape, 1)
    absent = (places >= counts[:, None]).astype(logits.dtype)
    steps = jnp.zeros(logits.shape[:2], logits.dtype)
    return optax.ctc_loss(logits, steps, labels, absent, blank_id=blank)
