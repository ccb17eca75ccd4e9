"""`load_model`: every recorded file predicts the same and trains on; parts degrade alone."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from tests.saving import golden

from lamina import activations, layers
from lamina.models import Model, Sequential, model_from_json
from lamina.saving import training
from lamina.saving.loading import load_model
from lamina.saving.saving import save_model

# Theano pads "same" windows of an even size on the other side.
OTHER_SIDE = {("keras1.2.2-theano", "cnn_first"), ("keras1.2.2-theano", "cnn_last")}
CASES = [
    (entry["release"], entry["model"], kind.removesuffix(".gz"))
    for entry in golden.entries()
    for kind in entry["files"]
    if kind in ("h5", "h5.gz", "keras") and "gone" not in entry["facts"]
]


class Scale(layers.Layer):
    """The layer class of the recorded files' user."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs * jnp.broadcast_to(self.scale.value, inputs.shape) * self.factor


FUNCTIONS = {
    "halve": lambda x: x * 0.5,
    "square_plus": lambda x, by=1.0: x * x + by,
    "softsign": activations.softsign,
}


def off_by_tenth(y_true: Any, y_pred: Any) -> Any:
    return ((y_pred - y_true - 0.1) ** 2).mean(axis=-1)


def objects(entry: dict[str, Any]) -> dict[str, Any]:
    """What the user of a recorded file passes."""
    found: dict[str, Any] = {"Scale": Scale, "off_by_tenth": off_by_tenth}
    functions = entry["facts"].get("functions", {})
    return found | {layer: FUNCTIONS[name] for layer, name in functions.items()}


def loaded(release: str, name: str, kind: str, folder: Path, **options: Any) -> Any:
    entry = golden.find(release, name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Embedding: dropout of Keras 1")
        return load_model(golden.path(entry, kind, folder), objects(entry), **options)


@pytest.mark.parametrize(("release", "name", "kind"), CASES)
def test_recorded_files_predict_the_same_and_train_on(tmp_path, release, name, kind):
    entry = golden.find(release, name)
    model = loaded(release, name, kind, tmp_path)
    if (release, name) in OTHER_SIDE:
        return
    inputs = golden.arrays(entry, "input")
    outputs = model.predict(golden.one(inputs), verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for ours, theirs in zip(outputs, golden.arrays(entry, "prediction"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)
    assert (model.optimizer is not None) == entry["compiled"]
    first = kind == next(iter(entry["files"])).removesuffix(".gz")
    if first and entry["steps"]:
        check_steps(model, entry, inputs)


def check_steps(model: Any, entry: dict[str, Any], inputs: list[np.ndarray]) -> None:
    """Two further steps give the recorded weights.

    Keras on TensorFlow 1 may change a weight before the gradient of an earlier layer is computed
    from it, so that its second step is another one; there the way that the weights went is
    compared, and only so far.
    """
    options = {}
    with np.load(golden.FOLDER / entry["arrays"]) as recorded:
        if "sample_weight" in recorded:
            options["sample_weight"] = recorded["sample_weight"]
        losses = [float(recorded[f"loss_{step}"]) for step in (1, 2)]
    loose = entry["release"].startswith(("keras1", "keras2"))
    if loose and entry["facts"].get("batch_statistics"):
        return
    before = [np.array(weight.value) for weight in model.trainable_weights]
    found = []
    for _ in losses:
        logs = model.train_on_batch(
            golden.one(inputs), golden.one(golden.arrays(entry, "target")), **options
        )
        found.append(float(np.ravel(logs)[0]))
    assert found[0] == pytest.approx(losses[0], rel=1e-5)
    assert found[1] == pytest.approx(losses[1], rel=2e-2 if loose else 1e-5)
    start, end = golden.arrays(entry, "weight"), golden.arrays(entry, "weight", "_after_2")
    pairs = list(zip(start, end, strict=True))
    pairs.sort(key=lambda pair: bool((pair[0] == pair[1]).all()))  # those that moved first
    for old, weight in zip(before, model.trainable_weights, strict=True):
        match = [new for one, new in pairs if one.shape == old.shape and (one == old).all()]
        if not match:  # stored in another form: kernels of Keras 1
            assert entry["release"].startswith("keras1")
            continue
        distance = np.abs(np.array(weight.value) - match[0]).max()
        way = np.abs(old - match[0]).max()
        assert distance <= (0.35 * way if loose else 2e-5 + 1e-4 * way), weight.path


@pytest.fixture
def small(tmp_path):
    model = Sequential([layers.Dense(3, input_shape=(2,), name="d"), layers.Activation("tanh")])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
    return model


def rewritten(path: Path, change: Any) -> None:
    """Change the JSON of a file of either format."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            section = json.loads(str(file.attrs["training_config"]))
            body = {"compile_config": section, **json.loads(str(file.attrs["model_config"]))}
            change(body)
            file.attrs["training_config"] = json.dumps(body.pop("compile_config"))
            file.attrs["model_config"] = json.dumps(body)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    body = json.loads(members["config.json"])
    change(body)
    members["config.json"] = json.dumps(body).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("ending", ["h5", "keras"])
class TestPartsDegradeAlone:
    """One part that cannot be read does not take the others with it."""

    def file(self, model, tmp_path, ending, **section):
        path = tmp_path / f"model.{ending}"
        save_model(model, path)
        rewritten(path, lambda body: body["compile_config"].update(section))
        return path

    def test_unknown_loss(self, small, tmp_path, ending):
        path = self.file(small, tmp_path, ending, loss="my_loss")
        with pytest.warns(UserWarning, match=r"unknown loss 'my_loss'.*custom_objects"):
            model = load_model(path)
        np.testing.assert_array_equal(model.get_weights()[0], small.get_weights()[0])
        assert int(model.optimizer.iterations.numpy()) == 1
        data = np.ones((4, 2)), np.ones((4, 3))
        logs = model.evaluate(*data, verbose=0, return_dict=True)
        assert logs["mae"] == small.evaluate(*data, verbose=0, return_dict=True)["mae"]
        with pytest.raises(ValueError, match="no loss to train on"):
            model.fit(*data, verbose=0)
        model.compile(model.optimizer, "mse")
        model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
        assert int(model.optimizer.iterations.numpy()) == 2
        again = load_model(path, {"my_loss": off_by_tenth})
        assert again.loss is off_by_tenth

    def test_unknown_optimizer(self, small, tmp_path, ending):
        name = {"h5": "optimizer_config", "keras": "optimizer"}[ending]
        unknown = {"class_name": "Mystery", "config": {}}
        path = self.file(small, tmp_path, ending, **{name: unknown})
        with pytest.warns(UserWarning, match=r"'Mystery'.*call compile\(optimizer, model.loss\)"):
            model = load_model(path)
        np.testing.assert_array_equal(model.get_weights()[0], small.get_weights()[0])
        data = np.ones((4, 2)), np.ones((4, 3))
        logs = model.evaluate(*data, verbose=0, return_dict=True)
        assert logs == small.evaluate(*data, verbose=0, return_dict=True)
        with pytest.raises(ValueError, match=r"without its optimizer 'Mystery'.*custom_objects"):
            model.fit(*data, verbose=0)
        with pytest.raises(ValueError, match="without its optimizer 'Mystery'"):
            model.train_on_batch(*data)
        np.testing.assert_array_equal(model.get_weights()[0], small.get_weights()[0])
        with pytest.warns(UserWarning, match=r"cannot be written.*without its optimizer"):
            save_model(model, path)
        model.compile("sgd", model.loss)
        model.fit(*data, verbose=0)

    def test_nothing_to_compile_with(self, small, tmp_path, ending):
        name = {"h5": "optimizer_config", "keras": "optimizer"}[ending]
        nothing = {name: {"class_name": "Mystery", "config": {}}, "loss": None, "metrics": None}
        path = self.file(small, tmp_path, ending, **nothing)
        with pytest.warns(UserWarning, match=r"'Mystery'.*call compile\(optimizer, loss\)"):
            model = load_model(path)
        assert model.optimizer is None

    def test_unknown_metric(self, small, tmp_path, ending):
        path = self.file(small, tmp_path, ending, metrics=["mae", "my_metric"])
        with pytest.warns(UserWarning, match=r"metric 'my_metric' is left out"):
            model = load_model(path)
        logs = model.evaluate(np.ones((4, 2)), np.ones((4, 3)), verbose=0, return_dict=True)
        assert set(logs) == {"loss", "mae"}

    @pytest.mark.parametrize(
        "section", [7, [], "adam", {"loss": {"class_name": []}}, {"loss": 1e9}]
    )
    def test_a_broken_section(self, small, tmp_path, ending, section):
        path = tmp_path / f"model.{ending}"
        save_model(small, path)
        rewritten(path, lambda body: body.update(compile_config=section))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = load_model(path)
        np.testing.assert_array_equal(model.get_weights()[0], small.get_weights()[0])

    def test_giant_metrics(self, small, tmp_path, ending):
        giant = {"class_name": "MeanIoU", "config": {"num_classes": 10**7}}
        path = self.file(small, tmp_path, ending, metrics=[giant])
        with pytest.warns(UserWarning, match="the metrics of a file hold fewer"):
            load_model(path)

    def test_state_of_another_optimizer(self, small, tmp_path, ending):
        name = {"h5": "optimizer_config", "keras": "optimizer"}[ending]
        kind = {"h5": "AdamW", "keras": "SGD"}[ending]
        other = {"class_name": kind, "config": {"learning_rate": 0.5}}
        path = self.file(small, tmp_path, ending, **{name: other})
        with pytest.warns(UserWarning, match="state of the optimizer cannot be read"):
            model = load_model(path)
        assert type(model.optimizer).__name__ == kind

    def test_without_compile(self, small, tmp_path, ending):
        path = self.file(small, tmp_path, ending, loss="my_loss")
        assert load_model(path, compile=False).optimizer is None

    def test_a_layer_that_is_larger_than_the_file(self, small, tmp_path, ending):
        path = tmp_path / f"model.{ending}"
        save_model(small, path)

        def enlarge(body):
            body["config"]["layers"][1]["config"]["units"] = 10**9

        rewritten(path, enlarge)
        with pytest.raises(ValueError, match=r"shape \(2, 1000000000\).*the file holds 9 for all"):
            load_model(path)

    def test_shapes_that_differ(self, small, tmp_path, ending):
        path = tmp_path / f"model.{ending}"
        save_model(small, path)

        def change(body):
            body["config"]["layers"][1]["config"]["units"] = 2

        rewritten(path, change)
        with pytest.raises(ValueError, match=r"'d'.*\(2, 2\).*\(2, 3\)"):
            load_model(path)

    def test_unknown_layer(self, small, tmp_path, ending):
        path = tmp_path / f"model.{ending}"
        save_model(small, path)

        def change(body):
            body["config"]["layers"][1]["class_name"] = "Thick"

        rewritten(path, change)
        with pytest.raises(ValueError, match=r"'Thick' \(layer 'd'\).*custom_objects=\{'Thick'"):
            load_model(path)

    def test_a_newer_version(self, small, tmp_path, ending):
        path = tmp_path / f"model.{ending}"
        save_model(small, path)
        if ending == "h5":
            with h5py.File(path, "r+") as file:
                file.attrs["keras_version"] = "4.2.0"
        else:
            with zipfile.ZipFile(path) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in (
                    members | {"metadata.json": b'{"keras_version": "4.2"}'}
                ).items():
                    archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Keras 4.2.*newer"):
            load_model(path)


def test_wrong_files(tmp_path):
    path = tmp_path / "model.h5"
    with pytest.raises(FileNotFoundError, match="no file"):
        load_model(path)
    for data, message in (
        (b"", "is empty"),
        (b"hello, this is text", "no model file"),
        (b"\x89HDF\r\n\x1a\nrest", "damaged|cut off"),
        (b"PK\x03\x04rest", "damaged"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            load_model(path)
    with pytest.raises(TypeError, match="filepath must be a path"):
        load_model(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no argument 'custom'"):
        load_model(path, custom={})


def test_files_of_weights_alone_say_so(small, tmp_path):
    for name in ("m.weights.h5", "m.h5", "m.safetensors"):
        small.save_weights(tmp_path / name)
        with pytest.raises(ValueError, match=r"weights (and no model|alone).*load_weights"):
            load_model(tmp_path / name)


def test_safe_mode_changes_nothing(tmp_path):
    entry = golden.find("keras3.15", "lambda_python")
    for safe in (True, False):
        with pytest.raises(ValueError, match=r"custom_objects=\{'squares': ...\}"):
            load_model(golden.path(entry, "keras", tmp_path), safe_mode=safe)


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_penalties_on_outputs_are_those_of_the_release(tmp_path, ending):
    x = np.random.default_rng(1).normal(size=(5, 3)).astype("f")
    penalty = {"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.0}}
    layer = {"units": 2, "name": "d", "activity_regularizer": penalty}
    entries = [
        {"class_name": "Dense", "config": layer | {"batch_input_shape": [None, 3]}},
        {"class_name": "ActivityRegularization", "config": {"l1": 0.0, "l2": 2.0, "name": "a"}},
    ]
    config = {"class_name": "Sequential", "config": {"layers": entries, "name": "s"}}
    found = {}
    for version in ("1.2.2", "2.2.4", "2.3.1", "2.2.4-tf", "2.15.0", "3.0.0"):
        model = model_from_json(json.dumps(config | {"keras_version": version}))
        model.set_weights([np.ones((3, 2)), np.zeros(2)])
        outputs = model(x)
        by_hand = 0.5 * np.abs(outputs).sum() + 2.0 * (np.array(outputs) ** 2).sum()
        found[version] = float(sum(model.losses)) / by_hand
        model.save(tmp_path / f"model.{ending}")
        for again in (load_model(tmp_path / f"model.{ending}"), model_from_json(model.to_json())):
            again.set_weights(model.get_weights())
            again(x)
            assert float(sum(again.losses)) == float(sum(model.losses))
    assert list(found.values()) == pytest.approx([1, 1, 1, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("version", "old"),
    [("1.2.2", True), ("2.3.1", True), ("2.2.4-tf", False), ("2.4.0", False), ("3.0.5", False)],
)
def test_old_keras_is_told_from_tf_keras(version, old):
    assert training.is_old_keras(version) == old


def test_clipnorm_of_old_keras_is_global():
    model = Sequential([layers.Dense(3, input_shape=(2,))])
    section = {
        "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1, "clipnorm": 0.5}},
        "loss": "mse",
    }
    training.compile_from(model, section, "2.2.4", "a file")
    assert (model.optimizer.clipnorm, model.optimizer.global_clipnorm) == (None, 0.5)
    training.compile_from(model, section, "2.15.0", "a file")
    assert (model.optimizer.clipnorm, model.optimizer.global_clipnorm) == (0.5, None)


def test_training_config_of_tf_keras():
    x = layers.Input((4,), name="x")
    model = Model(x, [layers.Dense(1, name="one")(x), layers.Dense(3, name="two")(x)])
    metric = {"name": "one_mae", "dtype": "float32", "fn": "mean_absolute_error"}
    bce = {"reduction": "auto", "name": "b", "from_logits": True, "fn": "binary_crossentropy"}
    schedule = {
        "module": "keras.optimizers.schedules",
        "class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9},
        "registered_name": None,
    }
    section = {
        "loss": {"one": {"class_name": "BinaryCrossentropy", "config": bce}, "two": "mse"},
        "metrics": [[{"class_name": "MeanMetricWrapper", "config": metric}], None],
        "loss_weights": None,
        "optimizer_config": {
            "class_name": "Custom>Adam",
            "config": {"name": "Adam", "learning_rate": schedule, "jit_compile": False},
        },
    }
    training.compile_from(model, section, "2.15.0", "a file")
    assert model.loss["one"].from_logits
    logs = model.evaluate(
        np.ones((2, 4)), [np.ones((2, 1)), np.ones((2, 3))], verbose=0, return_dict=True
    )
    assert set(logs) == {"loss", "one_loss", "two_loss", "one_mae"}


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_a_model_that_was_compiled_and_never_trained(tmp_path, ending):
    model = Sequential([layers.Dense(3, input_shape=(2,))])
    model.compile("adam", "mse")
    save_model(model, tmp_path / f"model.{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_model(tmp_path / f"model.{ending}")
    assert type(again.optimizer).__name__ == "Adam"


def zipped(path: Path, *members: tuple[Any, bytes]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: [*m, ("config.json", b"{}")], "in the archive twice"),
        (lambda m: [m[0], m[2]], "without 'config.json'"),
        (lambda m: m[:2], r"without 'model\.weights\.h5'"),
        (lambda m: [*m[:2], ("model.weights.h5", bytes(2**27))], "would unpack from"),
        (lambda m: [m[0], ("config.json", b" " * (2**26 + 1)), m[2]], "more than the"),
        (lambda m: [m[0], ("config.json", b"not json"), m[2]], "config.json: the text is not JSON"),
        (lambda m: [m[0], ("config.json", b"[]"), m[2]], "needs a 'class_name'"),
        (lambda m: [("metadata.json", b'{"keras_version": "new"}'), *m[1:]], "keras_version must"),
        (lambda m: [*m[:2], ("model.weights.h5", b"PK" + bytes(99))], "no HDF5 file"),
        (lambda m: [*m, *((f"x{n}", b"") for n in range(10_001))], "more than 10000 members"),
    ],
)
def test_archives_made_to_harm(small, tmp_path, change, message):
    save_model(small, tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        members = [
            (name, archive.read(name))
            for name in ("metadata.json", "config.json", "model.weights.h5")
        ]
    path = zipped(tmp_path / "bad.keras", *change(members))
    with pytest.raises(ValueError, match=message):
        load_model(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.keras", "good.keras"]


def test_names_of_members_never_become_paths(small, tmp_path):
    save_model(small, tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    inside = tmp_path / "inside"
    inside.mkdir()
    for extra, message in (
        (("../../evil", b"x"), "leads out"),
        (("/tmp/evil", b"x"), "leads out"),
        ((link, b"/etc/passwd"), "is a link"),
    ):
        with pytest.raises(ValueError, match=message):
            load_model(zipped(inside / "odd.keras", *members, extra))
    more = zipped(inside / "odd.keras", *members, ("assets/notes.keras", b"PK anything"))
    np.testing.assert_array_equal(load_model(more).get_weights()[0], small.get_weights()[0])
    assert [entry.name for entry in inside.iterdir()] == ["odd.keras"]
    assert not (tmp_path / "evil").exists()
