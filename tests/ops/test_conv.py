"""Convolutions by XLA against a loop over output places, and gradients against differences."""

import collections
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.core import jaxprs_in_params

from lamina.ops import native_conv
from lamina.ops.conv import (
    conv,
    conv_output_size,
    conv_transpose,
    conv_transpose_output_size,
    depthwise_conv,
)
from lamina.typing import DataFormat, Padding

rng = np.random.default_rng(7)


@pytest.fixture(autouse=True, scope="module")
def _by_xla():
    """Without the kernels for CPUs, which `test_native.py` has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_conv, "takes", lambda *_: False)
        yield


PADDINGS: tuple[Padding, ...] = ("valid", "same")


def noise(*shape):
    return rng.standard_normal(shape)


def pads(size, window, stride, dilation, padding):
    extent = (window - 1) * dilation + 1
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return extent - 1, 0
    out = int(np.ceil(size / stride))
    total = max((out - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def slow_conv(x, kernel, strides, dilation, padding, groups=1):
    """Channels last; each output place is the sum of a window times the kernel."""
    rank = x.ndim - 2
    window, outputs = kernel.shape[:rank], kernel.shape[-1]
    widths = [
        pads(*case, padding) for case in zip(x.shape[1:-1], window, strides, dilation, strict=True)
    ]
    x = np.pad(x, [(0, 0), *widths, (0, 0)])
    sizes = [
        (n - ((w - 1) * d + 1)) // s + 1
        for n, w, s, d in zip(x.shape[1:-1], window, strides, dilation, strict=True)
    ]
    result = np.zeros((len(x), *sizes, outputs))
    inner, outer = x.shape[-1] // groups, outputs // groups
    for place in np.ndindex(*sizes):
        for cell in np.ndindex(*window):
            at = tuple(
                p * s + c * d for p, s, c, d in zip(place, strides, cell, dilation, strict=True)
            )
            values = x[(slice(None), *at)]
            for group in range(groups):
                taken = slice(group * inner, (group + 1) * inner)
                made = slice(group * outer, (group + 1) * outer)
                result[(slice(None), *place, made)] += values[:, taken] @ kernel[cell][:, made]
    return result


def check(x, kernel, strides, dilation, padding, groups=1):
    """Values, and both gradients against those of the linear loop, in both formats."""
    expected = slow_conv(x, kernel, strides, dilation, padding, groups)
    weights = noise(*expected.shape)
    with jax.enable_x64(True):

        def total(x, kernel, data_format: DataFormat = "channels_last"):
            y = conv(
                x,
                kernel,
                strides=strides,
                dilation=dilation,
                padding=padding,
                groups=groups,
                data_format=data_format,
            )
            y = y if data_format == "channels_last" else jnp.moveaxis(y, 1, -1)
            return jnp.vdot(y, weights), y

        def first(x, kernel):
            return total(jnp.moveaxis(x, -1, 1), kernel, "channels_first")

        for function in total, first:
            step = jax.jit(jax.grad(function, (0, 1), has_aux=True))
            gradients, y = step(jnp.asarray(x), jnp.asarray(kernel))
            np.testing.assert_allclose(y, expected, atol=1e-12)
            # The loop is linear in each argument: a difference of any size is exact.
            for place, gradient in enumerate(gradients):
                arguments = [x, kernel]
                direction = noise(*arguments[place].shape)
                arguments[place] = direction
                slope = slow_conv(arguments[0], arguments[1], strides, dilation, padding, groups)
                np.testing.assert_allclose(
                    np.vdot(gradient, direction), np.vdot(slope, weights), rtol=1e-9, atol=1e-9
                )


CASES = [
    ((2, 11, 3), (4,), (3,), (1,), "valid", 5),
    ((2, 11, 3), (4,), (3,), (1,), "same", 5),
    ((2, 9, 3), (3,), (1,), (2,), "causal", 4),
    ((2, 8, 3), (3,), (2,), (1,), "causal", 4),
    ((2, 7, 6, 3), (3, 2), (2, 3), (1, 1), "valid", 4),
    ((2, 7, 6, 3), (3, 2), (2, 3), (1, 1), "same", 4),
    ((2, 6, 8, 3), (3, 3), (2, 2), (1, 1), "valid", 4),
    ((2, 6, 9, 3), (1, 2), (3, 4), (1, 1), "same", 4),
    ((2, 9, 8, 3), (3, 2), (1, 1), (2, 3), "same", 4),
    ((2, 9, 8, 3), (2, 3), (1, 1), (3, 2), "valid", 4),
    ((1, 5, 6, 7, 2), (2, 3, 2), (2, 1, 3), (1, 1, 1), "same", 3),
    ((1, 5, 6, 7, 2), (2, 3, 2), (2, 2, 2), (1, 1, 1), "valid", 3),
]


# With no numbers for it, nothing goes number by number.
@pytest.mark.parametrize("numbers", [0, 50])
@pytest.mark.parametrize(("shape", "window", "strides", "dilation", "padding", "outputs"), CASES)
def test_conv_and_gradients(
    shape, window, strides, dilation, padding, outputs, numbers, monkeypatch
):
    monkeypatch.setattr("lamina.ops.conv_forms.MOST_NUMBERS", numbers)
    kernel = noise(*window, shape[-1], outputs)
    check(noise(*shape), kernel, strides, dilation, padding)


def plain_conv(x, kernel):
    return conv(x, kernel, strides=(1, 1), dilation=(1, 1), padding="same")


def counts(function, *arguments):
    """How often each primitive is in a program, what it calls included; on CPUs."""
    found = collections.Counter()

    def enter(program):
        for equation in program.eqns:
            name = equation.primitive.name
            found[name] += 1
            inner = list(jaxprs_in_params(equation.params))
            on_cpus = equation.params.get("branches_platforms") is not None
            for one in inner[:1] if on_cpus else inner:
                enter(one)

    enter(jax.make_jaxpr(function)(*arguments).jaxpr)
    return found


@pytest.mark.parametrize(
    ("window", "channels", "outputs", "few"),
    [
        ((3, 3), 1, 32, True),
        ((5, 5), 2, 32, True),
        ((5, 5), 2, 33, False),
        ((3, 17), 1, 7, False),
        ((1, 1), 3, 7, False),
    ],
)
def test_kernels_of_few_numbers_are_applied_number_by_number(window, channels, outputs, few):
    x, kernel = np.ones((2, 6, 7, channels), "f"), np.ones((*window, channels, outputs), "f")
    found = counts(plain_conv, x, kernel)
    products = window[0] * window[1] * channels
    assert found["mul"] == (products if few else 0)
    # XLA must not know which branch is taken; the other one convolves.
    assert found["is_finite"] == few
    assert found["conv_general_dilated"] == 1


@pytest.mark.parametrize(("channels", "outputs"), [(0, 5), (3, 0)])
def test_no_channels(channels, outputs):
    found = plain_conv(np.ones((2, 4, 6, channels), "f"), np.ones((3, 3, channels, outputs), "f"))
    np.testing.assert_array_equal(found, np.zeros((2, 4, 6, outputs)))


def test_a_gradient_of_the_kernel_alone_computes_no_other_tangent():
    x, kernel = noise(2, 6, 7, 3).astype("f"), noise(3, 3, 3, 5).astype("f")

    def total(x, kernel):
        return (plain_conv(x, kernel) ** 2).sum()

    alone = counts(jax.grad(total, 1), x, kernel)["conv_general_dilated"]
    both = counts(jax.grad(total, (0, 1)), x, kernel)["conv_general_dilated"]
    assert both == alone + 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_kernel_that_is_not_finite_gives_what_any_form_gives(value, monkeypatch):
    x, kernel = noise(2, 6, 7, 3).astype("f"), noise(3, 3, 3, 5).astype("f")
    kernel[0, 0, 0, 0] = value
    found = plain_conv(x, kernel)
    monkeypatch.setattr("lamina.ops.conv_forms.MOST_NUMBERS", 0)
    np.testing.assert_allclose(found, plain_conv(x, kernel), rtol=1e-4, atol=1e-5)
    assert not np.isfinite(found[..., 0]).all()
    assert np.isfinite(found[..., 1:]).all()


def test_derivatives_of_few_channels_in_both_directions():
    with jax.enable_x64(True):
        x, kernel, direction = noise(2, 4, 5, 2), noise(2, 3, 2, 3), noise(2, 3, 2, 3)
        along = jax.jvp(lambda kernel: plain_conv(x, kernel), (kernel,), (direction,))[1]
        np.testing.assert_allclose(along, plain_conv(x, direction), atol=1e-12)

        def total(kernel):
            return (plain_conv(x, kernel) ** 2).sum()

        second = jax.jvp(jax.grad(total), (kernel,), (direction,))[1]
        step = 1e-4 * direction
        slope = (jax.grad(total)(kernel + step) - jax.grad(total)(kernel - step)) / 2e-4
        np.testing.assert_allclose(second, slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_groups(padding, strides):
    check(noise(2, 7, 5, 6), noise(3, 2, 2, 9), strides, (1, 1), padding, groups=3)


@pytest.mark.parametrize(
    ("padding", "strides", "dilation"),
    [("same", (1, 1), (1, 1)), ("valid", (2, 3), (1, 1)), ("same", (1, 1), (2, 1))],
)
def test_a_group_for_each_channel(padding, strides, dilation):
    check(noise(2, 7, 6, 3), noise(3, 2, 1, 6), strides, dilation, padding, groups=3)


def test_groups_that_are_not_taken_apart():
    check(noise(1, 3, 130), noise(2, 2, 65), (1,), (1,), "valid", groups=65)


@settings(max_examples=12, deadline=None)
@given(
    size=st.integers(1, 9),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
)
def test_any_geometry(size, window, stride, dilation, padding):
    expected = conv_output_size(size, window, stride, dilation, padding=padding)
    assert expected is not None
    x, kernel = noise(2, size, 3), noise(window, 3, 2)
    if expected < 1:
        with pytest.raises(ValueError, match=rf"a window of {window} with dilation {dilation}"):
            conv(x, kernel, strides=(stride,), dilation=(dilation,), padding=padding)
        return
    check(x, kernel, (stride,), (dilation,), padding)
    assert slow_conv(x, kernel, (stride,), (dilation,), padding).shape[1] == expected


def test_unknown_sizes_stay_unknown():
    assert conv_output_size(None, 3, padding="same") is None
    assert conv_transpose_output_size(None, 3, padding="same") is None


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_depthwise_is_a_conv_of_each_channel(strides, padding, data_format):
    x, kernel = noise(2, 7, 6, 3), noise(3, 2, 3, 4)
    expected = np.concatenate(
        [
            slow_conv(x[..., [c]], kernel[:, :, [c]], strides, (1, 1), padding)
            for c in range(x.shape[-1])
        ],
        axis=-1,
    )
    with jax.enable_x64(True):
        y = depthwise_conv(
            x if data_format == "channels_last" else np.moveaxis(x, -1, 1),
            kernel,
            strides=strides,
            dilation=(1, 1),
            padding=padding,
            data_format=data_format,
        )
    y = y if data_format == "channels_last" else np.moveaxis(np.asarray(y), 1, -1)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def slow_transpose(x, kernel, size, strides, dilation, padding):
    """Each input place adds its part to the places from which a conv would read it."""
    window = kernel.shape[:-2]
    widths = [pads(*case, padding)[0] for case in zip(size, window, strides, dilation, strict=True)]
    y = np.zeros((len(x), *size, kernel.shape[-2]))
    for place in np.ndindex(*x.shape[1:-1]):
        for cell in np.ndindex(*window):
            at = tuple(
                p * s + c * d - w
                for p, s, c, d, w in zip(place, strides, cell, dilation, widths, strict=True)
            )
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                y[(slice(None), *at)] += x[(slice(None), *place)] @ kernel[cell].T
    return y


@pytest.mark.parametrize(
    ("strides", "dilation", "window"),
    [
        ((1, 1), (1, 1), (3, 2)),
        ((2, 3), (1, 1), (3, 2)),
        ((3, 2), (1, 1), (2, 5)),
        ((1, 1), (2, 3), (3, 2)),
    ],
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transpose(strides, dilation, window, padding):
    x, kernel = noise(2, 4, 5, 3), noise(*window, 6, 3)
    options: dict[str, Any] = {"strides": strides, "dilation": dilation, "padding": padding}
    size = [
        conv_transpose_output_size(*case, padding=padding)
        for case in zip((4, 5), window, strides, dilation, strict=True)
    ]
    expected = slow_transpose(x, kernel, size, strides, dilation, padding)
    weights = noise(*expected.shape)
    with jax.enable_x64(True):
        y = conv_transpose(x, kernel, **options)
        first = conv_transpose(
            np.moveaxis(x, -1, 1), kernel, **options, data_format="channels_first"
        )
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(np.moveaxis(np.asarray(first), 1, -1), expected, atol=1e-12)
    check_transpose_gradients(x, kernel, size, weights, options)


def check_transpose_gradients(x, kernel, size, weights, options, **more):
    with jax.enable_x64(True):
        gradients = jax.grad(
            lambda x, k: jnp.vdot(conv_transpose(x, k, **options, **more), weights), (0, 1)
        )(x, kernel)
    for place, gradient in enumerate(gradients):
        arguments = [x, kernel]
        arguments[place] = noise(*arguments[place].shape)
        slope = slow_transpose(arguments[0], arguments[1], size, *options.values())
        np.testing.assert_allclose(
            np.vdot(gradient, arguments[place]), np.vdot(slope, weights), rtol=1e-9
        )


def test_transpose_inverts_every_size_that_a_conv_maps_there():
    for size, padding in itertools.product([3, 6, 9], PADDINGS):
        out = conv_output_size(size, 3, 2, padding=padding)
        x, kernel = noise(1, out, 2), noise(3, 4, 2)
        options: dict[str, Any] = {"strides": (2,), "dilation": (1,), "padding": padding}
        with jax.enable_x64(True):
            y = conv_transpose(x, kernel, **options, output_size=(size,))
        expected = slow_transpose(x, kernel, (size,), (2,), (1,), padding)
        np.testing.assert_allclose(y, expected, atol=1e-12)
        weights = noise(*expected.shape)
        check_transpose_gradients(x, kernel, (size,), weights, options, output_size=(size,))


def test_transpose_with_output_padding():
    x, kernel = noise(1, 4, 2), noise(3, 5, 2)
    for padding, extra in itertools.product(PADDINGS, [0, 1]):
        size = conv_transpose_output_size(4, 3, 2, padding=padding, output_padding=extra)
        assert size == 3 * 2 + 3 - (2 if padding == "same" else 0) + extra
        y = conv_transpose(
            jnp.asarray(x, jnp.float32),
            jnp.asarray(kernel, jnp.float32),
            strides=(2,),
            dilation=(1,),
            padding=padding,
            output_padding=(extra,),
        )
        assert y.shape == (1, size, 5)


def paddings(jaxpr):
    """The paddings of all convolutions in a program, inner ones too."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield from equation.params["padding"]
        for inner in jaxprs_in_params(equation.params):
            yield from paddings(inner)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [6, 7, 8])
def test_no_negative_padding(size, padding):
    # XLA reads foreign memory for some negative paddings on CPUs.
    options: dict[str, Any] = {"strides": (2,), "dilation": (1,), "padding": padding}
    x, kernel = jnp.ones((2, size, 3)), jnp.ones((3, 3, 3))
    for function in conv, conv_transpose:

        def total(x, kernel, function=function):
            return jnp.sum(function(x, kernel, **options))

        program = jax.make_jaxpr(jax.grad(total, (0, 1)))(x, kernel)
        found = list(paddings(program.jaxpr))
        assert len(found) >= 2
        assert min(min(pair) for pair in found) >= 0


def test_bad_shapes_are_named():
    options: dict[str, Any] = {"strides": (1, 1), "dilation": (1, 1), "padding": "valid"}
    with pytest.raises(ValueError, match=r"a window of 6 with dilation 1 does not fit axis 1"):
        conv(jnp.ones((1, 5, 7, 2)), jnp.ones((6, 1, 2, 3)), **options)
    with pytest.raises(ValueError, match=r"wants 3 channels, got an input of shape \(1, 5, 7, 2\)"):
        conv(jnp.ones((1, 5, 7, 2)), jnp.ones((2, 1, 3, 3)), **options)
    with pytest.raises(ValueError, match="must have the same rank"):
        conv(jnp.ones((1, 5, 2)), jnp.ones((2, 1, 3, 3)), **options)
    with pytest.raises(ValueError, match="leads from size 30 to 5"):
        conv_transpose(
            jnp.ones((1, 5, 7, 2)), jnp.ones((2, 1, 3, 2)), **options, output_size=(30, 7)
        )
