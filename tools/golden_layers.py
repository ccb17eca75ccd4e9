"""Record what the layers of Keras give, for the tests of the layers.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_layers.py keras2   # 2.2.4 on TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_layers.py keras3             # Keras 3.15

Each case is a layer with its arguments and one or several inputs. Weights are noise. The outputs
go to ``tests/golden/layers_<release>.npz``, names and shapes of the weights to the ``.json``.
"""

import json
import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")

# name: (class, arguments, shapes of the inputs)
CASES = {
    "dense": ("Dense", {"units": 5}, [(2, 3)]),
    "dense_rank_4": ("Dense", {"units": 5, "activation": "tanh"}, [(2, 4, 6, 3)]),
    "dense_no_bias": ("Dense", {"units": 5, "use_bias": False}, [(2, 3)]),
    "dense_hard_sigmoid": ("Dense", {"units": 5, "activation": "hard_sigmoid"}, [(2, 3)]),
    "activation": ("Activation", {"activation": "softplus"}, [(2, 3, 4)]),
    "softmax": ("Softmax", {}, [(2, 3, 4)]),
    "softmax_axis": ("Softmax", {"axis": 1}, [(2, 3, 4)]),
    "relu": ("ReLU", {}, [(2, 3, 4)]),
    "relu_all": (
        "ReLU",
        {"max_value": 1.0, "negative_slope": 0.25, "threshold": 0.5},
        [(2, 30)],
    ),
    "relu_max": ("ReLU", {"max_value": 0.5}, [(2, 30)]),
    "relu_threshold": ("ReLU", {"threshold": 0.5}, [(2, 30)]),
    "dropout_idle": ("Dropout", {"rate": 0.5}, [(2, 3)]),
    "flatten": ("Flatten", {}, [(2, 3, 4, 5)]),
    "flatten_first": ("Flatten", {"data_format": "channels_first"}, [(2, 3, 4, 5)]),
    "reshape": ("Reshape", {"target_shape": [6, -1]}, [(2, 3, 4, 5)]),
    "embedding": ("Embedding", {"input_dim": 7, "output_dim": 3}, [("indices", 7, (2, 4))]),
    "global_average_1d": ("GlobalAveragePooling1D", {}, [(2, 3, 4)]),
    "leaky_relu": ("LeakyReLU", {}, [(2, 30)]),
    "leaky_relu_slope": ("LeakyReLU", {"alpha": 0.1}, [(2, 30)]),
    "prelu": ("PReLU", {}, [(2, 3, 4)]),
    "prelu_shared": ("PReLU", {"shared_axes": [1]}, [(2, 3, 4)]),
    "elu": ("ELU", {"alpha": 0.7}, [(2, 30)]),
    "thresholded_relu": ("ThresholdedReLU", {"theta": 0.5}, [(2, 30)]),
    "permute": ("Permute", {"dims": [3, 1, 2]}, [(2, 3, 4, 5)]),
    "repeat_vector": ("RepeatVector", {"n": 3}, [(2, 4)]),
    "masking": ("Masking", {"mask_value": 0.0}, [("zeros", (2, 5, 3))]),
    "batch_normalization": ("BatchNormalization", {}, [(4, 5, 3)]),
    "batch_normalization_axis": (
        "BatchNormalization",
        {"axis": 1, "epsilon": 0.01, "scale": False},
        [(4, 3, 5, 2)],
    ),
    "zero_padding_1d": ("ZeroPadding1D", {"padding": [1, 2]}, [(2, 3, 4)]),
    "zero_padding_2d": ("ZeroPadding2D", {"padding": [[1, 2], [0, 3]]}, [(2, 3, 4, 5)]),
    "zero_padding_2d_first": (
        "ZeroPadding2D",
        {"padding": [1, 2], "data_format": "channels_first"},
        [(2, 3, 4, 5)],
    ),
    "zero_padding_3d": ("ZeroPadding3D", {"padding": [1, 0, 2]}, [(2, 3, 4, 5, 2)]),
    "cropping_1d": ("Cropping1D", {"cropping": [1, 2]}, [(2, 6, 4)]),
    "cropping_2d": ("Cropping2D", {"cropping": [[1, 0], [2, 1]]}, [(2, 5, 6, 3)]),
    "cropping_3d": ("Cropping3D", {"cropping": 1}, [(2, 3, 4, 5, 2)]),
    "up_sampling_1d": ("UpSampling1D", {"size": 3}, [(2, 3, 4)]),
    "up_sampling_2d": ("UpSampling2D", {"size": [2, 3]}, [(2, 3, 4, 5)]),
    "up_sampling_2d_first": (
        "UpSampling2D",
        {"size": 2, "data_format": "channels_first"},
        [(2, 3, 4, 5)],
    ),
    "up_sampling_3d": ("UpSampling3D", {"size": [1, 2, 3]}, [(2, 2, 3, 4, 2)]),
    "add": ("Add", {}, [(2, 3, 4), (2, 3, 4), (2, 3, 4)]),
    "add_broadcast": ("Add", {}, [(2, 3, 4), (2, 1, 4)]),
    "add_ranks": ("Add", {}, [(2, 4), (2, 3, 4)]),
    "subtract": ("Subtract", {}, [(2, 3), (2, 3)]),
    "multiply": ("Multiply", {}, [(2, 3), (2, 3), (2, 1)]),
    "average": ("Average", {}, [(2, 3), (2, 3), (2, 3)]),
    "maximum": ("Maximum", {}, [(2, 3), (2, 3), (2, 3)]),
    "minimum": ("Minimum", {}, [(2, 3), (2, 3)]),
    "concatenate": ("Concatenate", {}, [(2, 3, 4), (2, 3, 5)]),
    "concatenate_axis": ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 5, 4)]),
    "dot": ("Dot", {"axes": 1}, [(2, 3), (2, 3)]),
    "dot_axes": ("Dot", {"axes": [2, 1]}, [(2, 3, 4), (2, 4, 5)]),
    "dot_normalize": ("Dot", {"axes": -1, "normalize": True}, [(2, 3), (2, 3)]),
}

for rank, sizes in ((1, (9,)), (2, (9, 8)), (3, (6, 5, 7))):
    last, first = (2, *sizes, 4), (2, 4, *sizes)
    other = {"data_format": "channels_first"}
    for kind, arguments in (
        ("valid", {}),
        ("same", {"strides": 2, "padding": "same"}),
        ("dilated", {"dilation_rate": 2, "activation": "relu"}),
    ):
        CASES[f"conv_{rank}d_{kind}"] = (
            f"Conv{rank}D",
            {"filters": 6, "kernel_size": 3 if kind != "same" else 2, **arguments},
            [last],
        )
        CASES[f"conv_{rank}d_{kind}_first"] = (
            f"Conv{rank}D",
            {"filters": 6, "kernel_size": 2, **arguments, **other},
            [first],
        )
    for word, short in (("Max", "max"), ("Average", "average")):
        pool = f"{word}Pooling{rank}D"
        CASES[f"{short}_pooling_{rank}d"] = (pool, {}, [last])
        CASES[f"{short}_pooling_{rank}d_same"] = (
            pool,
            {"pool_size": 3, "strides": 2, "padding": "same"},
            [last],
        )
        CASES[f"{short}_pooling_{rank}d_first"] = (
            pool,
            {"pool_size": 3, "strides": 1, **other},
            [first],
        )
        CASES[f"global_{short}_{rank}d_last"] = (f"Global{word}Pooling{rank}D", {}, [last])
        CASES[f"global_{short}_{rank}d_first"] = (f"Global{word}Pooling{rank}D", other, [first])

CASES["conv_1d_causal"] = (
    "Conv1D",
    {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    [(2, 9, 4)],
)
CASES["conv_2d_uneven"] = (
    "Conv2D",
    {"filters": 6, "kernel_size": [2, 3], "strides": [3, 1], "padding": "same"},
    [(2, 9, 8, 4)],
)

# What only Keras 3 has.
NEW_CASES = {
    "conv_2d_groups": ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2}, [(2, 9, 8, 4)]),
    "global_max_keepdims": ("GlobalMaxPooling2D", {"keepdims": True}, [(2, 9, 8, 4)]),
    "global_average_keepdims": ("GlobalAveragePooling1D", {"keepdims": True}, [(2, 9, 4)]),
    "softmax_rank_1": ("Softmax", {}, [(4,)]),
    "softmax_axes": ("Softmax", {"axis": [1, 2]}, [(2, 3, 4)]),
    "flatten_rank_2": ("Flatten", {}, [(2, 3)]),
    "identity": ("Identity", {}, [(2, 3)]),
    "zero_padding_1d_first": (
        "ZeroPadding1D",
        {"padding": [1, 2], "data_format": "channels_first"},
        [(2, 3, 4)],
    ),
}

# Layers and functions of which only the signatures are recorded.
SIGNATURES = {
    "Input",
    "InputLayer",
    "Lambda",
    "ActivityRegularization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "add",
    "subtract",
    "multiply",
    "average",
    "maximum",
    "minimum",
    "concatenate",
    "dot",
}


def made_input(spec, rng):
    if spec[0] == "indices":
        return rng.randint(0, spec[1], size=spec[2]).astype("int32")
    if spec[0] == "zeros":
        values = rng.normal(size=spec[1]).astype("float32")
        values[:, 1::2] = 0.0
        values[0, 0, 0] = 0.0
        return values
    return rng.normal(size=spec).astype("float32")


def noise(weight_shape, name, rng):
    values = rng.normal(size=weight_shape).astype("float32")
    return np.abs(values) + 0.1 if "variance" in name else values


def one(values):
    return values[0] if len(values) == 1 else values


def short_name(weight):
    name = getattr(weight, "path", None) or weight.name
    return name.split(":")[0].split("/")[-1]


def run_keras2(keras, layer, inputs):
    tensors = [
        keras.layers.Input(batch_shape=value.shape, dtype=str(value.dtype)) for value in inputs
    ]
    output = layer(one(tensors))
    model = keras.models.Model(tensors, output)
    return lambda: (model.predict(inputs, batch_size=len(inputs[0])), output._keras_shape)


def run_keras3(keras, layer, inputs):
    del keras
    output = layer(one(inputs))
    return lambda: (np.asarray(layer(one(inputs))), tuple(output.shape))


def record(release):
    import keras

    cases, run = (CASES, run_keras2) if release == "keras2" else (NEW_CASES, run_keras3)
    arrays, facts = {}, {}
    for name, (kind, arguments, shapes) in sorted(cases.items()):
        rng = np.random.RandomState(sum(map(ord, name)))
        inputs = [made_input(spec, rng) for spec in shapes]
        layer = getattr(keras.layers, kind)(**arguments)
        finish = run(keras, layer, inputs)
        names = [short_name(weight) for weight in layer.weights]
        arrived = layer.get_weights()
        weights = [noise(arrived[n].shape, name, rng) for n, name in enumerate(names)]
        layer.set_weights(weights)
        output, promised = finish()
        for place, value in enumerate(inputs):
            arrays[f"{name}/input_{place}"] = value
        for place, value in enumerate(weights):
            arrays[f"{name}/weight_{place}"] = value
        arrays[f"{name}/output"] = output
        facts[name] = {
            "class": kind,
            "arguments": arguments,
            "weights": names,
            "inputs": len(inputs),
            "output_shape": promised,
        }
    np.savez_compressed(os.path.join(FOLDER, f"layers_{release}.npz"), **arrays)
    with open(os.path.join(FOLDER, f"layers_{release}.json"), "w") as file:
        json.dump(facts, file, indent=1, sort_keys=True, default=int)
        file.write("\n")


def record_signatures():
    """Names and defaults of the constructors' arguments in Keras 2.2.4."""
    import inspect

    import keras

    found = {}
    for name in sorted({kind for kind, _, _ in CASES.values()} | SIGNATURES):
        made = getattr(keras.layers, name)
        made = made.__init__ if inspect.isclass(made) else made
        made = getattr(made, "_original_function", made)
        parameters = list(inspect.signature(made).parameters.values())
        found[name] = [
            [one.name, None if one.default is one.empty else repr(one.default)]
            for one in parameters
            if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"
        ]
    with open(os.path.join(FOLDER, "layers_signatures.json"), "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    record_signatures() if sys.argv[1] == "signatures" else record(sys.argv[1])
