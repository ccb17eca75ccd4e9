"""Sources cut from arrays: every kind of array, exact rows, orders, dtypes, weights."""

from __future__ import annotations

from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from jax.experimental.sparse import BCOO

from lamina.training import data as sources
from lamina.training.data import (
    arrays,
    class_weights,
    pack_x_y_sample_weight,
    unpack_x_y_sample_weight,
)

make_source: Any = sources.make_source
split_validation: Any = sources.split_validation
weigh: Any = class_weights.weigh

ROWS, WIDTH = 11, 3
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, WIDTH)).astype("float32")
Y = RNG.integers(0, 4, size=ROWS).astype("int32")


@pytest.fixture
def tiny_limit(monkeypatch):
    monkeypatch.setattr(arrays, "RESIDENT_LIMIT", 0)


def rows(source, epoch=0, part=0):
    return [np.asarray(batch[part]) for batch in source.batches(epoch)]


# --- arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, 11, 50])
def test_each_row_comes_once_in_order(size):
    source = make_source(X, Y, batch_size=size)
    assert (source.samples, source.batch_size, source.steps) == (ROWS, size, -(-ROWS // size))
    assert source.order(0) is None
    batches = list(source.batches(0))
    assert len(batches) == source.steps
    assert len(batches[-1][0]) == (ROWS % size or size if size <= ROWS else ROWS)
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), X)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), Y)
    assert all(b[2] is None for b in batches)


def test_batch_size_is_32_when_nobody_says():
    assert make_source(np.ones((65, 2), "float32")).steps == 3


def test_slices_in_order_are_not_copied():
    source = make_source({"a": X}, [Y], batch_size=4)
    assert source.resident[0]["a"] is X or np.shares_memory(source.resident[0]["a"], X)
    for x, y, _ in source.batches(0):
        assert np.shares_memory(x["a"], X)
        assert np.shares_memory(y[0], Y)


def test_batch_shuffle_does_not_copy_either():
    assert all(
        np.shares_memory(x, X) for x in rows(make_source(X, batch_size=4, shuffle="batch", seed=3))
    )


def test_batch_shuffle_of_less_than_a_batch():
    source = make_source(X, batch_size=50, shuffle="batch")
    assert source.order(0).tolist() == list(range(ROWS))


def test_jax_arrays_stay_on_their_device():
    x = jnp.asarray(X)
    source = make_source(x, batch_size=4)
    assert source.resident[0] is x
    np.testing.assert_array_equal(np.concatenate(rows(source)), X)
    assert all(isinstance(b[0], np.ndarray) for b in source.batches(0))


def test_shuffled_rows_are_a_permutation_that_keeps_pairs():
    source = make_source(X, Y, batch_size=4, shuffle=True, seed=9)
    order = source.order(2)
    assert order.dtype == np.int32
    assert sorted(order) == list(range(ROWS))
    batches = list(source.batches(2))
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), X[order])
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), Y[order])


def test_orders_depend_on_seed_and_epoch_alone():
    def orders(seed):
        return [tuple(make_source(X, shuffle=True, seed=seed).order(e)) for e in range(5)]

    source = make_source(X, shuffle=True, seed=4)
    source.order(0)
    list(source.batches(3))
    assert [tuple(source.order(e)) for e in range(5)] == orders(4)  # as when resumed
    assert len(set(orders(4) + orders(5))) == 10


def test_order_is_that_of_philox():
    """Independent reading: the order is fixed for all time, files of training state rely on it."""
    expected = np.arange(ROWS, dtype=np.int32)
    bits = np.random.Philox(key=np.array([4, 2], np.uint64))
    np.random.Generator(bits).shuffle(expected)
    np.testing.assert_array_equal(make_source(X, shuffle=True, seed=4).order(2), expected)


def test_batch_shuffle_moves_whole_batches_and_leaves_the_rest_last():
    source = make_source(X, batch_size=2, shuffle="batch", seed=1)
    order = source.order(0)
    blocks = order[:10].reshape(5, 2)
    assert sorted(blocks[:, 0]) == [0, 2, 4, 6, 8]
    assert (blocks[:, 1] == blocks[:, 0] + 1).all()
    assert order[10] == 10
    assert any(tuple(source.order(e)) != tuple(order) for e in range(1, 4))
    np.testing.assert_array_equal(np.concatenate(rows(source)), X[order])


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_fewer_steps_go_on_in_the_next_epoch_and_see_all_rows_equally(shuffle):
    source = make_source(X, batch_size=2, steps=3, shuffle=shuffle, seed=8)
    assert (source.samples, source.steps) == (6, 3)
    seen = np.concatenate([source.order(epoch) for epoch in range(ROWS)])
    assert (np.bincount(seen, minlength=ROWS) == 6).all()
    if shuffle is False:
        assert source.order(1).tolist() == [6, 7, 8, 9, 10, 0]
    for epoch in (0, 1, 4):
        batches = rows(source, epoch)
        assert [len(b) for b in batches] == [2, 2, 2]
        np.testing.assert_array_equal(np.concatenate(batches), X[source.order(epoch)])


def test_steps_of_evaluate_are_the_first_rows_each_time():
    source = make_source(X, Y, batch_size=2, steps=3, where="evaluate")
    assert len(source.resident[0]) == source.samples == 6
    assert source.order(1) is None
    np.testing.assert_array_equal(np.concatenate(rows(source, 1)), X[:6])


def test_more_steps_than_rows_warn():
    with pytest.warns(UserWarning, match="9 steps of 4 rows are asked for, but the 11 rows end"):
        source = make_source(X, batch_size=4, steps=9)
    assert source.steps == len(rows(source)) == 3


# --- structure and dtypes -----------------------------------------------------------------------


def test_structure_is_kept():
    source = make_source(
        (X, {"a": X[:, :1], "b": (Y,)}), {"out": Y}, {"out": Y.astype("float32")}, batch_size=4
    )
    x, y, w = next(source.batches(0))
    assert isinstance(x, list)
    assert isinstance(x[1]["b"], list)
    np.testing.assert_array_equal(x[0], X[:4])
    np.testing.assert_array_equal(x[1]["a"], X[:4, :1])
    np.testing.assert_array_equal(x[1]["b"][0], Y[:4])
    np.testing.assert_array_equal(y["out"], Y[:4])
    np.testing.assert_array_equal(w["out"], Y[:4])


@pytest.mark.parametrize("limit", [None, 0])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("float64", "float32"),
        (">f4", "float32"),
        (">f8", "float32"),
        ("int64", "int32"),
        ("uint64", "uint32"),
        ("uint8", "uint8"),
        ("int16", "int16"),
        ("bool", "bool"),
        ("float16", "float16"),
        (jnp.bfloat16, "bfloat16"),
    ],
)
def test_dtypes(given, expected, limit, monkeypatch):
    monkeypatch.setattr(arrays, "RESIDENT_LIMIT", limit)
    x = np.array([[1, 0], [1, 1], [0, 1]]).astype(given)
    source = make_source(x, x[:, 0], batch_size=2)
    assert (source.resident is None) == (limit == 0)
    for batch in source.batches(0):
        assert batch[0].dtype == batch[1].dtype == expected
        assert batch[0].dtype.isnative
    np.testing.assert_array_equal(np.concatenate(rows(source)), x.astype(expected))


def test_weights_become_floats():
    w = make_source(X, Y, np.arange(ROWS)).resident[2]
    assert w.dtype == "float32"
    assert w.tolist() == list(range(ROWS))


def test_nan_is_let_through():
    assert np.isnan(make_source([1.0, float("nan")]).resident[0][1])


@pytest.mark.parametrize(
    ("given", "dtype", "shape"),
    [
        ([0, 1, 1], "int32", (3,)),
        ([[1, 2], [3, 4], [5, 6]], "int32", (3, 2)),
        ([[1, 2.5]], "float32", (1, 2)),
        (((1, 2), (3, 4), (5, 6)), "int32", (3, 2)),
        ([[[1.0], [2.0]], [[3.0], [4.0]]], "float32", (2, 2, 1)),
        ([True, False], "bool", (2,)),
        ([np.float32(1), np.float32(2)], "float32", (2,)),
    ],
)
def test_lists_of_numbers_are_one_array(given, dtype, shape):
    x = make_source(given).resident[0]
    assert (x.dtype, x.shape) == (np.dtype(dtype), shape)
    np.testing.assert_array_equal(x, np.array(given))


def test_lists_of_arrays_are_several_inputs():
    x = make_source([X, list(range(ROWS))]).resident[0]
    assert len(x) == 2
    assert x[1].tolist() == list(range(ROWS))


def test_pandas():
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [1, 2], "c": [True, False]})
    x, y, _ = make_source(frame, pd.Series([3, 4]), batch_size=2).resident
    np.testing.assert_array_equal(x, np.array([[1.5, 1, 1], [2.5, 2, 0]], "float32"))
    assert (x.dtype, y.dtype) == (np.float32, np.int32)
    missing = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.0, 2.0]})
    np.testing.assert_array_equal(make_source(missing).resident[0], [[1, 1], [np.nan, 2]])


def test_tensors_of_others_by_what_they_can_do():
    class Torch:
        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return X

    class Tf:
        def numpy(self):
            return X

    class Other:
        def __array__(self, dtype=None, copy=None):
            return X

    for given in (Torch(), Tf(), Other()):
        assert np.shares_memory(make_source(given).resident[0], X)


# --- files, sparse ------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("limit", [None, 0])
def test_h5py(tmp_path, monkeypatch, shuffle, limit):
    monkeypatch.setattr(arrays, "RESIDENT_LIMIT", limit)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        stored = file.create_dataset("x", data=X.astype("float64"))
        source = make_source(stored, Y, batch_size=4, shuffle=shuffle, seed=2)
        assert (source.resident is None) == (limit == 0)
        order = source.order(1)
        batches = rows(source, 1)
        assert batches[0].dtype == np.float32
        np.testing.assert_array_equal(np.concatenate(batches), X if order is None else X[order])


@pytest.mark.usefixtures("tiny_limit")
def test_h5py_parts_are_split_without_reading(tmp_path):
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        stored = file.create_dataset("x", data=X)
        train, held = split_validation(stored, Y, None, 0.3)
        np.testing.assert_array_equal(np.concatenate(rows(make_source(*train))), X[:7])
        source = make_source(*held, batch_size=3, shuffle=True, seed=1)
        np.testing.assert_array_equal(np.concatenate(rows(source)), X[7:][source.order(0)])


@pytest.mark.parametrize("limit", [None, 0])
def test_memmap(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(arrays, "RESIDENT_LIMIT", limit)
    X.tofile(tmp_path / "rows")
    x = np.memmap(tmp_path / "rows", "float32", "r", shape=X.shape)
    source = make_source(x, batch_size=4)
    assert (source.resident is None) == (limit == 0)
    assert all(np.shares_memory(batch, x) for batch in rows(source))
    np.testing.assert_array_equal(np.concatenate(rows(source)), X)


def _sparse():
    dense = np.where(RNG.random((ROWS, 7)) < 0.3, RNG.normal(size=(ROWS, 7)), 0.0)
    dense[4] = 0
    return dense.astype("float32")


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.coo_array, BCOO.fromdense])
@pytest.mark.parametrize("shuffle", [False, True])
def test_sparse_batches_have_one_shape(make, shuffle):
    dense = _sparse()
    source = make_source(make(dense), Y, batch_size=4, shuffle=shuffle, seed=6)
    assert source.resident is None
    order = source.order(0) if shuffle else np.arange(ROWS)
    batches = [batch[0] for batch in source.batches(0)]
    assert len({batch.nse for batch in batches}) == 1
    assert [batch.shape for batch in batches] == [(4, 7), (4, 7), (3, 7)]
    found = np.concatenate([batch.todense() for batch in batches])
    np.testing.assert_array_equal(found, dense[order])
    entries = np.count_nonzero(dense[order][:4])
    assert (np.asarray(batches[0].indices)[entries:] == batches[0].shape).all()
    kernel = RNG.normal(size=(7, 5)).astype("float32")
    product = jax.jit(lambda a, b: a @ b)(batches[1], kernel)
    np.testing.assert_allclose(product, dense[order][4:8] @ kernel, rtol=1e-5, atol=1e-6)


def test_padded_bcoo_with_unsorted_entries():
    indices = np.array([[2, 1], [0, 3], [3, 4], [0, 0]])  # the third points outside
    given = BCOO((jnp.array([5.0, 6.0, 7.0, 8.0]), jnp.asarray(indices)), shape=(3, 4))
    found = np.concatenate([b[0].todense() for b in make_source(given, batch_size=2).batches(0)])
    assert found.tolist() == [[8, 0, 0, 6], [0, 0, 0, 0], [0, 5, 0, 0]]


def test_sparse_in_streams_and_splits():
    dense = _sparse()
    stream = iter([scipy.sparse.csr_matrix(dense[:5]), scipy.sparse.csr_matrix(dense[5:])])
    found = [batch[0].todense() for batch in make_source(stream).batches(0)]
    np.testing.assert_array_equal(np.concatenate(found), dense)
    train, held = split_validation(scipy.sparse.csr_matrix(dense), Y, None, 0.4)
    found = [[b[0].todense() for b in make_source(*part).batches(0)] for part in (train, held)]
    np.testing.assert_array_equal(np.concatenate(found[0]), dense[:6])
    np.testing.assert_array_equal(np.concatenate(found[1]), dense[6:])


# --- weights ------------------------------------------------------------------------------------


def test_class_weights_of_ints_and_one_hot():
    table = {0: 2.0, 3: 0.5}
    expected = np.array([table.get(int(label), 1.0) for label in Y], "float32")
    for y in (Y, Y[:, None], np.eye(4)[Y], Y.astype("float64"), Y.astype("uint8"), jnp.asarray(Y)):
        w = make_source(X, y, class_weight=table).resident[2]
        assert w.dtype == np.float32
        np.testing.assert_array_equal(w, expected)


def test_class_weights_multiply_sample_weights():
    before = RNG.random(ROWS)
    w = make_source(X, Y, before, class_weight={1: 3}).resident[2]
    np.testing.assert_allclose(w, before * np.where(Y == 1, 3, 1), rtol=1e-6)
    temporal = RNG.random((ROWS, 2)).astype("float32")
    w = make_source(X, Y, temporal, class_weight={1: 3}).resident[2]
    np.testing.assert_allclose(w, temporal * np.where(Y == 1, 3, 1)[:, None], rtol=1e-6)


def test_class_weights_of_several_outputs():
    z = (Y + 1) % 4
    on_z = np.where(z == 2, 5, 1)
    w = make_source(X, {"a": Y, "b": z}, class_weight={"b": {2: 5}}).resident[2]
    assert w["a"] is None
    np.testing.assert_array_equal(w["b"], on_z)
    before = RNG.random(ROWS).astype("float32")
    source = make_source(X, [Y, z], [before, None], class_weight={"b": {2: 5}}, names=["a", "b"])
    np.testing.assert_array_equal(source.resident[2][0], before)
    np.testing.assert_array_equal(source.resident[2][1], on_z)


# --- split, pack --------------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "cut"), [(0.1, 9), (0.25, 8), (0.5, 5), (0.95, 0)])
def test_validation_is_the_last_rows(fraction, cut):
    if not cut:
        with pytest.raises(ValueError, match="leaves no rows for training"):
            split_validation(X, Y, None, fraction)
        return
    (x, y, w), (vx, vy, vw) = split_validation([X, jnp.asarray(X)], {"o": Y}, Y, fraction)
    assert np.shares_memory(x[0], X)
    for part, held, whole in ((x[0], vx[0], X), (x[1], vx[1], X), (y["o"], vy["o"], Y), (w, vw, Y)):
        np.testing.assert_array_equal(part, whole[:cut])
        np.testing.assert_array_equal(held, whole[cut:])


def test_pack_and_unpack():
    assert unpack_x_y_sample_weight((1,)) == (1, None, None)
    assert unpack_x_y_sample_weight([1, 2, 3]) == (1, 2, 3)
    for parts in ((1, None, None), (1, 2, None), (1, 2, 3), ([1, 5], None, None)):
        assert unpack_x_y_sample_weight(pack_x_y_sample_weight(*parts)) == parts
    with pytest.raises(ValueError, match="tuple of 4 entries"):
        unpack_x_y_sample_weight((1, 2, 3, 4))
