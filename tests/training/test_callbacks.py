import csv
import json
import math
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import callbacks as public
from lamina.callbacks import (
    BaseLogger,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
    RemoteMonitor,
    TerminateOnNaN,
)
from lamina.core.variable import Variable
from lamina.training.callbacks.monitor import direction
from lamina.training.logs import Logs

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "callbacks.json").read_text())
KERAS2, KERAS3 = GOLDEN["keras2"], GOLDEN["keras3"]


class Model:
    def __init__(self, rate=0.1):
        self.stop_training = False
        self.weights = [np.zeros((2, 3))]
        self.metrics = []
        self.optimizer = SimpleNamespace(learning_rate=Variable(rate))

    def get_weights(self):
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights):
        self.weights = [np.array(weight) for weight in weights]


def numbers(values):
    return [None if value is None else float(value) for value in values]


def run(callback, monitor, values, after=lambda logs: None, model=None):
    """A loop of epochs with these values; the weights of an epoch are its number."""
    model = model or Model()
    hooks = CallbackList(callback, model=model, epochs=len(values), steps=3)
    hooks.on_train_begin()
    seen = []
    for epoch, value in enumerate(values):
        hooks.on_epoch_begin(epoch)
        model.weights = [np.full((2, 3), float(epoch))]
        logs = Logs({"other": 1.0} if value is None else {monitor: np.float64(value)})
        hooks.on_epoch_end(epoch, logs)
        seen.append(after(logs))
        if model.stop_training:
            break
    hooks.on_train_end()
    return model, seen


# Values that are not numbers: Keras 3 keeps the first of them as the best for ever.
NAN_FIRST = {"nan_first", "nan"}
STOPPING = {
    **{name: case for name, case in KERAS3["stopping"].items() if name not in NAN_FIRST},
    "nan_first": KERAS2["stopping"]["nan_first"],
    "auto_acc": KERAS2["stopping"]["auto_acc"],
    "auto_accuracy": KERAS2["stopping"]["auto_accuracy"],
}


@pytest.mark.filterwarnings("ignore:EarlyStopping. 'val_loss' is not available")
@pytest.mark.parametrize("name", STOPPING)
def test_early_stopping_does_what_keras_does(name):
    case = STOPPING[name]
    callback = EarlyStopping(**case["options"])
    monitor = case["options"]["monitor"]
    model, waits = run(callback, monitor, numbers(case["values"]), lambda logs: callback.wait)
    assert waits == case["waits"]
    assert callback.best == pytest.approx(float(case["best"]), rel=1e-6)
    assert (len(waits), model.stop_training) == (case["epochs"], case["stopped"])
    assert callback.stopped_epoch == case["stopped_epoch"]
    assert model.weights[0][1, 2] == case["weights"]


PLATEAU = {
    **{name: case for name, case in KERAS3["plateau"].items() if name not in NAN_FIRST},
    "nan": KERAS2["plateau"]["nan"],
    "auto_acc": KERAS2["plateau"]["auto_acc"],
}


@pytest.mark.filterwarnings("ignore:ReduceLROnPlateau. 'loss' is not available")
@pytest.mark.parametrize("name", PLATEAU)
def test_reduce_lr_does_what_keras_does(name):
    case = PLATEAU[name]
    callback, model = ReduceLROnPlateau(**case["options"]), Model()

    def after(logs):
        rate = float(model.optimizer.learning_rate)
        return [rate, logs["lr"], callback.wait, callback.cooldown_counter]

    monitor = case["options"]["monitor"]
    _, rows = run(callback, monitor, numbers(case["values"]), after, model)
    np.testing.assert_allclose(rows, case["rows"], rtol=1e-6)


def test_values_that_are_no_numbers_stop_after_the_first_epoch_with_its_weights():
    callback = EarlyStopping("loss", patience=0, restore_best_weights=True)
    model, seen = run(callback, "loss", [math.nan, math.nan, 1.0])
    assert (len(seen), callback.stopped_epoch, callback.best) == (2, 1, None)
    assert model.weights[0][1, 2] == 0


def test_keras_2_and_3_differ_where_we_follow_keras_3():
    # What is recorded, so that a new recording with other facts is noticed.
    old, new = KERAS2["stopping"], KERAS3["stopping"]
    assert (old["restore_not_stopped"]["weights"], new["restore_not_stopped"]["weights"]) == (3, 1)
    assert (old["baseline_first"]["stopped"], new["baseline_first"]["stopped"]) == (True, False)
    assert (old["baseline_never"]["epochs"], new["baseline_never"]["epochs"]) == (2, 5)
    assert old["restore_baseline"]["error"] == "TypeError"


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau])
@pytest.mark.parametrize(("monitor", "present"), [("val_acc", "val_accuracy"), ("mse", "MSE")])
def test_monitors_know_names_of_other_releases(kind, monitor, present):
    callback = kind(monitor=monitor, patience=2)
    run(callback, present, [0.75])
    assert callback.best == 0.75


def test_an_absent_monitor_is_told_once_with_what_there_is():
    callback = EarlyStopping(monitor="val_accuracyy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(callback, "val_acc", [0.5, 0.25, 0.125])
    assert [str(warning.message) for warning in caught] == [
        "EarlyStopping: 'val_accuracyy' is not available, so nothing is done. "
        "Available: val_acc. Did you mean 'val_acc'?"
    ]
    assert caught[0].category is UserWarning


@pytest.mark.parametrize(
    ("monitor", "wanted"),
    [
        ("val_loss", "min"),
        ("loss", "min"),
        ("decoder_acc", "max"),
        ("val_sparse_categorical_accuracy", "max"),
        ("val_mse", "min"),
        ("root_mean_squared_error", "min"),
        ("val_auc_1", "max"),
        ("fmeasure", "max"),
        ("false_positives", "min"),
        ("true_positives", "max"),
        ("val_kld", "min"),
        ("cosine_proximity", None),
    ],
)
def test_direction_goes_by_the_name(monitor, wanted):
    assert direction(monitor) == wanted


def test_direction_asks_the_metric_first():
    metric = SimpleNamespace(name="mse", _direction="up")
    assert direction("val_mean_squared_error", [metric]) == "max"


def test_an_unknown_direction_stops_before_training():
    callback = EarlyStopping(monitor="val_wealth")
    with pytest.raises(ValueError, match=r"'val_wealth' is better cannot .* pass mode='min'"):
        run(callback, "val_wealth", [1.0])
    run(EarlyStopping(monitor="val_wealth", mode="max"), "val_wealth", [1.0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(mode="maximum"), ValueError, "mode must be 'auto', 'min' or 'max'"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(patience=-1), ValueError, "patience must be an int .* got -1"),
        (lambda: EarlyStopping(patience=2.5), ValueError, "patience must be an int .* got 2.5"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(monitor=None), TypeError, "monitor must be the name"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(baseline="x"), ValueError, "baseline must be a number, got 'x'"),  # type: ignore[arg-type]
        (lambda: EarlyStopping(min_delta=math.nan), ValueError, "min_delta must be a number"),
        (
            lambda: ReduceLROnPlateau(factor=1.0),
            ValueError,
            r"factor must be .* below 1.* got 1\.0",
        ),
        (lambda: ReduceLROnPlateau(factor=-0.5), ValueError, "factor must be at least 0"),
        (lambda: ReduceLROnPlateau(cooldown=-1), ValueError, "cooldown must be an int"),
        (lambda: ReduceLROnPlateau(patiens=1), TypeError, "'patiens'. Did you mean 'patience'"),
        (lambda: LearningRateScheduler(0.1), TypeError, "schedule must be a function .* got 0.1"),  # type: ignore[arg-type]
        (lambda: LearningRateScheduler(lambda: 1), TypeError, r"schedule\(epoch, rate\) or"),
        (lambda: LambdaCallback(on_epoch_ends=print), TypeError, "Did you mean 'on_epoch_end'"),
        (lambda: LambdaCallback(on_epoch_end=3), TypeError, "on_epoch_end must be a function"),  # type: ignore[arg-type]
        (
            lambda: LambdaCallback(on_batch_end=print, on_train_batch_end=print),
            TypeError,
            "old and the new name of one hook",
        ),
        (lambda: CSVLogger("x.csv", separator=", "), ValueError, "separator must be one char"),
        (lambda: RemoteMonitor("file:///etc"), ValueError, "root must begin with http"),
        (lambda: CallbackList([History]), TypeError, r"class History .* write History\(\.\.\.\)"),
        (lambda: CallbackList(print), TypeError, "is no callback; wrap a function in Lambda"),
        (lambda: CallbackList(["x"]), TypeError, "'x' is no callback; derive its class"),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("arguments", [{"epsilon": 0.5}, {"min_delta": -0.5}])
def test_reduce_lr_takes_the_old_name_of_min_delta(arguments):
    assert ReduceLROnPlateau(**arguments).min_delta == 0.5


def test_verbose_monitors_say_what_they_do(capsys):
    run(EarlyStopping("loss", patience=1, verbose=1, restore_best_weights=True), "loss", [1, 2.0])
    run(ReduceLROnPlateau("loss", patience=1, verbose=1), "loss", [1.0, 2.0])
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\n"
        "Restoring the weights of epoch 1, the best one.\n"
        "Epoch 2: the learning rate goes down to 0.01\n"
    )


def test_a_second_run_starts_anew():
    callback = EarlyStopping("loss", patience=2)
    run(callback, "loss", [0.5, 1.0, 1.0])
    model, _ = run(callback, "loss", [5.0, 4.0, 4.5])
    assert (callback.best, callback.wait, callback.stopped_epoch) == (4.0, 1, 0)
    assert not model.stop_training


# Learning rates


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (lambda epoch: 0.1 / (epoch + 1), [0.1, 0.05, 0.1 / 3]),
        (lambda epoch, rate: rate * 0.5, [0.05, 0.025, 0.0125]),
        (lambda epoch, rate=7.0: rate * 0.5, [0.05, 0.025, 0.0125]),
        (lambda epoch, *, base=0.5: base, [0.5, 0.5, 0.5]),
        (lambda epoch: jnp.float32(0.25) * (epoch + 1), [0.25, 0.5, 0.75]),
        (np.float64, [0.0, 1.0, 2.0]),
    ],
)
def test_scheduler_sets_the_rate_of_each_epoch(schedule, wanted):
    _, rates = run(
        LearningRateScheduler(schedule), "loss", [1, 1, 1], lambda logs: logs["learning_rate"]
    )
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)


@pytest.mark.parametrize("bad", [None, "0.1", True, [0.1], math.nan, math.inf])
def test_a_schedule_must_return_a_number(bad):
    with pytest.raises(TypeError, match="for epoch 0 it returned"):
        run(LearningRateScheduler(lambda epoch: bad), "loss", [1])


def test_an_error_within_a_schedule_comes_out_as_it_is():
    def schedule(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        run(LearningRateScheduler(schedule), "loss", [1])


def test_a_schedule_of_the_optimizer_cannot_be_overruled():
    model = Model()
    model.optimizer.learning_rate = lambda step: 0.1
    with pytest.raises(ValueError, match=r"LearningRateScheduler: .* follows a schedule"):
        run(LearningRateScheduler(lambda epoch: 0.1), "loss", [1], model=model)
    model.optimizer = None  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau: .* no learning_rate"):
        run(ReduceLROnPlateau("loss"), "loss", [1], model=model)


# The list and the hooks


class Everything(Callback):
    """Notes every hook."""

    def __init__(self):
        self.calls = []


def _note(hook):
    def note(self, *arguments):
        self.calls.append((hook, *arguments[:-1]))

    return note


PLAIN_HOOKS = [
    f"on_{kind}_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")
]
NUMBERED_HOOKS = [
    f"on_{kind}_{end}"
    for kind in ("epoch", "train_batch", "test_batch", "predict_batch")
    for end in ("begin", "end")
]
for _hook in [*PLAIN_HOOKS, *NUMBERED_HOOKS]:
    setattr(Everything, _hook, _note(_hook))


def test_every_hook_reaches_every_callback():
    first, second = Everything(), Everything()
    hooks = CallbackList([first, second])
    for hook in PLAIN_HOOKS:
        getattr(hooks, hook)()
    for number, hook in enumerate(NUMBERED_HOOKS):
        getattr(hooks, hook)(number, {})
    wanted = [(hook,) for hook in PLAIN_HOOKS]
    wanted += [(hook, number) for number, hook in enumerate(NUMBERED_HOOKS)]
    assert first.calls == second.calls == wanted


def test_hooks_of_keras_2_are_called_for_batches():
    seen = []

    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch, logs["acc"]))  # type: ignore[index]

    hooks = CallbackList(Old())
    hooks.on_train_batch_begin(4)
    hooks.on_train_batch_end(4, {"accuracy": 0.5})
    hooks.on_batch_end(5, {"accuracy": 0.25})
    assert seen == [("begin", 4), ("end", 4, 0.5), ("end", 5, 0.25)]


def overriding(*names):
    return type("Made", (Callback,), {name: lambda self, *_: None for name in names})()


def _assigned():
    callback = Callback()
    callback.on_batch_end = lambda batch, logs=None: None
    return callback


def _stated(value):
    callback = overriding("on_batch_end")
    callback.every_batch = value
    return callback


@pytest.mark.parametrize(
    ("callbacks", "needs"),
    [
        (None, (False, False, False)),
        (History(), (False, False, False)),
        ([EarlyStopping(), ReduceLROnPlateau(), CSVLogger("x")], (False, False, False)),
        (overriding("on_epoch_end", "on_train_end"), (False, False, False)),
        (overriding("on_batch_begin"), (True, False, False)),
        (overriding("on_train_batch_end"), (True, False, False)),
        (overriding("on_test_batch_end"), (False, True, False)),
        (overriding("on_predict_batch_begin"), (False, False, True)),
        (TerminateOnNaN(), (True, False, False)),
        (LambdaCallback(on_epoch_end=print), (False, False, False)),
        (LambdaCallback(on_batch_end=print), (True, False, False)),
        (LambdaCallback(on_test_batch_end=print), (False, True, False)),
        (_assigned(), (True, False, False)),
        (_stated(False), (False, False, False)),
        (CallbackList([overriding("on_test_batch_end")]), (False, True, False)),
    ],
)
def test_the_list_knows_which_batches_are_needed(callbacks, needs):
    hooks = CallbackList(callbacks, add_history=True, add_progbar=True)
    assert (hooks.needs_batches, hooks.needs_test_batches, hooks.needs_predict_batches) == needs


@pytest.mark.parametrize("given", [None, History(), [History()], (History(),)])
def test_one_callback_several_or_none(given):
    assert len(CallbackList(given, add_history=True)) == 1


def test_model_and_params_reach_callbacks_under_old_names():
    callback, late, model = Callback(), Callback(), Model()
    hooks = CallbackList(callback, model=model, params={"epochs": 3}, samples=50)
    hooks.append(late)
    for each in (callback, late):
        assert each.model is model
        assert (each.params["nb_epoch"], each.params["nb_sample"]) == (3, 50)
        assert each.validation_data is None


def test_a_subclass_need_not_call_the_constructor_of_the_base():
    class Careless(Callback):
        def __init__(self):
            pass

    careless = Careless()
    assert (careless.model, careless.params, careless.validation_data) == (None, None, None)
    CallbackList(careless, model=3).on_train_begin()


def test_what_a_callback_adds_reaches_those_after_it_and_the_caller():
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=2.0))
    hooks = CallbackList(add, add_history=True)
    hooks.on_train_begin()
    logs = {"loss": 1.0}
    hooks.on_epoch_end(0, logs)
    assert hooks.history is not None
    assert hooks.history.history == {"loss": [1.0], "extra": [2.0]}
    assert logs == {"loss": 1.0, "extra": 2.0}


def test_batch_logs_are_not_read_unless_a_callback_reads():
    class Unreadable:
        shape = ()

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("read")

    quiet = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    hooks = CallbackList(quiet, add_history=True, add_progbar=True, verbose=1)
    hooks.on_train_batch_end(0, Logs({"loss": Unreadable()}))
    hooks.on_progress(1, 3, Logs({"loss": Unreadable()}))
    with pytest.raises(AssertionError, match="read"):
        CallbackList(TerminateOnNaN()).on_train_batch_end(0, Logs({"loss": Unreadable()}))


# State


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping("loss", patience=3, restore_best_weights=True),
        lambda: ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=2),
        History,
    ],
)
@pytest.mark.parametrize("stop", [1, 2, 4, 5])
def test_a_run_goes_on_from_its_state(make, stop):
    values = [1.0, 0.5, 0.75, 0.75, 0.25, 0.5, 0.5, 0.5]

    def go(hooks, model, epochs):
        for epoch in epochs:
            model.weights = [np.full((2, 3), float(epoch))]
            hooks.on_epoch_end(epoch, Logs({"loss": values[epoch]}))

    whole = CallbackList(make(), model=Model())
    whole.on_train_begin()
    go(whole, whole.model, range(len(values)))

    first = CallbackList(make(), model=Model())
    first.on_train_begin()
    go(first, first.model, range(stop))
    state = first.get_state()
    second = CallbackList(make(), model=Model())
    second.model.optimizer = first.model.optimizer
    second.on_train_begin()
    second.set_state(state)
    go(second, second.model, range(stop, len(values)))

    np.testing.assert_equal(second.get_state(), whole.get_state())
    for hooks in (whole, second):
        hooks.on_train_end()
    np.testing.assert_equal(second.model.weights, whole.model.weights)
    assert float(second.model.optimizer.learning_rate) == float(whole.model.optimizer.learning_rate)


def test_a_state_is_plain_and_belongs_to_the_same_callbacks():
    hooks = CallbackList([EarlyStopping("loss"), Callback()], add_history=True)
    state = json.loads(json.dumps(hooks.get_state()))
    hooks.set_state(state)
    with pytest.raises(ValueError, match=r"\['EarlyStopping', 'History'\].*\['History'\]"):
        CallbackList(History()).set_state(state)
    with pytest.raises(ValueError, match="EarlyStopping: a state has the keys"):
        EarlyStopping().set_state({"wait": 1})


# History, averages, files, servers


def test_history_holds_floats_under_old_and_new_names():
    history = History()
    run(history, "val_accuracy", [0.5, 0.75])
    assert history.epoch == [0, 1]
    assert history.history["val_acc"] == [0.5, 0.75]
    assert [type(value) for value in history.history["val_acc"]] == [float, float]
    assert list(history.history) == ["val_accuracy"]
    assert history.params["nb_epoch"] == 2
    assert history.model.weights[0].shape == (2, 3)


def test_base_logger_averages_by_size():
    logger, logs = BaseLogger(stateful_metrics=["auc"]), {"kept": 1.0, "mae": 9.0}
    logger.on_epoch_begin(0)
    sizes, losses, areas = [7, 7, 3], [1.0, 2.0, 6.0], [0.1, 0.2, 0.3]
    for batch, (size, loss, auc) in enumerate(zip(sizes, losses, areas, strict=True)):
        numbers = {"batch": batch, "size": size, "loss": jnp.float32(loss), "auc": auc, "mae": 0.0}
        logger.on_train_batch_end(batch, Logs(numbers))
    logger.on_epoch_end(0, logs)
    wanted = np.average(losses, weights=sizes)
    assert logs == {"kept": 1.0, "mae": 9.0, "loss": pytest.approx(wanted), "auc": 0.3}


@pytest.mark.parametrize(("loss", "stops"), [(math.nan, True), (-math.inf, True), (3.0, False)])
def test_terminate_on_nan(loss, stops, capsys):
    model = Model()
    hooks = CallbackList(TerminateOnNaN(), model=model)
    hooks.on_train_batch_end(2, Logs({"loss": jnp.float32(loss)}))
    assert model.stop_training is stops
    assert ("Batch 2" in capsys.readouterr().out) is stops
    strict = CallbackList(TerminateOnNaN(raise_error=True))
    if stops:
        with pytest.raises(RuntimeError, match="loss of batch 2 is"):
            strict.on_train_batch_end(2, {"loss": loss})


def write_csv(path, epochs, **options):
    logger = CSVLogger(path, **options)
    logger.on_train_begin()
    for epoch, logs in epochs.items():
        logger.on_epoch_end(epoch, Logs(logs))
        assert path.read_text().count("\n") >= 2  # every line is there at once
    logger.on_train_end()
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=options.get("separator", ",")))


def test_csv_logger_writes_what_keras_2_writes(tmp_path):
    first = {"loss": np.float32(0.5), "acc": jnp.float32(0.25)}
    second = {"acc": 0.75, "loss": 0.125}
    rows = write_csv(
        tmp_path / "a" / "log.csv", {0: first, 1: second, 2: {"loss": 0.0625}}, separator=";"
    )
    recorded = [row.split(";")[:3] for row in KERAS2["csv"].splitlines()[:4]]
    assert rows == recorded


def test_csv_logger_goes_on_with_the_columns_of_the_file(tmp_path):
    path = tmp_path / "log.csv"
    write_csv(path, {0: {"loss": 0.5, "acc": 0.25}}, append=True)
    write_csv(path, {1: {"loss": 0.25, "acc": 0.5}}, append=True)
    rows = write_csv(path, {2: {"val_loss": 1.0, "acc": 0.75}, 3: {"loss": 2.0}}, append=True)
    assert rows == [
        ["epoch", "acc", "loss", "val_loss"],
        ["0", "0.25", "0.5", "NA"],
        ["1", "0.5", "0.25", "NA"],
        ["2", "0.75", "NA", "1.0"],
        ["3", "NA", "2.0", "NA"],
    ]
    assert write_csv(path, {0: {"loss": 3.0}}) == [["epoch", "loss"], ["0", "3.0"]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.csv"]


@pytest.fixture
def server():
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    web = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", received
    web.shutdown()
    thread.join()
    web.server_close()


def test_remote_monitor_sends_a_form_or_json(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    root, received = server
    logs = Logs({"loss": jnp.float32(0.5)})
    RemoteMonitor(root, headers={"X-Key": "k"}).on_epoch_end(3, logs)
    RemoteMonitor(root, path="/other", send_as_json=True).on_epoch_end(4, logs)
    (path, kind, key, form), (other, json_kind, _, body) = received
    assert (path, kind, key) == ("/publish/epoch/end/", "application/x-www-form-urlencoded", "k")
    assert json.loads(parse_qs(form)["data"][0]) == {"epoch": 3, "loss": 0.5}
    assert (other, json_kind) == ("/other", "application/json")
    assert json.loads(body) == {"epoch": 4, "loss": 0.5}


def test_remote_monitor_survives_a_dead_server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.warns(UserWarning, match="epoch 0 did not reach http://127.0.0.1:9 "):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {"loss": 1.0})


def test_public_names_are_documented():
    assert set(public.__all__) == {
        *("BaseLogger", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History"),
        *("LambdaCallback", "LearningRateScheduler", "ProgbarLogger", "ReduceLROnPlateau"),
        *("RemoteMonitor", "TerminateOnNaN", "BackupAndRestore", "ModelCheckpoint"),
        *("SwapEMAWeights", "TensorBoard"),
    }
    for name in public.__all__:
        assert ">>>" in getattr(public, name).__doc__
