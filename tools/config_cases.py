"""Layers with their options: whose configs are recorded from Keras and compared with lamina's.

The table is plain data, so that any release of Keras on any Python can read it:
`tools/golden_configs.py` records what ``get_config`` gives, `tests/layers/test_configs.py`
compares. An object stands as ``{"made": "initializers.he_normal", "with": {...}}``.
"""

FIRST = {"data_format": "channels_first"}
SAME = {"padding": "same"}


def made(path, *args, **options):
    return {"made": path, "args": list(args), "with": options}


def init(name, **options):
    return made("initializers." + name, **options)


def reg(*args, **options):
    return made("regularizers.L1L2", *args, **options)


def con(name, **options):
    return made("constraints." + name, **options)


def described(name, **config):
    return {"class_name": name, "config": config}


BASE = [
    {"trainable": False},
    {"dtype": "float16"},
    {"dtype": "float64", "trainable": False},
]
STATED = [
    {"input_shape": (5, 4)},
    {"batch_input_shape": (2, 5, 4)},
    {"input_shape": (5, 4), "batch_size": 3, "dtype": "float64"},
    {"input_dim": 4},
]

# Everything that the layers with a kernel take by name, by object, by config, by function.
INITIALIZERS_2 = [
    *("zeros", "ones", "orthogonal", "identity", "RandomNormal", "random_uniform"),
    *("truncated_normal", "TruncatedNormal", "glorot_normal", "glorot_uniform", "he_normal"),
    *("he_uniform", "lecun_normal", "lecun_uniform", "VarianceScaling", "Zeros", "Orthogonal"),
    init("Zeros"),
    init("Ones"),
    init("Constant"),
    init("Constant", value=0.5),
    init("RandomNormal", mean=1.0, stddev=0.25, seed=3),
    init("RandomUniform", minval=-2.0, maxval=0.5, seed=4),
    init("TruncatedNormal", mean=-1.0, stddev=0.125, seed=5),
    init("VarianceScaling", scale=3.0, mode="fan_out", distribution="uniform", seed=6),
    init("VarianceScaling", mode="fan_avg"),
    init("Orthogonal", gain=2.0, seed=7),
    init("Identity", gain=0.5),
    init("glorot_uniform", seed=8),
    init("glorot_normal", seed=9),
    init("he_normal", seed=10),
    init("he_uniform", seed=11),
    init("lecun_normal", seed=12),
    init("lecun_uniform", seed=13),
    described("RandomNormal", mean=0.5, stddev=2.0, seed=1),
    described("VarianceScaling", scale=2.0, mode="fan_in", distribution="normal", seed=2),
]
INITIALIZERS_3 = [
    *("GlorotUniform", "GlorotNormal", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"),
    *("OrthogonalInitializer", "IdentityInitializer", "uniform", "normal"),
    init("HeNormal", seed=3),
    init("GlorotUniform"),
    init("VarianceScaling", distribution="untruncated_normal"),
]
REGULARIZERS_2 = [
    *("l1", "l2"),
    reg(),
    reg(0.5),
    reg(l1=0.25, l2=0.125),
    made("regularizers.l1", 0.5),
    made("regularizers.l2", 0.25),
    made("regularizers.l1_l2", l1=0.5, l2=0.25),
    described("L1L2", l1=0.0, l2=0.5),
]
REGULARIZERS_3 = [
    *("L1", "L2"),
    made("regularizers.L1", 0.5),
    made("regularizers.L2", 0.25),
    made("regularizers.OrthogonalRegularizer", factor=0.5, mode="columns"),
]
CONSTRAINTS = [
    *("max_norm", "non_neg", "unit_norm", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"),
    con("MaxNorm"),
    con("MaxNorm", max_value=3, axis=0),
    con("MaxNorm", max_value=0.5, axis=[0, 1]),
    con("NonNeg"),
    con("UnitNorm"),
    con("UnitNorm", axis=1),
    con("MinMaxNorm"),
    con("MinMaxNorm", min_value=0.5, max_value=1.5, rate=0.25, axis=1),
    con("max_norm", max_value=2.5),
    described("MaxNorm", max_value=4, axis=1),
]
ACTIVATIONS_2 = [
    *("linear", "relu", "elu", "selu", "softmax", "softplus", "softsign", "tanh", "sigmoid"),
    *("hard_sigmoid", "exponential"),
    made("activations.relu!"),
    made("activations.softmax!"),
    None,
]
ACTIVATIONS_3 = [
    *("gelu", "silu", "swish", "mish", "relu6", "leaky_relu", "log_softmax", "celu", "glu"),
    *("hard_silu", "hard_swish", "log_sigmoid", "hard_tanh", "hard_shrink", "soft_shrink"),
    *("tanh_shrink", "squareplus", "sparse_plus", "sparse_sigmoid", "threshold", "sparsemax"),
    made("activations.gelu!"),
]


def _named(release):
    three = release == "keras3"
    return (
        INITIALIZERS_2 + (INITIALIZERS_3 if three else ["constant"]),
        REGULARIZERS_2 + (REGULARIZERS_3 if three else ["l1_l2"]),
        CONSTRAINTS,
        ACTIVATIONS_2 + (ACTIVATIONS_3 if three else []),
    )


def _kernel():
    """Everything set, by name and by object."""
    by_name = {
        "activation": "tanh",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": "l2",
        "bias_regularizer": "l1",
        "activity_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "bias_constraint": "non_neg",
    }
    by_object = {
        "activation": made("activations.elu!"),
        "kernel_initializer": init("RandomNormal", stddev=0.5, seed=3),
        "bias_initializer": init("Constant", value=0.25),
        "kernel_regularizer": reg(l2=0.125),
        "bias_regularizer": reg(l1=0.5),
        "activity_regularizer": reg(l1=0.25, l2=0.5),
        "kernel_constraint": con("UnitNorm", axis=[0, 1]),
        "bias_constraint": con("NonNeg"),
    }
    return [by_name, by_object]


def _dense(release):
    initializers, regularizers, constraints, activations = _named(release)
    options = _kernel()
    options += [{"kernel_initializer": one} for one in initializers]
    options += [{"kernel_regularizer": one} for one in regularizers]
    options += [{"kernel_constraint": one} for one in constraints]
    options += [{"activation": one} for one in activations]
    return [dict(units=3, **one) for one in [{}, *options, *BASE, *_stated(release)]]


def _stated(release):
    """What a first layer says; the configs of Keras 3 leave it out."""
    return STATED if release == "keras2" else STATED[:1]


def _conv(rank, release):
    sizes, ones = [3, 2, 4][:rank], [1, 1, 1][:rank]
    options = [
        {"kernel_size": 3},
        {"kernel_size": sizes},
        {"kernel_size": 2, "strides": sizes, "padding": "same"},
        {"kernel_size": tuple(sizes), "dilation_rate": 2, "padding": "SAME"},
        {"kernel_size": 2, "strides": ones, "dilation_rate": sizes},
        *(dict(kernel_size=2, **one) for one in _kernel()),
        *(dict(kernel_size=2, **one) for one in BASE),
    ]
    if rank == 1:
        options.append({"kernel_size": 3, "padding": "causal"})
    else:
        options.append(dict(kernel_size=3, **FIRST))
    if release == "keras3":
        options.append({"kernel_size": 3, "groups": 2})
    else:
        options.append({"kernel_size": 3, "input_shape": (7, 8, 9, 3)[3 - rank :]})
    return [dict(filters=4, **one) for one in options]


def _pool(rank):
    sizes = [3, 2, 4][:rank]
    options = [
        {"pool_size": 2},
        {"pool_size": 3, "strides": 1},
        {"pool_size": 3, "strides": None, "padding": "same"},
        dict(pool_size=2, padding="valid", **FIRST),
        {"pool_size": 2, "trainable": False},
    ]
    if rank > 1:
        options += [
            {"pool_size": sizes},
            dict(pool_size=sizes, strides=tuple(sizes[::-1]), padding="same", **FIRST),
        ]
    return options


def _resized(release):
    table = {}
    for rank in (1, 2, 3):
        pairs = [[1, 2], [3, 0], [0, 4]][:rank]
        formats = [{}] if rank == 1 else [{}, FIRST]
        each = [2, 1, 3][:rank]
        sides = [1, pairs[0]] if rank == 1 else [2, each, pairs, tuple(map(tuple, pairs))]
        for kind, argument in (("ZeroPadding", "padding"), ("Cropping", "cropping")):
            table[f"{kind}{rank}D"] = [{}] + [
                dict(more, **{argument: one}) for one in sides for more in formats
            ]
        sizes = [3] if rank == 1 else [3, each]
        table[f"UpSampling{rank}D"] = [{}] + [
            dict(more, size=one) for one in sizes for more in formats
        ]
    words = ["nearest", "bilinear"]
    if release == "keras3":
        words += ["bicubic", "lanczos3", "lanczos5", "BILINEAR"]
    table["UpSampling2D"] += [{"interpolation": word} for word in words]
    if release == "keras3":
        table["ZeroPadding1D"].append(dict(padding=2, **FIRST))
    return table


def _noise(release):
    seeds = [{}, {"seed": 3}]
    table = {
        "Dropout": [dict(rate=0.5, **one) for one in seeds]
        + [
            {"rate": 0.25, "noise_shape": (None, 1, 3), "seed": 4},
            {"rate": 0, "noise_shape": [2, 1]},
            {"rate": 0.5, "trainable": False},
        ],
        "GaussianNoise": [{"stddev": 0.5}, {"stddev": 1, "trainable": False}],
        "GaussianDropout": [{"rate": 0.5}, {"rate": 0.25, "trainable": False}],
        "AlphaDropout": [
            {"rate": 0.5},
            {"rate": 0.25, "seed": 3},
            {"rate": 0.25, "noise_shape": (2, 1)},
        ],
    }
    for rank in (1, 2, 3):
        table[f"SpatialDropout{rank}D"] = [{"rate": 0.5}, {"rate": 0.25}]
        if rank > 1:
            table[f"SpatialDropout{rank}D"].append(dict(rate=0.5, **FIRST))
    if release == "keras3":
        for name in ("GaussianNoise", "GaussianDropout", "SpatialDropout1D", "SpatialDropout3D"):
            first = "stddev" if name == "GaussianNoise" else "rate"
            table[name].append({first: 0.5, "seed": 7})
    return table


def _shaping():
    return {
        "Flatten": [{}, FIRST, {"data_format": "channels_last"}],
        "Reshape": [
            {"target_shape": one} for one in ((3, 4), [12], (-1,), (2, -1, 3), (1,), (6, 2))
        ],
        "Permute": [{"dims": one} for one in ((2, 1), [1, 2, 3], (3, 1, 2), (1,))],
        "RepeatVector": [{"n": 1}, {"n": 3}, {"n": 3, "trainable": False}],
        "Masking": [{}, {"mask_value": 1}, {"mask_value": -0.5}],
        "ActivityRegularization": [{}, {"l1": 0.5}, {"l1": 0.25, "l2": 2}],
    }


def _values(release):
    prelu = [
        {},
        {"alpha_initializer": "ones", "alpha_regularizer": "l2", "alpha_constraint": "non_neg"},
        {"shared_axes": [1]},
        {"shared_axes": 2},
        {
            "alpha_initializer": init("Constant", value=0.25),
            "alpha_regularizer": reg(0.5),
            "alpha_constraint": con("MaxNorm", max_value=1, axis=0),
            "shared_axes": (1, 2),
        },
    ]
    slope = "alpha" if release == "keras2" else "negative_slope"
    table = {
        "Activation": [{"activation": one} for one in _named(release)[3] if one is not None],
        "Softmax": [{}, {"axis": 1}, {"axis": -2}],
        "ReLU": [
            {},
            {"max_value": 6},
            {"max_value": 1.5, "negative_slope": 0.25, "threshold": 0.5},
            {"threshold": 1},
        ],
        "LeakyReLU": [{}, {slope: 0.5}, {slope: 1}],
        "ELU": [{}, {"alpha": 0.5}, {"alpha": 2}],
        "PReLU": prelu,
    }
    if release == "keras3":
        table["Softmax"].append({"axis": [1, 2]})
        table["Identity"] = [{}, {"trainable": False}]
    else:
        table["ThresholdedReLU"] = [{}, {"theta": 0.5}, {"theta": 2}]
    return table


def _merges():
    table = {
        name: [{}, {"trainable": False}]
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    }
    table["Concatenate"] = [{}, {"axis": 1}, {"axis": -2}]
    table["Dot"] = [
        {"axes": 1},
        {"axes": -1, "normalize": True},
        {"axes": [1, 2]},
        {"axes": (2, 1), "normalize": True},
    ]
    return table


def _embedding(release):
    options = [
        {},
        {"mask_zero": True},
        {"embeddings_initializer": "ones", "embeddings_regularizer": "l2"},
        {
            "embeddings_initializer": init("RandomNormal", seed=3),
            "embeddings_regularizer": reg(l2=0.5),
            "embeddings_constraint": con("UnitNorm", axis=1),
        },
        {"trainable": False},
    ]
    if release == "keras2":
        options += [
            {"activity_regularizer": "l1"},
            {"input_length": 7},
            {"input_length": (3, 2)},
            {"input_length": 7, "batch_size": 2},
            {"input_shape": (4,)},
        ]
    return [dict(input_dim=9, output_dim=5, **one) for one in options]


def _batch_norm(release):
    by_object = {
        "axis": 1,
        "momentum": 0.5,
        "epsilon": 0.25,
        "center": False,
        "scale": False,
        "beta_initializer": init("Constant", value=0.5),
        "gamma_initializer": init("RandomUniform", seed=3),
        "moving_mean_initializer": "ones",
        "moving_variance_initializer": init("Constant", value=2.0),
        "beta_regularizer": reg(0.5),
        "gamma_regularizer": reg(l2=0.25),
        "beta_constraint": con("NonNeg"),
        "gamma_constraint": con("MaxNorm", max_value=3, axis=0),
    }
    by_name = {
        "beta_initializer": "ones",
        "gamma_initializer": "he_normal",
        "beta_regularizer": "l1",
        "gamma_regularizer": "l2",
        "beta_constraint": "non_neg",
        "gamma_constraint": "max_norm",
    }
    options = [{}, by_name, by_object, {"trainable": False}, {"axis": -2, "momentum": 1.0}]
    if release == "keras3":
        limits = {"rmin": 0.5, "rmax": 2.0, "dmax": 3.0}
        options += [
            {"renorm": True},
            {"renorm": True, "renorm_clipping": limits, "renorm_momentum": 0.5},
        ]
    return options


def _normalizations():
    """Of samples, in Keras 3."""
    by_object = {
        "epsilon": 0.25,
        "center": False,
        "scale": False,
        "beta_initializer": init("Constant", value=0.5),
        "gamma_initializer": init("RandomUniform", seed=3),
        "beta_regularizer": reg(0.5),
        "gamma_regularizer": reg(l2=0.25),
        "beta_constraint": con("NonNeg"),
        "gamma_constraint": con("MaxNorm", max_value=3, axis=0),
    }
    axes = [{"axis": 1}, {"axis": [1, 2]}, {"axis": -2, "trainable": False}]
    rms = [{"axis": 1, "epsilon": 0.5}, {"axis": [-1, 2]}]
    return {
        "LayerNormalization": [{}, by_object, *axes, {"rms_scaling": True}],
        "GroupNormalization": [{}, dict(by_object, groups=-1, axis=1), {"groups": 3}],
        "RMSNormalization": [{}, *rms],
        "UnitNormalization": [{}, *axes],
    }


def _attention():
    """Attention, in Keras 3."""
    by_object = {
        "use_bias": False,
        "kernel_initializer": init("Constant", value=0.5),
        "kernel_regularizer": reg(l2=0.25),
        "kernel_constraint": con("MaxNorm", max_value=3, axis=0),
    }
    heads = {"num_heads": 3, "key_dim": 4}
    grouped = {"head_dim": 4, "num_query_heads": 6, "num_key_value_heads": 3}
    return {
        "Attention": [
            {},
            {"use_scale": True, "score_mode": "concat"},
            {"dropout": 0.25, "seed": 3},
        ],
        "AdditiveAttention": [{}, {"use_scale": False}, {"dropout": 0.25}],
        "MultiHeadAttention": [
            heads,
            dict(heads, value_dim=5, output_shape=7, attention_axes=(1, 2), dropout=0.25),
            dict(heads, **by_object),
        ],
        "GroupQueryAttention": [grouped, dict(grouped, dropout=0.25), dict(grouped, **by_object)],
    }


def _images_and_data():
    """What prepares data, in Keras 3."""
    size = {"height": 3, "width": 4}
    words = {"input_dim": 7, "output_dim": 3, "activity_regularizer": None}
    return {
        "Rescaling": [{"scale": 0.5}, {"scale": 2.0, "offset": -1.0}],
        "Resizing": [
            size,
            dict(size, interpolation="nearest", crop_to_aspect_ratio=True),
            dict(size, pad_to_aspect_ratio=True, fill_value=0.5, antialias=True, **FIRST),
        ],
        "CenterCrop": [size, dict(size, **FIRST)],
        "Normalization": [{"axis": [1, -1]}, {"axis": [1]}, {"axis": None, "invert": True}],
        "ReversibleEmbedding": [words, dict(words, tie_weights=False, logit_soft_cap=3.0)],
    }


def _colours():
    """What changes colours at random, in Keras 3."""
    pair, unit = {"factor": (0.25, 0.5)}, {"value_range": (0, 1)}
    # Of these lamina takes one number as the documents say, and Keras 3.15 does not.
    table = {
        kind: [pair, dict(pair, **unit), dict(pair, seed=3, trainable=False, **FIRST)]
        for kind in ("RandomContrast", "RandomSaturation", "RandomColorDegeneration")
    }
    for kind in ("RandomBrightness", "RandomHue", "RandomInvert", "RandomSharpness"):
        table[kind] = [{"factor": 0.5}, *table["RandomContrast"]]
    jitter = {"brightness_factor": 0.25, "hue_factor": [0.25, 0.5]}
    clahe = {"value_range": [0, 1], "clip_limit": 2.5, "tile_grid_size": (2, 3)}
    mix = {"num_chains": 2, "chain_depth": 4, "factor": (0.25, 0.5), "alpha": 0.5}
    return dict(
        table,
        RandomColorJitter=[{}, dict(jitter, **unit), {"contrast_factor": 0.5, "seed": 3, **FIRST}],
        RandomGrayscale=[{}, {"factor": 0.25}, dict(FIRST, factor=1.0)],
        RandomPosterization=[{"factor": (5, 5)}, {"factor": (2, 7), "seed": 3, **unit, **FIRST}],
        RandomGaussianBlur=[
            {},
            dict(pair, kernel_size=5, sigma=0.5),
            dict(kernel_size=(3, 5), sigma=(0.25, 0.5), seed=3, **unit, **FIRST),
        ],
        Solarization=[{}, dict(addition_factor=0.5, threshold_factor=(0.25, 0.5), **unit)],
        AutoContrast=[{}, unit, FIRST],
        Equalization=[{}, dict(unit, bins=16), FIRST],
        ContrastLimitedAdaptiveHistogramEqualization=[{}, clahe, FIRST],
        RandAugment=[{}, dict(unit, num_ops=3, factor=0.25, interpolation="nearest", seed=3)],
        AugMix=[{}, dict(mix, all_ops=False, seed=3, **unit, **FIRST)],
    )


def _waves():
    """Spectrograms, in Keras 3."""
    sizes = {"frame_length": 64, "frame_step": 16, "fft_length": 128}
    named = {"mode": "stft", "window": "hamming", "periodic": True, "scaling": "spectrum"}
    mel = {"fft_length": 64, "sequence_stride": 16, "sampling_rate": 8000, "num_mel_bins": 10}
    bands = {"min_freq": 30.0, "max_freq": 3000, "mag_exp": 1.0, "power_to_db": False}
    return {
        "STFTSpectrogram": [
            {},
            sizes,
            dict(named, padding="same", expand_dims=True, **FIRST),
            {"scaling": None, "window": None, "trainable": False},
        ],
        "MelSpectrogram": [
            {},
            mel,
            dict(mel, sequence_length=32, window="hamming", **bands),
            {"top_db": 40.0, "min_power": 0.5, "ref_power": 2.0},
        ],
    }


def _lambda():
    return [
        {"function": made("activations.relu!")},
        {"function": made("activations.softmax!"), "arguments": {"axis": 1}},
        {"function": made("activations.relu!"), "output_shape": (3, 4)},
    ]


def _inputs(release):
    if release == "keras2":
        options = [
            {"input_shape": (3, 4)},
            {"batch_input_shape": (2, 3)},
            {"input_shape": (3,), "batch_size": 5, "dtype": "int32"},
            {"input_shape": (None, 3), "sparse": True},
        ]
    else:
        options = [
            {"shape": (3, 4)},
            {"batch_shape": (2, 3)},
            {"shape": (3,), "batch_size": 5, "dtype": "int32"},
            {"shape": (None, 3), "sparse": True},
        ]
    return options


def _kernels(first, second=None):
    """Options of a kernel of another name, and of a second one."""
    found = [{}, {"activation": "relu", "use_bias": False}, *BASE[:2]]
    for one in filter(None, (first, second)):
        found.append({one + "_initializer": "he_normal", one + "_regularizer": reg(0.25, 0.125)})
        found.append({one + "_constraint": con("NonNeg"), "bias_regularizer": reg(0.5)})
    return [*found, {"bias_initializer": init("Constant", value=0.5), "trainable": False}]


def _windows(release):
    """The convolutions beside the plain ones."""
    table = {}
    for rank in (2, 3) if release == "keras2" else (1, 2, 3):
        sizes = [3, 2, 4][:rank]
        table[f"Conv{rank}DTranspose"] = [
            *(dict(filters=4, kernel_size=3, **one) for one in _kernels("kernel")),
            {"filters": 4, "kernel_size": sizes, "strides": 2, "output_padding": 1},
            dict(filters=4, kernel_size=2, strides=[2, 3, 2][:rank], **SAME),
            {"filters": 4, "kernel_size": 2, "strides": 3, "output_padding": [1, 0, 2][:rank]},
            dict(filters=4, kernel_size=2, **FIRST),
        ]
    for rank in (2,) if release == "keras2" else (1, 2):
        table[f"DepthwiseConv{rank}D"] = [
            *(dict(kernel_size=3, **one) for one in _kernels("depthwise")),
            dict(kernel_size=2, strides=2, depth_multiplier=3, **SAME),
            dict(kernel_size=[3, 2][:rank], **FIRST),
        ]
    for rank in (1, 2):
        table[f"SeparableConv{rank}D"] = [
            *(dict(filters=4, kernel_size=3, **one) for one in _kernels("depthwise", "pointwise")),
            dict(filters=4, kernel_size=2, strides=2, depth_multiplier=3, **SAME),
            {"filters": 4, "kernel_size": [3, 2][:rank], "dilation_rate": 2},
        ]
    return table


def _windows_2():
    """What Keras 3 does not have any more."""
    table = {}
    for rank in (1, 2):
        table[f"LocallyConnected{rank}D"] = [
            *(dict(filters=4, kernel_size=3, **one) for one in _kernels("kernel")),
            {"filters": 4, "kernel_size": [3, 2][:rank], "strides": 2},
        ]
    table["LocallyConnected2D"].append(dict(filters=4, kernel_size=3, **FIRST))
    old = [
        {},
        {"init": "he_normal", "W_regularizer": reg(0.25, 0.125), "bias": False},
        {"b_regularizer": reg(0.5), "W_constraint": con("NonNeg"), "trainable": False},
        {"activity_regularizer": reg(0.5, 0.25), "b_constraint": con("NonNeg")},
    ]
    table["Highway"] = [*old, {"activation": "tanh"}]
    table["MaxoutDense"] = [dict(output_dim=3, **one) for one in (*old, {"nb_feature": 2})]
    return table


def _windows_3():
    """What only Keras 3 has."""
    equation = {"equation": "abc,cd->abd", "output_shape": (None, 5)}
    table = {
        "EinsumDense": [
            dict(equation, bias_axes="d"),
            dict(equation, activation="relu", kernel_initializer="he_normal"),
            dict(equation, kernel_regularizer=reg(0.25, 0.125), bias_constraint=con("NonNeg")),
            {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"},
            dict(equation, trainable=False, dtype="float16"),
        ]
    }
    for rank in (1, 2, 3):
        for word in ("Max", "Average"):
            table[f"Adaptive{word}Pooling{rank}D"] = [
                {"output_size": 3},
                {"output_size": [3, 2, 4][:rank]},
                dict(output_size=2, **FIRST),
            ]
    return table


def cases(release):
    """``{layer: [arguments, ...]}`` for ``"keras2"`` or ``"keras3"``; the first are defaults."""
    table = {
        "Dense": _dense(release),
        "Embedding": _embedding(release),
        "BatchNormalization": _batch_norm(release),
        "Lambda": _lambda(),
        "InputLayer": _inputs(release),
    }
    for part in (_resized(release), _noise(release), _shaping(), _values(release), _merges()):
        table.update(part)
    for rank in (1, 2, 3):
        table[f"Conv{rank}D"] = _conv(rank, release)
        for word in ("Max", "Average"):
            table[f"{word}Pooling{rank}D"] = _pool(rank)
            formats = [{}] if release == "keras2" and rank == 1 else [{}, FIRST]
            table[f"Global{word}Pooling{rank}D"] = list(formats)
            if release == "keras3":
                table[f"Global{word}Pooling{rank}D"].append({"keepdims": True})
    table.update(_windows(release))
    table.update(_windows_2() if release == "keras2" else _windows_3())
    if release == "keras3":
        for part in (_normalizations(), _attention(), _images_and_data(), _colours(), _waves()):
            table.update(part)
    return table


def built(value, module):
    """Arguments with objects in the place of what describes them.

    Args:
        value: an argument of the table.
        module: `keras` or `lamina`: gives ``initializers`` and so on.
    """
    if isinstance(value, dict) and "made" in value:
        place, _, name = value["made"].rstrip("!").partition(".")
        found = getattr(getattr(module, place), name)
        return found if value["made"].endswith("!") else found(*value["args"], **value["with"])
    if isinstance(value, dict):
        return {key: built(part, module) for key, part in value.items()}
    return value


def written(value):
    """A config as JSON can hold it, where a tuple differs from a list."""
    if isinstance(value, tuple):
        return {"tuple": [written(part) for part in value]}
    if isinstance(value, list):
        return [written(part) for part in value]
    if isinstance(value, dict):
        return {key: written(part) for key, part in value.items()}
    return value


def read(value):
    """The config that `written` wrote."""
    if isinstance(value, dict):
        if set(value) == {"tuple"}:
            return tuple(read(part) for part in value["tuple"])
        return {key: read(part) for key, part in value.items()}
    return [read(part) for part in value] if isinstance(value, list) else value
