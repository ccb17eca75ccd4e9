"""Sources of batches: every kind of data, exact rows, orders, threads, error texts."""

from __future__ import annotations

import threading
import time
import traceback
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
from lamina.utils.sequence import GeneratorEnqueuer, OrderedEnqueuer, PyDataset, Sequence

make_source: Any = sources.make_source
split_validation: Any = sources.split_validation
weigh: Any = class_weights.weigh

ROWS, WIDTH = 11, 3
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, WIDTH)).astype("float32")
Y = RNG.integers(0, 4, size=ROWS).astype("int32")


@pytest.fixture(autouse=True)
def _no_thread_stays():
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.name.startswith("lamina")]
    assert not left


@pytest.fixture
def tiny_limit(monkeypatch):
    monkeypatch.setattr(arrays, "RESIDENT_LIMIT", 0)


def rows(source, epoch=0, part=0):
    return [np.asarray(batch[part]) for batch in source.batches(epoch)]


def counting(epochs=1, steps=4, size=3):
    """Batches whose x is their number."""
    for number in range(epochs * steps):
        yield np.full((size, 2), number, "float32"), np.full(size, number, "int32")


class Numbered(PyDataset):
    def __init__(self, length=5, delay=False, **options):
        super().__init__(**options)
        self.length, self.delay, self.ended, self.threads = length, delay, 0, set()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        assert type(index) is int
        self.threads.add(threading.current_thread().name)
        if self.delay:  # early ones take longest
            time.sleep(0.004 * (self.length - index))
        return np.full((2, 3), index, "float32"), np.full(2, 10 * index + self.ended, "int32")

    def on_epoch_end(self):
        self.ended += 1


class Sent(PyDataset):
    """Travels to other processes."""

    def __init__(self):
        super().__init__(workers=1, use_multiprocessing=True)
        self.shift = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.full((2, 1), index + self.shift, "float32")


def numbers(source, epoch=0):
    return [int(batch[0].flat[0]) for batch in source.batches(epoch)]


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


# --- generators and iterables -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_generators_go_on_where_the_epoch_stopped(workers):
    pulled = []

    def endless():
        number = 0
        while True:
            pulled.append(number)
            yield np.full((2, 1), number, "float64")
            number += 1

    source = make_source(endless(), steps=3, workers=workers, max_queue_size=2)
    assert (source.samples, source.batch_size, source.steps) == (None, None, 3)
    assert [numbers(source, epoch) for epoch in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert pulled == list(range(9))  # nothing is taken that no epoch asked for
    assert not source.exhausted


def test_a_thread_prepares_only_so_many():
    pulled = []

    def endless():
        while True:
            pulled.append(0)
            yield np.ones((1, 1))

    batches = make_source(endless(), steps=50, max_queue_size=3).batches(0)
    next(batches)
    time.sleep(0.05)
    assert 2 <= len(pulled) <= 6
    batches.close()


def test_a_generator_that_runs_dry_warns_and_ends_the_epoch():
    source = make_source(counting(steps=5), steps=3)
    assert numbers(source) == [0, 1, 2]
    with pytest.warns(
        UserWarning, match="fit: .* ran out in epoch 2: 3 steps were expected and 2 were seen"
    ):
        assert numbers(source, 1) == [3, 4]
    assert source.exhausted


def test_a_finite_generator_without_steps_is_one_epoch():
    source = make_source(counting(steps=3))
    assert source.steps is None
    assert numbers(source) == [0, 1, 2]
    assert source.steps == 3
    assert source.exhausted
    with pytest.warns(UserWarning, match="epoch 2: 3 steps were expected and 0 were seen"):
        assert numbers(source, 1) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_an_empty_generator(workers):
    source = make_source(iter(()), steps=2, workers=workers, where="evaluate")
    with pytest.raises(ValueError, match="evaluate: x, a tuple_iterator, is empty: it yielded no"):
        next(source.batches(0))


class Loader:
    """Iterable as a loader of PyTorch: a new pass each time, lists as pairs."""

    def __init__(self, length, known=True):
        self.length, self.known = length, known

    def __iter__(self):
        return ([np.full((2, 1), i), np.full(2, i)] for i in range(self.length))

    def __len__(self):
        if not self.known:
            raise TypeError("unknown length")
        return self.length


@pytest.mark.parametrize("known", [True, False])
def test_iterables_start_anew_each_epoch(known):
    source = make_source(Loader(3, known))
    assert source.steps == (3 if known else None)
    assert numbers(source) == numbers(source, 1) == [0, 1, 2]
    x, y, w = next(source.batches(2))
    assert (x.shape, y.shape, w) == ((2, 1), (2,), None)
    source.close()


def test_iterables_with_fewer_steps_go_on():
    source = make_source(Loader(4), steps=3)
    assert [numbers(source, e) for e in range(4)] == [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3]]
    source = make_source(Loader(4), steps=2)
    assert [numbers(source, e) for e in range(3)] == [[0, 1], [2, 3], [0, 1]]


def test_iterables_with_too_many_steps_run_dry_each_epoch():
    source = make_source(Loader(2), steps=3)
    for epoch in range(2):
        with pytest.warns(UserWarning, match="3 steps were expected and 2 were seen"):
            assert numbers(source, epoch) == [0, 1]
    assert not source.exhausted


def test_an_iterable_that_empties_does_not_hang():
    loader = Loader(2)
    source = make_source(loader, steps=2)
    assert numbers(source) == [0, 1]
    loader.length = 0
    with pytest.warns(UserWarning, match="2 steps were expected and 0 were seen"):
        assert numbers(source, 1) == []


def test_what_batches_mean():
    def one(batch, where="fit"):
        return next(make_source(iter([batch]), where=where).batches(0))

    a, b, w = np.ones((2, 1)), np.zeros(2), np.array([1, 2])
    assert one(a)[1:] == (None, None)
    assert one((a,))[1:] == (None, None)
    assert one((a, b))[1].shape == (2,)
    assert one((a, b, w))[2].dtype == np.float32
    assert one(([a, a], {"o": b}))[1]["o"].shape == (2,)
    assert len(one(([a, a], b))[0]) == 2
    assert one([a, b], "fit")[1].shape == (2,)
    assert len(one([a, b], "predict")[0]) == 2


def test_exceptions_of_producers_keep_their_traceback():
    def broken_inside():
        yield np.ones((2, 1))
        raise KeyError("lost file")

    batches = make_source(broken_inside(), steps=4).batches(0)
    next(batches)
    with pytest.raises(KeyError, match="lost file") as caught:
        next(batches)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "broken_inside" in names


def test_closing_ends_the_thread_at_once():
    source = make_source(counting(steps=100), steps=100, max_queue_size=2)
    batches = source.batches(0)
    next(batches)
    assert any(t.name == "lamina-prefetch" for t in threading.enumerate())
    source.close()
    assert not any(t.name == "lamina-prefetch" for t in threading.enumerate())


# --- Sequence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_keep_the_order(workers):
    data = Numbered(7, delay=True)
    source = make_source(data, workers=workers, max_queue_size=4)
    assert source.steps == 7
    assert numbers(source) == list(range(7))
    assert len(data.threads) == (workers or 1)
    assert ("MainThread" in data.threads) == (workers == 0)


def test_a_sequence_says_itself_how_many_workers():
    data = Numbered(6, delay=True, workers=3)
    assert numbers(make_source(data)) == list(range(6))
    assert len(data.threads) == 3


def test_sequence_shuffles_batches_and_hears_of_epochs():
    data = Numbered(6)
    source = make_source(data, shuffle=True, seed=3)
    orders = [numbers(source, e) for e in range(3)]
    assert [sorted(order) for order in orders] == [list(range(6))] * 3
    assert len(set(map(tuple, orders))) > 1
    assert numbers(make_source(Numbered(6), shuffle=True, seed=3), 2) == orders[2]
    assert data.ended == 0
    source.on_epoch_end()
    assert data.ended == 1
    assert all(batch[1][0] % 10 == 1 for batch in source.batches(0))


def test_sequence_with_fewer_steps_goes_on():
    source = make_source(Numbered(4), steps=3)
    assert [numbers(source, e) for e in range(3)] == [[0, 1, 2], [3, 0, 1], [2, 3, 0]]
    assert numbers(make_source(Numbered(4), steps=3, where="evaluate"), 1) == [0, 1, 2]
    with pytest.warns(UserWarning, match="9 steps are asked for, but x, a Numbered, has 4"):
        assert len(numbers(make_source(Numbered(4), steps=9))) == 4


def test_sequence_without_end():
    class Endless(Numbered):
        @property
        def num_batches(self):
            return None

    assert numbers(make_source(Endless(), steps=2), 3) == [6, 7]
    with pytest.raises(ValueError, match="a Endless, has no length; say how many batches"):
        make_source(Endless())


def test_sequence_whose_length_changes():
    data = Numbered(2)
    source = make_source(data)
    assert len(numbers(source)) == 2
    data.length = 3
    assert numbers(source, 1) == [0, 1, 2]
    assert source.steps == 3


def test_plain_classes_are_sequences_too():
    class Old:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index : index + 1], Y[index : index + 1]

    assert len(numbers(make_source(Old()))) == 2


def test_exceptions_of_sequences():
    class Broken(Numbered):
        def __getitem__(self, index):
            if index == 2:
                raise OSError("no such picture")
            return super().__getitem__(index)

    batches = make_source(Broken(), workers=2).batches(0)
    assert [int(next(batches)[0].flat[0]) for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="no such picture"):
        next(batches)


def test_a_sequence_left_early_leaves_no_thread():
    data = Numbered(50, delay=False)
    source = make_source(data, workers=3, max_queue_size=5)
    next(source.batches(0))
    source.close()
    assert len(data.threads) <= 3


def test_processes():
    data = Sent()
    source = make_source(data)
    try:
        assert numbers(source) == [0, 1, 2]
        data.shift = 5
        assert numbers(source, 1) == [5, 6, 7]
    finally:
        source.close()


def test_what_cannot_be_sent_uses_threads_and_says_so():
    data: Any = Numbered(3)
    data.function = lambda: None
    with pytest.warns(UserWarning, match=r"needs a Numbered that can be pickled .*; 2 threads are"):
        source = make_source(data, workers=2, use_multiprocessing=True)
    assert numbers(source) == [0, 1, 2]
    with pytest.warns(UserWarning, match="one thread reads a generator"):
        make_source(counting(), use_multiprocessing=True)


def test_enqueuers():
    assert Sequence is PyDataset
    queue = OrderedEnqueuer(Numbered(3, delay=True), shuffle=True)
    with pytest.raises(RuntimeError, match=r"OrderedEnqueuer: call start\(\) before get\(\)"):
        queue.get()
    queue.start(workers=2, max_queue_size=3)
    assert queue.is_running()
    items = queue.get()
    passes = [[int(next(items)[0].flat[0]) for _ in range(3)] for _ in range(2)]
    assert [sorted(p) for p in passes] == [[0, 1, 2]] * 2
    assert int(next(items)[1][0]) % 10 == 2  # on_epoch_end was called twice
    queue.stop()
    assert not queue.is_running()
    reader = GeneratorEnqueuer(counting(steps=9))
    reader.start(max_queue_size=2)
    assert int(next(reader.get())[0].flat[0]) == 0
    assert int(next(reader.get())[0].flat[0]) == 1
    reader.stop()


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [(lambda: counting(steps=3), [4, 1, 1]), (lambda: Numbered(3), [4, 4, 1])],
)
def test_class_weights_of_streams(given, expected):
    batches = list(make_source(given(), class_weight={0: 4.0, 10: 4.0}).batches(0))
    assert [float(batch[2][0]) for batch in batches] == expected


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


# --- error texts --------------------------------------------------------------------------------

one = np.ones((4, 2), "float32")
ERRORS = {
    "lengths": (lambda: make_source(one, Y), r"fit: all arrays must .* got x: 4, y: 11\.$"),
    "lengths of weights": (
        lambda: make_source(one, one, Y, where="evaluate"),
        r"evaluate: .* got x: 4, y: 4, sample_weight: 11\.$",
    ),
    "lengths in lists": (
        lambda: make_source([one, X], {"out": Y}),
        r"x\[0\]: 4, x\[1\]: 11, y\['out'\]: 11\. A list of arrays means several inputs",
    ),
    "no x": (lambda: make_source(None), "fit: x is None; there is no data"),
    "empty array": (
        lambda: make_source(np.ones((0, 3))),
        r"fit: x is empty: its shape is \(0, 3\)",
    ),
    "empty list": (lambda: make_source([]), "fit: x is an empty list"),
    "empty dict": (lambda: make_source({}), "fit: x is an empty dict"),
    "scalar": (lambda: make_source(np.float32(3)), "fit: x is a scalar; an array with one row"),
    "number": (lambda: make_source(one, 3), "fit: y is a scalar"),
    "scalar inside": (lambda: make_source([one, jnp.ones(())]), r"fit: x\[1\] is a scalar"),
    "text": (lambda: make_source("digits.csv"), "fit: x holds strings; map them to ints first"),
    "strings": (lambda: make_source(one, np.array(["a"] * 4)), "fit: y holds strings"),
    "strings in lists": (
        lambda: make_source(one, ["cat", "dog", "cat", "cat"]),
        r"fit: y\[0\] is 'cat', a str; all entries must be numbers",
    ),
    "object": (
        lambda: make_source({"a": np.array([[1], [1, 2]], dtype=object)}),
        r"fit: x\['a'\] has dtype object \(it holds list\); numbers are expected",
    ),
    "dates": (lambda: make_source(np.array(["2020-01-01"], "M8[D]")), r"has dtype datetime64\[D\]"),
    "complex": (lambda: make_source(one * 1j), "fit: x holds complex numbers"),
    "masked": (
        lambda: make_source(np.ma.masked_equal([1, 2], 2)),
        "fit: x is a masked array with masked entries",
    ),
    "None in structure": (lambda: make_source([one, None]), r"fit: x\[1\] is None; an array is"),
    "None in numbers": (lambda: make_source([[1, 2], [3, None]]), r"fit: x\[1\]\[1\] is None"),
    "None in y": (lambda: make_source(one, [one, None]), r"fit: y\[1\] is None"),
    "ragged": (
        lambda: make_source([[1, 2], [3, 4], [5, 6, 7]]),
        r"fit: x is ragged: x\[0\] has length 2 and x\[2\] has length 3",
    ),
    "ragged inside": (
        lambda: make_source([[[1], [2]], [[3], [4, 5]]]),
        r"fit: x\[1\] is ragged: x\[1\]\[0\] has length 1 and x\[1\]\[1\] has length 2",
    ),
    "ragged between": (
        lambda: make_source([[[1], [2]], [[3, 4], [4, 5]]]),
        r"x\[0\] has shape \(2, 1\) and x\[1\] has shape \(2, 2\)",
    ),
    "numbers and lists": (
        lambda: make_source([1, [2, 3]]),
        r"x\[0\] is a number and x\[1\] has length 2",
    ),
    "huge int": (lambda: make_source([1, 2**70]), "fit: x cannot be read .* exceed 64 bits"),
    "int64": (
        lambda: make_source(np.array([[1, 2], [3, 2**40]])),
        r"fit: x holds 1099511627776 in row 1, beyond the range of int32",
    ),
    "float64": (
        lambda: make_source(one, [1e300] * 4),
        "fit: y holds numbers beyond the range of fl",
    ),
    "table": (
        lambda: make_source(pd.DataFrame({"a": [1, 2], "b": ["u", "v"]})),
        "fit: x: column 'b' holds (str|object), not numbers",
    ),
    "series": (lambda: make_source(pd.Series(["u"])), "fit: x holds (str|object), not numbers"),
    "sparse y": (
        lambda: make_source(one, scipy.sparse.csr_matrix(one)),
        "fit: y is sparse; only x may be",
    ),
    "batch_size": (
        lambda: make_source(one, batch_size=0),
        "fit: batch_size must be a positive int, got 0",
    ),
    "batch_size float": (
        lambda: make_source(one, batch_size=2.5),
        r"batch_size must be a positive int, got 2\.5",
    ),
    "batch_size bool": (lambda: make_source(one, batch_size=True), "positive int, got True"),
    "steps": (
        lambda: make_source(one, steps=-1),
        "fit: steps_per_epoch must be a positive int, got -1",
    ),
    "steps of predict": (
        lambda: make_source(one, steps=0, where="predict"),
        "predict: steps must be a positive int",
    ),
    "workers": (
        lambda: make_source(one, workers=-1),
        "workers must be an int of at least 0, got -1",
    ),
    "queue": (lambda: make_source(one, max_queue_size=0), "max_queue_size must be a positive int"),
    "shuffle": (
        lambda: make_source(one, shuffle="batsh"),
        r"fit: shuffle must be True, False or 'batch', got 'batsh'\. Did you mean 'batch'\?",
    ),
    "shuffle None": (lambda: make_source(one, shuffle=None), "got None"),
    "batch_size and generator": (
        lambda: make_source(counting(), batch_size=4),
        "fit: batch_size cannot be given when x is a generator; it decides itself",
    ),
    "y and generator": (
        lambda: make_source(counting(), Y),
        r"fit: y cannot be given when x is a generator; let it yield \(x, y\)",
    ),
    "weights and sequence": (
        lambda: make_source(Numbered(), sample_weight=Y),
        "fit: sample_weight cannot be given when x is a Numbered",
    ),
    "no data": (lambda: make_source(object()), "fit: x must be arrays, a generator, .* got object"),
    "no array": (lambda: make_source(one, object()), "fit: y must be an array, .* got object"),
    "empty sequence": (lambda: make_source(Numbered(0)), "a Numbered, is empty: its length is 0"),
    "batch of four": (
        lambda: next(make_source(iter([(1, 2, 3, 4)])).batches(0)),
        "fit: batch 0: A batch is x, .* got a tuple of 4",
    ),
    "batch lengths": (
        lambda: list(make_source(iter([(one, one), (one, Y)])).batches(0)),
        "fit: batch 1: all arrays must have the same number of rows, got x: 4, y: 11",
    ),
    "batch without x": (
        lambda: next(make_source(iter([(None, one)])).batches(0)),
        "fit: batch 0 has no x",
    ),
    "fraction": (
        lambda: split_validation(one, one, None, 1.5),
        "fit: validation_split must be between",
    ),
    "fraction type": (lambda: split_validation(one, one, None, "a"), "must be a number between 0"),
    "split of few": (
        lambda: split_validation(one[:1], None, None, 0.5),
        r"validation_split=0\.5 of 1 rows leaves no rows for training",
    ),
    "split of generator": (
        lambda: split_validation(counting(), None, None, 0.5),
        "fit: validation_split needs arrays, but x is a generator",
    ),
    "class key": (
        lambda: weigh(Y, None, {"cat": 1}, "fit"),
        "class_weight: classes are ints .* 'cat'",
    ),
    "class negative": (lambda: weigh(Y, None, {-1: 1}, "fit"), "got the key -1"),
    "class beyond": (
        lambda: weigh(np.eye(3), None, {3: 1}, "fit"),
        r"class_weight has the class 3, but y has 3 classes \(0 to 2\)",
    ),
    "class weight": (
        lambda: weigh(Y, None, {1: "a"}, "fit"),
        r"class_weight\[1\] must be a finite",
    ),
    "class weight NaN": (lambda: weigh(Y, None, {1: np.nan}, "fit"), "finite number, got nan"),
    "class_weight list": (
        lambda: weigh(Y, None, [1, 2], "fit"),
        "must be a dict of class to weight",
    ),
    "class of 3D": (
        lambda: weigh(np.ones((4, 2, 3)), None, {0: 1}, "fit"),
        r"needs one class per row, but y has shape \(4, 2, 3\)",
    ),
    "class of fractions": (
        lambda: weigh(np.array([0, 0.5]), None, {0: 1}, "fit"),
        "holds 0.5 in row 1",
    ),
    "class of NaN": (lambda: weigh(np.array([np.nan]), None, {0: 1}, "fit"), "holds nan in row 0"),
    "two hot": (
        lambda: weigh(np.array([[0, 1], [1, 1]]), None, {0: 1}, "fit"),
        "row 1 of y has 2 equal largest entries",
    ),
    "class without y": (
        lambda: make_source(one, class_weight={0: 1}),
        "class_weight needs targets",
    ),
    "classes of outputs": (
        lambda: weigh([Y, Y], None, {0: 1.0}, "fit"),
        "with several outputs must be a dict of output to a dict",
    ),
    "unknown output": (
        lambda: weigh({"left": Y, "right": Y}, None, {"rihgt": {0: 1}}, "fit"),
        r"names the output 'rihgt'; .* Did you mean 'right'\?",
    ),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=list(ERRORS))
def test_mistakes_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
