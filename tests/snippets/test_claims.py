"""The sentences of the notes, one test each, with what is true of them."""

# Many calls here are of another dialect, or wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from lamina import layers, utils
from lamina.layers import (
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    MaxPooling1D,
    Permute,
    ReLU,
    Softmax,
    SpatialDropout1D,
)
from lamina.models import Model, Sequential


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def noisy(layer, x, rng):
    """Build the layer on `x` and fill all its weights, the biases too, with noise."""
    layer(x)
    layer.set_weights([rng.normal(size=w.shape).astype("f") for w in layer.get_weights()])
    return layer


def test_01_dense_is_activation_of_product_plus_bias(rng):
    x = rng.normal(size=(2, 3)).astype("f")
    layer = noisy(Dense(5, activation="tanh"), x, rng)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(layer(x), np.tanh(np.dot(x, kernel) + bias), rtol=1e-5)
    plain = noisy(Dense(5, use_bias=False), x, rng)
    np.testing.assert_allclose(plain(x), np.dot(x, plain.get_weights()[0]), rtol=1e-5)
    assert len(plain.weights) == 1


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 5, 4), (2, 3, 5, 6, 4)])
def test_02_dense_does_not_flatten_but_keeps_leading_axes(shape, rng):
    x = rng.normal(size=shape).astype("f")
    layer = noisy(Dense(7), x, rng)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (4, 7)
    expected = np.einsum("...i,iu->...u", x, kernel) + bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert Dense(7)(Input(shape[1:])).shape == (None, *shape[1:-1], 7)


def test_03_flatten_keeps_the_batch_and_the_order_of_weights(rng):
    last = rng.normal(size=(2, 3, 4, 5)).astype("f")
    first = last.transpose(0, 3, 1, 2)
    flat = Flatten(data_format="channels_last")(last)
    assert flat.shape == (2, 60)
    np.testing.assert_array_equal(flat, last.reshape(2, 60))
    # The same picture in the other format meets the same weights of the layer behind.
    np.testing.assert_array_equal(Flatten(data_format="channels_first")(first), flat)


def test_04_model_of_input_and_output(rng):
    a, b = Input((3,)), Input((4,))
    c = layers.concatenate([a, b])
    model = Model(input=[a, b], output=c)
    x, y = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    found = model.predict([x, y], verbose=0)
    np.testing.assert_allclose(found, np.concatenate([x, y], 1), rtol=1e-6)
    with pytest.raises(TypeError, match=r"input and inputs"):
        Model(input=a, inputs=a, outputs=c)


def test_05_keras_tensors_carry_shape_and_history():
    x = Input((3, 4))
    layer = Dense(5)
    layer(x)
    y = layer(Input((6, 4)))
    assert x._keras_shape == (None, 3, 4)
    assert y._keras_shape == (None, 6, 5)
    made_by, node_index, tensor_index = y._keras_history
    assert made_by is layer
    assert (node_index, tensor_index) == (1, 0)


def test_06_names_are_unique_and_generated():
    utils.clear_session()
    made = [Dense(2), Dense(2), Conv2D(2, 3), Dense(2, name="mine")]
    assert [layer.name for layer in made] == ["dense", "dense_1", "conv2d", "mine"]
    x = Input((3,))
    with pytest.raises(ValueError, match=r"two layers are named 'a'"):
        Model(x, Dense(2, name="a")(Dense(2, name="a")(x)))
    with pytest.raises(ValueError, match=r"named 'a' is in the model already"):
        Sequential([Dense(2, name="a"), Dense(2, name="a")])


def test_07_lambda_tuple_is_without_the_batch():
    layer = Lambda(lambda x: jax.numpy.tile(x, (1, 2)), output_shape=(6,))
    assert layer(Input((3,))).shape == (None, 6)
    assert Lambda(layer.function, output_shape=(6,))(Input(batch_shape=(5, 3))).shape == (5, 6)
    assert layer.compute_output_shape((None, 3)) == (None, 6)
    whole = Lambda(layer.function, output_shape=lambda shape: (shape[0], 2 * shape[1]))
    assert whole(Input((3,))).shape == (None, 6)


def test_08_lambda_shape_is_inferred_or_checked():
    assert Lambda(lambda x: x[:, :2])(Input((3, 4))).shape == (None, 2, 4)
    with pytest.raises(ValueError, match=r"output_shape says .*7.* returns"):
        Lambda(lambda x: x[:, :2], output_shape=(7, 4))(Input((3, 4)))


@pytest.mark.parametrize("cls", [Conv1D, Conv2D])
def test_09_strides_and_dilation_do_not_go_together(cls):
    with pytest.raises(ValueError, match=r"strides.*dilation_rate"):
        cls(4, 3, strides=2, dilation_rate=2)
    assert cls(4, 3, strides=2) is not None
    assert cls(4, 3, dilation_rate=2) is not None


@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (1, 2), (2, 1)])
def test_10_causal_output_knows_nothing_of_later_input(strides, dilation, rng):
    x = rng.normal(size=(2, 11, 3)).astype("f")
    layer = noisy(Conv1D(4, 3, strides, "causal", dilation_rate=dilation), x, rng)
    before = np.asarray(layer(x))
    for t in range(before.shape[1]):
        changed = x.copy()
        changed[:, t * strides + 1 :] += 1
        after = np.asarray(layer(changed))
        np.testing.assert_array_equal(after[:, : t + 1], before[:, : t + 1])
        changed[:, t * strides] += 1
        assert (np.asarray(layer(changed))[:, t] != before[:, t]).all()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (f"{kind}Pooling{rank}D", (2, *(7, 9, 8)[:rank], 3))
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
    ],
)
def test_11_pooling_strides_are_the_pool_size(name, shape, rng):
    cls = getattr(layers, name)
    x = rng.normal(size=shape).astype("f")
    size = (3, 2, 4)[: len(shape) - 2]
    layer = cls(size, strides=None)
    np.testing.assert_array_equal(layer(x), cls(size, strides=size)(x))
    assert layer(x).shape[1:-1] == tuple(n // k for n, k in zip(shape[1:], size, strict=False))
    assert MaxPooling1D(3).strides == (3,)


@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_12_global_pooling_gives_rank_two_in_both_formats(kind, rank, rng):
    x = rng.normal(size=(2, *(4, 5, 6)[:rank], 3)).astype("f")
    reduced = np.max if kind == "Max" else np.mean
    expected = reduced(x, axis=tuple(range(1, rank + 1)))
    cls = getattr(layers, f"Global{kind}Pooling{rank}D")
    np.testing.assert_allclose(cls(data_format="channels_last")(x), expected, rtol=1e-5)
    moved = np.moveaxis(x, -1, 1)
    np.testing.assert_allclose(cls(data_format="channels_first")(moved), expected, rtol=1e-5)


def test_13_embedding_keeps_the_axis_of_its_indices(rng):
    layer = Embedding(21, 2)
    table = rng.normal(size=(21, 2)).astype("f")
    layer.build(None)
    layer.set_weights([table])
    found = layer(np.array([[4], [20]]))
    assert found.shape == (2, 1, 2)
    np.testing.assert_array_equal(found[:, 0], table[[4, 20]])


def test_14_embedding_need_not_be_first(rng):
    x = Input((3,))
    model = Model(x, Embedding(8, 2)(Lambda(lambda v: v + 1.0)(x)))
    assert model.output_shape == (None, 3, 2)
    table = model.get_weights()[0]
    np.testing.assert_array_equal(
        model.predict(np.array([[0.0, 2.0, 6.0]]), verbose=0), table[[[1, 3, 7]]]
    )


def test_15_layers_behind_a_mask_must_support_it():
    x = Embedding(8, 2, mask_zero=True, name="words", input_length=6)(Input((6,), dtype="int32"))
    for layer in (Flatten(name="f"), Conv1D(3, 2, name="f"), Permute((2, 1), name="f")):
        with pytest.raises(TypeError, match=r"'f' does not support masking.*words"):
            layer(x)
    assert Dense(3)(x)._keras_mask is not None  # supported since Keras 2


def test_16_flatten_and_dense_need_the_input_length():
    model = Sequential([Embedding(8, 2, input_length=6), Flatten(), Dense(3)])
    assert model.output_shape == (None, 3)
    words = Input((None,))
    with pytest.raises(ValueError, match=r"[Ff]latten|[Dd]ense"):
        Dense(3)(Flatten()(Embedding(8, 2)(words)))
    # Without it nothing is known of a Sequential before it sees data, as in Keras 3.
    waiting = Sequential([Embedding(8, 2), Flatten(), Dense(3)])
    with pytest.raises(AttributeError, match="not known"):
        _ = waiting.output_shape


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_17_relu_at_its_thresholds(slope):
    layer = ReLU(max_value=6.0, negative_slope=slope, threshold=1.5)
    below = np.nextafter(np.float32(1.5), np.float32(0))
    above = np.nextafter(np.float32(1.5), np.float32(2))
    x = np.array([-2.0, below, 1.5, above, 5.5, 6.0, 6.5], "f")
    expected = [slope * -3.5, slope * (below - 1.5), 0.0, above, 5.5, 6.0, 6.0]
    np.testing.assert_allclose(layer(x[None])[0], np.array(expected, "f"), rtol=1e-6)
    np.testing.assert_array_equal(ReLU()(x[None])[0], np.maximum(x, 0))
    assert float(ReLU(threshold=1.5)(np.array([[1e30]], "f"))[0, 0]) == np.float32(1e30)


@pytest.mark.parametrize("cls", [Softmax, ReLU])
def test_18_activation_layers_say_their_input_shape_when_first(cls):
    assert Sequential([cls(input_shape=(3, 4))]).output_shape == (None, 3, 4)
    with pytest.raises(AttributeError, match="not known"):
        _ = Sequential([cls()]).output_shape


def test_19_permute_counts_from_one_without_the_batch(rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype("f")
    np.testing.assert_array_equal(Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))
    for dims in ((0, 1, 2), (1, 2, 4), (1, 1, 2)):
        with pytest.raises(ValueError, match="dims"):
            Permute(dims)


def test_20_spatial_dropout_drops_whole_feature_maps():
    layer = SpatialDropout1D(0.5, seed=7)
    assert isinstance(layer, Dropout)
    shape = (64, 9, 32)
    assert tuple(layer._get_noise_shape(np.ones(shape, "f"))) == (64, 1, 32)
    found = np.asarray(layer(np.ones(shape, "f"), training=True))
    assert set(np.unique(found)) == {0.0, 2.0}
    assert (found == found[:, :1]).all()
    assert 0.45 < (found[:, 0] == 0).mean() < 0.55


SAYS = "import lamina; from lamina import backend as K, layers; print(K.image_data_format(), "
SAYS += "layers.Conv2D(2, 3).data_format, layers.Conv1D(2, 3).data_format)"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "channels_last channels_last channels_last"),
        ({"image_data_format": "channels_first"}, "channels_first channels_first channels_last"),
        ({"floatx": "float32"}, "channels_last channels_last channels_last"),
    ],
)
def test_21_defaults_come_from_keras_json(content, says, tmp_path):
    if content is not None:
        (tmp_path / "keras.json").write_text(json.dumps(content))
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", SAYS], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == says
