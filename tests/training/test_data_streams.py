"""Sources that come batch by batch: generators, iterables, sequences, threads, processes."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any

import numpy as np
import pytest

from lamina.training import data as sources
from lamina.utils.sequence import GeneratorEnqueuer, OrderedEnqueuer, PyDataset, Sequence

make_source: Any = sources.make_source

RNG = np.random.default_rng(6)
X = RNG.normal(size=(11, 3)).astype("float32")
Y = RNG.integers(0, 4, size=11).astype("int32")


@pytest.fixture(autouse=True)
def _no_thread_stays():
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.name.startswith("lamina")]
    assert not left


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [(lambda: counting(steps=3), [4, 1, 1]), (lambda: Numbered(3), [4, 4, 1])],
)
def test_class_weights_of_streams(given, expected):
    batches = list(make_source(given(), class_weight={0: 4.0, 10: 4.0}).batches(0))
    assert [float(batch[2][0]) for batch in batches] == expected
