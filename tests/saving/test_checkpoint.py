"""save_checkpoint and load_checkpoint: all of a training's state, or nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lamina
from lamina import optimizers
from lamina.callbacks import EarlyStopping
from lamina.layers import BatchNormalization, Dense, Dropout
from lamina.models import Sequential
from lamina.saving import checkpoint, load_checkpoint, save_checkpoint, wait_for_checkpoints

ROWS, FEATURES, HIDDEN, OUTPUTS, BATCH = 19, 5, 7, 3, 4
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, OUTPUTS)).astype("f")
OPTIONS: dict[str, Any] = {"batch_size": BATCH, "verbose": 0}


def built(
    seed: int, optimizer: Any = "adam", hidden: int = HIDDEN, shaped: bool = True
) -> Sequential:
    lamina.utils.set_random_seed(seed)
    first: dict[str, Any] = {"input_shape": (FEATURES,)} if shaped else {}
    model = Sequential(
        [
            Dense(hidden, activation="relu", name="first", **first),
            Dropout(0.4),
            BatchNormalization(name="norm"),
            Dense(OUTPUTS, name="last"),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def everything(model: Any) -> list[Any]:
    metrics = [v.numpy() for v in model._compilation.metric_variables]
    counts = [np.asarray(model._seed), np.asarray(model._step), np.asarray(model._epochs_trained)]
    return [*model.get_weights(), *model.optimizer.get_weights(), *metrics, *counts]


def same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second, strict=True)


@pytest.fixture(scope="module")
def trained() -> Sequential:
    model = built(1)
    model.fit(X, Y, epochs=2, **OPTIONS)
    return model


@pytest.fixture(scope="module")
def other(trained) -> Sequential:
    """A model of the same kind that has seen no data."""
    return built(2)


def test_a_training_in_two_processes_is_one(trained, tmp_path):
    assert save_checkpoint(trained, tmp_path / "all.h5") == tmp_path / "all.h5"
    saved = everything(trained)
    wanted = trained.fit(X, Y, epochs=4, initial_epoch=2, **OPTIONS).history
    after = everything(trained)
    model = built(2)
    found = load_checkpoint(model, tmp_path / "all.h5")
    assert (found.path, found.epoch, found.batch) == (tmp_path / "all.h5", 2, 0)
    assert found.step == 2 * 5
    same(everything(model), saved)
    history = model.fit(X, Y, epochs=4, initial_epoch=found.epoch, **OPTIONS).history
    assert history == wanted
    same(everything(model), after)
    load_checkpoint(trained, tmp_path / "all.h5")
    same(everything(trained), saved)


def test_a_model_without_shapes_is_built(trained, tmp_path):
    save_checkpoint(trained, tmp_path)
    model = built(3, shaped=False)
    assert not model.built
    load_checkpoint(model, tmp_path)
    same(everything(model), everything(trained))


def test_before_the_first_batch(tmp_path):
    model = built(4)
    save_checkpoint(model, tmp_path)
    before = model.get_weights()
    found = load_checkpoint(again := built(5), tmp_path)
    assert (found.epoch, found.step) == (0, 0)
    same(again.get_weights(), before)
    assert int(again._seed) == int(model._seed)


def test_callbacks_go_along(trained, tmp_path):
    stopping = EarlyStopping("loss", restore_best_weights=True)
    stopping.best, stopping.wait, stopping.best_weights = 0.25, 2, trained.get_weights()
    save_checkpoint(trained, tmp_path, callbacks=stopping)
    again = EarlyStopping("loss")
    load_checkpoint(trained, tmp_path, callbacks=[again])
    assert (again.best, again.wait) == (0.25, 2)
    same(again.best_weights or [], trained.get_weights())


def test_the_last_files_stay(trained, tmp_path):
    names = [save_checkpoint(trained, tmp_path, keep=2).name for _ in range(4)]
    assert names == [f"checkpoint-0000000{n}.h5" for n in (1, 2, 3, 4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names[-2:]
    for _ in range(2):
        save_checkpoint(trained, tmp_path, keep=None)
    assert len(list(tmp_path.iterdir())) == 4


def test_in_the_background_the_values_are_those_of_the_call(trained, other, tmp_path, monkeypatch):
    saved, go, stored = everything(trained), threading.Event(), checkpoint.stored
    monkeypatch.setattr(checkpoint, "stored", lambda *args: go.wait(20) and stored(*args))
    path = save_checkpoint(trained, tmp_path, background=True)
    trained.fit(X, Y, epochs=1, **OPTIONS)
    assert not path.exists()
    go.set()
    wait_for_checkpoints(tmp_path)
    assert path.exists()
    load_checkpoint(other, tmp_path)
    same(everything(other), saved)


def test_an_error_in_the_background_comes_out_later(trained, tmp_path):
    folder = tmp_path / "file.h5"
    folder.mkdir()

    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "stored", broken)
        save_checkpoint(trained, folder, background=True)
        with pytest.raises(OSError, match="disk is full"):
            wait_for_checkpoints(folder)
        with pytest.raises(OSError, match="disk is full"):
            save_checkpoint(trained, folder)
    assert list(folder.iterdir()) == []
    assert save_checkpoint(trained, folder).is_file()


def test_a_damaged_newest_file_is_passed_over(trained, other, tmp_path):
    old, new = (save_checkpoint(trained, tmp_path) for _ in range(2))
    data = bytearray(new.read_bytes())
    place = data.find(trained.layers[0].kernel.numpy().tobytes())
    assert place > 0
    data[place] ^= 1
    new.write_bytes(data)
    with pytest.warns(RuntimeWarning, match=rf"{new}.*'weights/first/kernel'.*{old.name}, is tak"):
        assert load_checkpoint(other, tmp_path).path == old
    with pytest.raises(ValueError, match="'weights/first/kernel' is not as it was written"):
        load_checkpoint(other, new)
    old.write_bytes(b"")
    with pytest.raises(ValueError, match="no checkpoint can be read"):
        load_checkpoint(other, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"hidden": 11},
            r"first/kernel is float32\[5, 11\] in the model and float32\[5, 7\] in",
        ),
        ({"optimizer": "sgd"}, "the model has no optimizer/first_kernel_momentum"),
        (
            {"optimizer": lamina.optimizers.Adam(use_ema=True)},
            "first_kernel_average is missing",
        ),
    ],
)
def test_what_differs_is_named_and_nothing_changes(trained, tmp_path, options, message):
    save_checkpoint(trained, tmp_path)
    model = built(6, **options)
    model.optimizer.state = model.optimizer.init(model.trainable_weights)
    before = [*model.get_weights(), *model.optimizer.get_weights(), np.asarray(model._seed)]
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(model, tmp_path)
    assert "does not fit Sequential" in str(caught.value)
    same([*model.get_weights(), *model.optimizer.get_weights(), np.asarray(model._seed)], before)


def test_other_callbacks_change_nothing(trained, tmp_path):
    save_checkpoint(trained, tmp_path, callbacks=[EarlyStopping("loss")])
    before = everything(trained)
    trained.layers[0].kernel.assign(trained.layers[0].kernel * 2)
    now = everything(trained)
    with pytest.raises(ValueError, match=r"callbacks \['EarlyStopping'\], but these are \[\]"):
        load_checkpoint(trained, tmp_path, callbacks=[])
    same(everything(trained), now)
    load_checkpoint(trained, tmp_path)
    same(everything(trained), before)


def test_numbers_in_names_of_layers_may_differ(tmp_path):
    """In a notebook the same cell makes ``dense_2`` the next time."""

    def made() -> Sequential:
        model = Sequential([Dense(2, input_shape=(3,)), Dense(2), Dense(2)])
        model.compile("adam", "mse")
        return model

    one, two = made(), made()
    assert one.layers[0].name != two.layers[0].name
    save_checkpoint(one, tmp_path)
    load_checkpoint(two, tmp_path)
    same(two.get_weights(), one.get_weights())


def test_wrong_calls_are_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        load_checkpoint(trained, tmp_path)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(trained, tmp_path / "none.h5")
    with pytest.raises(ValueError, match="keep must be a positive int or None, got 0"):
        save_checkpoint(trained, tmp_path, keep=0)
    with pytest.raises(RuntimeError, match="needs a compiled model"):
        save_checkpoint(Sequential([Dense(1, input_shape=(2,))]), tmp_path)
    with pytest.raises(ValueError, match="needs a model whose weights exist"):
        save_checkpoint(built(1, shaped=False), tmp_path)
    assert list(Path(tmp_path).iterdir()) == []


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "amsgrad": lambda: optimizers.Adam(amsgrad=True, gradient_accumulation_steps=3),
    "centered": lambda: optimizers.RMSprop(centered=True, momentum=0.5, use_ema=True),
    "adafactor": optimizers.Adafactor,
    "ftrl": optimizers.Ftrl,
    "muon": optimizers.Muon,
    "schedule": lambda: optimizers.Nadam(optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam()),
    "several": lambda: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.Adam(), {"first/.*": optimizers.SGD(momentum=0.5)})
    ),
    "optax": lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_leaf_of_an_optimizer_goes_along(tmp_path, name):
    def made(seed: int) -> Sequential:
        model = Sequential(
            [Dense(HIDDEN, name="first", input_shape=(FEATURES,)), Dense(OUTPUTS, name="last")]
        )
        model.compile(OPTIMIZERS[name](), "mse")
        random, optimizer = np.random.default_rng(seed), model.optimizer
        state = optimizer.init(model.trainable_weights)
        optimizer.state = jax.tree.map(
            lambda leaf: jnp.asarray(random.integers(1, 100, leaf.shape)).astype(leaf.dtype), state
        )
        return model

    one, two = made(1), made(2)
    save_checkpoint(one, tmp_path)
    load_checkpoint(two, tmp_path)
    first, structure = jax.tree.flatten(one.optimizer.state)
    second, other = jax.tree.flatten(two.optimizer.state)
    assert structure == other
    assert len(first) > 1
    same(first, second)


def test_rates_that_were_changed_go_along(tmp_path):
    one, two = (built(seed, OPTIMIZERS["several"]()) for seed in (1, 2))
    one.optimizer.optimizers[0].learning_rate = 0.25
    save_checkpoint(one, tmp_path)
    load_checkpoint(two, tmp_path)
    rates = [float(inner.learning_rate) for inner in two.optimizer.optimizers]
    assert rates == pytest.approx([0.25, 0.001])
