"""Gradients of convolutions, by the kernels for CPUs, against a slow reading of the definition."""

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
from lamina.ops import library, native_back, native_conv
from lamina.ops.conv import conv_transpose
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
    step = jax.jit(partial(native_back.gradient_p.bind, windows=windows, shape=of_kernel))
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
        found = native_back.gradient_p.bind(x, gradient, windows=windows, shape=shape)
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


by_kernels = partial(native_back.gradient_p.bind, windows=WINDOWS, shape=SHAPE)
by_xla = partial(native_back._gradient_by_xla, windows=WINDOWS, shape=SHAPE)


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


def spread(gradient: Any, kernel: Any, windows: Windows, shape: tuple[int, ...]) -> np.ndarray:
    """What each cell of an input got, one cell of the window after the other, in float64."""
    rank = len(windows.strides)
    room = [size + sum(pads) for size, pads in zip(shape[1:-1], windows.pads, strict=True)]
    reach = [
        (places - 1) * step + window
        for places, step, window in zip(
            gradient.shape[1:-1], windows.strides, kernel.shape[:rank], strict=True
        )
    ]
    found = np.zeros((shape[0], *map(max, room, reach), shape[-1]))
    for cell in np.ndindex(*kernel.shape[:rank]):
        seen = tuple(
            slice(at, at + (places - 1) * step + 1, step)
            for at, places, step in zip(cell, gradient.shape[1:-1], windows.strides, strict=True)
        )
        found[(slice(None), *seen)] += gradient.astype("float64") @ kernel[cell].T
    inside = (
        slice(before, before + size)
        for (before, _), size in zip(windows.pads, shape[1:-1], strict=True)
    )
    return found[(slice(None), *inside)]


def check_back(shape, window, outputs, strides, befores) -> None:
    sizes = zip(shape[1:-1], window, strides, befores, strict=True)
    pads, places = [], []
    for size, cells, step, before in sizes:
        count = -(-(size + before) // step)
        places.append(count)
        pads.append((before, max(0, (count - 1) * step + cells - before - size)))
    windows = Windows(tuple(pads), strides, (1,) * len(window))
    assert native_back.goes_back(windows, shape, (*window, shape[-1], outputs))
    gradient, kernel = noise(shape[0], *places, outputs), noise(*window, shape[-1], outputs)
    found = jax.jit(partial(native_back.back, windows=windows, shape=shape))(gradient, kernel)
    assert found.shape == shape
    np.testing.assert_allclose(found, spread(gradient, kernel, windows, shape), atol=1e-4)


@pytest.mark.parametrize(
    "case",
    [
        ((2, 9, 5), (3,), 6, (2,), (1,)),
        ((2, 9, 20), (5,), 6, (3,), (4,)),
        # Cells of an input that no window sees, for steps are larger than windows.
        ((2, 9, 20), (2,), 6, (5,), (0,)),
        ((2, 11, 9, 17), (3, 4), 7, (2, 3), (0, 2)),
        ((3, 7, 12, 18), (1, 1), 4, (2, 2), (0, 0)),
        ((1, 6, 13, 33), (4, 2), 37, (2, 1), (3, 1)),
        ((1, 1, 2, 16), (3, 3), 5, (3, 2), (2, 1)),
    ],
)
def test_inputs_of_windows_with_steps(case):
    check_back(*case)


def test_random_steps():
    for _ in range(30):
        window, strides = (tuple(map(int, rng.integers(1, 5, 2))) for _ in range(2))
        befores = tuple(int(rng.integers(0, size)) for size in window)
        images, channels, outputs = (int(n) for n in rng.integers((1, 16, 1), (4, 30, 30)))
        size = [int(rng.integers(1, 12)) for _ in window]
        check_back((images, *size, channels), window, outputs, strides, befores)


STEPS = Windows(((1, 0), (0, 0)), (2, 3), (1, 1))
INPUT = 2, 7, 8, 17


def steps() -> tuple[Any, Any]:
    """The gradient of a result, and a kernel."""
    kernel = noise(3, 2, 17, 19)
    result = native_conv._shape(STEPS, INPUT, kernel.shape)
    return jnp.asarray(noise(*result)), jnp.asarray(kernel)


back = partial(native_back.back_p.bind, windows=STEPS, shape=INPUT)
back_by_xla = partial(native_back._back_by_xla, windows=STEPS, shape=INPUT)


def test_tangents_and_gradients_of_what_goes_back():
    arrays, directions = steps(), steps()
    same(jax.jvp(back, arrays, directions), jax.jvp(back_by_xla, arrays, directions))
    weights = noise(*INPUT)

    def total(gradient, kernel, function):
        return (function(gradient, kernel) ** 2 * weights).sum()

    for place in 0, 1:
        slope = jax.jit(jax.grad(total, place), static_argnums=2)
        found, expected = (np.asarray(slope(*arrays, f)) for f in (back, back_by_xla))
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * largest)
    stacked = [jnp.stack([one, 2 - one]) for one in arrays]
    for axes in (0, None), (None, 0), (0, 0):
        given = [
            all_ if axis == 0 else one
            for all_, one, axis in zip(stacked, arrays, axes, strict=True)
        ]
        same(*(jax.vmap(function, axes)(*given) for function in (back, back_by_xla)))


def test_nothing_is_padded_by_less_than_nothing():
    """XLA reads foreign memory then: cells that no window sees are cut off."""
    arrays = steps()
    for place in 0, 1:
        slope = jax.grad(lambda *arrays: (back(*arrays) ** 2).sum(), place)
        equations = jax.make_jaxpr(slope)(*arrays).jaxpr.eqns
        found = [e.params["windows"].pads for e in equations if "windows" in e.params]
        assert len(found) == 2
        assert min(min(pads) for pads in found[1]) == 0


def test_gradients_of_inputs_and_transposed_convolutions_come_here():
    x, kernel = jnp.asarray(noise(*INPUT)), steps()[1]

    def slope(x):
        return jax.grad(lambda x: (convolve(x, kernel, None, STEPS) ** 2).sum())(x)

    def wide(y):
        return conv_transpose(y, kernel, strides=(2, 3), dilation=(1, 1), padding="same")

    text = jax.jit(slope).lower(x).as_text()
    assert (
        text.count("custom_call @lamina_conv(") == 1 + 2 * 2
    )  # of three places in a step two are seen
    assert programs.digest(jax.make_jaxpr(slope)(x)) is not None
    y = jnp.asarray(noise(2, 5, 4, 19))
    text = jax.jit(wide).lower(y).as_text()
    assert text.count("custom_call @lamina_conv(") == 2 * 2
    assert programs.has_convolution(jax.make_jaxpr(wide)(y).jaxpr)
    exported = jax.export.export(jax.jit(wide))(y)
    assert "custom_call" not in exported.mlir_module()
    same(exported.call(y), wide(y))
    few = conv_transpose(y, kernel[..., :3, :], strides=(2, 3), dilation=(1, 1), padding="same")
    same(wide(y)[..., :3], few)


def test_a_transposed_convolution_of_few_channels_is_xla_s():
    y, kernel = noise(2, 5, 3), noise(3, 20, 3)
    form = partial(conv_transpose, strides=(2,), dilation=(1,), padding="valid")
    assert "lamina_" not in jax.jit(form).lower(y, kernel).as_text()
    form = partial(form, data_format="channels_first")
    y, kernel = noise(2, 20, 5), noise(3, 20, 20)
    assert "lamina_" not in jax.jit(form).lower(y, kernel).as_text()
