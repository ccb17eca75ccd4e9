"""BackupAndRestore: a training that is killed and started again is one that was never killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
)
from lamina.layers import Dense, Dropout
from lamina.models import Sequential
from lamina.saving import checkpoint

ROWS, FEATURES, HIDDEN, OUTPUTS, BATCH, EPOCHS = 23, 5, 7, 3, 4, 4
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, OUTPUTS)).astype("f")
HELD_OUT = X[:11] + 1, Y[:11]


class Died(Exception):
    """Stands for the end of a process."""


class Die(Callback):
    """Break the training off after so many batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died


class Pairs(lamina.utils.Sequence):
    """Batches by number, in an order of its own that changes after each epoch."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(5)
        self.order = np.arange(ROWS - ROWS % BATCH)

    def __len__(self) -> int:
        return len(self.order) // BATCH

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        return X[rows], Y[rows]

    def on_epoch_end(self) -> None:
        self.random.shuffle(self.order)


class Batches:
    """An iterable that begins anew in each epoch."""

    def __iter__(self) -> Iterator[Any]:
        return ((X[i::6], Y[i::6]) for i in range(6))


def pairs() -> Iterator[Any]:
    random = np.random.default_rng(3)
    while True:
        rows = random.integers(0, ROWS, BATCH)
        yield X[rows], Y[rows]


def data(kind: str) -> dict[str, Any]:
    if kind == "arrays":
        return {"x": X, "y": Y, "batch_size": BATCH, "validation_data": HELD_OUT}
    if kind == "generator":
        return {
            "x": pairs(),
            "steps_per_epoch": 6,
            "validation_data": pairs(),
            "validation_steps": 2,
        }
    if kind == "iterable":
        return {"x": Batches(), "validation_data": HELD_OUT}
    return {"x": Pairs(), "validation_data": HELD_OUT}


@cache
def shared(**options: Any) -> Sequential:
    """One model for many trainings, so that it is compiled once."""
    model = Sequential(
        [Dense(HIDDEN, activation="relu", input_shape=(FEATURES,)), Dropout(0.3), Dense(OUTPUTS)]
    )
    model.compile(lamina.optimizers.Adam(0.05, **options), "mse", metrics=["mae"])
    return model


def built(seed: int, **options: Any) -> Sequential:
    """The shared model as a new process would make it after `set_random_seed`."""
    model, random = shared(**options), np.random.default_rng(seed)
    model.set_weights([random.normal(size=w.shape) for w in model.weights])
    optimizer = model.optimizer
    optimizer.learning_rate = 0.05
    optimizer.state = optimizer.init(model.trainable_weights)
    vars(model).update(_seed=np.uint32(seed), _step=np.uint32(0), _epochs_trained=0)
    model.reset_metrics()
    return model


def train(
    model: Sequential, kind: str, keeper: list[Any], die: int | None = None, **options: Any
) -> Any:
    callbacks = [
        *keeper,
        EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.2),
        *([Die(die)] if die else []),
    ]
    arguments = {"epochs": EPOCHS, "verbose": 0, "callbacks": callbacks, **data(kind), **options}
    return model.fit(**arguments)


def whole_and_broken(folder: Path, kind: str, freq: Any, **options: Any) -> tuple[Any, Any]:
    """Weights, optimizer and history of a training, and of one that broke off twice."""
    model = built(1, **options)
    wanted = train(model, kind, [])
    whole = model.get_weights(), model.optimizer.get_weights(), wanted.history, wanted.epoch
    for seed, die in ((1, 8), (2, 5)):  # another seed: what counts is that of the file
        with pytest.raises(Died):
            train(built(seed, **options), kind, [BackupAndRestore(folder, freq)], die)
        assert list(folder.glob("*.h5"))
    model = built(3, **options)
    found = train(model, kind, [BackupAndRestore(folder, freq)])
    assert not folder.exists()
    return whole, (model.get_weights(), model.optimizer.get_weights(), found.history, found.epoch)


def check(whole: Any, found: Any) -> None:
    for one, other in zip(whole[0] + whole[1], found[0] + found[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole[2:] == found[2:]


@pytest.mark.parametrize("kind", ["arrays", "generator", "sequence", "iterable"])
def test_a_training_goes_on_within_an_epoch(tmp_path, kind):
    check(*whole_and_broken(tmp_path / "backup", kind, 2))


def test_a_training_goes_on_after_an_epoch(tmp_path):
    check(*whole_and_broken(tmp_path / "backup", "arrays", "epoch", use_ema=True, ema_momentum=0.7))


def test_many_steps_run_at_once_between_two_saves(tmp_path):
    """Blocks of steps give the same numbers wherever a training broke off."""
    model = built(1)
    wanted = train(model, "arrays", [], batch_size=1)
    weights = model.get_weights()

    class Count(Callback):
        epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
            if self.epoch == 1 and step > 12:  # an evaluation has 11 steps
                raise Died

    keeper = BackupAndRestore(tmp_path, save_freq=9)
    with pytest.raises(Died):
        train(built(1), "arrays", [keeper, Count()], batch_size=1)
    assert len(list(tmp_path.glob("*.h5"))) == 2
    found = train(built(4), "arrays", [keeper], batch_size=1)
    check((weights, [], wanted.history), (model.get_weights(), [], found.history))


def test_rates_files_and_saved_models_go_on(tmp_path):
    """Callbacks with a memory of their own: a rate that falls by itself, a table, a best value."""

    def callbacks(name: str) -> list[Any]:
        return [
            LearningRateScheduler(lambda epoch, rate: rate * 0.8),
            CSVLogger(tmp_path / f"{name}.csv"),
            best := ModelCheckpoint(str(tmp_path / "best.h5"), "loss", save_best_only=True),
            setattr(best, "_save", lambda *arguments: saved[name].append(arguments[0]))
            or Callback(),
        ]

    saved: dict[str, list[Any]] = {"whole": [], "broken": []}
    options = {"x": X, "y": Y, "batch_size": BATCH, "epochs": 3, "verbose": 0}
    wanted = built(1).fit(**options, callbacks=callbacks("whole"))
    keeper = BackupAndRestore(tmp_path / "backup", 4)
    with pytest.raises(Died):
        built(1).fit(**options, callbacks=[*callbacks("broken"), keeper, Die(10)])
    found = built(2).fit(**options, callbacks=[*callbacks("broken"), keeper])
    assert found.history == wanted.history
    assert (tmp_path / "broken.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert saved["broken"] == saved["whole"]


def test_batches_are_counted_once_over_an_epoch_that_broke_off(tmp_path):
    """What acts every so many batches acts at the same ones as in a training that went through."""

    def callbacks(found: list[Any]) -> list[Any]:
        saver: Any = ModelCheckpoint(str(tmp_path / "{epoch}-{batch}.h5"), save_freq=4)
        board: Any = TensorBoard(str(tmp_path), update_freq=4, write_graph=False)
        saver._save = lambda counts, logs: found.append(tuple(counts.values()))
        board._write = lambda part, numbers, step: found.append((part, step))
        board._writer = lambda part: None
        return [saver, board]

    whole, broken = [], []
    options = {"x": X, "y": Y, "batch_size": BATCH, "epochs": 3, "verbose": 0}
    built(1).fit(**options, callbacks=callbacks(whole))
    keeper = BackupAndRestore(tmp_path / "backup", 5)
    with pytest.raises(Died):
        built(1).fit(**options, callbacks=[*callbacks(broken), keeper, Die(11)])
    built(2).fit(**options, callbacks=[*callbacks(broken), keeper])
    assert len(whole) > 10
    assert broken == whole


class Tally(Callback):
    """A callback of a user's, with a state."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(logs["loss"])

    def get_state(self) -> dict[str, Any]:
        return {"seen": np.asarray(self.seen)}

    def set_state(self, state: Any) -> None:
        self.seen = list(state["seen"])


def test_callbacks_of_a_user_may_have_a_state(tmp_path):
    options = {"x": X, "y": Y, "batch_size": BATCH, "epochs": 2, "verbose": 0}
    built(1).fit(**options, callbacks=[wanted := Tally()])
    with pytest.raises(Died):
        built(1).fit(**options, callbacks=[Tally(), BackupAndRestore(tmp_path, 3), Die(8)])
    built(2).fit(**options, callbacks=[found := Tally(), BackupAndRestore(tmp_path, 3)])
    assert found.seen == wanted.seen


def test_a_finished_training_is_not_trained_again(tmp_path):
    keeper = BackupAndRestore(tmp_path, delete_checkpoint=False)
    model = built(1)
    wanted = train(model, "arrays", [keeper])
    weights = model.get_weights()
    found = train(built(2), "arrays", [keeper])
    check((weights, [], wanted.history), (model.get_weights(), [], found.history))
    more = train(built(3), "arrays", [keeper], epochs=EPOCHS + 2)
    assert more.epoch == list(range(EPOCHS + 2))


def test_a_stop_is_remembered(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs: Any = None) -> None:
            raise Died

    with pytest.raises(Died):
        train(built(1), "arrays", [BackupAndRestore(tmp_path), Stop()])
    assert train(built(2), "arrays", [BackupAndRestore(tmp_path)]).epoch == [0, 1]


def test_the_one_before_a_damaged_file_is_taken(tmp_path):
    with pytest.raises(Died):
        train(built(1), "arrays", [BackupAndRestore(tmp_path, 2)], 11)
    old, new = sorted(tmp_path.glob("*.h5"))
    new.write_bytes(new.read_bytes()[:-1000])
    model = built(1)
    wanted = train(model, "arrays", [])
    weights = model.get_weights()
    with pytest.warns(RuntimeWarning, match=rf"{new.name}.*{old.name}, is taken"):
        found = train(built(2), "arrays", [BackupAndRestore(tmp_path, 2)])
    check((weights, [], wanted.history), (model.get_weights(), [], found.history))


def test_another_model_or_other_callbacks_are_an_error_that_names_them(tmp_path):
    with pytest.raises(Died):
        train(built(1), "arrays", [BackupAndRestore(tmp_path)], 9)
    model = Sequential([Dense(OUTPUTS, input_shape=(FEATURES,), name="only")])
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"checkpoint-0+1.h5 does not fit .*only/kernel is miss"):
        train(model, "arrays", [BackupAndRestore(tmp_path)])
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"EarlyStopping.*ReduceLROnPlateau.*pass the same"):
        built(1).fit(X, Y, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


def test_other_data_within_an_epoch_are_an_error(tmp_path):
    with pytest.raises(Died):
        train(built(1), "arrays", [BackupAndRestore(tmp_path, 2)], 9)
    message = r"within an epoch of data of the size .*'batch_size': 4.* now it is .*'batch_size': 8"
    with pytest.raises(ValueError, match=message):
        train(built(1), "arrays", [BackupAndRestore(tmp_path, 2)], batch_size=8)


def test_a_new_model_that_no_batch_has_shown_its_shapes(tmp_path):
    """As in a new process: nothing is built, and the first batch comes from a generator."""

    def made(seed: int) -> Sequential:
        lamina.utils.set_random_seed(seed)
        model = Sequential([Dense(OUTPUTS, activation="tanh"), Dropout(0.5), Dense(OUTPUTS)])
        model.compile("adam", "mse", metrics=["mae"])
        return model

    options: dict[str, Any] = {"steps_per_epoch": 5, "epochs": 3, "verbose": 0}
    wanted = (model := made(1)).fit(pairs(), **options).history
    keeper = BackupAndRestore(tmp_path, 2)
    with pytest.raises(Died):
        made(1).fit(pairs(), callbacks=[keeper, Die(8)], **options)
    found = (other := made(2)).fit(pairs(), callbacks=[keeper], **options).history
    check((model.get_weights(), [], wanted), (other.get_weights(), [], found))


def test_a_step_whose_checks_failed_is_not_kept(tmp_path):
    """The loop looks at the checks of a stream once in a while; a file must not come before."""
    model = Sequential([Dense(OUTPUTS, activation="softmax", input_shape=(FEATURES,))])
    model.compile("sgd", "sparse_categorical_crossentropy")
    labels = np.zeros((7, BATCH), "int32")
    labels[3] = OUTPUTS

    def batches() -> Iterator[Any]:
        for row in labels:
            checkpoint.writer.wait(str(tmp_path))
            yield X[:BATCH], row

    for _ in range(2):
        with pytest.raises(ValueError, match="batch 3"):
            model.fit(batches(), verbose=0, workers=0, callbacks=[BackupAndRestore(tmp_path, 1)])
        found = checkpoint.newest(tmp_path)
        assert found is not None
        assert found.place()["batch"] == 3


def test_a_write_that_fails_is_reported(tmp_path):
    folder = tmp_path / "backup"

    class Break(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 0:
                folder.rmdir()
                folder.write_text("no folder")

    with pytest.raises(OSError, match="backup"):
        train(built(1), "arrays", [BackupAndRestore(folder), Break()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backup_dir": ""}, "backup_dir must name a folder"),
        ({"save_freq": 0}, "save_freq must be 'epoch' or a positive int, got 0"),
        ({"save_freq": "batch"}, "save_freq must be .* got 'batch'"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BackupAndRestore(**{"backup_dir": "backup", **options})


def test_unknown_arguments_are_named():
    with pytest.raises(TypeError, match="no argument 'keep'"):
        BackupAndRestore("backup", keep=3)


KILLED = """
import glob, json, os, random, signal, sys, time
import numpy as np
sys.path.insert(0, {tests!r})
from tests.training import test_backup as here

def script(folder, report):
    class Report(here.Callback):
        every_batch = True
        def on_train_batch_end(self, batch, logs=None):
            os.write(report, b".")
            time.sleep(0.05)  # the thread that writes is slower than these batches
    model = here.built(1)
    keeper = [here.BackupAndRestore(folder, save_freq=2)] if folder else []
    keeper.append(Report())
    history = here.train(model, "arrays", keeper)
    weights = [w.ravel().view("u4").tolist() for w in model.get_weights()]
    return json.dumps([history.history, weights])

def attempt(folder, batches):
    '''Run the script in a process that is killed after so many batches; what it printed.'''
    (out, report), (result, answer) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out), os.close(result)
        with os.fdopen(answer, "w") as file:
            file.write(script(folder, report))
        os._exit(0)
    os.close(report), os.close(answer)
    done = 0
    while done != batches and os.read(out, 1):
        done += 1
    if batches is not None:
        while not glob.glob(os.path.join(folder, "*")):  # hidden ones are not whole yet
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(result) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text, done

random.seed(int(sys.argv[2]))
whole, batches = attempt("", None)
for _ in range(3):
    wanted = random.randint(3, 7)
    assert attempt(sys.argv[1], wanted) == ("", wanted)
last, rest = attempt(sys.argv[1], None)
print(json.dumps([whole == last, len(whole), batches, rest, os.path.exists(sys.argv[1])]))
"""


def test_a_process_that_is_killed_three_times_ends_with_the_same_bits(tmp_path):
    """The processes are forked from one that has not yet started JAX, which saves imports."""
    script = KILLED.format(tests=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "backup"), "7"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    same, length, batches, rest, left = json.loads(done.stdout)
    assert same
    assert length > 1000
    assert batches == 24
    assert rest < batches - 3  # it did go on
    assert not left
