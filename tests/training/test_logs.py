import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.training.logs import AliasedDict, Logs, as_logs, newest_name


class Scalar:
    """Stands for a number on the device and counts how often it is fetched."""

    shape = ()

    def __init__(self, value):
        self.value = value
        self.reads = 0

    def __array__(self, dtype=None, copy=None):
        self.reads += 1
        return np.asarray(self.value, dtype=np.float32)


def test_a_number_is_fetched_once_and_only_when_read():
    loss, accuracy = Scalar(0.5), Scalar(0.25)
    logs = Logs({"loss": loss, "accuracy": accuracy})
    assert "acc" in logs
    assert list(logs) == ["loss", "accuracy"]
    assert len(logs) == 2
    assert (loss.reads, accuracy.reads) == (0, 0)
    assert logs["loss"] == 0.5
    assert logs["loss"] == 0.5
    assert (loss.reads, accuracy.reads) == (1, 0)


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda logs: {**logs},
        lambda logs: dict(logs.items()),
        lambda logs: dict(zip(logs.keys(), logs.values(), strict=True)),
        lambda logs: json.loads(json.dumps(logs)),
        lambda logs: dict(logs.copy()),
        lambda logs: dict(pickle.loads(pickle.dumps(logs))),
        lambda logs: {} | logs,
        lambda logs: dict(logs | {}),
        lambda logs: {name: logs.get(name) for name in logs},
        lambda logs: eval(repr(logs)),
        lambda logs: {name: logs.pop(name) for name in list(logs)},
    ],
)
def test_every_way_of_reading_gives_python_floats(read):
    logs = Logs({"loss": jnp.float32(0.5), "auc": np.float64(0.125), "n": jnp.int32(3)})
    found = read(logs)
    assert found == {"loss": 0.5, "auc": 0.125, "n": 3.0}
    assert [type(value) for value in found.values()] == [float] * 3


def test_equality_compares_numbers():
    assert Logs({"loss": jnp.float32(0.5)}) == {"loss": 0.5}
    assert Logs({"loss": jnp.float32(0.5)}) != {"loss": 0.25}


def test_deferred_numbers_are_computed_at_the_first_read():
    calls = []

    def read():
        calls.append(1)
        return {"accuracy": jnp.float32(0.75), "auc": 0.5}

    logs = Logs({"loss": 1.0}, read=read, names=["accuracy", "auc"])
    assert (list(logs), logs["loss"], calls) == (["loss", "accuracy", "auc"], 1.0, [])
    assert (logs["acc"], logs["auc"], calls) == (0.75, 0.5, [1])
    assert dict(Logs(read=read, names=["auc", "accuracy"])) == {"auc": 0.5, "accuracy": 0.75}


@pytest.mark.parametrize(
    ("present", "asked"),
    [
        ("accuracy", "acc"),
        ("acc", "accuracy"),
        ("val_accuracy", "val_acc"),
        ("mean_squared_error", "mse"),
        ("MSE", "mse"),
        ("val_mae", "val_mean_absolute_error"),
        ("decoder_mse", "decoder_mean_squared_error"),
        ("val_p_acc", "val_p_accuracy"),
        ("accuracy_1", "acc_1"),
        ("learning_rate", "lr"),
        ("kullback_leibler_divergence", "kl_divergence"),
        ("logcosh", "log_cosh"),
    ],
)
def test_names_of_other_releases_find_the_key(present, asked):
    values = AliasedDict({"loss": 1, present: 2})
    assert asked in values
    assert values[asked] == values.get(asked) == values.setdefault(asked, 3) == 2
    assert list(values) == ["loss", present]
    assert values.pop(asked) == 2
    assert asked not in values


def test_two_candidates_or_none_are_no_match():
    values = AliasedDict({"mse": 1, "MSE": 2, "acc": 3, "accuracy": 4})
    assert "mean_squared_error" not in values
    assert (values["acc"], values["accuracy"]) == (3, 4)
    assert values.get("val_acc") is None
    assert newest_name("cosine_proximity") == "cosine_proximity"  # the sign differs


def test_an_absent_name_is_reported_with_the_nearest():
    with pytest.raises(
        KeyError, match=r"'val_los' is not among \['loss', 'val_loss'\].*'val_loss'"
    ):
        AliasedDict({"loss": 1, "val_loss": 2})["val_los"]


def test_writing_uses_the_name_that_is_given():
    values = AliasedDict({"accuracy": 1})
    values["acc"] = 2
    assert dict(values) == {"accuracy": 1, "acc": 2}


def test_as_logs_takes_nothing_and_keeps_logs():
    logs = Logs({"loss": 1.0})
    assert as_logs(logs) is logs
    assert as_logs(None) == {}
    assert as_logs({"acc": np.float32(0.5)})["accuracy"] == 0.5
