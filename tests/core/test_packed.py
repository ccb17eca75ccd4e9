"""Numbers that lie in one array between two steps are still variables for everybody else."""

import copy
import pickle
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.callbacks import LambdaCallback
from lamina.core.packed import Pack, Scalar
from lamina.core.readers import readers
from lamina.core.variable import Variable
from lamina.layers import Dense
from lamina.metrics import Mean
from lamina.models import Sequential


def variables() -> list[Variable]:
    vector = Variable(np.arange(3.0), name="vector")
    count = Scalar(np.int32(7), name="count")
    return [Scalar(1.5, name="a"), vector, Scalar(-2.5, name="b"), count, Scalar(4.0, name="c")]


def numbers_of(variables: list[Variable]) -> list[list[float]]:
    return [np.atleast_1d(variable.numpy()).tolist() for variable in variables]


START = [[1.5], [0.0, 1.0, 2.0], [-2.5], [7], [4.0]]


def doubled(pack: Pack, kept: list[jax.Array]) -> list[jax.Array]:
    return pack.together([value * 2 for value in pack.apart(kept)])


def test_a_step_takes_the_scalars_in_one_array_and_gives_them_back():
    held = variables()
    pack = Pack(held)
    kept = pack.collect()
    assert [part.shape for part in kept] == [(3,), (3,), ()]
    assert [np.atleast_1d(part).tolist() for part in pack.apart(kept)] == START
    assert numbers_of(held) == START
    pack.publish(jax.jit(lambda kept: doubled(pack, kept))(kept))
    assert numbers_of(held) == [[3.0], [0.0, 2.0, 4.0], [-5.0], [14], [8.0]]
    assert [variable.dtype for variable in held] == [part.dtype for part in pack.apart(kept)]


def test_an_assignment_between_two_steps_counts_in_the_next():
    held = variables()
    pack = Pack(held)
    pack.publish(doubled(pack, pack.collect()))
    held[2].assign(0.5)
    held[4].assign_add(1.0)
    assert numbers_of(held) == [[3.0], [0.0, 2.0, 4.0], [0.5], [14], [9.0]]
    pack.publish(doubled(pack, pack.collect()))
    assert numbers_of(held) == [[6.0], [0.0, 4.0, 8.0], [1.0], [28], [18.0]]


def test_two_packs_may_hold_the_same_variable():
    held = variables()
    one, other = Pack(held), Pack(held[2:])
    one.publish(doubled(one, one.collect()))
    other.publish(doubled(other, other.collect()))
    assert numbers_of(held) == [[3.0], [0.0, 2.0, 4.0], [-10.0], [28], [16.0]]
    one.publish(doubled(one, one.collect()))
    assert numbers_of(held) == [[6.0], [0.0, 4.0, 8.0], [-20.0], [56], [32.0]]


def test_a_lone_scalar_stays_as_it_is():
    held = [Variable(np.ones(2)), Scalar(3.0)]
    pack = Pack(held)
    assert [part.shape for part in pack.collect()] == [(2,), ()]
    assert Pack([]).collect() == []


def test_jitted_functions_take_a_scalar_as_its_number():
    held = variables()
    pack = Pack(held)
    pack.publish(doubled(pack, pack.collect()))
    assert float(jnp.maximum(held[0], 1.0)) == 3.0  # pyright: ignore
    assert float(jax.jit(lambda tree: tree["a"] + 1)({"a": held[0]})) == 4.0
    assert float(held[0] * held[2]) == -15.0


def test_copies_and_pickles_take_the_number_along():
    held = variables()
    pack = Pack(held)
    pack.publish(doubled(pack, pack.collect()))
    twin, loaded = copy.deepcopy(held[0]), pickle.loads(pickle.dumps(held[0]))
    twin.assign(9.0)
    assert (float(held[0]), float(twin), float(loaded)) == (3.0, 9.0, 3.0)


def test_a_number_that_somebody_holds_stays_when_the_array_is_given_away():
    held = variables()
    pack = Pack(held)
    pack.collect()
    before = held[0].value
    seen = np.asarray(held[2])
    step = jax.jit(lambda kept: doubled(pack, kept), donate_argnums=0)
    for _ in range(3):
        pack.publish(step(pack.collect()))
    assert (float(before), float(seen)) == (1.5, -2.5)
    assert float(held[0]) == 12.0


def fitted(metric: Mean) -> tuple[Sequential, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 3)).astype("f"), rng.normal(size=(40, 2)).astype("f")
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse", metrics=[metric])
    return model, x, y


class Absolute(Mean):
    def update_state(self, y_true, y_pred, sample_weight=None):  # pyright: ignore
        super().update_state(jnp.abs(y_true - y_pred), sample_weight)


@pytest.mark.parametrize("batches", ["stream", "resident"])
def test_metrics_are_read_and_set_between_batches(batches):
    metric = Absolute(name="off")
    model, x, y = fitted(metric)
    seen = []

    def look(batch, logs):
        seen.append((float(metric.count), float(metric.result()) - logs["off"]))
        if batch == 1:
            metric.reset_state()

    look_each = [LambdaCallback(on_batch_end=look)]
    if batches == "resident":
        model.fit(x, y, batch_size=10, verbose=0, callbacks=look_each)
    else:
        stream = ((x[start : start + 10], y[start : start + 10]) for start in range(0, 40, 10))
        model.fit(stream, steps_per_epoch=4, verbose=0, callbacks=look_each)
    assert seen == [(10, 0), (20, 0), (10, 0), (20, 0)]


def test_evaluation_within_training_shares_the_metrics():
    metric = Absolute(name="off")
    model, x, y = fitted(metric)
    history = model.fit(x, y, batch_size=10, epochs=3, validation_data=(x, y), verbose=0)
    expected = np.abs(model.predict(x, verbose=0) - y).mean()
    np.testing.assert_allclose(history.history["val_off"][-1], expected, rtol=1e-5)
    np.testing.assert_allclose(metric.result(), history.history["off"][-1], rtol=1e-6)


def test_another_thread_reads_while_a_model_trains():
    metric = Absolute(name="off")
    model, x, y = fitted(metric)
    found: list[float] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found.append(float(metric.total.numpy()))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(20):
            for start in range(0, 40, 10):
                model.train_on_batch(x[start : start + 10], y[start : start + 10])
    finally:
        done.set()
        thread.join()
    assert not readers.active
    assert len(found) > 3
    assert np.isfinite(found).all()
