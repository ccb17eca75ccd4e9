"""ModelCheckpoint saves what Keras 2.2.4 and 3.15 save, under the same names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.callbacks import Callback, CallbackList, ModelCheckpoint
from lamina.layers import Dense
from lamina.models import Sequential, load_model

GOLDEN = Path(__file__).parents[1] / "golden"
LOSSES = [0.9, 0.7, 0.8, 0.7, 0.65, 0.66, 0.3]
BATCHES = 4
CASES = [
    (release, name, case)
    for release in ("keras2", "keras3")
    for name, case in json.loads((GOLDEN / f"model_checkpoint_{release}.json").read_text("utf-8"))[
        "cases"
    ].items()
]


class Saved:
    """Stands for a model: notes what is saved."""

    metrics = ()

    def __init__(self) -> None:
        self.noted: list[Any] = []

    def save(self, path: str, overwrite: bool = False) -> None:
        self.noted.append(["save", path, overwrite])

    def save_weights(self, path: str, overwrite: bool = False) -> None:
        self.noted.append(["save_weights", path, overwrite])


def batch_loss(epoch: int, batch: int) -> float:
    return LOSSES[epoch] + 0.05 * (BATCHES - 1 - batch) + (0.2 if (epoch + batch) % 3 == 1 else 0.0)


def drive(callback: ModelCheckpoint, trainings: int = 2) -> list[Any]:
    """What is saved at each hook of two trainings, as the tool that recorded it drove them."""
    model = Saved()
    callback.set_model(model)
    found: list[Any] = []

    def collect(*place: Any) -> None:
        found.extend([[*place, *call] for call in model.noted])
        model.noted.clear()

    for training in range(trainings):
        callback.on_train_begin({})
        for epoch in range(len(LOSSES)):
            callback.on_epoch_begin(epoch, {})
            for batch in range(BATCHES):
                callback.on_train_batch_end(batch, {"loss": batch_loss(epoch, batch)})
                callback.on_progress(batch + 1, BATCHES, {"loss": batch_loss(epoch, batch)})
                collect(training, epoch, batch)
            loss = LOSSES[epoch]
            callback.on_epoch_end(epoch, {"loss": 0.5, "val_loss": loss, "acc": 1 - loss**2})
            collect(training, epoch, None)
    return found


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Relative names of files mean the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for _, name, case in CASES if name != "missing"],
    ids=[f"{release}-{name}" for release, name, _ in CASES if name != "missing"],
)
@pytest.mark.usefixtures("inside")
def test_files_are_those_of_keras(name, case):
    assert drive(ModelCheckpoint(**case["options"])) == case["saved"]


def test_a_number_that_is_missing_saves_nothing_as_in_keras_2():
    (golden,) = [case for release, name, case in CASES if (release, name) == ("keras2", "missing")]
    assert golden["saved"] == []
    with pytest.warns(UserWarning, match="'val_auc' is not available") as warned:
        assert drive(ModelCheckpoint(**golden["options"]), trainings=1) == []
    assert len(warned) == 1


@pytest.mark.usefixtures("inside")
def test_the_best_of_the_batches():
    """Keras 3.15 fails here; the definition: better than at all saves before."""
    name = "m{epoch}-{batch}.h5"
    callback = ModelCheckpoint(name, "loss", save_best_only=True, save_freq=2)
    best, wanted = np.inf, []
    for place in range(2, len(LOSSES) * BATCHES + 1, 2):
        epoch, batch = divmod(place - 1, BATCHES)
        if batch_loss(epoch, batch) < best:
            best = batch_loss(epoch, batch)
            wanted.append([0, epoch, batch, "save", f"m{epoch + 1}-{batch + 1}.h5", True])
    assert 3 < len(wanted) < 14
    assert drive(callback, trainings=1) == wanted
    assert callback.best == best


class Each(Callback):
    """Makes the loop stop after every step."""

    def __init__(self) -> None:
        self.calls = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls += 1


@pytest.fixture(scope="module")
def trained() -> Sequential:
    model = Sequential([Dense(3, input_shape=(5,))])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("others", [[], [Each()]], ids=["many-at-once", "each"])
def test_within_fit_batches_are_counted_once(trained, tmp_path, others):
    x, y = np.ones((22, 5), "f"), np.ones((22, 3), "f")
    callback = ModelCheckpoint(str(tmp_path / "{epoch}-{batch}.h5"), save_freq=4)
    saved: list[str] = []
    trained.save = lambda path, overwrite: saved.append(Path(path).stem)
    options = {"batch_size": 2, "epochs": 3, "verbose": 0, "validation_data": (x, y)}
    trained.fit(x, y, callbacks=[*others, callback], **options)
    del trained.save
    # 11 batches an epoch, so the fourth, eighth, ... of 33.
    assert saved == ["1-4", "1-8", "2-1", "2-5", "2-9", "3-2", "3-6", "3-10"]


def test_the_loop_stops_only_where_it_saves(trained, tmp_path):
    callback = ModelCheckpoint(str(tmp_path / "m.h5"), save_freq=4)
    assert not CallbackList([callback]).needs_batches
    assert CallbackList([callback, ModelCheckpoint("m.h5", save_freq=3)]).room(0) == 3

    class Own(ModelCheckpoint):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            """Of a user's."""

    assert CallbackList([Own("m.h5")]).needs_batches


def test_names_take_old_and_new_names_of_the_numbers(inside):
    model = Saved()
    callback = ModelCheckpoint("sub/w{epoch:02d}-{val_acc:.3f}", save_weights_only=True)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(3, {"val_accuracy": 0.8125})
    assert model.noted == [["save_weights", "sub/w04-0.812", True]]
    assert (inside / "sub").is_dir()
    with pytest.raises(ValueError, match=r"field 'val_acc' .*not among \['epoch', 'loss'\]"):
        callback.on_epoch_end(4, {"loss": 0.5})


@pytest.mark.usefixtures("inside")
def test_it_says_what_it_does(capsys):
    callback = ModelCheckpoint("m{epoch}.h5", "val_loss", verbose=1, save_best_only=True)
    drive(callback, trainings=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0] == "Epoch 1: val_loss is 0.90000, the best so far; saving to m1.h5"
    assert lines[2] == "Epoch 3: val_loss is not better than 0.70000"
    assert len(lines) == len(LOSSES)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_freq": 0}, ValueError, "save_freq must be 'epoch' or a positive int, got 0"),
        ({"save_freq": "batch"}, ValueError, "save_freq must be 'epoch' or a positive int"),
        ({"period": 0}, ValueError, "period must be a positive int, got 0"),
        ({"period": 2, "save_freq": 5}, ValueError, "period counts epochs and save_freq=int batch"),
        ({"mode": "best"}, ValueError, "mode must be 'auto', 'min' or 'max', got 'best'"),
        ({"initial_value_threshold": "low"}, ValueError, "initial_value_threshold must be a numb"),
        ({"save_best": True}, TypeError, "no argument 'save_best'. Did you mean 'save_best_only'"),
        ({"options": object()}, TypeError, "no argument 'options'"),
        ({"load_weights_on_restart": True}, ValueError, "BackupAndRestore"),
        ({"filepath": "best"}, ValueError, r"must end in \.keras, \.h5, \.hdf5, .* got 'best'"),
        ({"monitor": 3}, TypeError, "monitor must be the name of a number"),
        (
            {"filepath": "w.keras", "save_weights_only": True},
            ValueError,
            "'w.keras' ends in .keras",
        ),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        ModelCheckpoint(**{"filepath": "m.h5", **options})


def test_the_last_arguments_without_their_names():
    first: tuple[Any, ...] = ("m.h5", "val_loss", 0, True, False, "auto")
    assert ModelCheckpoint(*first, "epoch").save_freq == "epoch"
    found = ModelCheckpoint(*first, 5, 0.25)  # eight, as only Keras 3 has them
    assert (found.save_freq, found.best, found.period) == (5, 0.25, 1)
    assert ModelCheckpoint(*first, "epoch", None).best is None
    with pytest.raises(TypeError, match="seventh argument, 5, is period in Keras 2 and save_freq"):
        ModelCheckpoint(*first, 5)
    wrong: Any = (((5, 0.5, 1), {}), ((5, 0.5), {"initial_value_threshold": 0.1}))
    for given, named in wrong:
        with pytest.raises(TypeError, match="at most eight arguments without names"):
            ModelCheckpoint(*first, *given, **named)


def test_a_direction_is_asked_for_only_when_it_matters():
    callback = ModelCheckpoint("m.h5", monitor="wealth", load_weights_on_restart=False)
    callback.on_train_begin()
    callback = ModelCheckpoint("m.h5", monitor="wealth", save_best_only=True)
    with pytest.raises(ValueError, match="pass mode='min' or mode='max'"):
        callback.on_train_begin()


@pytest.mark.parametrize("ending", [".h5", ".hdf5", ".keras", ".weights.h5"])
def test_what_is_saved_can_be_loaded(trained, tmp_path, ending):
    x, y = np.ones((6, 5), "f"), np.ones((6, 3), "f")
    weights = ending == ".weights.h5"
    name = str(tmp_path / "of" / "epoch{epoch}") + ending
    callback = ModelCheckpoint(name, save_weights_only=weights, save_freq=2)
    trained.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=callback)
    wanted = trained.get_weights()
    trained.fit(x, y, verbose=0)
    path = tmp_path / "of" / f"epoch2{ending}"
    if weights:
        trained.load_weights(path)
        found = trained
    else:
        found = load_model(path)
    for one, other in zip(found.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(one, other)
