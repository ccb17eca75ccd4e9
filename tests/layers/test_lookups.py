"""Layers of categories and texts: what real releases gave, and what users do wrong."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers, ops
from lamina.callbacks import Callback
from lamina.models import Model, Sequential, clone_model

FOLDER = Path(__file__).parents[1] / "golden" / "lookups"


def recorded(*releases):
    for release in releases or ("keras3.15", "tf2.15"):
        for number, case in enumerate(json.loads((FOLDER / f"{release}.json").read_text())):
            yield pytest.param(case, id=f"{release}-{case['class']}-{number}")


def made(case):
    layer = getattr(layers, case["class"])(**case["arguments"])
    if case["adapt"] is not None:
        layer.adapt(np.array(case["adapt"]))
    return layer


def fed(case):
    inputs = case["inputs"]
    if isinstance(inputs, dict):
        return [np.array(one) for one in inputs.values()]
    return np.array(inputs)


def check(found, case):
    wanted = np.asarray(case["output"])
    assert found.shape == wanted.shape
    if wanted.dtype.kind == "U":
        assert found.tolist() == wanted.tolist()
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", list(recorded()))
def test_real_releases_give_the_same(case):
    layer = made(case)
    check(np.asarray(layer(fed(case))), case)
    if "vocabulary" in case:
        assert layer.get_vocabulary() == case["vocabulary"]
        assert layer.vocabulary_size() == len(case["vocabulary"])
    if "boundaries" in case:
        np.testing.assert_allclose(layer.bin_boundaries, case["boundaries"], rtol=1e-6)


def numeric():
    for param in recorded("keras3.15"):
        case: Any = param.values[0]
        values = fed(case)
        values = values if isinstance(values, list) else [values]
        small = all(v.dtype.kind in "if" and abs(v).max() < 2**31 for v in values)
        if small and case["class"] not in ("StringLookup", "TextVectorization"):
            yield param


@pytest.mark.parametrize("case", list(numeric()))
def test_compiled_programs_give_the_same(case):
    layer = made(case)
    values = jax.tree.map(
        lambda v: v.astype("int32" if v.dtype.kind == "i" else "float32"), fed(case)
    )
    check(np.asarray(jax.jit(layer)(values)), case)


@pytest.mark.parametrize("case", list(recorded("keras3.15")))
def test_configs_hold_what_was_learnt(case):
    layer = made(case)
    config = json.loads(json.dumps(layer.get_config()))
    check(np.asarray(type(layer).from_config(config)(fed(case))), case)


def test_a_model_has_the_shapes_that_come_out():
    x = layers.Input((3,), dtype="int32")
    for mode, shape in (("int", (3,)), ("one_hot", (3, 5)), ("multi_hot", (5,)), ("count", (5,))):
        lookup = layers.IntegerLookup(vocabulary=[4, 6, 8, 9], output_mode=mode)
        model = Model(x, lookup(x))
        assert model.output_shape == (None, *shape)
        assert model.predict(np.array([[4, 1, 9], [6, 6, 8]])).shape == (2, *shape)


def test_gradients_pass_behind_the_layers():
    x = layers.Input((3,), dtype="int32")
    y = layers.IntegerLookup(vocabulary=[4, 6, 8], output_mode="count", mask_token=0)(x)
    model = Model(x, layers.Dense(1)(y))
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(np.array([[4, 8, 0]] * 8), np.ones((8, 1)), epochs=1, verbose=0)
    changed = (model.get_weights()[0] != before)[:, 0].tolist()
    assert changed == [False, True, False, True]


def test_programs_follow_the_vocabulary():
    x = layers.Input((2,), dtype="int32")
    lookup = layers.IntegerLookup(vocabulary=[4, 6])
    model = Model(x, lookup(x))
    data = np.array([[4, 6], [6, 7]])
    assert model.predict(data).tolist() == [[1, 2], [2, 0]]
    lookup.set_vocabulary([7, 6])
    assert model.predict(data).tolist() == [[0, 2], [2, 1]]
    edges = layers.Discretization(num_bins=2)
    edges.adapt(np.array([0.0, 1.0]))
    y = layers.Input((1,))
    model = Model(y, edges(y))
    assert model.predict(np.array([[0.5]])).tolist() == [[1]]
    edges.adapt(np.array([0.9, 2.0]))
    assert model.predict(np.array([[0.5]])).tolist() == [[0]]


def test_weights_of_counts():
    layer = layers.CategoryEncoding(4, output_mode="count")
    weights = np.array([[0.5, 2.0, 0.25], [1.0, 3.0, 5.0]])
    found = layer(np.array([[1, 3, 1], [0, 0, 2]]), count_weights=weights)
    assert found.tolist() == [[0.0, 0.75, 0.0, 2.0], [4.0, 0.0, 5.0, 0.0]]
    x, w = layers.Input((3,), dtype="int32"), layers.Input((3,))
    model = Model([x, w], layer(x, count_weights=w))
    assert model.predict([np.array([[1, 3, 1]]), weights[:1]]).tolist() == [[0.0, 0.75, 0.0, 2.0]]
    with pytest.raises(ValueError, match="must have the shape"):
        layer(np.array([[1, 3, 1]]), count_weights=np.ones((1, 2)))
    with pytest.raises(ValueError, match="count_weights need output_mode='count'"):
        layers.CategoryEncoding(4)(np.array([[1]]), count_weights=np.ones((1, 1)))


@pytest.mark.parametrize(("value", "said"), [(4, "4"), (-1, "-1"), (2.5, "2.5"), (np.nan, "nan")])
def test_what_is_no_category_is_said(value, said):
    data = np.array([[0, 1], [3, value]])
    layer = layers.CategoryEncoding(4)
    with pytest.raises(ValueError, match=rf"entry {said} in row 1 .* 4 categories \(0 to 3\)"):
        layer(data)
    x = layers.Input((2,), dtype=data.dtype.name.replace("64", "32"))
    with pytest.raises(ValueError, match=f"entry {said} in row 1"):
        Model(x, layer(x)).predict(data.astype(x.dtype))


def test_unknown_integers_without_a_place_are_said():
    layer = layers.IntegerLookup(vocabulary=[5, 7], num_oov_indices=0, mask_token=0)
    assert layer([[5, 0]]).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match=r"not in the vocabulary: \[8\]"):
        layer([[5, 8]])
    x = layers.Input((2,), dtype="int32")
    with pytest.raises(ValueError, match="integer 8 in row 1 of the input is not in the vocab"):
        Model(x, layer(x)).predict(np.array([[5, 7], [5, 8]]))


def test_wide_integers():
    """Of 64 bits on the host; a compiled program never takes them for others."""
    wide = 2**40 + 6
    layer = layers.IntegerLookup(vocabulary=[5, wide])
    assert layer(np.array([wide, 5, 2**33 + 6])).tolist() == [2, 1, 0]
    assert jax.jit(layer)(np.array([5, 6], "int32")).tolist() == [1, 0]
    inverse = layers.IntegerLookup(vocabulary=[5, wide], invert=True)
    assert inverse([2, 0]).tolist() == [wide, -1]
    with pytest.raises(ValueError, match="integers that int32 does not"):
        jax.jit(inverse)(np.array([1], "int32"))


def test_lookups_and_their_inverses():
    words = ["b", "a", "ä"]
    there, back = (
        layers.StringLookup(vocabulary=words),
        layers.StringLookup(vocabulary=words, invert=True),
    )
    data = np.array([["a", "x"], ["ä", "b"]])
    assert back(there(data)).tolist() == [["a", "[UNK]"], ["ä", "b"]]
    x = layers.Input((2,), dtype="int32")
    integers = layers.IntegerLookup(vocabulary=[7, 9], mask_token=0, invert=True)
    assert Model(x, integers(x)).predict(np.array([[0, 1], [2, 3]])).tolist() == [[0, -1], [7, 9]]


def batches():
    yield np.array([["a", "b"], ["a", "c"]])
    yield np.array([["c", "c"]])
    while True:
        yield np.array([["d", "d"]])


def test_adapt_takes_batches():
    layer = layers.StringLookup()
    layer.adapt(batches(), steps=2)
    assert layer.get_vocabulary() == ["[UNK]", "c", "a", "b"]
    layer.adapt(["z"])
    assert layer.get_vocabulary(include_special_tokens=False) == ["z"]
    text = layers.TextVectorization()
    text.adapt(iter([["b a", "a"], np.array([["b b"]])]))
    assert text.get_vocabulary() == ["", "[UNK]", "b", "a"]
    edges = layers.Discretization(num_bins=2)
    edges.adapt([np.array([[0.0], [2.0]]), np.array([[4.0], [6.0]])])
    assert edges.bin_boundaries == [2.0]
    step = layers.IntegerLookup()
    step.update_state([[3, 3], [5, 7]])
    step.update_state([[7, 7]])
    step.finalize_state()
    assert step.get_vocabulary() == [-1, 7, 3, 5]


def test_documents_are_rows():
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.adapt(np.array([["a", "b"], ["a", "a"], ["b", "c"]]))
    tokens = layer.get_vocabulary()
    assert tokens == ["[UNK]", "a", "b", "c"]
    rare = np.log(1 + 3 / (1 + np.array([2, 2, 1])))
    wanted = [rare.mean(), 2 * rare[0], 0.0, rare[2]]
    np.testing.assert_allclose(layer([["a", "c", "a", "z"]])[0], wanted, rtol=1e-6)


def test_functions_of_the_users():
    layer = layers.TextVectorization(
        standardize=np.char.upper, split=lambda texts: [text.split("-") for text in texts]
    )
    layer.adapt(["a-b", "b-c-b"])
    assert layer.get_vocabulary() == ["", "[UNK]", "B", "C", "A"]
    assert layer(["c-b-x"]).tolist() == [[3, 2, 1]]
    wrong = layers.TextVectorization(split=lambda texts: ["a"], vocabulary=["a"])
    with pytest.raises(ValueError, match="a list of words for each of 2 texts, got 1"):
        wrong(["a", "b"])


def test_models_of_texts_predict():
    text = layers.TextVectorization(vocabulary=["cat", "dog"], output_sequence_length=3)
    x, y = layers.Input((1,), dtype="string", name="x"), layers.Input((2,), name="y")
    places = text(x)
    flat = layers.Flatten()(layers.Embedding(4, 2)(places))
    model = Model([x, y], layers.Dense(2)(layers.Concatenate()([flat, y])))
    words, numbers = np.array([["a cat"], ["Dog!"], [""]]), np.ones((3, 2), "float32")
    whole = model.predict([words, numbers], batch_size=2)
    assert whole.shape == (3, 2)
    np.testing.assert_allclose(whole, model([words, numbers]), rtol=1e-6, atol=1e-6)
    by_name = model.predict({"x": words.tolist(), "y": numbers})
    np.testing.assert_allclose(whole, by_name, rtol=1e-6, atol=1e-6)
    rest = Model([places, y], model.output)
    np.testing.assert_allclose(rest.predict([text(words), numbers]), whole, rtol=1e-6, atol=1e-6)
    stack = Sequential([layers.Input((1,), dtype="string"), text, layers.Embedding(4, 2)])
    parts = stack.predict(iter([(words[:2], 0), (words[2:], 0)]))
    np.testing.assert_array_equal(parts, stack.predict(words))
    copy = clone_model(stack)
    copy.set_weights(stack.get_weights())
    np.testing.assert_array_equal(parts, copy.predict(words))


def test_texts_do_not_train():
    x = layers.Input((1,), dtype="string")
    text = layers.TextVectorization(vocabulary=["a"], output_mode="count")
    model = Model(x, layers.Dense(1)(text(x)))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="holds strings"):
        model.fit(np.array([["a"]]), np.ones((1, 1)), verbose=0)


def test_texts_and_numbers_are_told_apart():
    words, numbers = layers.Input((1,), dtype="string"), layers.Input((1,))
    lookup = layers.StringLookup(vocabulary=["a"])
    with pytest.raises(TypeError, match=r"reads texts, and gets numbers .* Call it on the data"):
        lookup(numbers)
    with pytest.raises(TypeError, match=r"computes with numbers, but .* holds texts"):
        layers.Dense(3)(words)
    with pytest.raises(TypeError, match=r"computes with numbers, but .* holds texts"):
        ops.add(words, words)
    with pytest.raises(
        TypeError, match=r"IntegerLookup .* computes with numbers, but .* holds texts"
    ):
        layers.IntegerLookup(vocabulary=[1])(words)
    with pytest.raises(TypeError, match="no compiled model does"):
        layers.StringLookup(vocabulary=["a"], invert=True)(numbers)
    with pytest.raises(TypeError, match="must hold texts, got dtype int64"):
        lookup(np.array([3]))
    with pytest.raises(TypeError, match="must hold texts, got 3 among them"):
        lookup(["a", 3])
    with pytest.raises(ValueError, match="lists of unequal lengths"):
        lookup([["a"], ["a", "b"]])
    with pytest.raises(TypeError, match="must hold whole numbers, got dtype <U1"):
        layers.IntegerLookup(vocabulary=[1])(np.array(["a"]))
    with pytest.raises(TypeError, match="reads texts, and gets numbers"):
        jax.jit(lookup)(jnp.ones(2))


def test_files_of_vocabularies_in_code(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("b\r\nä\r\n".encode())
    assert layers.StringLookup(vocabulary=path).get_vocabulary() == ["[UNK]", "b", "ä"]
    path.write_text("5\n7")
    integers = layers.IntegerLookup(vocabulary=str(path), mask_token=0)
    assert integers.get_vocabulary() == [0, -1, 5, 7]
    integers.save_assets(tmp_path)
    other = layers.IntegerLookup(mask_token=0)
    other.load_assets(tmp_path)
    assert other.get_vocabulary() == integers.get_vocabulary()
    path.write_text("5\nx")
    with pytest.raises(ValueError, match="lines that are no integers"):
        layers.IntegerLookup(vocabulary=path)
    with pytest.raises(ValueError, match="there is no file"):
        layers.StringLookup(vocabulary=tmp_path / "none")


L = layers
WRONG = {
    "num_tokens must say": L.CategoryEncoding,
    "num_tokens must be a positive int": lambda: L.CategoryEncoding(0),
    r"output_mode must be 'one_hot' .* Did you mean 'multi_hot'": lambda: L.CategoryEncoding(
        3, "multihot"
    ),
    "sparse=True is not supported": lambda: L.StringLookup(sparse=True, output_mode="count"),
    "ragged=True is not supported": lambda: L.TextVectorization(ragged=True),
    "either bin_boundaries or num_bins": L.Discretization,
    "must ascend": lambda: L.Discretization([1.0, 0.0]),
    "epsilon must be above 0": lambda: L.Discretization(num_bins=3, epsilon=0.0),
    "so there is nothing to adapt; pass num_bins": lambda: L.Discretization([0.0]).adapt(
        np.ones(2)
    ),
    "there are no boundaries yet": lambda: L.Discretization(num_bins=3)(np.ones(2)),
    "finite numbers, got NaN": lambda: L.Discretization(num_bins=3).adapt(np.array([np.nan])),
    "adapt got no data": lambda: L.IntegerLookup().adapt([]),
    "so there is nothing to adapt. Make": lambda: L.IntegerLookup(vocabulary=[1]).adapt([2]),
    "there is no vocabulary yet": lambda: L.StringLookup()(["a"]),
    "more than once in the vocabulary: 'a'": lambda: L.StringLookup(vocabulary=["a", "b", "a"]),
    "must be a list of tokens, and not empty": lambda: L.StringLookup(vocabulary=[]),
    "mask_token 'm' is among the tokens": lambda: L.StringLookup(
        mask_token="m", vocabulary=["a", "m"]
    ),
    "needs 4 places, but max_tokens is 3": lambda: L.StringLookup(3, vocabulary=["a", "b", "c"]),
    "max_tokens must be an int above 1": lambda: L.StringLookup(1),
    "pad_to_max_tokens needs max_tokens": lambda: L.StringLookup(pad_to_max_tokens=True),
    "num_oov_indices must be 0 or more": lambda: L.StringLookup(num_oov_indices=-1),
    "invert=True needs output_mode='int'": lambda: L.StringLookup(invert=True, output_mode="count"),
    "idf_weights are given if": lambda: L.StringLookup(vocabulary=["a"], output_mode="tf_idf"),
    "idf_weights need a vocabulary": lambda: L.StringLookup(idf_weights=[1.0]),
    "idf_weights must be a list of 2 numbers": lambda: L.StringLookup(
        vocabulary=["a", "b"], idf_weights=[1.0], output_mode="tf_idf"
    ),
    "encoding must be one of": lambda: L.StringLookup(encoding="rot13"),
    "mask_token must be an int": lambda: L.IntegerLookup(mask_token="a"),
    "salt needs oov_method='farmhash'": lambda: L.IntegerLookup(salt=3),
    "salt must be an int, or two": lambda: L.Hashing(3, salt=[1, 2, 3]),
    "num_bins must be a positive int": lambda: L.Hashing(0),
    "crosses two inputs or more": lambda: L.HashedCrossing(3)([np.ones(2, int)]),
    "must have one shape": lambda: L.HashedCrossing(3)([np.ones(2, int), np.ones(3, int)]),
    "ngrams must be a positive int": lambda: L.TextVectorization(ngrams=0),
    "output_sequence_length needs": lambda: L.TextVectorization(
        output_mode="count", output_sequence_length=3
    ),
    "standardize must be": lambda: L.TextVectorization(standardize="upper"),
    r"have the shape \(batch,\) or \(batch, 1\)": lambda: L.TextVectorization(vocabulary=["a"])(
        [["a", "b"]]
    ),
    r"takes inputs of shape \(batch, length\)": lambda: L.CategoryEncoding(3)(
        np.ones((2, 2, 2), int)
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_mistakes_are_said(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


def test_a_graph_keeps_the_size_of_its_vectors():
    x = layers.Input((2,), dtype="int32")
    lookup = layers.IntegerLookup(vocabulary=[4, 6], output_mode="count")
    lookup(x)
    with pytest.raises(ValueError, match=r"4 places now, but a model was built with vectors of 3"):
        lookup.set_vocabulary([4, 6, 8])


def test_models_of_texts_predict_with_callbacks_and_no_training():
    class Batches(Callback):
        rows: list

        def on_predict_begin(self, logs=None):
            self.rows = []

        def on_predict_batch_end(self, batch, logs=None):
            self.rows.append(len(logs["outputs"]))

    x = layers.Input((1,), dtype="string")
    found = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(x)
    model = Model(x, layers.Dropout(0.9)(layers.Rescaling(2.0)(found)))
    words, seen = np.array([["a"], ["b"], ["c"], ["a"], ["b"]]), Batches()
    outputs = model.predict(words, batch_size=2, callbacks=[seen])
    np.testing.assert_array_equal(outputs, 2 * np.eye(3)[[1, 2, 0, 1, 2]])
    assert seen.rows == [2, 2, 1]
    np.testing.assert_array_equal(model.predict_on_batch(words), outputs)
    assert len(model.predict(words, batch_size=2, steps=1, callbacks=seen)) == 2
    assert seen.rows == [2]
    with pytest.raises(ValueError, match="predict got no data"):
        model.predict(words[:0])
    with pytest.raises(ValueError, match="batch_size must be"):
        model.predict(words, batch_size=0)
    with pytest.raises(ValueError, match="steps must be"):
        model.predict(words, batch_size=2, steps=0)
    for one in ("a", np.array("a")):
        with pytest.raises(ValueError, match=r"a row for each text, got the one text .*'a'"):
            model.predict(one)
