"""Training on four devices is training on one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from lamina import backend as K
from lamina import distribution, layers, models, saving, utils
from lamina.core import jit
from lamina.distribution import DataParallel, DeviceMesh
from lamina.training import resident

PARALLEL = DataParallel()
ROWS = 77  # four batches of 16 rows, and 13 rows that four devices cannot share out
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, 5)).astype("f")
Y = RNG.integers(0, 3, ROWS)
WEIGHTS = RNG.random(ROWS).astype("f")
WHOLE = X[:64], Y[:64]
HELD_OUT = RNG.normal(size=(29, 5)).astype("f"), RNG.integers(0, 3, 29)
WORDS = RNG.integers(0, 11, (16, 6))
IMAGES = RNG.normal(size=(16, 7, 8, 3)).astype("f")


@pytest.fixture(autouse=True)
def _nothing_is_set() -> Iterator[None]:
    yield
    distribution.set_distribution(None)


def small_model() -> Any:
    model = models.Sequential(
        [
            layers.Dense(7, activation="relu", input_shape=(5,)),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def linear_model(optimizer: Any = "sgd") -> Any:
    model = models.Sequential([layers.Dense(3, activation="softmax", input_shape=(5,))])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def on_rows() -> Any:
    """Many steps in one call, weights of rows, held out data, blocks of predictions."""
    model = small_model()
    history = model.fit(
        X,
        Y,
        batch_size=16,
        epochs=2,
        sample_weight=WEIGHTS,
        validation_data=HELD_OUT,
        verbose=0,
    )
    found = model.evaluate(X, Y, batch_size=16, verbose=0)
    return history.history, model.get_weights(), found, model.predict(X[:64], batch_size=16)


def on_words() -> Any:
    model = models.Sequential(
        [layers.Embedding(11, 4, mask_zero=True), layers.LSTM(5, dropout=0.3), layers.Dense(1)]
    )
    model.compile("rmsprop", "mse")
    history = model.fit(WORDS, X[:16, :1], batch_size=8, epochs=2, verbose=0)
    return history.history, model.get_weights()


def on_images() -> Any:
    """Batch by batch: on a CPU convolutions are in no loop."""
    model = models.Sequential(
        [
            layers.Conv2D(4, 3, input_shape=(7, 8, 3)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.SpatialDropout2D(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    history = model.fit(IMAGES, X[:16, :1], batch_size=8, epochs=2, verbose=0)
    return history.history, model.get_weights(), model.predict(IMAGES, batch_size=8)


def batches() -> Iterator[Any]:
    while True:
        for size in (16, 13, 4):
            yield X[:size], Y[:size]


def on_streams() -> Any:
    """Batches of several sizes, and the methods that take one batch."""
    model = linear_model()
    history = model.fit(batches(), steps_per_epoch=4, verbose=0)
    found = [model.train_on_batch(X[:size], Y[:size]) for size in (13, 16)]
    K.set_value(model.optimizer.learning_rate, 0.3)
    found.append(model.train_on_batch(X[:16], Y[:16]))
    found.append(model.test_on_batch(X[:13], Y[:13]))
    one = [model.predict_on_batch(X[:size]) for size in (13, 16)]
    return history.history, found, one, model.predict(X[:1]), model.predict(batches(), steps=3)


def eagerly() -> Any:
    model = models.Sequential([layers.Dense(2, input_shape=(5,))])
    model.compile("sgd", "mse", run_eagerly=True)
    return model.train_on_batch(X[:8], X[:8, :2]), model.get_weights(), model.predict(X[:8])


RUNS = {run.__name__: run for run in (on_rows, on_words, on_images, on_streams, eagerly)}


def assert_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert [*found] == [*wanted]
        found, wanted = [*found.values()], [*wanted.values()]
    if isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
        return
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_the_numbers_are_those_of_one_device(name: str):
    utils.set_random_seed(3)
    wanted = RUNS[name]()
    utils.set_random_seed(3)
    with PARALLEL.scope():
        found = RUNS[name]()
    assert_same(found, wanted)


@pytest.mark.parametrize(
    "parallel",
    [DataParallel(devices=["cpu:2", "cpu:1"]), DataParallel(DeviceMesh((2, 2), ["rows", "other"]))],
    ids=["two_devices", "two_axes"],
)
def test_other_meshes(parallel: DataParallel):
    wanted, found = linear_model(), linear_model()
    found.set_weights(wanted.get_weights())
    wanted.fit(*WHOLE, batch_size=16, shuffle=False, verbose=0)
    with parallel.scope():
        found.fit(*WHOLE, batch_size=16, shuffle=False, verbose=0)
    assert_same(found.get_weights(), wanted.get_weights())


def test_data_kept_on_accelerators(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resident, "Hosted", resident.Resident)
    wanted, found = linear_model(), linear_model()
    found.set_weights(wanted.get_weights())
    found._seed = wanted._seed
    wanted.fit(*WHOLE, batch_size=16, verbose=0)
    with PARALLEL.scope():
        found.fit(*WHOLE, batch_size=16, verbose=0)
        rows = resident.on(found._source(X, Y, batch_size=16, where="fit"))
    assert_same(found.get_weights(), wanted.get_weights())
    assert rows.data[0].sharding.is_fully_replicated
    assert shards(rows.batch(None, 1, 16)[0]) == [(4, 5)] * 4
    assert shards(rows.block(None, 0)[0]) == [(rows.capacity, 4, 5)] * 4


def shards(array: Any) -> list[tuple[int, ...]]:
    return [shard.data.shape for shard in array.addressable_shards]


class Places(NamedTuple):
    """Where the arrays of a compiled step were."""

    state: list[Any]
    batch: list[Any]
    made: list[Any]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, Places]:
    """What compiled steps took and gave last, by name."""
    usual, found = jit.compile, {}

    def compiled(function: Any, *args: Any, **options: Any) -> Any:
        run = usual(function, *args, **options)
        if function.__name__ not in ("_one", "_many", "_test_one", "_test_many"):
            return run

        def noted(state: Any, settings: Any, batch: Any, *rest: Any) -> Any:
            # Donated arrays still know how they lay.
            given = [leaf for leaf in jax.tree.leaves(state) if np.ndim(leaf)]
            new, logs = run(state, settings, batch, *rest)
            leaves = jax.tree.leaves(batch), jax.tree.leaves(new)
            found[function.__name__] = Places(given, *leaves)
            return new, logs

        return noted

    monkeypatch.setattr(jit, "compile", compiled)
    return found


def test_batches_are_split_and_state_is_on_all_devices(places: dict[str, Places]):
    with PARALLEL.scope():
        model = linear_model("adam")
        model.fit(X, Y, batch_size=16, verbose=0)
        other = linear_model()
        other.evaluate(X[:32], Y[:32], batch_size=16, verbose=0)
        assert all(len(v._value.sharding.device_set) == 4 for v in other.weights)
    block = places["_many"]
    assert shards(block.batch[0]) == [(16, 4, 5)] * 4
    assert shards(places["_one"].batch[0]) == [(13, 5)] * 4
    assert shards(places["_test_many"].batch[1]) == [(16, 4)] * 4
    for place in places.values():
        for leaf in [*place.state, *place.made]:
            assert leaf.sharding.is_fully_replicated
            assert len(leaf.sharding.device_set) == 4
    assert all(leaf.is_deleted() for leaf in block.state)  # the memory was taken over


def test_predictions_are_computed_in_parts():
    with PARALLEL.scope():
        model = linear_model()
        outputs = PARALLEL._placement.predicting(model)(X[:16])
    assert shards(outputs) == [(4, 3)] * 4


def test_models_of_texts_predict_on_one_device():
    texts = layers.Input((1,), dtype="string")
    lookup = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    model = models.Model(texts, lookup(texts))
    words = np.array([["a"], ["b"], ["c"], ["b"]])
    with PARALLEL.scope():
        found = model.predict(words, batch_size=2)
    np.testing.assert_array_equal(found, np.eye(3)[[1, 2, 0, 2]])


def test_everything_is_at_home_afterwards():
    model = linear_model("adam")
    with PARALLEL.scope():
        model.fit(*WHOLE, batch_size=16, verbose=0)
        other = linear_model()
        other.predict(X)
        assert all(len(v._value.sharding.device_set) == 4 for v in [*model.weights, *other.weights])
    state = [*model._steps.collect(), [v._value for v in other.weights]]
    for leaf in jax.tree.leaves(state):
        assert not hasattr(leaf, "sharding") or len(leaf.sharding.device_set) == 1
    alone = jax.device_put(X[:3], jax.devices()[0])
    assert_same(np.asarray(model(alone)), model.predict(X[:3]))


def test_arrays_that_somebody_holds_stay():
    model = linear_model()
    kernel = model.layers[0].kernel
    model.train_on_batch(X[:16], Y[:16])
    before = kernel.value
    copied = np.array(before)
    with PARALLEL.scope():
        model.train_on_batch(X[:16], Y[:16])
        between = kernel.value
        assert len(between.sharding.device_set) == 4  # other steps than those before
        copied_between = np.array(between)
        model.train_on_batch(X[:16], Y[:16])
    model.train_on_batch(X[:16], Y[:16])
    np.testing.assert_array_equal(before, copied)
    np.testing.assert_array_equal(between, copied_between)
    assert np.abs(copied - copied_between).max() > 0


def test_a_training_goes_on_with_and_without():
    whole, parts = linear_model("adam"), linear_model("adam")
    parts.set_weights(whole.get_weights())
    parts._seed = whole._seed
    whole.fit(*WHOLE, batch_size=16, epochs=3, verbose=0)
    for epoch in range(3):
        distribution.set_distribution(PARALLEL if epoch % 2 == 0 else None)
        parts.fit(*WHOLE, batch_size=16, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
    assert_same(parts.get_weights(), whole.get_weights())


def test_checkpoints_and_files_of_a_distributed_training(tmp_path: Any):
    with PARALLEL.scope():
        model = linear_model("adam")
        model.fit(*WHOLE, batch_size=16, verbose=0)
        saving.save_checkpoint(model, tmp_path / "state.h5")
        model.save(tmp_path / "model.keras")
        model.fit(*WHOLE, batch_size=16, epochs=2, initial_epoch=1, verbose=0)
    alone = linear_model("adam")
    saving.load_checkpoint(alone, tmp_path / "state.h5")
    assert_same(models.load_model(tmp_path / "model.keras").predict(X), alone.predict(X))
    alone.fit(*WHOLE, batch_size=16, epochs=2, initial_epoch=1, verbose=0)
    assert_same(alone.get_weights(), model.get_weights())


def test_wrong_labels_are_told_with_their_row():
    labels = Y.copy()
    labels[37] = 8
    model = linear_model()
    before = model.get_weights()
    with PARALLEL.scope(), pytest.raises(ValueError, match="has the label 8 in row 37"):
        model.fit(X, labels, batch_size=64, shuffle=False, verbose=0)
    assert_same(model.get_weights(), before)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_sizes_that_never_divide_are_refused(method: str):
    model = linear_model()
    data = (X,) if method == "predict" else (X, Y)
    message = f"{method}: batches of 6 rows cannot .* the 4 devices .* batch_size=4 or 8"
    with PARALLEL.scope(), pytest.raises(ValueError, match=message):
        getattr(model, method)(*data, batch_size=6, verbose=0)


def test_schedules_are_part_of_the_step():
    """The settings of a step have no arrays then, and another schedule is another step."""
    from lamina.optimizers import SGD
    from lamina.schedules import ExponentialDecay

    model = linear_model(SGD(ExponentialDecay(0.5, 1, 0.5)))
    with PARALLEL.scope():
        model.train_on_batch(X[:16], Y[:16])
        before = model.get_weights()
        model.optimizer.learning_rate = ExponentialDecay(0.0, 1, 0.5)
        model.train_on_batch(X[:16], Y[:16])
    assert_same(model.get_weights(), before)


def test_steps_are_compiled_once(caplog: pytest.LogCaptureFixture):
    model = linear_model("adam")
    with PARALLEL.scope(), jax.log_compiles(), caplog.at_level("WARNING"):
        for _ in range(2):
            model.fit(*WHOLE, batch_size=16, verbose=0)
            model.evaluate(*WHOLE, batch_size=16, verbose=0)
    compiled = [text for text in caplog.messages if text.startswith("Finished XLA compilation")]
    assert len(compiled) == 2, compiled
