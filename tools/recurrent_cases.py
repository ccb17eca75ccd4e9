"""Recurrent layers and wrappers with their options: what is recorded from Keras.

The table is plain data, so that any release of Keras on any Python can read it:
`tools/golden_recurrent.py` records what Keras gives, `tests/layers/test_golden_recurrent.py`
compares. A case is ``(arguments, shape of the input, more)``; `more` may hold ``masked`` (steps of
0 behind a `Masking`) and ``states`` (shapes of initial states, which are inputs too).
"""

import zlib

import numpy as np

SHAPE = (3, 5, 4)
MASKED = {"masked": True}


def _l2(value):
    return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": value}}


def _norm(value):
    return {"class_name": "MaxNorm", "config": {"max_value": value, "axis": 0}}


def _layer(name, **config):
    return {"layer": name, "with": config}


def _units(count, gates, **always):
    """A list of cases of a layer with so many states and gates."""
    both = {"return_sequences": True, "return_state": True}
    states = {"states": [(3, 6)] * count}
    options = [
        ({}, {}),
        ({"return_sequences": True}, {}),
        ({"return_sequences": True, "go_backwards": True}, {}),
        ({"use_bias": False, "activation": "relu"}, {}),
        ({"return_state": True}, {}),
        (dict(both), MASKED),
        ({"kernel_regularizer": _l2(0.1), "recurrent_regularizer": _l2(0.05)}, {}),
        ({"kernel_constraint": _norm(0.9), "recurrent_constraint": _norm(0.8)}, {}),
        ({"bias_regularizer": _l2(0.2), "bias_constraint": _norm(1.2)}, {}),
        ({"unroll": True, "return_sequences": True}, {}),
        ({"unroll": True, "go_backwards": True}, MASKED),
        ({}, MASKED),
        ({"return_sequences": True}, MASKED),
        ({"return_sequences": True, "go_backwards": True}, MASKED),
        ({"return_sequences": True}, states),
        (dict(both, go_backwards=True), dict(states, **MASKED)),
        ({"activation": "softsign"}, {}),
    ]
    cases = []
    for place, (given, more) in enumerate(options):
        arguments = dict(given, units=6, **always)
        if gates > 1:
            arguments["recurrent_activation"] = ("sigmoid", "tanh", "relu")[place % 3]
            arguments["implementation"] = 1 + place % 2
        cases.append((arguments, SHAPE, more))
    return cases


def _lstm():
    more = [({"units": 6, "unit_forget_bias": False, "recurrent_activation": "sigmoid"}, SHAPE, {})]
    return _units(2, 4) + more


def _inner(name, **options):
    if name != "SimpleRNN":
        options["recurrent_activation"] = "sigmoid"
    if name == "GRU":
        options["reset_after"] = True
    return _layer(name, units=6, **options)


def _bidirectional():
    cases = []
    modes = ("concat", "sum", "mul", "ave", None)
    for place, mode in enumerate(modes * 3):
        name = ("LSTM", "GRU", "SimpleRNN")[place % 3]
        options = {"return_sequences": place % 2 == 0}
        if place >= 10:
            options["return_state"] = True
        more = dict(MASKED) if place >= 5 else {}
        if place in (3, 11):
            more["states"] = [(3, 6)] * {"LSTM": 4}.get(name, 2)
        cases.append(({"layer": _inner(name, **options), "merge_mode": mode}, SHAPE, more))
    return [
        *cases,
        ({"layer": _inner("GRU", return_sequences=True), "merge_mode": "sum"}, SHAPE, {}),
    ]


def _time_distributed():
    def case(name, shape, more=None, **options):
        return {"layer": _layer(name, **options)}, shape, more or {}

    images = (2, 3, 6, 5, 4)
    both = {"layer": _inner("LSTM"), "merge_mode": "concat"}
    return [
        case("Dense", SHAPE, units=6),
        case("Dense", SHAPE, MASKED, units=6, activation="tanh"),
        case("Dense", (3, 5, 2, 4), units=6, use_bias=False),
        case("Dense", SHAPE, units=6, kernel_regularizer=_l2(0.1)),
        case("Dense", SHAPE, units=6, kernel_constraint=_norm(0.5), bias_regularizer=_l2(0.2)),
        case("Conv2D", images, filters=3, kernel_size=3),
        case("Conv2D", images, filters=3, kernel_size=2, strides=2, padding="same"),
        case("Conv1D", (2, 3, 6, 4), filters=3, kernel_size=2, activation="relu"),
        case("MaxPooling2D", images),
        case("GlobalAveragePooling2D", images),
        case("Flatten", images),
        case("Reshape", images, target_shape=[10, 12]),
        case("Activation", SHAPE, MASKED, activation="softmax"),
        case("SimpleRNN", (2, 3, 6, 4), units=5),
        case("LSTM", (2, 3, 6, 4), units=5, return_sequences=True, recurrent_activation="sigmoid"),
        case("GRU", (2, 3, 6, 4), units=5, recurrent_activation="sigmoid", reset_after=True),
        case("Bidirectional", (2, 3, 6, 4), **both),
        case("TimeDistributed", (2, 3, 6, 4), layer=_layer("Dense", units=5)),
    ]


def _conv_lstm(rank):
    sizes = ((6,), (5, 6), (4, 3, 5))[rank - 1]
    first = {"data_format": "channels_first"}
    options = [
        {},
        {"padding": "same", "return_sequences": True},
        {"strides": 2, "padding": "same"},
        {"strides": 2},
        {"dilation_rate": 2, "return_sequences": True},
        dict(first),
        dict(first, padding="same", return_sequences=True),
        {"use_bias": False, "go_backwards": True, "return_sequences": True},
        {"activation": "relu", "unit_forget_bias": False},
        {"kernel_regularizer": _l2(0.1), "recurrent_regularizer": _l2(0.05)},
        {"bias_regularizer": _l2(0.1), "kernel_size": [1, 2, 3][-rank:]},
        {"kernel_constraint": {"class_name": "NonNeg", "config": {}}},
        {"kernel_size": 3, "padding": "same"},
        dict(first, strides=2, go_backwards=True),
        {"recurrent_activation": "tanh", "return_sequences": True, "kernel_size": 3},
        {"kernel_size": 1, "activation": "sigmoid"},
    ]
    cases = []
    for one in options[:: 1 if rank == 2 else 3]:
        arguments = dict({"kernel_size": 2, "recurrent_activation": "sigmoid"}, filters=3, **one)
        shape = (2, 3, 2, *sizes) if "data_format" in one else (2, 3, *sizes, 2)
        cases.append((arguments, shape, {}))
    return cases


def keras2():
    """``{layer: [(arguments, shape, more), ...]}`` for Keras 2.2.4."""
    before, after = _units(1, 3, reset_after=False), _units(1, 3, reset_after=True)
    return {
        "SimpleRNN": _units(1, 1),
        "LSTM": _lstm(),
        "GRU": before[::2] + after[1::2] + after[:1] + before[13::2],
        "Bidirectional": _bidirectional(),
        "TimeDistributed": _time_distributed(),
        "ConvLSTM2D": _conv_lstm(2),
    }


def keras3():
    """The same for Keras 3."""
    table = keras2()
    table["ConvLSTM1D"], table["ConvLSTM3D"] = _conv_lstm(1), _conv_lstm(3)
    zeros = {"return_sequences": True, "zero_output_for_mask": True}
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        table[kind].append((dict(zeros, units=6), SHAPE, MASKED))
        table[kind].append((dict(zeros, units=6, go_backwards=True), SHAPE, MASKED))
    return table


def generator(kind, place):
    """The numbers of a case; those of `numpy.random.RandomState` are the same for ever."""
    return np.random.RandomState(zlib.crc32(f"{kind} {place}".encode()))


def made_inputs(kind, place, shape, more):
    """The input and the initial states of a case, and the generator for the rest."""
    rng = generator(kind, place)
    x = rng.normal(size=shape).astype("float32")
    if more.get("masked"):
        x[0, :2] = 0  # masked at the beginning, in between, at the end
        x[1, 2] = 0
        x[2, -2:] = 0
    states = [rng.normal(size=one).astype("float32") for one in more.get("states", ())]
    return x, states, rng


def made_weights(shapes, rng):
    """Noise for the weights."""
    return [(0.6 * rng.normal(size=shape)).astype("float32") for shape in shapes]


def built(layers, value, change=None):
    """Arguments with layers in the place of their descriptions."""
    if isinstance(value, dict) and set(value) == {"layer", "with"}:
        options = {key: built(layers, part, change) for key, part in value["with"].items()}
        if change is not None:
            options = change(value["layer"], options)
        return getattr(layers, value["layer"])(**options)
    return value
