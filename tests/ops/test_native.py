"""Convolutions by the kernels for CPUs against a slow reading of the definition."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from lamina.ops import library, native_conv
from lamina.ops.conv import conv

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src/lamina/native"
LIBRARY = SOURCES / library.LIBRARY

rng = np.random.default_rng(11)


def noise(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, "float32")


pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")


def slow(x, kernel, bias, windows: native_conv.Windows) -> np.ndarray:
    """One place after the other, in float64."""
    rank = len(windows.strides)
    x = np.pad(x.astype("float64"), [(0, 0), *windows.pads, (0, 0)])
    spans = [(n - 1) * d + 1 for n, d in zip(kernel.shape, windows.dilation, strict=False)]
    sizes = [
        (n - span) // step + 1
        for n, span, step in zip(x.shape[1:], spans, windows.strides, strict=False)
    ]
    y = np.empty((len(x), *sizes, kernel.shape[-1]))
    for place in np.ndindex(*sizes):
        cells = tuple(
            slice(p * step, p * step + span, gap)
            for p, step, span, gap in zip(
                place, windows.strides, spans, windows.dilation, strict=True
            )
        )
        axes = range(1, rank + 2), range(rank + 1)
        y[(slice(None), *place)] = np.tensordot(x[(slice(None), *cells)], kernel, axes)
    y = y if bias is None else y + bias
    return np.maximum(y, 0) if windows.relu else y


def check(shape, window, outputs, *, pads=None, strides=None, dilation=None, bias=True, relu=True):
    rank = len(window)
    windows = native_conv.Windows(
        pads or ((0, 0),) * rank, strides or (1,) * rank, dilation or (1,) * rank, relu
    )
    x, kernel = noise(*shape), noise(*window, shape[-1], outputs)
    offset = noise(outputs) if bias else None
    arrays = (x, kernel) if offset is None else (x, kernel, offset)
    y = jax.jit(lambda x, kernel, bias=None: native_conv.conv(x, kernel, bias, windows))(*arrays)
    expected = slow(x, kernel, offset, windows)
    assert y.shape == expected.shape
    products = np.prod(kernel.shape[:-1])
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=5e-6 * (1 + products**0.5))


# The widths of vectors are 16, 8 and 4: one of each, several, and a rest.
@pytest.mark.parametrize("outputs", [4, 5, 7, 8, 11, 15, 16, 17, 26, 32, 33, 64, 70, 131])
def test_any_number_of_outputs(outputs):
    check((2, 7, 9, 3), (3, 2), outputs, pads=((1, 1), (0, 1)))


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("outputs", [16, 37, 64, 100])
def test_narrower_vectors(width, outputs, narrowed):
    if narrowed(width) < width:
        pytest.skip(f"this processor has no vectors of {width}")
    for places in (1, 2, 5, 6, 13, 27):
        check((2, 3, places + 1, 5), (2, 2), outputs)


@pytest.fixture
def narrowed():
    """Caps the width of vectors for a test."""
    library = ctypes.CDLL(str(LIBRARY))
    yield library.lamina_conv_use_widest
    library.lamina_conv_use_widest(16)


@pytest.mark.parametrize("places", [*range(1, 31), 127, 193, 300])
def test_any_number_of_places(places):
    check((1, 2, places, 6), (1, 1), 20, bias=False, relu=False)
    check((2, places + 2, 6), (3,), 40)


@pytest.mark.parametrize(
    "case",
    [
        # Over one axis: causal with gaps, steps, more zeros than cells.
        {"shape": (3, 40, 5), "window": (3,), "pads": ((8, 0),), "dilation": (4,)},
        {"shape": (3, 41, 5), "window": (4,), "pads": ((1, 2),), "strides": (3,)},
        {"shape": (2, 1, 5), "window": (3,), "pads": ((4, 5),), "dilation": (2,)},
        {"shape": (2, 60, 5), "window": (3,), "pads": ((400, 300),)},
        # Over two: each axis in its own way.
        {
            "shape": (2, 9, 14, 3),
            "window": (3, 2),
            "pads": ((2, 1), (0, 3)),
            "strides": (2, 3),
        },
        {"shape": (2, 13, 11, 3), "window": (2, 4), "dilation": (3, 2)},
        {"shape": (2, 8, 7, 5), "window": (1, 1), "strides": (2, 3)},
        {"shape": (5, 6, 7, 30), "window": (1, 1)},
        {"shape": (5, 6, 7, 30), "window": (1, 1), "pads": ((0, 2), (0, 1))},
        {"shape": (2, 3, 4, 1), "window": (3, 4)},
        # Large enough to be divided: among threads, in rows, in columns, and by outputs.
        {"shape": (1, 67, 45, 16), "window": (3, 3), "pads": ((1, 1), (1, 1))},
        {"shape": (1, 1, 700, 24), "window": (1, 5), "pads": ((0, 0), (2, 2))},
        {"shape": (1, 3, 3, 300), "window": (3, 3), "pads": ((1, 1), (1, 1)), "outputs": 200},
        {"shape": (3, 9, 4, 256), "window": (3, 3), "outputs": 192},
        {"shape": (2, 21, 21, 130), "window": (2, 3), "outputs": 96, "dilation": (1, 2)},
    ],
)
def test_geometry(case):
    outputs = case.pop("outputs", 36)
    check(outputs=outputs, **case)
    check(outputs=outputs, bias=False, relu=False, **case)


@pytest.mark.parametrize(
    ("shape", "outputs", "pads"),
    [
        ((2, 24, 17, 32), 33, ((1, 1), (1, 1))),
        ((9, 7, 8, 48), 64, ((0, 0), (0, 0))),
        ((3, 20, 31, 64), 100, ((2, 0), (1, 2))),
        ((1, 16, 130, 32), 32, ((0, 1), (3, 0))),
    ],
)
def test_four_results_together(shape, outputs, pads):
    windows = native_conv.Windows(pads, (1, 1), (1, 1), relu=True)
    x, kernel, bias = noise(*shape), noise(3, 3, shape[-1], outputs), noise(outputs)
    expected = slow(x, kernel, bias, windows)
    found = native_conv.conv(jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(bias), windows)
    exact = native_conv.conv(
        jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(bias), windows._replace(exact=True)
    )
    for y in found, exact:
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6 * shape[-1] ** 0.5 * 9)
    # They are rounded in other ways, or it was the same algorithm.
    assert not np.array_equal(found, exact)


def test_exact_sums_hold_beside_huge_numbers():
    x, kernel = noise(1, 16, 16, 32), noise(3, 3, 32, 32)
    windows = native_conv.Windows(((0, 0),) * 2, (1, 1), (1, 1), exact=True)
    expected = np.asarray(native_conv.conv(jnp.asarray(x), jnp.asarray(kernel), None, windows))
    x[0, 0, 0] = 1e20
    found = np.asarray(native_conv.conv(jnp.asarray(x), jnp.asarray(kernel), None, windows))
    np.testing.assert_array_equal(found[0, 1:], expected[0, 1:])
    np.testing.assert_array_equal(found[0, 0, 1:], expected[0, 0, 1:])
    assert np.abs(found[0, 0, 0]).min() > 1e15


def test_precision_asks_for_exact_sums():
    x, kernel = jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 3, 4))
    step = jax.jit(partial(conv, strides=(1, 1), dilation=(1, 1), padding="same"))
    assert "dense<[1, 1, 1, 1, 1, 1, 0, 0]>" in step.lower(x, kernel).as_text()
    with jax.default_matmul_precision("highest"):
        assert "dense<[1, 1, 1, 1, 1, 1, 0, 1]>" in step.lower(x, kernel).as_text()
        elsewhere = step.trace(x, kernel).lower(lowering_platforms=("cuda",)).as_text()
    assert elsewhere.count("HIGHEST") == 2
    with jax.default_matmul_precision("tensorfloat32"):
        assert "lamina_conv(" not in step.lower(x, kernel).as_text()


sizes = st.integers(1, 9)
steps = st.integers(1, 3)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    size=st.tuples(sizes, sizes),
    window=st.tuples(steps, steps),
    strides=st.tuples(steps, steps),
    dilation=st.tuples(steps, steps),
    pads=st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2),
    channels=st.integers(1, 20),
    outputs=st.integers(4, 40),
)
def test_any_geometry(batch, size, window, strides, dilation, pads, channels, outputs):
    for n, w, d, pad in zip(size, window, dilation, pads, strict=True):
        if n + sum(pad) < (w - 1) * d + 1:
            return
    check(
        (batch, *size, channels),
        window,
        outputs,
        pads=pads,
        strides=strides,
        dilation=dilation,
    )


WINDOWS = native_conv.Windows(((1, 2), (0, 1)), (2, 1), (1, 2), relu=True)


def arrays(*leading: tuple[int, ...]) -> list[Any]:
    """An image, a kernel and a bias, each with further axes first."""
    shapes = (2, 7, 9, 3), (3, 2, 3, 5), (5,)
    leads = leading or ((), (), ())
    return [jnp.asarray(noise(*lead, *shape)) for lead, shape in zip(leads, shapes, strict=True)]


def by_kernels(x, kernel, bias):
    return native_conv.conv(x, kernel, bias, WINDOWS)


def by_xla(x, kernel, bias):
    """The definition in XLA's terms, in float64."""
    with jax.enable_x64(True):
        wide = [jnp.asarray(array, "float64") for array in (x, kernel, bias)]
        return native_conv.by_xla(*wide, windows=WINDOWS)


def same(found, expected):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("shape", "window", "windows"),
    [
        ((2, 7, 9, 3), (3, 2), WINDOWS),
        # Without steps the gradient of the input is a convolution, too.
        ((2, 7, 9, 4), (3, 2), WINDOWS._replace(strides=(1, 1))),
        ((2, 7, 9, 6), (2, 3), native_conv.Windows(((0, 0), (0, 0)), (1, 1), (3, 1))),
        ((2, 12, 5), (3,), native_conv.Windows(((8, 0),), (1,), (4,), relu=True)),
        # Not with fewer than four channels, or more zeros than the windows reach over.
        ((2, 7, 9, 3), (3, 2), WINDOWS._replace(strides=(1, 1))),
        ((2, 12, 5), (3,), native_conv.Windows(((3, 0),), (1,), (1,), relu=True)),
    ],
)
def test_gradients_are_those_of_the_definition(shape, window, windows):
    x, kernel, bias = noise(*shape), noise(*window, shape[-1], 5), noise(5)
    weights = noise(*slow(x, kernel, bias, windows).shape)

    def total(x, kernel, bias):
        return (native_conv.conv(x, kernel, bias, windows) ** 2 * weights).sum()

    step = jax.jit(jax.grad(total, (0, 1, 2)))
    found = step(*map(jnp.asarray, (x, kernel, bias)))
    for place, gradient in enumerate(found):
        # Finite differences of the definition along one direction, in float64.
        direction, distance, ends = noise(*gradient.shape), 1e-6, []
        for sign in (1, -1):
            moved = [array.astype("float64") for array in (x, kernel, bias)]
            moved[place] += sign * distance * direction
            y = slow(moved[0], moved[1], moved[2], windows)
            ends.append((y**2 * weights).sum())
        slope = (ends[0] - ends[1]) / (2 * distance)
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("channels", "strides", "before", "calls"),
    [(4, 1, 1, 2), (3, 1, 1, 1), (4, 2, 1, 3), (4, 1, 3, 1)],
)
def test_gradients_that_the_kernels_compute(channels, strides, before, calls):
    windows = native_conv.Windows(((before, 0),), (strides,), (1,))
    x, kernel = jnp.ones((2, 9, channels)), jnp.ones((3, channels, 5))
    step = jax.jit(jax.grad(lambda x: (native_conv.conv(x, kernel, None, windows) ** 2).sum()))
    assert step.lower(x).as_text().count("custom_call @lamina_conv(") == calls


def test_zero_is_rectified_without_a_slope():
    x, kernel = jnp.zeros((1, 4, 1)), jnp.ones((1, 1, 4))
    windows = native_conv.Windows(((0, 0),), (1,), (1,), relu=True)
    gradient = jax.grad(lambda x: native_conv.conv(x, kernel, None, windows).sum())(x)
    np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_forward_and_second_derivatives():
    x, kernel, bias = arrays()
    direction = jnp.asarray(noise(*kernel.shape))

    def total(kernel, function: Any = by_kernels):
        return (function(x, kernel, bias) ** 2).sum()

    along = jax.jvp(total, (kernel,), (direction,))[1]
    np.testing.assert_allclose(along, jnp.vdot(jax.grad(total)(kernel), direction), rtol=1e-4)
    second = jax.jvp(jax.grad(total), (kernel,), (direction,))[1]
    linear = jax.jvp(lambda kernel: by_kernels(x, kernel, bias), (kernel,), (direction,))[1]
    # Where nothing bends, the second derivative of a square is twice the product of the first.
    np.testing.assert_allclose(jnp.vdot(second, direction), 2 * (linear**2).sum(), rtol=1e-4)


def test_a_constant_has_no_tangent():
    x, kernel, bias = arrays()
    program = jax.make_jaxpr(jax.grad(lambda kernel: by_kernels(x, kernel, bias).sum()))(kernel)
    assert str(program).count("lamina_conv_gradient[") == 1
    assert str(program).count("lamina_conv[") == 1
    program = jax.make_jaxpr(jax.grad(lambda bias: by_kernels(x, kernel, bias).sum()))(bias)
    assert str(program).count("lamina_conv_gradient[") == 0


@pytest.mark.parametrize(
    "axes",
    [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, None), (0, None, 0), (3, 4, 1)],
)
def test_vectorization(axes):
    values = [
        array if axis is None else np.moveaxis(array, 0, axis)
        for array, axis in zip(
            arrays(*[() if axis is None else (4,) for axis in axes]), axes, strict=True
        )
    ]

    def one(number):
        return [
            array if axis is None else np.moveaxis(array, axis, 0)[number]
            for array, axis in zip(values, axes, strict=True)
        ]

    mapped = jax.vmap(by_kernels, axes)
    same(jax.jit(mapped)(*values), np.stack([by_xla(*one(number)) for number in range(4)]))

    def loss(function):
        return lambda *arrays: (function(*arrays) ** 2).sum()

    outside = jax.grad(loss(mapped), (0, 1, 2))(*values)
    inside = jax.vmap(jax.grad(loss(by_kernels), (0, 1, 2)), axes)(*values)
    for gradient, each, axis in zip(outside, inside, axes, strict=True):
        expected = each.sum(0) if axis is None else jnp.moveaxis(each, 0, axis)
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-3)


def test_vectorization_over_two_axes():
    x, kernels, biases = arrays((4,), (3,), (4, 3))
    over_kernels = jax.vmap(by_kernels, (None, 0, 0))
    found = jax.jit(jax.vmap(over_kernels, (0, None, 0)))(x, kernels, biases)
    for i in range(4):
        for j in range(3):
            same(found[i, j], by_xla(x[i], kernels[j], biases[i, j]))
    # By XLA, as on an accelerator.
    plain = jax.vmap(jax.vmap(lambda *a: native_conv.by_xla(*a, windows=WINDOWS), (None, 0, 0)))
    assert (
        native_conv.by_xla(x[:, None], kernels[None], biases, windows=WINDOWS).shape
        == plain(x, jnp.broadcast_to(kernels, (4, *kernels.shape)), biases).shape
    )
    same(native_conv.by_xla(x[:, None], kernels[None], biases, windows=WINDOWS), found)


def test_derivatives_where_only_the_bias_is_vectorized():
    x, kernel, biases = arrays((), (), (4,))

    def total(kernel, function: Any = by_kernels):
        return jax.vmap(lambda bias: (function(x, kernel, bias) ** 2).sum())(biases).sum()

    each = sum(
        jax.grad(lambda kernel, bias=bias: (by_kernels(x, kernel, bias) ** 2).sum())(kernel)
        for bias in biases
    )
    np.testing.assert_allclose(jax.grad(total)(kernel), each, rtol=1e-4, atol=1e-3)


def test_split_by_hand_it_is_xla_that_convolves():
    mesh = jax.make_mesh((2,), ("parts",), axis_types=(jax.sharding.AxisType.Auto,))
    x, kernel = jnp.asarray(noise(2, 7, 4)), jnp.asarray(noise(3, 4, 8))

    def total(x, kernel):
        y = conv(x, kernel, strides=(1,), dilation=(1,), padding="same")
        return jnp.tanh(y).sum()

    split = jax.shard_map(
        lambda x, kernel: jax.lax.psum(total(x, kernel), "parts"),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(None, None, "parts")),
        out_specs=PartitionSpec(),
    )
    np.testing.assert_allclose(
        jax.grad(split)(x, kernel), jax.grad(total)(x, kernel), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (0, 0, 0)])
def test_vectorization_over_nothing(axes):
    values = arrays(*[() if axis is None else (0,) for axis in axes])
    assert jax.jit(jax.vmap(by_kernels, axes))(*values).shape == (0, 2, 4, 8, 5)


def test_results_have_a_dtype_of_their_own():
    x = jnp.broadcast_to(jnp.asarray(1.0), (1, 4, 2))
    assert x.weak_type
    y = jax.jit(lambda x: native_conv.conv(x, jnp.ones((2, 2, 4)), None, ALONG))(x)
    assert not y.weak_type
    assert y.dtype == jnp.float32


ALONG = native_conv.Windows(((0, 0),), (1,), (1,))


def test_loops_call_the_kernels():
    x, kernel, bias = arrays()
    kernel = jnp.asarray(noise(3, 3, 3, 3))[..., [0, 1, 2, 0, 1]]

    def step(x, _):
        y = conv(x, kernel, strides=(1, 1), dilation=(1, 1), padding="same", bias=bias, relu=True)
        return x + 0.1 * y[..., :3], None

    def run(x):
        return jax.lax.scan(step, x, None, length=3)[0]

    expected = x
    for _ in range(3):
        expected, _ = step(expected, None)
    same(jax.jit(run)(x), expected)
    assert "custom_call @lamina_conv(" in jax.jit(run).lower(x).as_text()


def all_at_once(is_right: Callable[[int], bool], callers: int, rounds: int) -> bool:
    """Whether what several threads call, each with its number, is right each time."""
    right: list[bool] = []

    def work(number):
        right.extend(is_right(number) for _ in range(rounds))

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return right == [True] * callers * rounds


LARGE = (3, 40, 41, 64)
"""From forty million products on, the thread that calls leaves convolutions to others."""


def large() -> tuple[Any, Any]:
    x, kernel = noise(*LARGE), noise(3, 3, 64, 64) / 24
    return jnp.asarray(x), jnp.asarray(kernel)


def large_step(x, kernel):
    return conv(x, kernel, strides=(1, 1), dilation=(1, 1), padding="same", relu=True)


def test_what_follows_a_large_convolution_waits_for_it():
    x, kernel = large()
    windows = native_conv.Windows(((1, 1),) * 2, (1, 1), (1, 1), relu=True)
    expected = slow(np.asarray(x), np.asarray(kernel), None, windows)
    for _ in range(3):
        y, sums = jax.jit(lambda x: (y := large_step(x, kernel), y.sum((1, 2))))(x)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=5e-5)
        np.testing.assert_allclose(sums, expected.sum((1, 2)), rtol=1e-4)


def test_large_convolutions_in_loops_and_branches():
    x, kernel = large()

    def body(x, number):
        moved = jax.lax.cond(number % 2 == 0, large_step, lambda x, kernel: -x, x, kernel)
        return moved + number, moved[0, 0, 0, 0]

    found = jax.jit(lambda x: jax.lax.scan(body, x, jnp.arange(5.0)))(x)
    expected, firsts = x, []
    for number in range(5):
        expected, first = body(expected, float(number))
        firsts.append(first)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1], firsts, rtol=1e-4, atol=1e-4)


def test_large_convolutions_for_several_callers():
    x, kernel = large()
    step = jax.jit(lambda x: large_step(large_step(x, kernel), kernel))
    inputs = [x * scale for scale in (1.0, 0.5, -1.0, 2.0)]
    expected = [np.asarray(step(one)) for one in inputs]

    def is_right(number):
        return np.array_equal(step(inputs[number]), expected[number])

    assert all_at_once(is_right, callers=4, rounds=5)


def test_programs_for_several_devices_are_split():
    x, kernel, bias = arrays()
    mesh = jax.make_mesh((2,), ("batch",))
    split = NamedSharding(mesh, PartitionSpec("batch"))
    function = jax.jit(by_kernels)
    parts = jax.device_put(x, split)
    assert "lamina_conv" in function.lower(x, kernel, bias).as_text()
    text = function.lower(parts, kernel, bias).as_text()
    assert "lamina_conv" not in text
    # Few channels go number by number.
    assert "stablehlo.is_finite" in text
    y = function(parts, kernel, bias)
    assert y.sharding.is_equivalent_to(split, y.ndim)
    same(y, by_xla(x, kernel, bias))


def test_exports_run_without_the_kernels():
    arguments = arrays()
    exported = jax.export.export(jax.jit(by_kernels))(*arguments)
    assert "custom_call" not in exported.mlir_module()
    same(exported.call(*arguments), by_xla(*arguments))


@pytest.mark.parametrize("relu", [False, True])
def test_what_is_no_number_is_not_hidden(relu):
    x, kernel = noise(1, 5, 2), noise(2, 2, 6)
    x[0, 2, 1], kernel[1, 0, 3] = np.nan, -np.inf
    windows = native_conv.Windows(((0, 0),), (1,), (1,), relu)
    y = np.asarray(native_conv.conv(jnp.asarray(x), jnp.asarray(kernel), None, windows))
    assert np.isnan(y[0, 1:3]).all()
    assert np.isfinite(y[0, [0, 3], :3]).all()
    assert (y[0, [0, 3], 3] != 0).any() or relu
    assert not np.isfinite(y[0, [0, 3], 3]).all() or relu


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shape", [(2, 9, 3), (2, 7, 9, 3), (2, 5, 7, 6, 3)])
def test_layers_come_here_in_either_format(data_format, padding, shape):
    rank = len(shape) - 2
    x, kernel, bias = noise(*shape), noise(*(3, 2, 2)[:rank], 3, 6), noise(6)
    first = data_format == "channels_first"
    options: dict[str, Any] = {
        "strides": (2, 1, 2)[:rank],
        "dilation": (1,) * rank,
        "padding": padding,
    }

    def run(x, **more):
        return conv(
            np.moveaxis(x, -1, 1) if first else x,
            kernel,
            data_format=data_format,
            **options,
            **more,
        )

    text = jax.jit(lambda x: run(x, bias=bias, relu=True)).lower(jnp.asarray(x)).as_text()
    assert text.count("custom_call @lamina_conv(") == 1
    assert "stablehlo.convolution" not in text
    found = run(jnp.asarray(x), bias=bias, relu=True)
    with jax.enable_x64(True):
        expected = conv(x.astype("float64"), kernel.astype("float64"), **options)
    expected = np.maximum(np.asarray(expected) + bias, 0)
    same(np.moveaxis(np.asarray(found), 1, -1) if first else found, expected)


@pytest.mark.parametrize(
    ("x", "kernel", "bias"),
    [
        (jnp.ones((1, 5, 3), "bfloat16"), jnp.ones((2, 3, 4), "bfloat16"), None),
        (jnp.ones((1, 5, 3)), jnp.ones((2, 3, 3)), None),
        (jnp.ones((1, 5, 0)), jnp.ones((2, 0, 4)), None),
        (jnp.ones((0, 5, 3)), jnp.ones((2, 3, 4)), None),
        (jnp.ones((1, 5, 3)), jnp.ones((2, 3, 4)), jnp.ones(4, "bfloat16")),
        (jnp.ones((1, 5, 3)), jnp.ones((2, 3, 4)), jnp.ones(1)),
    ],
)
def test_what_the_kernels_do_not_take(x, kernel, bias):
    assert not native_conv.takes(x, kernel, bias)
    assert native_conv.takes(jnp.ones((1, 5, 3)), jnp.ones((2, 3, 4)), jnp.ones(4))


@pytest.mark.parametrize(
    "options", [[0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 0, 0], [-1, 0, 1, 1, 1, 1, 0, 0]]
)
def test_wrong_calls_are_refused(options):
    call = jax.ffi.ffi_call(library.TARGETS[0], jax.ShapeDtypeStruct((1, 3, 4, 5), jnp.float32))
    x, kernel = jnp.ones((1, 3, 4, 2)), jnp.ones((1, 1, 2, 5))
    with pytest.raises(Exception, match="lamina_conv: "):
        call(x, kernel, options=np.array(options, np.int64)).block_until_ready()
    with pytest.raises(Exception, match="shapes do not go together"):
        call(x, kernel[:, :, :1], options=np.array([0, 0, 1, 1, 1, 1, 0, 0])).block_until_ready()


def test_many_threads_at_once():
    x, kernel = noise(4, 40, 40, 16), noise(3, 3, 16, 32)
    windows = native_conv.Windows(((0, 0),) * 2, (1, 1), (1, 1))
    function = jax.jit(lambda x, kernel: native_conv.conv(x, kernel, None, windows))
    expected = np.asarray(function(x, kernel))
    assert all_at_once(
        lambda _: np.array_equal(function(x, kernel), expected), callers=6, rounds=20
    )


HELPERS = """
import os, time
import jax, jax.numpy as jnp, numpy as np
from lamina.ops.conv import conv
def helpers():
    found = []
    for task in os.listdir("/proc/self/task"):
        status = dict(line.split(":\\t", 1) for line in open(f"/proc/self/task/{task}/status"))
        if status["Name"].strip() == "lamina":
            found.append((int(task), status["SigBlk"].strip()))
    return found
assert not helpers()
options = dict(strides=(1,), dilation=(1,), padding="same")
x, kernel = jnp.ones((1, 4000, 8)).block_until_ready(), np.ones((3, 8, 16), "f")
few = jax.jit(lambda x: conv(x, kernel, **options))
few(x).block_until_ready()
cores = sorted(os.sched_getaffinity(0))
for core in cores:
    os.sched_setaffinity(0, {core})
    assert np.array_equal(few(x)[0, 1], np.full(16, 24.0))
    (number, blocked), = helpers()[:1]
    print(core in os.sched_getaffinity(number), set(os.sched_getaffinity(number)) <= set(cores))
print(blocked)
def ticks():
    return int(open(f"/proc/self/task/{number}/stat").read().rpartition(")")[2].split()[11])
time.sleep(0.1)
before = ticks()
time.sleep(0.3)
print(ticks() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no way to ask for threads")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="no second core")
def test_who_calls_is_helped_by_a_thread_on_another_core():
    done = subprocess.run(
        [sys.executable, "-c", HELPERS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *cores, blocked, ticks = done.stdout.splitlines()
    assert set(cores) == {"False True"}
    assert int(blocked, 16) & 1 << 1  # Ctrl-C is for the thread that called
    assert int(ticks) < 10  # it sleeps where nothing is to be done


WITHOUT = """
import numpy as np, jax, warnings
warnings.simplefilter("error")
from lamina.ops import library
from lamina.ops.conv import conv
print(library.fewest())
x, kernel = np.arange(24, dtype="f").reshape(1, 8, 3), np.ones((2, 3, 4), "f")
y = conv(x, kernel, strides=(1,), dilation=(1,), padding="valid", bias=np.ones(4, "f"), relu=True)
print(y[0, :, 0].tolist())
"""


@pytest.mark.parametrize(("value", "fewest"), [("0", "0"), ("1", "4")])
def test_kernels_can_be_left_out_at_run_time(value, fewest):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=os.environ | {"LAMINA_NATIVE": value},
        capture_output=True,
        text=True,
        check=True,
    )
    sums = [float(1 + sum(range(3 * i, 3 * i + 6))) for i in range(7)]
    assert done.stdout.splitlines() == [fewest, str(sums)]


def test_a_library_that_cannot_be_loaded_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "native"
    folder.mkdir()
    (folder / library.LIBRARY).write_text("no library")
    monkeypatch.setattr(library, "__file__", str(tmp_path / "ops" / "library.py"))
    library.fewest.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"XLA's own operations are.*LAMINA_NATIVE=0"):
            assert library.fewest() == 0
    finally:
        monkeypatch.undo()
        library.fewest.cache_clear()
    (folder / library.LIBRARY).unlink()


needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@needs_compiler
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_memory_and_threads_under_sanitizers(tmp_path, sanitizer):
    flags = ["-O1", "-g", f"-fsanitize={sanitizer}", f"-I{SOURCES}"]
    x86 = platform.machine() == "x86_64"
    wide = {16: ["-mavx512f", "-mavx512dq"], 8: []} if x86 else {}
    files = [str(ROOT / "tests/ops/native_check.c")]
    for source in sorted(SOURCES.glob("*.c")):
        if "WIDTH" not in source.read_text():
            files += [str(source)] if '"call.h"' not in source.read_text() else []
            continue
        for width, more in {**wide, 4: []}.items():
            files.append(str(tmp_path / f"{source.stem}-{width}.o"))
            command = ["cc", *flags, *(["-mavx2", "-mfma"] if x86 else []), *more]
            command += [f"-DWIDTH={width}", "-c", str(source), "-o", files[-1]]
            subprocess.run(command, check=True)
    program = str(tmp_path / "check")
    link = ["cc", *flags, *files, "-lm", "-lpthread", "-o", program]
    if subprocess.run(link, capture_output=True, check=False).returncode:
        pytest.skip(f"no {sanitizer} sanitizer")
    done = subprocess.run([program, "50", "7"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_compiler
def test_structures_are_laid_out_as_xla_has_them(tmp_path):
    """What the library says of XLA's interface, beside the header that comes with jaxlib."""
    pairs = {
        "XlaCall XLA_FFI_CallFrame": "functions api, context ctx, arguments args, results rets, "
        "attributes attrs, future future",
        "XlaFunctions XLA_FFI_Api": "error XLA_FFI_Error_Create, forget XLA_FFI_Error_Destroy, "
        "schedule XLA_FFI_ThreadPool_Schedule, threads XLA_FFI_ThreadPool_NumThreads, "
        "future XLA_FFI_Future_Create, available XLA_FFI_Future_SetAvailable, "
        "broken XLA_FFI_Future_SetError",
        "XlaFutureArguments XLA_FFI_Future_Create_Args": "future future",
        "XlaFutureArguments XLA_FFI_Future_SetAvailable_Args": "future future",
        "XlaFutureErrorArguments XLA_FFI_Future_SetError_Args": "future future, error error",
        "XlaMetadata XLA_FFI_Metadata": "version api_version, traits traits",
        "XlaVersion XLA_FFI_Api_Version": "major major_version, minor minor_version",
        "XlaMetadataExtension XLA_FFI_Metadata_Extension": "metadata metadata",
        "XlaExtension XLA_FFI_Extension_Base": "kind type, next next",
        "XlaBuffer XLA_FFI_Buffer": "type dtype, data data, rank rank, dims dims",
        "XlaArray XLA_FFI_Array": "type dtype, size size, data data",
        "XlaItems XLA_FFI_Args": "count size, items args",
        "XlaItems XLA_FFI_Rets": "count size, items rets",
        "XlaAttributes XLA_FFI_Attrs": "count size, items attrs",
        "XlaErrorArguments XLA_FFI_Error_Create_Args": "message message, code errc",
        "XlaForgetArguments XLA_FFI_Error_Destroy_Args": "error error",
        "XlaScheduleArguments XLA_FFI_ThreadPool_Schedule_Args": "context ctx, task task, "
        "data data",
        "XlaThreadsArguments XLA_FFI_ThreadPool_NumThreads_Args": "context ctx, threads "
        "num_threads",
    }
    lines = ['#include "xla.h"', '#include "xla/ffi/api/c_api.h"']
    for names, fields in pairs.items():
        ours, theirs = names.split()
        for field in fields.split(", "):
            one, other = field.split()
            lines.append(
                f'_Static_assert(offsetof({ours}, {one}) == offsetof({theirs}, {other}), "");'
            )
        if ours not in ("XlaFunctions", "XlaCall", "XlaMetadata"):
            lines.append(f'_Static_assert(sizeof({ours}) == sizeof({theirs}), "");')
    for ours, theirs in [
        ("XLA_MAJOR", "XLA_FFI_API_MAJOR"),
        ("XLA_MINOR", "XLA_FFI_API_MINOR"),
        ("XLA_METADATA", "XLA_FFI_Extension_Metadata"),
        ("XLA_INVALID", "XLA_FFI_Error_Code_INVALID_ARGUMENT"),
        ("XLA_EXHAUSTED", "XLA_FFI_Error_Code_RESOURCE_EXHAUSTED"),
        ("XLA_INT32", "XLA_FFI_DataType_S32"),
        ("XLA_FLOAT32", "XLA_FFI_DataType_F32"),
    ]:
        lines.append(f'_Static_assert((int){ours} == (int){theirs}, "");')
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines))
    include = [f"-I{SOURCES}", f"-I{jax.ffi.include_dir()}"]
    command = ["cc", "-std=c11", "-fsyntax-only", *include, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def volumes(window=(2, 3, 2), channels=5):
    x, kernel = jnp.ones((2, 3, 4, 4, channels)), jnp.ones((*window, channels, 6))
    step = partial(conv, strides=(1,) * 3, dilation=(1,) * 3, padding="valid", relu=True)
    return jax.jit(step), x, kernel, jnp.ones(6)


def test_volumes_have_one_convolution():
    step, x, kernel, bias = volumes()
    text = step.lower(x, kernel, bias=bias).as_text()
    assert text.count("custom_call @lamina_conv(") == 1
    assert "(tensor<4x4x4x10xf32>, tensor<3x2x10x6xf32>, tensor<6xf32>)" in text
    assert "stablehlo.convolution" not in text


@pytest.mark.parametrize("channels_first", [False, True])
def test_other_platforms_have_their_own_convolution(channels_first):
    if channels_first:
        x, kernel, sizes = jnp.ones((2, 5, 7, 6)), jnp.ones((3, 3, 5, 4)), "2x5x7x6"
        step = jax.jit(
            partial(
                conv,
                strides=(1, 1),
                dilation=(1, 1),
                padding="valid",
                data_format="channels_first",
            )
        )
    else:
        step, x, kernel, _ = volumes()
        sizes = "2x3x4x4x5"
    text = step.trace(x, kernel).lower(lowering_platforms=("cuda",)).as_text()
    assert "lamina_conv" not in text
    (line,) = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    assert f"(tensor<{sizes}xf32>" in line
