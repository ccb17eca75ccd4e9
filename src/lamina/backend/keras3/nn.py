"""Convolutions, pooling, normalization, encodings and attention, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina import config
from lamina.backend.conv import checked_padding, several
from lamina.backend.keras3.names import dense, own
from lamina.backend.old_names import normalize_data_format
from lamina.ops import arithmetic, elementwise, norm, pool
from lamina.ops import conv as convolution


def _options(
    who: str, x: Any, strides: Any, padding: str, data_format: Any, dilation: Any
) -> dict[str, Any]:
    rank = x.ndim - 2
    return {
        "strides": several(who, "strides", strides, rank),
        "padding": checked_padding(who, padding, ("valid", "same", "causal")),
        "data_format": normalize_data_format(data_format),
        "dilation": several(who, "dilation_rate", dilation, rank),
    }


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolve over one to three axes, by groups if the kernel has fewer channels."""
    x, kernel = arithmetic.same_dtype(inputs, kernel)
    options = _options("conv", x, strides, padding, data_format, dilation_rate)
    channels = x.shape[1 if options["data_format"] == "channels_first" else -1]
    return convolution.conv(x, kernel, groups=max(channels // kernel.shape[-2], 1), **options)


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolve each channel by itself."""
    x, kernel = arithmetic.same_dtype(inputs, kernel)
    options = _options("depthwise_conv", x, strides, padding, data_format, dilation_rate)
    return convolution.depthwise_conv(x, kernel, **options)


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolve each channel by itself, then mix the channels."""
    middle = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(middle, pointwise_kernel, data_format=data_format)


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Go back through a convolution."""
    x, kernel = arithmetic.same_dtype(inputs, kernel)
    options = _options("conv_transpose", x, strides, padding, data_format, dilation_rate)
    extra = (output_padding,) * (x.ndim - 2) if isinstance(output_padding, int) else output_padding
    return convolution.conv_transpose(x, kernel, output_padding=extra, **options)


def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Largest value of each window; the windows lie side by side by default."""
    return _pool(pool.max_pool, inputs, pool_size, strides, padding, data_format)


def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Mean of each window; the windows lie side by side by default."""
    return _pool(pool.average_pool, inputs, pool_size, strides, padding, data_format)


def _pool(
    function: Callable[..., Any], x: Any, window: Any, strides: Any, padding: Any, data_format: Any
) -> Any:
    x = jnp.asarray(x)
    who, rank = function.__name__, x.ndim - 2
    window = several(who, "pool_size", window, rank)
    steps = window if strides is None else several(who, "strides", strides, rank)
    place = normalize_data_format(data_format)
    return function(x, window, steps, checked_padding(who, padding), place)


def moments(
    x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False
) -> tuple[Any, Any]:
    """Mean and variance over some axes.

    Args:
        x: array.
        axes: one axis, or several.
        keepdims: keep the axes, with size 1.
        synchronized: not used: the mean over an array that lies on several devices is that over
            all of it.

    >>> [float(part) for part in moments(jnp.array([1.0, 3.0]), 0)]
    [2.0, 1.0]
    """
    del synchronized
    x = elementwise.as_float(x)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    mean, variance = norm.batch_moments(x, axes)
    if keepdims:
        mean, variance = jnp.expand_dims(mean, axes), jnp.expand_dims(variance, axes)
    return mean.astype(x.dtype), variance.astype(x.dtype)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """``(x - mean) * scale / sqrt(variance + epsilon) + offset``."""
    return norm.batch_norm(x, mean, variance, offset, scale, axis=axis, epsilon=epsilon)


def layer_normalization(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Any:
    """Subtract the mean of each sample and divide by its deviation. Ba et al. (2016).

    Args:
        x: array.
        gamma: factor, or none.
        beta: addend, or none.
        axis: axes of a sample.
        epsilon: added to the variance; `config.epsilon` by default.
        kwargs: none but ``rms_scaling=False``, which Keras 3 has for old calls.

    Raises:
        ValueError: ``rms_scaling=True``; `rms_normalization` is that.

    >>> layer_normalization(jnp.array([1.0, 3.0]), epsilon=0.0).tolist()
    [-1.0, 1.0]
    """
    if kwargs.pop("rms_scaling", False):
        raise ValueError(
            "ops.layer_normalization: rms_scaling=True is not supported; call "
            "ops.rms_normalization(x, scale, axis, epsilon)."
        )
    if kwargs:
        raise TypeError(f"ops.layer_normalization has no argument {next(iter(kwargs))!r}.")
    x = elementwise.as_float(x)
    mean, variance = moments(x, axis, keepdims=True)
    normed = (x - jnp.broadcast_to(mean, x.shape)) * _inverse_root(variance, epsilon, x)
    for function, part in ((jnp.multiply, gamma), (jnp.add, beta)):
        if part is not None:
            normed = function(*arithmetic.aligned(normed, jnp.asarray(part).astype(x.dtype)))
    return normed


def rms_normalization(
    x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """Divide each sample by the root of its mean square. Zhang and Sennrich (2019)."""
    x = elementwise.as_float(x)
    axes = tuple(axis) if isinstance(axis, list) else axis
    normed = x * _inverse_root(jnp.mean(jnp.square(x), axes, keepdims=True), epsilon, x)
    return normed if scale is None else jnp.multiply(*arithmetic.aligned(normed, scale))


def _inverse_root(square: Any, epsilon: float | None, x: Any) -> Any:
    small = config.epsilon() if epsilon is None else epsilon
    return jnp.broadcast_to(jax.lax.rsqrt(square + small), x.shape)


def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """Divide by the norm along an axis."""
    x = elementwise.as_float(x)
    size = jnp.linalg.norm(x, order, axis, keepdims=True)
    size = jnp.maximum(size, config.epsilon() if epsilon is None else epsilon)
    return x / jnp.broadcast_to(size, x.shape)


def one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """A 1 at the index, else 0.

    Args:
        x: ints.
        num_classes: size of the new axis.
        axis: where it lies.
        dtype: dtype of the result.
        sparse: must be false: results are dense.

    >>> one_hot(jnp.array([2]), 3).tolist()
    [[0.0, 0.0, 1.0]]
    """
    dense("one_hot", sparse)
    kind = jnp.dtype(config.floatx() if dtype is None else dtype)
    return jax.nn.one_hot(jnp.asarray(x), num_classes, dtype=kind, axis=axis)


def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Any:
    """A 1 at each index of a row, else 0.

    Args:
        inputs: ints.
        num_classes: size of the new axis.
        axis: where it lies.
        dtype: dtype of the result.
        sparse: must be false: results are dense.
        kwargs: `num_tokens`, an old name of `num_classes`.

    >>> multi_hot(jnp.array([0, 2]), 3).tolist()
    [1.0, 0.0, 1.0]
    """
    dense("multi_hot", sparse)
    num_classes = kwargs.pop("num_tokens", num_classes)
    if kwargs:
        raise TypeError(f"ops.multi_hot has no argument {next(iter(kwargs))!r}.")
    if num_classes is None:
        raise ValueError("ops.multi_hot: num_classes must be given.")
    inputs = jnp.asarray(inputs)
    rows = 1 if inputs.ndim > 1 else 0
    return jnp.max(one_hot(inputs, num_classes, axis, dtype), axis=rows)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Mean of the values, weighted by the softmax of the products. Vaswani et al. (2017).

    Args:
        query: array of shape ``(batch, steps, heads, size)``.
        key: likewise, with steps of its own; its heads may be fewer, each for several of `query`.
        value: likewise, with the steps of `key`.
        bias: added to the products, ``(batch, heads, steps of query, steps of key)``.
        mask: true where a key counts, likewise.
        scale: factor of the products; one by the root of the size by default.
        is_causal: a step sees none that comes later.
        flash_attention: whether the fused kernel of cuDNN must compute it; XLA does otherwise.
        attn_logits_soft_cap: bound ``c`` of the products: they become ``c * tanh(product / c)``.

    >>> dot_product_attention(*[jnp.ones((2, 3, 1, 4))] * 3).shape
    (2, 3, 1, 4)
    """
    query, key, value = arithmetic.same_dtype(query, key, value)
    mask = None if mask is None else jnp.asarray(mask).astype(bool)
    bias = None if bias is None else jnp.asarray(bias).astype(query.dtype)
    if attn_logits_soft_cap is not None:
        products = _capped(query, key, scale, attn_logits_soft_cap)
        return _weighted(products, value, bias, mask, is_causal)
    kind = "cudnn" if flash_attention else None
    return jax.nn.dot_product_attention(
        query, key, value, bias, mask, scale=scale, is_causal=is_causal, implementation=kind
    )


def _capped(query: Any, key: Any, scale: float | None, cap: float) -> Any:
    key = jnp.repeat(key, query.shape[2] // key.shape[2], 2)
    products = jnp.einsum("bthd,bshd->bhts", query, key).astype("float32")
    products = products * (query.shape[-1] ** -0.5 if scale is None else scale)
    return cap * jnp.tanh(products / cap)


def _weighted(products: Any, value: Any, bias: Any, mask: Any, is_causal: bool) -> Any:
    if bias is not None:
        products = products + jnp.broadcast_to(bias.astype("float32"), products.shape)
    seen = jnp.ones(products.shape[-2:], bool)
    seen = jnp.broadcast_to(jnp.tril(seen) if is_causal else seen, products.shape)
    if mask is not None:
        seen = seen & jnp.broadcast_to(mask, products.shape)
    weights = jax.nn.softmax(jnp.where(seen, products, jnp.finfo("float32").min), -1)
    value = jnp.repeat(value, products.shape[1] // value.shape[2], 2)
    return jnp.einsum("bhts,bshd->bthd", weights.astype(value.dtype), value)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
