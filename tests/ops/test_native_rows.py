"""Products and look-ups of rows by the kernels for CPUs, against NumPy in float64."""

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

from lamina import layers
from lamina.layers import Dense, Embedding
from lamina.models import Sequential
from lamina.ops import library, native_rows
from lamina.ops.embedding import first_bad_row, take_rows
from lamina.ops.linear import dense, dot_last

rng = np.random.default_rng(23)

pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")


def noise(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, "float32")


def integers(values: Any) -> np.ndarray:
    return np.array(values, "int32")


def calls(function: Any, *arrays: Any) -> list[str]:
    """The kernels that a program calls."""
    text = jax.jit(function).lower(*arrays).as_text()
    return [name for name in library.TARGETS for _ in range(text.count(f"custom_call @{name}("))]


def rectified(x: Any, kernel: Any, bias: Any) -> Any:
    return dense(x, kernel, bias, relu=True)


def slow(x, kernel, bias=None, relu=False):
    y = x.astype("float64") @ kernel
    y = y if bias is None else y + bias
    return np.maximum(y, 0) if relu else y


def check(rows: tuple[int, ...], depth: int, outputs: int, bias: bool, relu: bool) -> None:
    x, kernel = noise(*rows, depth), noise(depth, outputs)
    offset: Any = noise(outputs) if bias else None
    function = partial(native_rows.dot, bias=offset, relu=relu)
    assert calls(function, x, kernel) == ["lamina_dot"]
    y = jax.jit(function)(x, kernel)
    assert y.shape == (*rows, outputs)
    np.testing.assert_allclose(
        y, slow(x, kernel, offset, relu), rtol=1e-5, atol=3e-6 * (1 + depth**0.5)
    )


# The widths of vectors are 16, 8 and 4: one of each, several, and a rest.
@pytest.mark.parametrize("outputs", [4, 5, 7, 8, 11, 15, 16, 17, 33, 64, 131])
@pytest.mark.parametrize("depth", [1, 2, 7, 8, 9, 16, 40])
def test_any_number_of_outputs(outputs, depth):
    check((3,), depth, outputs, bias=True, relu=False)
    check((1,), depth, outputs, bias=False, relu=True)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_narrower_vectors(width):
    kernels = ctypes.CDLL(str(Path(library.__file__).parents[1] / "native" / library.LIBRARY))
    try:
        if kernels.lamina_conv_use_widest(width) < width:
            pytest.skip(f"this processor has no vectors of {width}")
        for outputs in (16, 37, 100):
            check((2,), 25, outputs, bias=True, relu=True)
    finally:
        kernels.lamina_conv_use_widest(16)


# Of one and two rows, pieces of the depth on several threads, stripes of the outputs, and both. Of
# more, tiles of rows, parts of the outputs, pieces of the depth; what threads divide, and do not.
@pytest.mark.parametrize(
    ("rows", "depth", "outputs"),
    [
        ((1,), 3000, 70),
        ((2,), 700, 515),
        ((1,), 5, 13_000),
        ((2,), 300, 7_777),
        ((5,), 60, 4_001),
        ((3, 2), 90, 500),
        ((), 200, 30),
        ((2, 1, 2), 31, 12),
        ((33,), 50, 10),
        ((128,), 784, 97),
        ((29,), 2100, 70),
        ((700,), 70, 33),
        ((5, 61), 300, 64),
        ((1500,), 9, 5),
        ((14,), 40, 600),
        ((60,), 1, 4),
    ],
)
def test_any_rows_and_sizes(rows, depth, outputs):
    check(rows, depth, outputs, bias=True, relu=True)
    check(rows, depth, outputs, bias=False, relu=False)


def test_numbers_that_are_none_stay_so():
    x, kernel = np.ones((2, 5), "f"), noise(5, 20)
    kernel[3, 7] = np.nan
    x[1, 2] = np.inf
    y = np.asarray(dense(x, kernel, relu=True))
    assert np.isnan(y[:, 7]).all()
    np.testing.assert_array_equal(np.isposinf(y[1]), (kernel[2] > 0) & (np.arange(20) != 7))
    assert np.isfinite(np.delete(y[0], 7)).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_are_those_of_the_definition(relu, bias):
    arrays = [noise(2, 3, 7), noise(7, 9), *([noise(9)] if bias else [])]
    weights = noise(2, 3, 9)

    def total(*arrays):
        offset = arrays[2] if bias else None
        return (native_rows.dot(arrays[0], arrays[1], offset, relu) ** 2 * weights).sum()

    found = jax.jit(jax.grad(total, tuple(range(len(arrays)))))(*map(jnp.asarray, arrays))
    for place, gradient in enumerate(found):
        direction, distance, ends = noise(*gradient.shape), 1e-6, []
        for sign in (1, -1):
            moved = [array.astype("float64") for array in arrays]
            moved[place] += sign * distance * direction
            offset = moved[2] if bias else None
            ends.append((slow(moved[0], moved[1], offset, relu) ** 2 * weights).sum())
        slope = (ends[0] - ends[1]) / (2 * distance)
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "depth", "outputs"),
    [
        ((3,), 7, 9),
        ((1,), 40, 4),
        ((128,), 300, 70),
        ((5, 13), 61, 33),
        ((2,), 1000, 20),
        ((900,), 30, 70),
    ],
)
def test_gradients_of_matrices_are_products_by_the_kernels(rows, depth, outputs):
    x: Any = noise(*rows, depth)
    kernel, weights = noise(depth, outputs), noise(*rows, outputs)

    def total(kernel):
        return (native_rows.dot(x, kernel) * weights).sum()

    assert calls(jax.grad(total), kernel) == ["lamina_dot"]
    flat = x.reshape(-1, depth).astype("float64").T @ weights.reshape(-1, outputs)
    found = jax.jit(jax.grad(total))(kernel)
    np.testing.assert_allclose(found, flat, rtol=1e-5, atol=1e-5 * len(weights.ravel()) ** 0.5)
    # The gradient of that gradient, by the other matrix, is a product of the usual kind again.
    direction = noise(depth, outputs)
    back = jax.grad(
        lambda x: (
            jax.grad(lambda k: (native_rows.dot(x, k) * weights).sum())(kernel) * direction
        ).sum()
    )(x)
    np.testing.assert_allclose(back, weights @ direction.T, rtol=1e-4, atol=1e-3)


def test_forward_and_second_derivatives():
    x, kernel, bias, direction = noise(2, 7), noise(7, 9), noise(9), noise(7, 9)

    def total(kernel):
        return (dense(x, kernel, bias, relu=True) ** 2).sum()

    along = jax.jvp(total, (kernel,), (direction,))[1]
    np.testing.assert_allclose(along, np.vdot(jax.grad(total)(kernel), direction), rtol=1e-4)
    second = jax.jvp(jax.grad(total), (kernel,), (direction,))[1]
    linear = (x @ direction) * (x @ kernel + bias > 0)
    np.testing.assert_allclose(np.vdot(second, direction), 2 * (linear**2).sum(), rtol=1e-4)


def test_a_constant_has_no_tangent():
    x, kernel, bias = noise(2, 7), noise(7, 9), noise(9)
    program = jax.make_jaxpr(jax.grad(lambda bias: dense(x, kernel, bias).sum()))(bias)
    # The bias is summed by a product with ones.
    assert [str(program).count(f"{name}[") for name in ("dot_general", "lamina_dot")] == [1, 1]
    program = jax.make_jaxpr(jax.grad(lambda kernel: dense(x, kernel, bias).sum()))(kernel)
    assert [str(program).count(f"{name}[") for name in ("dot_general", "lamina_dot")] == [0, 2]


@pytest.mark.parametrize(
    "axes", [(0, None, None), (1, None, None), (None, 1, None), (None, None, 0), (2, 0, 1)]
)
def test_vectorization(axes):
    arrays = [noise(2, 7), noise(7, 9), noise(9)]
    many = [
        array if axis is None else np.stack([array, -array, 2 * array], axis)
        for array, axis in zip(arrays, axes, strict=True)
    ]
    by_kernels = axes[1:] == (None, None)  # which is a product of more rows
    assert calls(jax.vmap(rectified, axes), *many) == ["lamina_dot"] * by_kernels
    found = jax.vmap(rectified, axes)(*many)
    for place, factor in enumerate((1, -1, 2)):
        one = [
            array if axis is None else factor * array
            for array, axis in zip(arrays, axes, strict=True)
        ]
        expected = slow(one[0], one[1], one[2], relu=True)
        np.testing.assert_allclose(found[place], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "depth", "outputs", "few"),
    [
        (2, 2000, 2000, True),
        (67, 2000, 2000, True),
        (68, 2000, 2000, False),
        (1, 9, 4000, True),
        (3, 9, 9, True),
        (2, 9, 4, library.fewest() <= 4),
        (2, 9, 3, False),
        (0, 9, 4, False),
        (2, 0, 4, False),
    ],
)
def test_what_the_kernels_multiply(rows, depth, outputs, few):
    x, kernel = jnp.ones((rows, depth)), jnp.ones((depth, outputs))
    assert calls(dense, x, kernel) == (["lamina_dot"] if few else [])
    assert calls(dot_last, x, kernel) == []
    np.testing.assert_array_equal(dense(x, kernel), np.full((rows, outputs), depth))


def test_other_dtypes_and_shapes_are_xla_s():
    x, kernel, bias = jnp.ones((2, 7)), jnp.ones((7, 9)), jnp.ones(9)
    for other in (
        (x.astype("bfloat16"), kernel.astype("bfloat16"), bias.astype("bfloat16")),
        (x, kernel.reshape(7, 3, 3), None),
    ):
        assert calls(dense, *other) == []
    with jax.default_matmul_precision("bfloat16"):
        assert calls(dense, x, kernel, bias) == []
    with jax.default_matmul_precision("highest"):
        assert calls(dense, x, kernel, bias) == ["lamina_dot"]
    with pytest.raises(ValueError, match="bias"):
        dense(x, kernel, jnp.ones(8))


def test_exports_and_programs_for_several_devices_do_not_call():
    x, kernel, bias = noise(2, 7), noise(7, 9), noise(9)
    table, index = noise(11, 5), integers([[3, 10, 0], [-4, 11, 7]])

    def both(x, index):
        return dense(x, kernel, bias, relu=True), take_rows(table, index), first_bad_row(index, 11)

    expected = both(x, index)
    exported = jax.export.export(jax.jit(both))(x, index)
    assert "custom_call" not in exported.mlir_module()
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    parts = jax.device_put((x, index), NamedSharding(mesh, PartitionSpec("batch")))
    assert "lamina_" not in jax.jit(both).lower(*parts).as_text()
    for found in exported.call(x, index), jax.jit(both)(*parts):
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


SOME_ROWS = {
    "text": [
        Embedding(11, 20),
        layers.GlobalAveragePooling1D(),
        Dense(8, activation="relu"),
        Dense(3),
    ],
    "images": [
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.AveragePooling2D(2),
        layers.Conv2D(20, 3, padding="same"),
        layers.GlobalAveragePooling2D(),
        Dense(4, activation="softmax"),
    ],
    "steps": [layers.Conv1D(16, 3), layers.GlobalMaxPooling1D(), Dense(5)],
}


@pytest.mark.parametrize("kind", SOME_ROWS)
def test_exports_of_any_number_of_rows(kind):
    shape = {"text": "b, 6", "images": "b, 14, 10, 3", "steps": "b, 9, 4"}[kind]
    sizes = [int(size) for size in shape.split(", ")[1:]]
    dtype = "int32" if kind == "text" else "float32"
    model = Sequential([layers.Input(sizes, dtype=dtype), *SOME_ROWS[kind]])
    rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape), dtype)

    def predicted(x):
        return model(x)

    exported = jax.export.export(jax.jit(predicted))(rows)
    for count in 1, 2, 5:
        shape = count, *sizes
        x = integers(rng.integers(0, 11, shape)) if kind == "text" else noise(*shape)
        np.testing.assert_allclose(exported.call(x), model(x), rtol=1e-5, atol=1e-6)


def test_arrays_that_say_how_they_are_split():
    x, kernel = noise(2, 7), noise(7, 9)
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Explicit,))
    y = dense(jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch"))), kernel)
    np.testing.assert_allclose(y, slow(x, kernel), rtol=1e-5, atol=1e-5)
    assert y.sharding.is_equivalent_to(NamedSharding(mesh, PartitionSpec("batch")), y.ndim)


def test_rows_are_looked_up():
    table, index = noise(11, 5), integers([[3, 10], [0, -4], [11, 2**31 - 1]])
    assert calls(take_rows, table, index) == ["lamina_take"]
    found = jax.jit(take_rows)(table, index)
    np.testing.assert_array_equal(found, table[np.clip(index, 0, 10)])
    assert take_rows(table, integers(4)).shape == (5,)
    np.testing.assert_array_equal(take_rows(table, integers(4)), table[4])


def test_gradient_of_a_table():
    table, index, weights = noise(11, 5), integers([[3, 10, 3], [0, -4, 11]]), noise(2, 3, 5)
    found = jax.jit(jax.grad(lambda table: (take_rows(table, index) * weights).sum()))(table)
    expected = np.zeros((11, 5))
    np.add.at(expected, np.clip(index, 0, 10), weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_transposes_of_products_and_of_look_ups():
    x, kernel, bias, ct = noise(2, 7), noise(7, 9), noise(9), noise(2, 9)
    of_x = jax.linear_transpose(lambda x: dense(x, kernel), x)
    assert_close(of_x(ct), [ct @ kernel.T])
    of_kernel = jax.linear_transpose(lambda kernel: dense(x, kernel), kernel)
    assert_close(of_kernel(ct), [x.T @ ct])
    of_both = jax.linear_transpose(lambda x, bias: dense(x, kernel, bias), x, bias)
    assert_close(of_both(ct), [ct @ kernel.T, ct.sum(0)])
    index, ct = integers([[3, 10, 3]]), noise(1, 3, 5)
    expected = np.zeros((11, 5))
    np.add.at(expected, index, ct)
    of_table = jax.linear_transpose(lambda table: take_rows(table, index), noise(11, 5))
    assert_close(of_table(ct), [expected])


def test_solvers_and_tangents_of_one_s_own():
    matrix, b = noise(8, 8) + 9 * np.eye(8, dtype="f"), noise(8)

    def solved(b):
        return jax.scipy.sparse.linalg.bicgstab(lambda v: dense(v, matrix), b, tol=1e-7)[0]

    found = jax.grad(lambda b: solved(b).sum())(b)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, np.ones(8)), rtol=1e-4)

    @jax.custom_jvp
    def product(v):
        return dense(v, matrix)

    def twice_as_steep(values, tangents):
        return product(*values), 2 * dense(tangents[0], matrix)

    product.defjvp(twice_as_steep)
    found = jax.grad(lambda v: product(v).sum())(b[None])
    np.testing.assert_allclose(found, 2 * matrix.sum(1)[None], rtol=1e-5, atol=1e-5)


def assert_close(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_tables_and_indices_along_further_axes():
    tables, index = noise(3, 11, 5), integers([[3, 10], [0, 4], [9, 2]])
    found = jax.vmap(take_rows)(tables, index)
    np.testing.assert_array_equal(found, np.stack([tables[i][index[i]] for i in range(3)]))
    rows, values = jax.vmap(partial(first_bad_row, size=10))(index)
    assert (rows.tolist(), values.tolist()) == ([1, -1, -1], [10, 0, 0])


@pytest.mark.parametrize(
    ("numbers", "size", "row", "value"),
    [
        ([[0, 1], [7, 2]], 3, 1, 7),
        ([[0, 1], [-7, 9]], 3, 1, -7),
        ([[-1, 9], [0, 0]], 3, 0, -1),
        ([[0, 2], [1, 0]], 3, -1, 0),
        ([[0, 3], [1, 0]], 3, 0, 3),
        ([[2**31 - 1, 3], [1, 0]], 2**31 - 1, 0, 2**31 - 1),
    ],
)
def test_the_first_index_that_is_wrong(numbers, size, row, value):
    index = integers(numbers)
    assert calls(partial(first_bad_row, size=size), index) == ["lamina_search"]
    found = jax.jit(partial(first_bad_row, size=size))(index)
    assert (int(found[0]), int(found[1])) == (row, value)


def test_many_indices_and_rows_are_xla_s():
    few, many = np.zeros((2, native_rows.MOST_INDICES // 2), "int32"), np.zeros((1, 2049), "int32")
    assert calls(partial(first_bad_row, size=3), few) == ["lamina_search"]
    assert calls(partial(first_bad_row, size=3), many) == []
    assert calls(take_rows, jnp.ones((4, 16)), few) == ["lamina_take"]
    assert calls(take_rows, jnp.ones((4, 17)), few) == []
    assert calls(take_rows, jnp.ones((4, 2, 3)), few) == []


@pytest.mark.parametrize(
    ("shapes", "result", "options", "reason"),
    [
        ([(2, 3), (4, 5)], (2, 5), [0, 0], "shapes"),
        ([(2, 3), (3, 5), (4,)], (2, 5), [0, 0], "shapes"),
        ([(2, 3), (3, 5)], (2, 7), [0, 0], "shapes"),
        ([(2, 3), (3, 5)], (2, 5), [0, 1], "shapes"),
        ([(2, 3), (2, 5)], (2, 5), [0, 1], "shapes"),
        ([(2, 3), (3, 5), (5,)], (2, 5), [0], "wrong number"),
        ([(2, 3), (3, 5), (5,), (5,)], (2, 5), [0, 0], "wrong number"),
        ([(2, 3), (1, 3, 5)], (2, 5), [0, 0], "no matrices"),
    ],
)
def test_wrong_calls_are_refused(shapes, result, options, reason):
    call = jax.ffi.ffi_call("lamina_dot", jax.ShapeDtypeStruct(result, jnp.float32))
    with pytest.raises(Exception, match=f"lamina_dot: {reason}"):
        jax.block_until_ready(call(*map(jnp.ones, shapes), options=np.array(options, "int64")))


@pytest.mark.parametrize("rows", [1, 2, 3, 50])
def test_a_model_gives_the_same_for_few_rows_and_for_many(rows):
    model = Sequential([Embedding(30, 6), Dense(40, activation="relu"), Dense(300), Dense(5)])
    x = rng.integers(0, 30, (200, 4))
    whole = model.predict(x, batch_size=200, verbose=0)
    np.testing.assert_allclose(
        model.predict(x[:rows], verbose=0), whole[:rows], rtol=1e-4, atol=1e-6
    )
    with pytest.raises(ValueError, match="index 30 in row 1"):
        model.predict(np.array([[1, 2], [29, 30]]), verbose=0)
    np.testing.assert_allclose(model(x[:rows]), whole[:rows], rtol=1e-4, atol=1e-6)
