"""Configs of all layers, as recorded from Keras 2.2.4 and 3.15.

The cases are in ``tools/config_cases.py``, the recording script is ``tools/golden_configs.py``.
`DIFFERENCES` is the whole of what lamina writes otherwise.
"""

# pyright: reportArgumentType=false, reportCallIssue=false

import json
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lamina
from lamina import layers, registry
from lamina.initializers import VarianceScaling

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "config_cases.py"))
RELEASES = ("keras2", "keras3")
KINDS = [(release, kind) for release in RELEASES for kind in sorted(TABLE["cases"](release))]
IDS = ["-".join(pair) for pair in KINDS]


@cache
def recorded(release):
    """The configs of each layer, whole."""
    stored = json.loads((ROOT / "tests" / "golden" / f"configs_{release}.json").read_text())
    return {
        kind: [TABLE["read"]({**listed[0], **config}) for config in listed]
        for kind, listed in stored.items()
    }


def cases(release, kind):
    """Arguments and recorded config of each case."""
    return list(zip(TABLE["cases"](release)[kind], recorded(release)[kind], strict=True))


def made(kind, arguments):
    options = {name: TABLE["built"](value, lamina) for name, value in arguments.items()}
    return getattr(layers, kind)(name="layer", **options)


# What a release writes and lamina writes otherwise.


class Difference(NamedTuple):
    """Where lamina's config differs from a release's, and why."""

    releases: tuple[str, ...]
    kinds: str
    keys: tuple[str, ...]
    change: Callable[..., Any]
    reason: str


ABSENT = object()


def absent(value, arguments, key):
    """Lamina does not write the entry."""
    return ABSENT


def added(default):
    """Lamina writes an entry that the release does not have."""

    def change(value, arguments, key):
        return arguments.get(key, default) if value is ABSENT else value

    return change


def name_of_policy(value, arguments, key):
    return value["config"]["name"] if isinstance(value, dict) else value


def described(value):
    """Whether it is the config of an object."""
    return isinstance(value, dict) and "class_name" in value


def without_module(value, arguments, key):
    return {k: value[k] for k in ("class_name", "config")} if described(value) else value


def rounded(value, arguments, key):
    """Numbers of 32 bits under the shortest decimals that mean them."""
    if isinstance(value, dict):
        return {k: rounded(v, arguments, k) for k, v in value.items()}
    return float(str(np.float32(value))) if isinstance(value, float) else value


def as_float(value, arguments, key):
    return float(value) if isinstance(value, int) else value


def float_inside(name):
    def change(value, arguments, key):
        if not described(value) or name not in value["config"]:
            return value
        inner = value["config"] | {name: float(value["config"][name])}
        return value | {"config": inner}

    return change


SCALED = {
    (1.0, "fan_avg", "uniform"): "GlorotUniform",
    (1.0, "fan_avg", "normal"): "GlorotNormal",
    (2.0, "fan_in", "uniform"): "HeUniform",
    (2.0, "fan_in", "normal"): "HeNormal",
    (1.0, "fan_in", "uniform"): "LecunUniform",
    (1.0, "fan_in", "normal"): "LecunNormal",
}


def stated_scaling(arguments, key):
    """Whether the arguments name VarianceScaling itself, or have it as an object."""
    told = arguments.get(key, "glorot_uniform")
    name = told.get("made", told.get("class_name")) if isinstance(told, dict) else told
    return str(name).endswith("VarianceScaling")


def scaling(value, arguments, key):
    """Keras 2's VarianceScaling under the name by which it was asked for."""
    if not described(value) or value["class_name"] != "VarianceScaling":
        return value
    config = value["config"]
    rest = {"seed": config["seed"], "input_axes": None, "output_axes": None}
    if not stated_scaling(arguments, key):
        rule = (config["scale"], config["mode"], config["distribution"])
        return {"class_name": SCALED[rule], "config": rest}
    word = "truncated_normal" if config["distribution"] == "normal" else config["distribution"]
    return value | {"config": config | {"distribution": word} | rest}


def penalty(value, arguments, key):
    """Keras 2's L1L2 as the L1 or L2 that was asked for."""
    told = arguments.get(key)
    name = told["made"].rpartition(".")[2] if isinstance(told, dict) and "made" in told else told
    if name not in ("l1", "l2"):
        return value
    return {"class_name": name.upper(), "config": {name: value["config"][name]}}


def with_gain(value, arguments, key):
    if not described(value) or value["class_name"] != "Identity":
        return value
    told = arguments[key]
    return value | {"config": {"gain": told["with"]["gain"] if isinstance(told, dict) else 1.0}}


def as_tuple(value, arguments, key):
    return tuple(value) if isinstance(value, list) else value


def as_floats(value, arguments, key):
    return tuple(map(float, value)) if isinstance(value, tuple) else value


def as_stated(value, arguments, key):
    return arguments[key]


def flat(value, arguments, key):
    if isinstance(value, tuple) and isinstance(value[-1], tuple):
        return (*value[:-1], *value[-1])
    return value


def own_function(value, arguments, key):
    return {"class_name": "lamina", "config": arguments["function"]["made"].rstrip("!")}


def policy(value, arguments, key):
    return arguments.get("dtype", "float32") if value is ABSENT else value


def stated_shape(value, arguments, key):
    shape = arguments.get("input_shape")
    return value if shape is None else (None, *shape)


def batch_shape(value, arguments, key):
    if "batch_shape" in arguments:
        return arguments["batch_shape"]
    return (arguments.get("batch_size"), *arguments["shape"])


def slope(value, arguments, key):
    return float(arguments.get("negative_slope", 0.3))


BOTH, OLD, NEW = RELEASES, ("keras2",), ("keras3",)
LATER = "The argument came after 2.2.4."
FLOATS = "Lamina keeps a number where any number may stand as a float."
NOISES = "GaussianNoise GaussianDropout AlphaDropout"
DIFFERENCES = [
    Difference(
        NEW, "*", ("dtype",), name_of_policy, "A policy is told by its name, as in tf.keras."
    ),
    Difference(
        NEW,
        "*",
        ("*",),
        without_module,
        "An object is told by its class and arguments: names are looked up in a closed set, and "
        "never imported from a module that a file names.",
    ),
    Difference(BOTH, "*", ("*",), rounded, "They round some numbers to 32 bits."),
    Difference(OLD, "*", ("dtype",), policy, "2.2.4 writes the dtype only of first layers."),
    Difference(
        OLD,
        "*",
        ("*_initializer",),
        scaling,
        "2.2.4 writes he_normal and its like as the VarianceScaling that they are, and calls the "
        "truncated normal distribution normal. Lamina keeps the name, as tf.keras and Keras 3.",
    ),
    Difference(OLD, "Highway MaxoutDense", ("init",), scaling, "As other initializers."),
    Difference(
        OLD, "Highway MaxoutDense", ("input_dim",), absent, "It is told as batch_input_shape."
    ),
    Difference(OLD, "Conv3DTranspose", ("dilation_rate",), added((1, 1, 1)), LATER),
    Difference(OLD, "LocallyConnected1D LocallyConnected2D", ("implementation",), added(1), LATER),
    Difference(
        OLD,
        "LocallyConnected1D",
        ("data_format",),
        added("channels_last"),
        "2.2.4 does not regard the argument.",
    ),
    Difference(
        OLD, "*", ("*_regularizer",), penalty, "2.2.4 writes l1 and l2 as L1L2; later L1 and L2."
    ),
    Difference(OLD, "Dense", ("*_initializer",), float_inside("value"), FLOATS),
    Difference(NEW, "Dense", ("kernel_initializer",), with_gain, "3.15 loses the argument."),
    Difference(OLD, "Conv1D Conv2D Conv3D", ("groups",), added(1), LATER),
    Difference(
        OLD,
        " ".join(
            f"Global{word}Pooling{rank}D" for word in ("Max", "Average") for rank in (1, 2, 3)
        ),
        ("keepdims",),
        added(False),
        LATER,
    ),
    Difference(OLD, NOISES, ("seed",), added(None), LATER),
    Difference(OLD, "AlphaDropout", ("noise_shape",), added(None), "2.2.4 loses the argument."),
    Difference(
        OLD,
        "SpatialDropout2D SpatialDropout3D",
        ("data_format",),
        added("channels_last"),
        "2.2.4 loses the argument.",
    ),
    Difference(
        OLD,
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
        ("noise_shape",),
        absent,
        "2.2.4 writes an argument of Dropout that these layers do not have.",
    ),
    Difference(OLD, "Dropout", ("noise_shape",), as_tuple, "A tuple always, as in Keras 3."),
    Difference(
        NEW,
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
        ("trainable",),
        added(True),
        "Every layer has it; 3.15 leaves it out of these.",
    ),
    Difference(OLD, "ZeroPadding1D", ("data_format",), added("channels_last"), LATER),
    Difference(OLD, "BatchNormalization", ("synchronized", "renorm"), added(False), LATER),
    Difference(OLD, "BatchNormalization", ("renorm_clipping",), added(None), LATER),
    Difference(OLD, "BatchNormalization", ("renorm_momentum",), added(0.99), LATER),
    Difference(
        OLD,
        "Embedding",
        ("batch_input_shape",),
        flat,
        "2.2.4 writes the lengths as one entry, which is no shape.",
    ),
    Difference(
        BOTH,
        "GaussianNoise ActivityRegularization Dropout ReLU ELU",
        ("stddev", "l2", "rate", "max_value", "threshold", "alpha"),
        as_float,
        FLOATS,
    ),
    Difference(
        OLD,
        "Lambda",
        ("function",),
        own_function,
        "A file holds no code: lamina's own functions are told by name, others are handed over.",
    ),
    Difference(
        NEW, "Lambda", ("function",), own_function, "Names of lamina's own functions have a place."
    ),
    Difference(
        OLD, "Lambda", ("function_type", "output_shape_type"), absent, "There is one way only."
    ),
    Difference(NEW, "Lambda", ("output_shape",), added(None), "Written always, as in 2.2.4."),
    Difference(
        NEW,
        "Dense",
        ("activity_regularizer",),
        added(None),
        "Written always, as in 2.2.4.",
    ),
    Difference(
        NEW,
        "Dense Embedding EinsumDense ReversibleEmbedding",
        ("quantization_config",),
        absent,
        "Layers are not quantized.",
    ),
    Difference(
        NEW,
        "Dense",
        ("batch_input_shape",),
        stated_shape,
        "As in 2.2.4: a Sequential reads from it what goes in.",
    ),
    Difference(
        NEW,
        "Embedding ReversibleEmbedding",
        ("batch_input_shape",),
        added((None, None)),
        "As in 2.2.4, see Dense.",
    ),
    Difference(
        NEW,
        "MultiHeadAttention GroupQueryAttention",
        ("flash_attention",),
        added(None),
        "3.15 leaves it out; what is not stated is decided where the layer runs.",
    ),
    Difference(NEW, "Normalization", ("axis",), as_stated, "The argument as it was given."),
    Difference(
        NEW,
        "RandomHue RandomInvert RandomSharpness RandomGaussianBlur Solarization RandAugment AugMix",
        ("factor", "sigma", "addition_factor", "threshold_factor"),
        as_floats,
        FLOATS,
    ),
    Difference(NEW, "RandomGrayscale", ("seed",), added(None), "3.15 loses the argument."),
    Difference(NEW, "Embedding", ("input_length",), added(None), "The argument went in Keras 3."),
    Difference(
        NEW, "InputLayer", ("batch_input_shape",), batch_shape, "The name of 2.2.4 for batch_shape."
    ),
    Difference(
        NEW,
        "InputLayer",
        ("batch_shape", "ragged", "optional"),
        absent,
        "The shape stands under the name of 2.2.4; the other two are not supported.",
    ),
    Difference(NEW, "LeakyReLU", ("alpha",), slope, "The name of 2.2.4 for negative_slope."),
    Difference(NEW, "LeakyReLU", ("negative_slope",), absent, "Its name is alpha, as in 2.2.4."),
]


def keys_of(difference, config):
    """The entries that a difference speaks of."""
    for key in difference.keys:
        if key.startswith("*"):
            yield from (name for name in config if name.endswith(key[1:]))
        else:
            yield key


def expected(release, kind, config, arguments, differences=DIFFERENCES):
    """The config that lamina should give, from the recorded one."""
    config = dict(config)
    for difference in differences:
        if release not in difference.releases:
            continue
        if difference.kinds != "*" and kind not in difference.kinds.split():
            continue
        for key in list(keys_of(difference, config)):
            value = config.get(key, ABSENT)
            config[key] = difference.change(value, arguments, key)
    return {key: value for key, value in config.items() if value is not ABSENT}


def exact(value):
    """A config as text: ints, floats, lists and tuples differ."""
    return json.dumps(TABLE["written"](value), sort_keys=True)


@pytest.mark.parametrize(("release", "kind"), KINDS, ids=IDS)
def test_config_is_that_of_keras(release, kind):
    for found, (arguments, config) in zip(ours(release, kind), cases(release, kind), strict=True):
        assert found == exact(expected(release, kind, config, arguments)), arguments


@cache
def ours(release, kind):
    """Lamina's config of each case."""
    return [exact(made(kind, arguments).get_config()) for arguments, _ in cases(release, kind)]


def agree(release, kind, differences):
    """Whether all cases are as expected with these differences in mind."""
    try:
        right = [
            expected(release, kind, config, a, differences) for a, config in cases(release, kind)
        ]
    except (KeyError, TypeError):
        return False
    return ours(release, kind) == [exact(one) for one in right]


@pytest.mark.parametrize("place", range(len(DIFFERENCES)))
def test_no_difference_is_told_in_vain(place):
    """Without it, or one release, layer or entry that it names, some case is not as expected."""
    told = DIFFERENCES[place]
    named = [kind for kind in KINDS if told.kinds == "*" or kind[1] in told.kinds.split()]
    places = [(release, kind) for release, kind in named if release in told.releases]

    def needed(**changed):
        less = [*DIFFERENCES[:place], told._replace(**changed), *DIFFERENCES[place + 1 :]]
        return any(not agree(release, kind, less) for release, kind in places)

    assert all(needed(releases=tuple({*told.releases} - {one})) for one in told.releases)
    assert all(needed(keys=tuple(key for key in told.keys if key != one)) for one in told.keys)
    words = told.kinds.split()
    assert all(needed(kinds=" ".join(kind for kind in words if kind != one)) for one in words)


# What a release writes is read.

# What is lost in the configs of a release: it is not in the layer that is read.
LOST = {
    ("keras2", "AlphaDropout"): ("seed", "noise_shape"),
    ("keras2", "SpatialDropout2D"): ("data_format",),
    ("keras2", "SpatialDropout3D"): ("data_format",),
    ("keras3", "Dense"): ("input_shape",),
}


def kept(release, kind, arguments, config):
    """The arguments that a config of the release tells."""
    lost = set(LOST.get((release, kind), ()))
    if release == "keras2" and "dtype" not in config:
        lost.add("dtype")
    found = {key: value for key, value in arguments.items() if key not in lost}
    if release == "keras3" and "initializers.Identity" in str(arguments):
        found["kernel_initializer"] = "identity"
    return found


def meaning(value):
    """A config with the same initializers and penalties told in the same way."""
    if isinstance(value, list | tuple):
        return [meaning(part) for part in value]
    if isinstance(value, float):
        return float(str(np.float32(value)))
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    if name in ("L1", "L2"):
        value = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.0} | value["config"]}
    for (scale, mode, distribution), scaled in SCALED.items():
        if name == scaled:
            word = distribution.replace("normal", "truncated_normal")
            rule = VarianceScaling(scale, mode, word, **value["config"])
            value = {"class_name": "VarianceScaling", "config": rule.get_config()}
    return {key: meaning(part) for key, part in value.items()}


@pytest.mark.parametrize("stored", [False, True], ids=["config", "json"])
@pytest.mark.parametrize(("release", "kind"), KINDS, ids=IDS)
def test_config_of_keras_is_read(release, kind, stored):
    for arguments, config in cases(release, kind):
        layer = made(kind, kept(release, kind, arguments, config))
        custom = {"layer": layer.function} if kind == "Lambda" else None
        given = json.loads(json.dumps(config)) if stored else config
        entry = {"class_name": kind, "config": given}
        if release == "keras3":
            entry |= {"module": "keras.layers", "registered_name": None}
        read = registry.deserialize("layer", entry, custom)
        assert type(read) is type(layer)
        assert meaning(read.get_config()) == meaning(layer.get_config()), arguments


@pytest.mark.parametrize(("release", "kind"), KINDS, ids=IDS)
def test_own_config_is_read_from_json(release, kind):
    for arguments, _ in cases(release, kind):
        layer = made(kind, arguments)
        config = layer.get_config()
        again = type(layer).from_config(json.loads(json.dumps(config)))
        assert json.dumps(again.get_config()) == json.dumps(config), arguments


def test_all_layers_are_recorded():
    classes = {getattr(layers, name) for name in layers.__all__ if name[0].isupper()}
    bases = {layers.Layer, layers.Input, layers.InputSpec}
    functions = {layers.Convolution2D, layers.Convolution3D, layers.SeparableConvolution2D}
    functions |= {layers.AtrousConvolution1D, layers.AtrousConvolution2D}
    # Of Keras 1 alone: see the files of models.
    functions |= {layers.Deconvolution2D, layers.ParametricSoftplus, layers.SReLU, layers.Merge}
    # In test_configs_recurrent.py.
    functions |= {layers.Bidirectional, layers.TimeDistributed, layers.Wrapper, layers.ConvRNN2D}
    functions |= {layers.SpectralNormalization}  # in test_spectra.py
    # In test_lookups.py.
    functions |= {layers.CategoryEncoding, layers.Discretization, layers.Hashing}
    functions |= {layers.HashedCrossing, layers.IntegerLookup, layers.StringLookup}
    functions |= {layers.TextVectorization}
    # In test_augmentation.py, with the configs of Keras 3.15.
    functions |= {layers.RandomFlip, layers.RandomRotation, layers.RandomZoom, layers.RandomCrop}
    functions |= {layers.RandomTranslation, layers.RandomShear, layers.RandomPerspective}
    functions |= {layers.RandomElasticTransform, layers.RandomErasing, layers.CutMix, layers.MixUp}
    functions |= {layers.MaxNumBoundingBoxes, layers.Pipeline}
    functions |= {layers.RandomHeight, layers.RandomWidth}  # of tf.keras alone
    functions |= {layers.RNN, layers.StackedRNNCells, layers.ConvLSTM2DCell}
    functions |= {layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell}
    functions |= {layers.SimpleRNN, layers.LSTM, layers.GRU, layers.TimeDistributedDense}
    functions |= {layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D}
    functions |= {layers.CuDNNLSTM, layers.CuDNNGRU}
    tested = {getattr(layers, kind) for _, kind in KINDS}
    assert classes - bases - functions == tested


def test_autocast_is_told_where_it_is_stated():
    assert "autocast" not in layers.Add().get_config()
    for layer in (layers.Add(autocast=False), layers.Dense(3, autocast=False)):
        again = type(layer).from_config(layer.get_config())
        assert (layer.get_config()["autocast"], again.autocast) == (False, False)


def test_penalty_of_a_layer_without_arguments_is_told():
    layer = layers.Identity(activity_regularizer="l2")
    assert layer.get_config()["activity_regularizer"]["class_name"] == "L2"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("Dense", {"units": 3}), ("Embedding", {"input_dim": 3, "output_dim": 2})],
)
def test_quantization_is_refused(kind, arguments):
    with pytest.raises(TypeError, match=f"{kind}: unknown argument 'quantization_config'"):
        getattr(layers, kind)(quantization_config={"mode": "int8"}, **arguments)
