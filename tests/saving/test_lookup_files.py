"""Files that hold layers of categories and texts: of real releases, and of lamina for them."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle
from tests.saving.test_safe_config import entry, harmful, watching

from lamina import layers, registry
from lamina.models import Model, load_model, model_from_config, model_from_json
from lamina.saving import limits

FOLDER = Path(__file__).parents[1] / "golden" / "lookups"


def files() -> list[Any]:
    found = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in (".keras", ".h5")]
    return [pytest.param(path, id=f"{path.parent.name}-{path.name}") for path in found]


def recorded(path: Path) -> tuple[Any, list[np.ndarray]]:
    case = json.loads((path.parent / "files.json").read_text())[path.stem]
    inputs = [np.array(one) for one in case["inputs"]]
    return (inputs if len(inputs) > 1 else inputs[0]), [np.array(p) for p in case["predicted"]]


def predictions(model: Any, inputs: Any) -> list[np.ndarray]:
    found = model.predict(inputs)
    return found if isinstance(found, list) else [found]


def check(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("path", files())
def test_files_of_real_releases_predict_the_same(path: Path, tmp_path: Path) -> None:
    inputs, wanted = recorded(path)
    model = load_model(path)
    check(predictions(model, inputs), wanted)
    for ending in ("keras", "h5"):
        own = tmp_path / f"own.{ending}"
        model.save(own)
        check(predictions(load_model(own), inputs), wanted)
    twin = model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    check(predictions(twin, inputs), wanted)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_loaded_layer_adapts_anew(ending: str, tmp_path: Path) -> None:
    x = layers.Input((2,), dtype="int32")
    lookup = layers.IntegerLookup(name="lookup")
    lookup.adapt([[5, 7]])
    Model(x, lookup(x)).save(tmp_path / f"m.{ending}")
    loaded = load_model(tmp_path / f"m.{ending}").get_layer("lookup")
    assert loaded.get_vocabulary() == [-1, 7, 5]
    loaded.adapt([[8, 8]])
    assert loaded.get_vocabulary() == [-1, 8]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_integers_of_64_bits_come_back(ending: str, tmp_path: Path) -> None:
    x = layers.Input((2,), dtype="int32")
    wide = [2**62, -(2**63), 5]
    Model(x, layers.IntegerLookup(vocabulary=wide, name="wide")(x)).save(tmp_path / f"m.{ending}")
    found = load_model(tmp_path / f"m.{ending}").get_layer("wide")
    assert found.get_vocabulary(include_special_tokens=False) == wide
    with pytest.raises(ValueError, match=r"more than 2\*\*53"):
        model_from_config(entry("Sequential", layers=[entry("Dense", units=2**62)]))


def numbers() -> tuple[Any, list[Any]]:
    """Layers that Keras 3 has without TensorFlow."""
    x, y = layers.Input((3,), dtype="int32", name="x"), layers.Input((2,), name="y")
    edges = layers.Discretization(num_bins=3, output_mode="multi_hot")
    edges.adapt(np.sin(np.arange(40.0)))
    parts = [layers.CategoryEncoding(6, output_mode="count")(x), edges(y)]
    z = layers.Dense(2)(layers.Concatenate()(parts))
    return Model([x, y], z), [np.array([[5, 1, 0], [2, 2, 3]], "int32"), np.eye(2, dtype="f")]


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("which", ["keras3", "tf_keras"])
def test_other_releases_open_numbers(which: Any, ending: str, tmp_path: Path) -> None:
    model, inputs = numbers()
    model.save(tmp_path / f"m.{ending}")
    found = run_oracle(which, "predict", file=tmp_path / f"m.{ending}", inputs=inputs)
    check([found["prediction_0"]], predictions(model, inputs))


def lookups() -> tuple[Any, list[Any]]:
    x = layers.Input((3,), dtype="int64", name="x")
    one = layers.IntegerLookup(vocabulary=[5, 7], num_oov_indices=2, output_mode="count")
    two = layers.IntegerLookup(mask_token=0, output_mode="multi_hot")
    two.adapt([[5, 9], [9, 4]])
    parts = [one(x), two(x), layers.Hashing(7, output_mode="count")(x)]
    return Model(x, layers.Dense(2)(layers.Concatenate()(parts))), [[[5, 0, 9], [4, 7, 1]]]


def texts() -> tuple[Any, list[Any]]:
    x = layers.Input((1,), dtype="string", name="x")
    text = layers.TextVectorization(output_sequence_length=3, ngrams=2)
    text.adapt(["The cat sat.", "A cat!"])
    given = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    crossed = layers.HashedCrossing(5, output_mode="one_hot")
    y = layers.Flatten()(layers.Embedding(9, 2)(text(x)))
    y = layers.Concatenate()([y, given(x), crossed([x, x])])
    return Model(x, layers.Dense(2)(y)), [[["the cat"], ["a"]]]


def weighted() -> tuple[Any, list[Any]]:
    x = layers.Input((1,), dtype="string", name="x")
    counted = layers.TextVectorization(max_tokens=9, pad_to_max_tokens=True, output_mode="tf_idf")
    counted.adapt(["The cat sat.", "A cat!"])
    return Model(x, layers.Dense(2)(counted(x))), [[["the cat"], ["a dog"]]]


@pytest.mark.parametrize(
    ("make", "ending"),
    # From HDF5 tf_keras wants idf_weights as a weight of the model, and Keras 3 does not.
    [(lookups, "keras"), (lookups, "h5"), (texts, "keras"), (texts, "h5"), (weighted, "keras")],
)
def test_tf_keras_opens_lookups(make: Any, ending: str, tmp_path: Path) -> None:
    model, inputs = make()
    model.save(tmp_path / f"m.{ending}")
    script = """
        import tensorflow as tf
        model = keras.models.load_model(file, compile=False)
        kind = "int64" if isinstance(values[0][0], int) else "string"
        result["found"] = np.asarray(model(tf.constant(values, kind)))
    """
    found = run_oracle("tf_keras", script, file=tmp_path / f"m.{ending}", values=inputs[0])
    check([found["found"]], predictions(model, np.array(inputs[0])))


KINDS = (layers.IntegerLookup, layers.StringLookup, layers.TextVectorization, layers.Hashing)


@pytest.mark.parametrize(
    ("make", "ending"),
    # Keras 3 does not read weights of tokens from HDF5, not those that it wrote either.
    [(lookups, "keras"), (lookups, "h5"), (texts, "keras"), (texts, "h5"), (weighted, "keras")],
)
def test_keras_3_opens_lookups(make: Any, ending: str, tmp_path: Path) -> None:
    """It needs TensorFlow for these layers; on JAX it runs no model of texts, but the layers."""
    model, inputs = make()
    model.save(tmp_path / f"m.{ending}")
    script = """
        model = keras.models.load_model(file, compile=False)
        for name in names:
            result[name] = np.asarray(model.get_layer(name)(np.array(values)))
        result.update(numbered("weight", model.get_weights()))
    """
    reading = [layer for layer in model.layers if isinstance(layer, KINDS)]
    names = [layer.name for layer in reading]
    path = tmp_path / f"m.{ending}"
    found = run_oracle("keras3", script, file=path, values=inputs[0], names=names)
    check([found[name] for name in names], [layer(np.array(inputs[0])) for layer in reading])
    weights = model.get_weights()
    check([found[f"weight_{i}"] for i in range(len(weights))], weights)


def test_no_config_opens_a_vocabulary(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n")
    places = ("secret.txt", str(secret), secret.as_uri(), "/proc/self/environ", "")
    kinds = ("StringLookup", "IntegerLookup", "TextVectorization")
    for kind in kinds:
        for place in places:
            config = entry(kind, name="s", vocabulary=place)
            ways = [
                lambda c=config: model_from_config(entry("Sequential", layers=[c])),
                lambda c=config: registry.deserialize("layer", c),
                lambda c=config: getattr(layers, c["class_name"]).from_config(c["config"]),
                lambda c=config: model_from_config(entry("TimeDistributed", name="t", layer=c)),
            ]
            for way in ways:
                with watching() as events, pytest.raises(ValueError, match=r"opens? a file"):
                    way()
                assert not harmful(events)


def test_a_class_of_the_users_opens_nothing_either(tmp_path: Path) -> None:
    """Its own from_config calls the constructor, which knows that a file is being read."""

    class Own(layers.StringLookup):
        @classmethod
        def from_config(cls, config: Any) -> Any:
            return cls(**config)

    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n")
    config = entry("Sequential", layers=[entry("Own", name="s", vocabulary=str(secret))])
    with pytest.raises(ValueError, match="No config makes lamina open a file"):
        model_from_config(config, {"Own": Own})


def changed(path: Path, target: Path, members: Mapping[str, bytes | None]) -> Path:
    """An archive with other members; ``None`` leaves one out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in [*old.namelist(), *(set(members) - set(old.namelist()))]:
            data = members.get(name, b"" if name in members else old.read(name))
            if data is not None:
                new.writestr(name, data, zipfile.ZIP_DEFLATED)
    return target


ASSET = "assets/layers/integer_lookup_1/vocabulary.txt"
NUMBERS = FOLDER / "keras3.15" / "numbers.keras"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"-1\n-1\n5\nx", "lines that are no integers"),
        (b"-1\n\xff", "is not text in utf-8"),
        (b"-1\n-1\n5\n5\n7\n9\n0\n2\n11\n-2"[:24], r"idf_weights of shape|more than once"),
        (b"-1\n-1\n" + b"5\n" * 2, "idf_weights of shape"),
        (b"1" * 30, "idf_weights|no integers|too large|int"),
        (b"1\n" * (limits.TEXT // 2 + 1), "bytes, more than the"),
    ],
)
def test_a_damaged_vocabulary_is_said(data: bytes, message: str, tmp_path: Path) -> None:
    path = changed(NUMBERS, tmp_path / "m.keras", {ASSET: data})
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_an_archive_without_the_vocabulary_loads_and_says_so(tmp_path: Path) -> None:
    model = load_model(changed(NUMBERS, tmp_path / "m.keras", {ASSET: None}))
    with pytest.raises(ValueError, match="no vocabulary yet"):
        model.predict(recorded(NUMBERS)[0])


def test_members_that_no_layer_waits_for_are_not_read(tmp_path: Path) -> None:
    further = {"assets/layers/other/vocabulary.txt": b"\xff" * 99, "assets/x": b"0" * 2**27}
    model = load_model(changed(NUMBERS, tmp_path / "m.keras", further))
    inputs, wanted = recorded(NUMBERS)
    check(predictions(model, inputs), wanted)


def test_an_archive_in_memory_is_bounded_in_all() -> None:
    """Many vocabularies that are each within the bound are not, together."""
    from lamina.saving import archive

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as members:
        for name in "ab":
            members.writestr(name, b"0" * 600)
    with archive.opened(stream) as members:
        asset = archive.assets(members, "m.keras", 1000)
        assert asset("c") is None
        assert len(asset("a") or b"") == 600
        with pytest.raises(ValueError, match="has 600 bytes, more than the 400"):
            asset("b")
