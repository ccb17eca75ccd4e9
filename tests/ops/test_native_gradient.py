"""Gradients of the weights of convolutions, by the kernels for CPUs, against the definition."""

import ctypes
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lamina.core import programs
from lamina.ops import library, native_conv
from lamina.ops.conv_forms import Windows

rng = np.random.default_rng(29)

pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")


convolve: Any = native_conv.conv


def noise(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, "float32")


def slow(x: Any, gradient: Any, window: tuple[int, ...], windows: Windows) -> np.ndarray:
    """One cell of the window after the other, in float64."""
    rank = len(window)
    x = np.pad(x.astype("float64"), [(0, 0), *windows.pads, (0, 0)])
    found = np.empty((*window, x.shape[-1], gradient.shape[-1]))
    for cell in np.ndindex(*window):
        seen = tuple(
            slice(at * gap, at * gap + (places - 1) * step + 1, step)
            for at, gap, places, step in zip(
                cell, windows.dilation, gradient.shape[1:], windows.strides, strict=False
            )
        )
        axes = range(rank + 1), range(rank + 1)
        found[cell] = np.tensordot(x[(slice(None), *seen)], gradient, axes)
    return found


def check(shape, window, outputs, *, pads=None, strides=None, dilation=None):
    rank = len(window)
    windows = Windows(pads or ((0, 0),) * rank, strides or (1,) * rank, dilation or (1,) * rank)
    of_kernel = (*window, shape[-1], outputs)
    x, gradient = noise(*shape), noise(*native_conv._shape(windows, shape, of_kernel))
    step = jax.jit(partial(native_conv.gradient_p.bind, windows=windows, shape=of_kernel))
    found, expected = step(x, gradient), slow(x, gradient, window, windows)
    places = gradient.size / outputs
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-6 * (1 + places**0.5))


# The widths of vectors are 16, 8 and 4: one of each, several, and a rest.
@pytest.mark.parametrize("outputs", [4, 5, 7, 8, 11, 15, 16, 17, 26, 32, 33, 64, 70, 131])
def test_any_number_of_outputs(outputs):
    check((2, 7, 9, 3), (3, 2), outputs, pads=((1, 1), (0, 1)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 12, 13, 31])
def test_any_number_of_channels(channels):
    check((3, 5, 6, channels), (2, 3), 20)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_narrower_vectors(width):
    kernels = ctypes.CDLL(str(Path(native_conv.__file__).parents[1] / "native" / library.LIBRARY))
    try:
        if kernels.lamina_conv_use_widest(width) < width:
            pytest.skip(f"this processor has no vectors of {width}")
        for outputs in 16, 37, 64, 100:
            check((2, 5, 6, 7), (2, 2), outputs)
    finally:
        kernels.lamina_conv_use_widest(16)


@pytest.mark.parametrize(
    "case",
    [
        # Over one axis: causal with gaps, steps, more zeros than cells.
        {"shape": (3, 40, 5), "window": (3,), "pads": ((8, 0),), "dilation": (4,)},
        {"shape": (3, 41, 5), "window": (4,), "pads": ((1, 2),), "strides": (3,)},
        {"shape": (2, 1, 5), "window": (3,), "pads": ((4, 5),), "dilation": (2,)},
        {"shape": (2, 60, 5), "window": (3,), "pads": ((400, 300),)},
        # Over two: each axis in its own way.
        {"shape": (2, 9, 14, 3), "window": (3, 2), "pads": ((2, 1), (0, 3)), "strides": (2, 3)},
        {"shape": (2, 13, 11, 3), "window": (2, 4), "dilation": (3, 2)},
        {"shape": (2, 13, 11, 3), "window": (2, 4), "dilation": (2, 1), "strides": (1, 2)},
        {"shape": (2, 8, 7, 5), "window": (1, 1), "strides": (2, 3)},
        {"shape": (5, 6, 7, 30), "window": (1, 1), "pads": ((0, 2), (0, 1))},
        {"shape": (2, 3, 4, 1), "window": (3, 4)},
        # Chunks of several images, of rows, and of columns; groups of them; parts of the outputs.
        {"shape": (101, 2, 3, 6), "window": (2, 2)},
        {"shape": (101, 2, 3, 6), "window": (2, 2), "pads": ((1, 0), (1, 1))},
        {"shape": (3, 67, 45, 6), "window": (3, 3), "pads": ((1, 1), (1, 1))},
        {"shape": (5, 1, 900, 4), "window": (1, 5), "pads": ((0, 0), (2, 2))},
        {"shape": (5, 3, 500, 4), "window": (2, 3)},
        {"shape": (9, 4, 3, 300), "window": (3, 3), "pads": ((1, 1), (1, 1)), "outputs": 200},
        {"shape": (2, 4, 5, 420), "window": (3, 3), "outputs": 610},
    ],
)
def test_geometry(case):
    check(outputs=case.pop("outputs", 37), **case)


def test_random_geometry():
    for _ in range(40):
        window, strides, dilation = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3))
        pads = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2)))
        size = [(n - 1) * gap for n, gap in zip(window, dilation, strict=True)]
        size = [size[0] + 3, size[1] + 8]
        images, channels, outputs = (int(n) for n in rng.integers((1, 1, 4), (9, 9, 40)))
        shape = images, *size, channels
        check(shape, window, outputs, pads=pads, strides=strides, dilation=dilation)


def test_large_sums_are_left_to_the_pool():
    shape, windows = (3, 3, 16, 64), Windows(((0, 0), (0, 0)), (1, 1), (1, 1))
    x, gradient = noise(30, 14, 15, 16), noise(30, 12, 13, 64)

    def step(x, gradient):
        found = native_conv.gradient_p.bind(x, gradient, windows=windows, shape=shape)
        return found, found.sum()

    def loop(x, gradient):
        return jax.lax.scan(lambda last, x: (last, step(x, gradient)), None, x[None])[1]

    expected = slow(x, gradient, (3, 3), windows)
    for function in step, loop:
        found, total = (np.squeeze(one) for one in jax.jit(function)(x, gradient))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(total, expected.sum(), rtol=1e-3)


WINDOWS = Windows(((1, 2), (0, 1)), (2, 1), (1, 2))
SHAPE = (3, 2, 3, 5)


def pair() -> tuple[Any, Any]:
    x = noise(2, 7, 9, 3)
    return jnp.asarray(x), jnp.asarray(noise(*native_conv._shape(WINDOWS, x.shape, SHAPE)))


by_kernels = partial(native_conv.gradient_p.bind, windows=WINDOWS, shape=SHAPE)
by_xla = partial(native_conv._gradient_by_xla, windows=WINDOWS, shape=SHAPE)


def same(found: Any, expected: Any) -> None:
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-4)


def test_tangents_and_gradients():
    arrays, directions = pair(), pair()
    same(jax.jvp(by_kernels, arrays, directions), jax.jvp(by_xla, arrays, directions))
    for place in 0, 1:
        still = [jnp.zeros_like(one) if i != place else one for i, one in enumerate(directions)]
        same(*(jax.jvp(function, arrays, tuple(still)) for function in (by_kernels, by_xla)))

    def total(x, gradient, function):
        return (function(x, gradient) ** 3).sum()

    for place in 0, 1:
        slopes = (
            jax.jit(jax.grad(partial(total, function=f), place)) for f in (by_kernels, by_xla)
        )
        found, expected = (np.asarray(slope(*arrays)) for slope in slopes)
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * largest)


def test_second_derivatives_of_a_convolution():
    x, kernel, direction = noise(2, 6, 7, 3), noise(2, 3, 3, 5), noise(2, 3, 3, 5)
    windows = Windows(((1, 0), (0, 2)), (1, 1), (1, 1))

    def total(kernel):
        return (convolve(x, kernel, None, windows) ** 3).sum()

    _, found = jax.jvp(jax.grad(total), (kernel,), (direction,))
    step, ends = 1e-2, []
    for sign in 1, -1:
        y = convolve(x, kernel + sign * step * direction, None, windows)
        ends.append(slow(x, 3 * np.asarray(y, "float64") ** 2, (2, 3), windows))
    expected = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("axes", [(0, None), (None, 1), (2, 0)])
def test_vectorization(axes):
    arrays = [
        jnp.stack([one + n for n in range(4)], axis) if axis is not None else one
        for one, axis in zip(pair(), axes, strict=True)
    ]
    found, expected = (jax.jit(jax.vmap(f, axes))(*arrays) for f in (by_kernels, by_xla))
    same(found, expected)


def test_gradients_of_each_row():
    x, kernel = noise(4, 6, 7, 3), noise(3, 2, 3, 5)

    def total(kernel, row):
        return (convolve(row[None], kernel, None, WINDOWS) ** 2).sum()

    found = jax.vmap(jax.grad(total), (None, 0))(kernel, x)
    for one, row in zip(found, x, strict=True):
        y = np.asarray(convolve(row[None], kernel, None, WINDOWS))
        same(one, slow(row[None], 2 * y, (3, 2), WINDOWS))


def calls(function: Any, *arrays: Any) -> int:
    text = jax.jit(function).lower(*arrays).as_text()
    return text.count("custom_call @lamina_conv_gradient(")


def trained(x, kernel, windows=WINDOWS):
    return jax.grad(lambda kernel: (convolve(x, kernel, None, windows) ** 2).sum())(kernel)


def test_training_comes_here_once_for_each_convolution():
    x, kernel = noise(2, 7, 9, 3), noise(*SHAPE)
    assert calls(trained, x, kernel) == 1
    over_one = Windows(((2, 0),), (1,), (2,))
    assert calls(partial(trained, windows=over_one), noise(2, 7, 3), noise(3, 3, 5)) == 1
    assert calls(jax.vmap(trained, (None, 0)), x, noise(4, *SHAPE)) == 0


def test_programs_with_it_are_kept_on_disk():
    x, kernel = noise(2, 7, 9, 3), noise(*SHAPE)
    words = {programs.digest(jax.make_jaxpr(trained)(x, kernel))}
    words.add(programs.digest(jax.make_jaxpr(trained)(x[:1], kernel)))
    words.add(programs.digest(jax.make_jaxpr(trained)(x, noise(2, 2, 3, 5))))
    assert len(words) == 3
    assert None not in words


def test_exports_and_programs_for_several_devices_do_not_call():
    x, kernel = noise(2, 7, 9, 3), noise(*SHAPE)
    expected = trained(x, kernel)
    exported = jax.export.export(jax.jit(trained))(x, kernel)
    assert "custom_call" not in exported.mlir_module()
    same(exported.call(x, kernel), expected)
    rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b, 7, 9, 3"), "float32")
    same(jax.export.export(jax.jit(trained))(rows, kernel).call(x, kernel), expected)
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    parts = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
    assert calls(trained, parts, kernel) == 0
    same(jax.jit(trained)(parts, kernel), expected)


@pytest.mark.parametrize(
    ("shapes", "result", "options", "reason"),
    [
        ([(2, 5, 6, 3), (2, 4, 4, 7)], (2, 3, 3, 7), [0, 0, 1, 1, 1], "wrong number"),
        ([(2, 5, 6, 3)], (2, 3, 3, 7), [0, 0, 1, 1, 1, 1], "wrong number"),
        ([(2, 5, 6, 3), (1, 4, 4, 7)], (2, 3, 3, 7), [0, 0, 1, 1, 1, 1], "shapes"),
        ([(2, 5, 6, 3), (2, 4, 4, 7)], (2, 3, 4, 7), [0, 0, 1, 1, 1, 1], "shapes"),
        ([(2, 5, 6, 3), (2, 4, 4, 7)], (2, 3, 3, 8), [0, 0, 1, 1, 1, 1], "shapes"),
        ([(2, 5, 6, 3), (2, 4, 4, 7)], (2, 3, 3, 7), [0, 0, 1, 0, 1, 1], "shapes"),
        ([(2, 5, 6, 3), (2, 4, 4, 7)], (2, 3, 3, 7), [-1, 0, 1, 1, 1, 1], "shapes"),
        ([(2, 5, 6, 3), (2, 4, 4, 2)], (2, 3, 3, 2), [0, 0, 1, 1, 1, 1], "shapes"),
        ([(5, 6, 3), (2, 4, 4, 7)], (2, 3, 3, 7), [0, 0, 1, 1, 1, 1], "shapes"),
    ],
)
def test_wrong_calls_are_refused(shapes, result, options, reason):
    name = "lamina_conv_gradient"
    call = jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(result, jnp.float32))
    with pytest.raises(Exception, match=f"{name}: {reason}"):
        jax.block_until_ready(call(*map(jnp.ones, shapes), options=np.array(options, "int64")))
