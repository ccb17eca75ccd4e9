"""Look-up of rows, and the report of indices out of range."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.embedding import first_bad_row, take_rows

table = np.random.default_rng(0).normal(size=(7, 3)).astype("f")


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int8", "uint32"])
def test_rows(dtype):
    index = np.array([[0, 6, 2], [6, 6, 1]], dtype)
    np.testing.assert_array_equal(take_rows(table, index), table[index])


def test_small_integers_reach_a_large_table():
    large = np.arange(1000.0, dtype="f")[:, None]
    assert take_rows(large, np.array([255], "uint8")).tolist() == [[255.0]]
    assert int(first_bad_row(np.array([255], "uint8"), 1000)[0]) == -1


def test_out_of_range_gives_the_nearest_row():
    np.testing.assert_array_equal(take_rows(table, np.array([-1, 7, 99])), table[[0, 6, 6]])


def test_gradient_adds_up():
    index = np.array([[0, 6, 2], [6, 6, 1]])
    weights = np.random.default_rng(1).normal(size=(2, 3, 3)).astype("f")
    expected = np.zeros_like(table)
    np.add.at(expected, index, weights)
    gradient = jax.grad(lambda t: jnp.vdot(take_rows(t, index), weights))(table)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("index", "row", "value"),
    [
        ([[0, 6], [2, 3], [1, 1]], -1, 0),
        ([[0, 6], [2, 7], [-1, 1]], 1, 7),
        ([[0, 6], [2, 3], [-4, 9]], 2, -4),
        ([[8, 6], [2, 3], [-4, 9]], 0, 8),
        ([[0, 6], [2, -1], [-4, 9]], 1, -1),
        ([0, 1, 9], 2, 9),
        (7, 0, 7),
        (6, -1, 0),
    ],
)
def test_first_bad_row(index, row, value):
    found = jax.jit(first_bad_row, static_argnums=1)(np.array(index), 7)
    assert [int(part) for part in found] == [row, value]
    assert found[0].dtype == jnp.int32


@pytest.mark.parametrize("shape", ["b,", "b, 3"])
def test_rows_and_the_first_bad_one_of_any_number_of_rows(shape):
    table = np.random.default_rng(0).normal(size=(5, 4)).astype("f")

    def both(index):
        return take_rows(table, index), first_bad_row(index, 5)

    open_rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape), "int32")
    exported = jax.export.export(jax.jit(both))(open_rows)
    for rows in 1, 2, 5:
        index = np.zeros((rows, *open_rows.shape[1:]), "int32")
        index[-1] = 7
        found, (row, value) = exported.call(index)
        np.testing.assert_array_equal(found, table[np.clip(index, 0, 4)])
        assert (int(row), int(value)) == (rows - 1, 7)
        assert int(exported.call(index * 0)[1][0]) == -1


def test_nothing_is_not_bad():
    assert int(first_bad_row(np.zeros((0, 3), "int32"), 7)[0]) == -1
    assert int(first_bad_row(np.zeros((3, 0), "int32"), 7)[0]) == -1


def test_floats_are_refused():
    with pytest.raises(TypeError, match="take_rows: indices must be integers, got dtype float32"):
        take_rows(table, np.ones(2, "f"))
    with pytest.raises(TypeError, match="first_bad_row: indices must be integers"):
        first_bad_row(np.ones(2, "f"), 3)
