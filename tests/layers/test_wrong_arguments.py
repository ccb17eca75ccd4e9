"""Wrong arguments that all layers share: the error names layer, argument and value."""

# pyright: reportArgumentType=false, reportCallIssue=false

import numpy as np
import pytest

from lamina import layers
from lamina.layers import (
    Conv2D,
    Dense,
    Embedding,
    GlobalMaxPooling1D,
    Input,
    Lambda,
    MaxPooling3D,
    Permute,
    PReLU,
    RepeatVector,
)

NAMED = [
    ("Dense", {"units": 3}, "activation"),
    ("Dense", {"units": 3}, "kernel_initializer"),
    ("Dense", {"units": 3}, "bias_regularizer"),
    ("Dense", {"units": 3}, "activity_regularizer"),
    ("Conv2D", {"filters": 3, "kernel_size": 2}, "kernel_constraint"),
    ("Embedding", {"input_dim": 3, "output_dim": 2}, "embeddings_initializer"),
    ("BatchNormalization", {}, "gamma_regularizer"),
    ("PReLU", {}, "alpha_constraint"),
    ("Activation", {}, "activation"),
]


@pytest.mark.parametrize(("kind", "options", "argument"), NAMED)
def test_what_is_taken_by_name_names_layer_and_argument(kind, options, argument):
    word = argument.rpartition("_")[2]
    with pytest.raises(ValueError, match=f"^{kind} 'me': {argument}: Unknown {word} 'rleu'"):
        getattr(layers, kind)(name="me", **options, **{argument: "rleu"})
    with pytest.raises(
        TypeError, match=rf"^{kind}: {argument}: An? {word} is given as .* got 3\.$"
    ):
        getattr(layers, kind)(**options, **{argument: 3})


def test_positions_and_old_names_are_told_by_the_name_of_today():
    with pytest.raises(ValueError, match=r"^Dense: activation: Unknown .* Did you mean 'relu'"):
        Dense(3, "rleu")
    with pytest.raises(ValueError, match=r"^Dense: kernel_initializer: Unknown initializer 'he'"):
        Dense(3, init="he")


FLAGS = [
    ("Dense", {"units": 3}, ("use_bias", "trainable", "autocast")),
    ("Embedding", {"input_dim": 3, "output_dim": 2}, ("mask_zero", "trainable")),
    ("BatchNormalization", {}, ("center", "scale", "renorm", "synchronized")),
    ("GlobalMaxPooling2D", {}, ("keepdims",)),
    ("Dot", {"axes": 1}, ("normalize",)),
    ("InputLayer", {"input_shape": (3,)}, ("sparse",)),
]


@pytest.mark.parametrize("value", ["no", None, 2])
@pytest.mark.parametrize(("kind", "options", "flags"), FLAGS)
def test_flags_are_true_or_false(kind, options, flags, value):
    for flag in flags:
        with pytest.raises(ValueError, match=f"'me': {flag} must be True or False, got {value!r}"):
            getattr(layers, kind)(name="me", **options, **{flag: value})


def test_numbers_and_scalars_of_numpy_may_stand_for_flags():
    assert (Dense(3, use_bias=0).use_bias, Dense(3, use_bias=np.True_).use_bias) == (False, True)


@pytest.mark.parametrize("dtype", ["float31", 7, {"a": 1}])
def test_dtype_is_checked(dtype):
    with pytest.raises(
        (TypeError, ValueError), match=r"^Dense 'me': dtype must be a dtype such as"
    ):
        Dense(3, dtype=dtype, name="me")


@pytest.mark.parametrize("value", [-3, "a", 2.5])
@pytest.mark.parametrize("argument", ["input_dim", "batch_size", "input_length"])
def test_sizes_of_the_input_are_checked(argument, value):
    stated = {"input_shape": (3,)} if argument == "batch_size" else {"input_dim": 3}
    message = f"^Dense 'me': {argument} must be an int of 0 or more or None, got {value!r}"
    with pytest.raises(ValueError, match=message):
        Dense(3, name="me", **(stated | {argument: value}))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(3, weights=3), TypeError, "weights must be a list of arrays.* got int"),
        (lambda: PReLU(shared_axes=2.5), ValueError, "shared_axes must be axes .* got 2.5"),
        (lambda: Lambda(abs, mask="a"), TypeError, "mask must be an array, .* got 'a'"),
        (lambda: Input((3,), dtype="float31"), ValueError, "dtype must be .* got 'float31'"),
        (lambda: Input((3,), batch_size=-1), ValueError, "batch_size must be .* got -1"),
    ],
)
def test_other_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("layer", [Dense(3, name="me"), Embedding(3, 2, name="me")])
@pytest.mark.parametrize("values", [np.array([["a"]]), np.array([[None]])])
def test_words_and_objects_are_no_numbers(layer, values):
    with pytest.raises(TypeError, match="'me': an input must hold numbers, got an array of dtype"):
        layer(values)


def test_length_of_an_embedding_has_a_way_out():
    message = r"input_length is 4, but .* \(None, 5\)\. Pad or cut the sequences to that length"
    with pytest.raises(ValueError, match=message):
        Embedding(3, 2, input_length=4)(Input((5,)))


@pytest.mark.parametrize(
    ("layer", "shape", "way_out"),
    [
        (Conv2D(3, 2), (2, 5), r"It takes \(batch, height, width, channels\); a Reshape before it"),
        (Conv2D(3, 2), (2, 3, 4, 5, 6), r"Layers for rank 5 end in 3D\."),
        (Conv2D(3, 2), (2, 3, 4), r"add one: x\[\.\.\., None\]"),
        (
            Conv2D(3, 2, data_format="channels_first"),
            (2, 5),
            r"It takes \(batch, channels, height, width\)",
        ),
        (MaxPooling3D(), (2, 3, 4), r"It takes \(batch, depth, height, width, channels\)"),
        (GlobalMaxPooling1D(), (2, 3, 4, 5), r"It takes \(batch, steps, channels\)"),
        (RepeatVector(3), (2, 3, 4), r"Put a Flatten before it\."),
        (Permute((2, 1)), (2, 3, 4, 5), r"Bring it to rank 3 with a Reshape before it\."),
        (Permute((2, 1)), (2, 3), r"A single sample is a batch as x\[None\]\."),
        (Dense(3), (2,), r"A single sample is a batch as x\[None\]\."),
    ],
)
def test_a_wrong_rank_has_a_way_out(layer, shape, way_out):
    with pytest.raises(ValueError, match=rf"{layer.name}.*got rank {len(shape)}.*{way_out}"):
        layer(np.zeros(shape, "float32"))


@pytest.mark.parametrize(
    ("made", "arguments", "shape"),
    [
        ("Dense", {"units": 2}, (1, 3)),
        ("Conv2D", {"filters": 2, "kernel_size": 2}, (1, 3, 4, 2)),
        ("Embedding", {"input_dim": 4, "output_dim": 2}, (1, 3)),
    ],
)
def test_complex_numbers_do_not_lose_a_part(made, arguments, shape):
    layer = getattr(layers, made)(name="z", **arguments)
    with pytest.raises(TypeError, match=f"{made} 'z': .*complex"):
        layer(np.ones(shape, "complex64"))
