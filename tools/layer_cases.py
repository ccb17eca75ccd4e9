"""Layers with many options and inputs: what is recorded from Keras and compared with lamina.

The table is plain data, so that any release of Keras on any Python can read it:
`tools/golden_steps.py` records what Keras gives, `tests/layers/test_golden_steps.py` compares.
"""

# ruff: noqa: B905 - Python 3.7 knows no strict zip

import itertools
import zlib

import numpy as np

FIRST = {"data_format": "channels_first"}
LAST = {"data_format": "channels_last"}


def _named(name, **config):
    return {"class_name": name, "config": config}


def L1L2(l1=0.0, l2=0.0):
    return _named("L1L2", l1=l1, l2=l2)


def _kernel_extras(axes):
    """Options of layers with a kernel; norms are taken over all axes but the outputs."""
    return [
        {},
        {"activation": "relu"},
        {"activation": "tanh", "kernel_regularizer": L1L2(l2=0.05)},
        {"use_bias": False},
        {"activation": "sigmoid", "bias_regularizer": L1L2(l1=0.1)},
        {"kernel_constraint": _named("MaxNorm", max_value=0.5, axis=axes)},
        {"bias_constraint": _named("NonNeg")},
        {"activation": "softplus", "kernel_constraint": _named("NonNeg")},
        {"activation": "elu", "kernel_regularizer": L1L2(0.01, 0.02)},
        {"activation": "selu"},
        {"activation": "softmax"},
        {"activation": "softsign", "kernel_constraint": _named("UnitNorm", axis=axes)},
        {
            "activation": "linear",
            "kernel_constraint": _named(
                "MinMaxNorm", min_value=0.5, max_value=1.5, rate=0.5, axis=axes
            ),
        },
        {"activation": "hard_sigmoid"},
        {"bias_regularizer": L1L2(0.1, 0.1), "kernel_regularizer": L1L2(l1=0.1)},
    ]


def _activity(**more):
    return [
        dict(activity_regularizer=L1L2(l2=0.5), **more),
        dict(activity_regularizer=L1L2(l1=0.3), activation="relu", **more),
        dict(activity_regularizer=L1L2(0.1, 0.2), kernel_regularizer=L1L2(0.01, 0.01), **more),
    ]


def _conv(rank):
    """Conv1D to 3D: geometry and the other options, each time another pair of them."""
    sizes, channels, filters = ((7,), (6, 5), (4, 5, 3))[rank - 1], 3, 4
    axes = list(range(rank + 1))
    geometry = [
        {"kernel_size": 3},
        {"kernel_size": 2, "strides": 2},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 2, "padding": "same"},
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        {"kernel_size": 2, "dilation_rate": 2},
        {"kernel_size": [3, 2, 1][:rank], "strides": [1, 2, 1][:rank]},
        {"kernel_size": [2, 3, 2][:rank], "strides": [3, 1, 2][:rank], "padding": "same"},
        {"kernel_size": 1},
        {"kernel_size": 2, "dilation_rate": 2, "padding": "same"},
        {"kernel_size": [1, 3, 2][:rank], "padding": "same"},
        {"kernel_size": 3, "strides": [3, 2, 1][:rank], "padding": "same"},
        {"kernel_size": 2, "strides": 3},
        {"kernel_size": 1, "strides": 2},
        {"kernel_size": 2},
    ]
    cases = []
    for place, (shape, extra) in enumerate(zip(geometry, _kernel_extras(axes))):
        first = place % 3 == 1 and extra.get("activation") != "softmax"
        inputs = (2, channels, *sizes) if first else (2, *sizes, channels)
        cases.append(
            (dict(shape, filters=filters, **dict(extra, **(FIRST if first else {}))), [inputs])
        )
    return cases


def _conv3(rank):
    sizes = ((7,), (6, 5), (4, 5, 3))[rank - 1]
    plain = [(dict(kernel_size=2, filters=4, **extra), [(3, *sizes, 2)]) for extra in _activity()]
    grouped = [
        ({"kernel_size": 2, "filters": 6, "groups": 2}, [(2, *sizes, 4)]),
        ({"kernel_size": 3, "filters": 6, "groups": 3, "padding": "same"}, [(2, *sizes, 3)]),
    ]
    return plain + grouped


def _pool(rank):
    sizes = ((9,), (7, 6), (5, 4, 6))[rank - 1]
    windows = [
        {},
        {"pool_size": 3, "strides": 2},
        {"pool_size": 3, "strides": 1},
        {"pool_size": 2, "strides": 3},
        {"pool_size": [2, 3, 1][:rank], "strides": [1, 2, 2][:rank]},
    ]
    cases = []
    for window, padding, first in itertools.product(windows, ("valid", "same"), (False, True)):
        shape = (2, 3, *sizes) if first else (2, *sizes, 3)
        cases.append((dict(window, padding=padding, **(FIRST if first else {})), [shape]))
    return cases


def _global_pool(rank):
    shapes = [(2, 5, 3, 4, 6), (3, 2, 4, 5, 2), (1, 1, 3, 2, 4), (2, 4, 1, 3, 1)]
    formats = (LAST, FIRST, {})
    return [(dict(f), [shape[: rank + 2]]) for f, shape in itertools.product(formats, shapes)]


def _global_pool3(rank):
    shapes = [(2, 5, 3, 4, 6), (3, 2, 4, 5, 2)]
    return [
        (dict(f, keepdims=True), [shape[: rank + 2]])
        for f, shape in itertools.product((LAST, FIRST), shapes)
    ]


def _resize(kind, rank):
    """ZeroPadding, Cropping and UpSampling: every form of their first argument."""
    name = {"ZeroPadding": "padding", "Cropping": "cropping", "UpSampling": "size"}[kind]
    sizes = ((6,), (5, 7), (4, 5, 6))[rank - 1]
    if kind == "UpSampling":
        values = [1, 2, 3] + (
            [] if rank == 1 else [[1, 2, 3][:rank], [3, 1, 2][:rank], [2, 2, 1][:rank]]
        )
    else:
        pairs = [[[1, 2], [0, 1], [2, 0]], [[0, 0], [3, 1], [1, 1]], [[2, 1], [1, 0], [0, 3]]]
        values = [0, 1] + [pair[0] if rank == 1 else pair[:rank] for pair in pairs]
        values += [[1, 3], [0, 2], [2, 0]] if rank == 1 else [[1, 2, 0][:rank], [0, 1, 2][:rank]]
    cases = []
    for value, first in itertools.product(values, (False, True)):
        if first and rank == 1:
            continue
        shape = (2, 3, *sizes) if first else (2, *sizes, 3)
        cases.append(({name: value, **(FIRST if first else {})}, [shape]))
    if rank == 1:  # one argument only: other inputs
        cases += [(dict(arguments), [(3, 7, 1)]) for arguments, _ in cases]
    return [({}, [(2, *sizes, 3)]), *cases] if kind != "Cropping" or rank != 2 else cases


def _same(values, name, shapes):
    return [({name: value}, [shape]) for value, shape in itertools.product(values, shapes)]


SHAPES = [(2, 3), (2, 4, 3), (2, 3, 2, 4), (1, 2, 3, 2, 2)]
ACTIVATIONS = [
    "elu",
    "exponential",
    "hard_sigmoid",
    "linear",
    "relu",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


def _merges():
    several = [
        [(2, 3), (2, 3)],
        [(2, 3, 4), (2, 3, 4)],
        [(2, 3, 4), (2, 1, 4)],
        [(2, 1, 4), (2, 3, 1)],
        [(2, 4), (2, 3, 4)],
        [(2, 3, 2, 4), (2, 4)],
        [(2, 5, 3, 2, 4), (2, 5, 3, 2, 4)],
    ]
    three = [
        [(2, 3), (2, 3), (2, 3)],
        [(2, 3, 4), (2, 1, 4), (2, 3, 4)],
        [(2, 3, 4), (2, 4), (2, 3, 1)],
        [(1, 2), (1, 2), (1, 2), (1, 2)],
    ]
    table = {"Subtract": several}
    table.update(
        dict.fromkeys(("Add", "Multiply", "Average", "Maximum", "Minimum"), several + three)
    )
    return {name: [({}, shapes) for shapes in listed] for name, listed in table.items()}


CONCATENATIONS = [
    ({}, [(2, 3), (2, 4)]),
    ({}, [(2, 3, 4), (2, 3, 5)]),
    ({}, [(2, 3, 4), (2, 3, 1), (2, 3, 2)]),
    ({"axis": 1}, [(2, 3), (2, 4)]),
    ({"axis": 1}, [(2, 3, 4), (2, 5, 4)]),
    ({"axis": 1}, [(2, 1, 4), (2, 5, 4), (2, 2, 4)]),
    ({"axis": 2}, [(2, 3, 4), (2, 3, 1)]),
    ({"axis": -2}, [(2, 3, 4), (2, 5, 4)]),
    ({"axis": -1}, [(2, 3, 2, 4), (2, 3, 2, 1)]),
    ({"axis": 2}, [(2, 3, 2, 4), (2, 3, 5, 4)]),
    ({"axis": -3}, [(2, 3, 2, 4), (2, 1, 2, 4)]),
    ({"axis": 3}, [(2, 3, 2, 4), (2, 3, 2, 4), (2, 3, 2, 1)]),
    ({"axis": 1}, [(1, 2, 3, 4, 5), (1, 3, 3, 4, 5)]),
    ({"axis": -1}, [(1, 2, 3, 2, 2), (1, 2, 3, 2, 1)]),
    ({"axis": 1}, [(3, 2), (3, 2), (3, 2), (3, 1)]),
]

DOTS = [
    ({"axes": axes, "normalize": normalize}, shapes)
    for (axes, shapes), normalize in itertools.product(
        [
            (1, [(2, 3), (2, 3)]),
            (-1, [(2, 3), (2, 3)]),
            ([1, 1], [(3, 4), (3, 4)]),
            ([2, 1], [(2, 3, 4), (2, 4, 5)]),
            ([1, 2], [(2, 4, 3), (2, 5, 4)]),
            (2, [(2, 3, 4), (2, 5, 4)]),
            (1, [(2, 4, 3), (2, 4, 5)]),
            (-1, [(2, 3, 4), (2, 5, 4)]),
            ([2, 1], [(2, 3, 4), (2, 4)]),
            ([1, 2], [(2, 4), (2, 3, 4)]),
        ],
        (False, True),
    )
]

RELUS = [
    {},
    {"max_value": 1.0},
    {"max_value": 0.5, "negative_slope": 0.25},
    {"negative_slope": 0.1},
    {"threshold": 0.5},
    {"threshold": 0.5, "max_value": 1.5},
    {"threshold": 0.25, "negative_slope": 0.5},
    {"threshold": 0.5, "max_value": 1.0, "negative_slope": 0.2},
    {"max_value": 6.0, "threshold": 1.0},
]

BATCH_NORMS = [
    ({}, [(4, 3)]),
    ({}, [(3, 5, 2)]),
    ({"momentum": 0.5}, [(3, 4, 2, 3)]),
    ({"axis": 1}, [(3, 4, 2, 5)]),
    ({"axis": 1, "epsilon": 0.1}, [(3, 4, 2)]),
    ({"axis": 2}, [(3, 2, 4, 5)]),
    ({"axis": -2}, [(3, 2, 4, 2)]),
    ({"center": False}, [(5, 3)]),
    ({"scale": False}, [(5, 3, 2)]),
    ({"center": False, "scale": False, "momentum": 0.9}, [(4, 2, 3)]),
    ({"gamma_regularizer": L1L2(l2=0.1), "beta_regularizer": L1L2(l1=0.1)}, [(4, 3)]),
    ({"gamma_constraint": _named("NonNeg"), "beta_constraint": _named("NonNeg")}, [(4, 5)]),
    ({"epsilon": 1e-5, "momentum": 0.0}, [(2, 3, 4, 3)]),
    ({"momentum": 1.0}, [(6, 2)]),
    ({"axis": 4}, [(2, 2, 3, 2, 4)]),
    ({"trainable": False}, [(4, 3)]),
]

RENORMS = [
    ({"renorm": True}, [(4, 3)]),
    ({"renorm": True, "momentum": 0.5, "renorm_momentum": 0.75, "epsilon": 0.1}, [(3, 5, 2)]),
    (
        {
            "renorm": True,
            "renorm_clipping": {"rmin": 0.8, "rmax": 1.25, "dmax": 0.5},
            "axis": 1,
        },
        [(3, 4, 2, 5)],
    ),
    ({"renorm": True, "center": False, "renorm_clipping": {"rmax": 3.0}}, [(5, 3, 2)]),
    ({"renorm": True, "scale": False, "renorm_clipping": {"dmax": 0.25}}, [(6, 4)]),
    ({"renorm": True, "center": False, "scale": False, "momentum": 0.9}, [(4, 2, 3)]),
    ({"renorm": True, "trainable": False}, [(4, 3)]),
]

EMBEDDINGS = [
    ({}, [(2, 3)]),
    ({}, [(4,)]),
    ({}, [(2, 3, 2)]),
    ({"input_length": 3}, [(2, 3)]),
    ({"mask_zero": True}, [(2, 5)]),
    ({"embeddings_regularizer": L1L2(l2=0.1)}, [(2, 3)]),
    ({"embeddings_regularizer": L1L2(0.1, 0.05)}, [(3, 2)]),
    ({"embeddings_constraint": _named("MaxNorm", max_value=0.5, axis=1)}, [(2, 3)]),
    ({"embeddings_constraint": _named("NonNeg")}, [(2, 4)]),
    ({"embeddings_constraint": _named("UnitNorm", axis=0)}, [(2, 4)]),
    ({"mask_zero": True, "input_length": 4}, [(3, 4)]),
    ({"input_length": [3, 2]}, [(2, 3, 2)]),
    ({"embeddings_constraint": _named("UnitNorm", axis=1), "mask_zero": True}, [(5, 2)]),
    ({"embeddings_regularizer": L1L2(l1=0.2), "input_length": 2}, [(3, 2)]),
    ({}, [(1, 9)]),
]
ROWS = 7


def _embedding(arguments, shapes, dtype="int32"):
    arguments = dict(arguments, input_dim=ROWS, output_dim=4)
    return arguments, [{"kind": "indices", "shape": list(shapes[0]), "dtype": dtype}]


LAMBDAS = [
    ("square", {}, [(2, 3)]),
    ("softmax", {"axis": 1}, [(2, 3, 4)]),
    ("l2_normalize", {"axis": -1}, [(2, 3, 4)]),
    ("sum", {"axis": 1}, [(2, 3, 4)]),
    ("mean", {"axis": [1, 2], "keepdims": True}, [(2, 3, 4)]),
    ("max", {"axis": -1}, [(2, 3, 4)]),
    ("var", {"axis": 1}, [(3, 4)]),
    ("prod", {"axis": 2}, [(2, 3, 2)]),
    ("logsumexp", {"axis": 1}, [(2, 3, 4)]),
    ("clip", {"min_value": -0.5, "max_value": 0.75}, [(2, 3)]),
    ("permute_dimensions", {"pattern": [0, 2, 1]}, [(2, 3, 4)]),
    ("reverse", {"axes": 1}, [(2, 3, 4)]),
    ("expand_dims", {"axis": 1}, [(2, 3)]),
    ("squeeze", {"axis": 1}, [(2, 1, 3)]),
    ("repeat_elements", {"rep": 3, "axis": 1}, [(2, 3)]),
    ("batch_flatten", {}, [(2, 3, 4)]),
    ("elu", {"alpha": 0.5}, [(2, 3)]),
    ("concatenate", {"axis": 1}, [(2, 3), (2, 4)]),
]


def _holes(value, shape):
    return {"kind": "holes", "shape": list(shape), "value": value}


def _noise():
    """Layers that do nothing outside of training."""
    table = {
        "GaussianNoise": _same([0.0, 0.3, 1.0, 2.5], "stddev", SHAPES),
        "GaussianDropout": _same([0.0, 0.3, 0.5, 0.9], "rate", SHAPES),
        "AlphaDropout": _same([0.0, 0.3, 0.5, 0.9], "rate", SHAPES),
        "Dropout": _same([0.0, 0.3, 0.5, 0.9], "rate", SHAPES),
    }
    for rank in (1, 2, 3):
        shapes = [(2, 3, 4, 2, 3)[: rank + 2], (1, 2, 2, 3, 2)[: rank + 2]]
        cases = _same([0.0, 0.2, 0.5, 0.7], "rate", shapes)
        formats = [{}] if rank == 1 else [{}, FIRST]
        table[f"SpatialDropout{rank}D"] = [
            (dict(a, **f), s) for (a, s), f in itertools.product(cases, formats)
        ]
    return table


def _shaping():
    dims = [
        (1, 2),
        (2, 1),
        *itertools.permutations((1, 2, 3)),
        (2, 4, 1, 3),
        (4, 3, 2, 1),
        (3, 1, 4, 2),
    ]
    targets = [
        ((12,), (2, 12)),
        ((-1,), (2, 3, 4)),
        ((3, 4), (2, 12)),
        ((4, 3), (2, 3, 4)),
        ((2, -1), (3, 12)),
        ((-1, 2), (3, 12)),
        ((6, -1), (2, 3, 4)),
        ((2, 3, 2), (2, 12)),
        ((2, -1, 2), (2, 3, 4)),
        ((-1, 1, 3), (2, 3, 4)),
        ((1, 12), (2, 2, 3, 2)),
        ((2, 2, 3), (2, 3, 2, 2)),
        ((1, 1, -1), (1, 5)),
        ((5, 1), (2, 5)),
        ((2, 2, 3, -1), (2, 24)),
    ]
    flat = [(2, 3), (2, 3, 4), (2, 3, 4, 2), (2, 2, 3, 2, 2), (1, 5, 1), (3, 1, 4, 1)]
    return {
        "Permute": [({"dims": list(d)}, [(2, 3, 4, 5, 2)[: len(d) + 1]]) for d in dims],
        "Reshape": [({"target_shape": list(t)}, [s]) for t, s in targets],
        "Flatten": [(f, [s]) for f, s in itertools.product(({}, LAST, FIRST), flat[1:])],
        "RepeatVector": [
            ({"n": n}, [s]) for n, s in itertools.product((1, 2, 3, 5, 7), [(2, 3), (1, 4), (3, 1)])
        ],
    }


def _values():
    """Layers that change values one by one or along an axis."""
    grid = {"kind": "grid", "shape": [3, 17], "step": 0.25}
    alphas = (0.0, 0.1, 0.3, 1.0)
    prelu = [
        ({}, [(2, 3)]),
        ({}, [(2, 3, 4)]),
        ({"shared_axes": [1]}, [(2, 3, 4)]),
        ({"shared_axes": [2]}, [(2, 3, 4)]),
        ({"shared_axes": [1, 2]}, [(2, 3, 4)]),
        ({"shared_axes": [1, 2]}, [(2, 3, 4, 2)]),
        ({"shared_axes": [2, 3]}, [(2, 3, 4, 2)]),
        ({"shared_axes": [1, 3]}, [(2, 3, 4, 2)]),
        ({"alpha_regularizer": L1L2(l2=0.2)}, [(2, 3)]),
        ({"alpha_regularizer": L1L2(0.1, 0.1), "shared_axes": [1]}, [(2, 3, 2)]),
        ({"alpha_constraint": _named("NonNeg")}, [(2, 5)]),
        ({"alpha_constraint": _named("MaxNorm", max_value=0.5, axis=0)}, [(2, 3)]),
        ({"alpha_constraint": _named("NonNeg"), "shared_axes": [2]}, [(3, 4, 2)]),
        ({"shared_axes": [1, 2, 3]}, [(2, 2, 3, 2, 4)]),
        ({}, [(1, 2, 2, 3, 2)]),
    ]
    return {
        "Activation": _same(ACTIVATIONS, "activation", SHAPES[:3]),
        "Softmax": [
            ({"axis": axis}, [shape])
            for shape in [*SHAPES[:3], (3, 1, 5)]
            for axis in range(-len(shape) + 1, len(shape))
            if axis != 0
        ],
        "ReLU": [(r, [s]) for r, s in itertools.product(RELUS, ((2, 13), (2, 3, 4)))],
        "ReLU/exact": [(r, [grid]) for r in RELUS],
        "LeakyReLU": _same(alphas, "alpha", SHAPES),
        "ELU": _same(alphas, "alpha", SHAPES),
        "ThresholdedReLU": _same((0.0, 0.25, 0.5, 1.0), "theta", SHAPES),
        "ThresholdedReLU/exact": _same((0.0, 0.25, 0.5, 1.0), "theta", [grid]),
        "PReLU": prelu,
        "Masking": [
            ({"mask_value": v}, [_holes(v, s)])
            for v, s in itertools.product(
                (0.0, -1.0, 2.5, 7.0), [(2, 5, 3), (3, 4, 1), (2, 3, 4, 2), (1, 6, 2)]
            )
        ],
    }


def _dense():
    shapes = [(4, 3), (2, 3, 4), (2, 3, 2, 5), (2, 2, 3, 2, 4)]
    extras = enumerate(_kernel_extras(0))
    return [(dict(e, units=place % 4 + 2), [shapes[place % 4]]) for place, e in extras]


def _more_merges():
    """Every axis of another size: more inputs, ranks and broadcasting on either side."""
    pairs = [
        [(5, 7), (5, 7)],
        [(3, 5, 2), (3, 5, 2)],
        [(2, 3, 5, 4), (2, 3, 5, 4)],
        [(3, 5, 2), (3, 2)],
        [(3, 1, 5, 2), (3, 4, 1, 2)],
        [(2, 1), (2, 5)],
        [(2, 6, 3, 5, 4), (2, 5, 4)],
        [(4, 3, 1), (4, 2, 3, 5)],
    ]
    several = [
        [(3, 5, 2), (3, 2), (3, 5, 2), (3, 1, 2)],
        [(2, 3, 5, 4), (2, 4), (2, 5, 4)],
        [(3, 4), (3, 4), (3, 4), (3, 4), (3, 4)],
    ]
    table = {"Subtract": pairs}
    names = ("Add", "Multiply", "Average", "Maximum", "Minimum")
    table.update(dict.fromkeys(names, pairs[3:] + several))
    return {name: [({}, shapes) for shapes in listed] for name, listed in table.items()}


def _more_sizes():
    """Cropping and UpSampling: the default, uneven pairs and factors, both data formats."""
    line, plane, space = (2, 7, 3), (2, 7, 8, 3), (2, 4, 3, 2, 5)
    nearest = {"interpolation": "nearest"}
    return {
        "Cropping2D": [
            ({}, [plane]),
            ({"cropping": [[0, 3], [2, 1]]}, [plane]),
            (dict(cropping=[[1, 0], [0, 4]], **FIRST), [(2, 3, 7, 8)]),
            (dict(cropping=2, **LAST), [plane]),
        ],
        "UpSampling1D": [
            *_same([1, 2, 3, 4, 5], "size", [line, (3, 1, 4)]),
            ({"size": 7}, [(1, 2, 5)]),
        ],
        "UpSampling2D": [
            (dict(nearest, size=[2, 3], **LAST), [(2, 3, 4, 5)]),
            (dict(nearest, size=[4, 1], **FIRST), [(2, 3, 4, 5)]),
            (dict(nearest), [(3, 1, 4, 2)]),
        ],
        "UpSampling3D": [
            ({"size": [1, 3, 2]}, [space]),
            (dict(size=[2, 1, 3], **FIRST), [space]),
            (dict(size=[1, 1, 4], **LAST), [space]),
        ],
    }


def _more():
    """What was added later, behind the other cases: their numbers come from their places."""
    dims = [(2, 3, 1, 4), (4, 1, 3, 2), (1, 4, 2, 3), (5, 3, 1, 4, 2), (2, 1, 5, 3, 4)]
    table = {
        "Permute": [({"dims": list(d)}, [(1, 3, 2, 5, 4, 6)[: len(d) + 1]]) for d in dims],
        "SpatialDropout1D": _same([0.0, 0.1, 0.4, 0.9], "rate", [(3, 5, 2), (4, 1, 6)]),
    }
    shapes = [(4, 6, 5, 3, 2), (3, 7, 2, 5, 4)]
    for rank, word in itertools.product((1, 2, 3), ("Max", "Average")):
        table[f"Global{word}Pooling{rank}D"] = [
            (dict(f), [shape[: rank + 2]]) for f, shape in itertools.product((LAST, FIRST), shapes)
        ]
    table.update(_more_merges())
    table.update(_more_sizes())
    return table


SCALED = [
    {},
    {"epsilon": 0.1},
    {"center": False},
    {"scale": False},
    {"center": False, "scale": False, "epsilon": 1e-5},
    {"gamma_regularizer": L1L2(l2=0.1), "beta_regularizer": L1L2(l1=0.1)},
    {"gamma_constraint": _named("NonNeg"), "beta_constraint": _named("NonNeg")},
    {"gamma_regularizer": L1L2(0.05, 0.1), "epsilon": 0.01},
    {"beta_constraint": _named("MaxNorm", max_value=0.5, axis=0), "scale": False},
    {"trainable": False},
]


def _normalizations():
    """Normalization of samples: each option, over one axis and several."""
    shapes = [(4, 3), (3, 5, 2), (2, 3, 4, 5), (2, 3, 2, 4, 3)]
    layer = [(dict(extra), [shapes[n % 4]]) for n, extra in enumerate(SCALED)]
    axes = [
        (1, (3, 5, 2)),
        (-2, (2, 3, 4, 5)),
        ([1], (4, 3, 2)),
        ([2, 1], (2, 3, 4, 5)),
        ([-1, -2], (2, 3, 5)),
        ([1, 2, 3], (3, 2, 4, 5)),
        ([1, 3], (2, 3, 4, 5)),
        ([2, 4], (2, 3, 2, 4, 3)),
    ]
    axes = [({"axis": axis}, [shape]) for axis, shape in axes]
    layer += [(dict(a, **SCALED[n]), s) for n, (a, s) in enumerate(axes)]
    layer += [
        ({"rms_scaling": True}, [(4, 3)]),
        ({"rms_scaling": True, "axis": 1, "epsilon": 0.1}, [(3, 5, 2)]),
        ({"rms_scaling": True, "scale": False}, [(2, 3, 5)]),
    ]
    grouped = [
        (1, -1, (3, 4)),
        (2, -1, (3, 4)),
        (-1, -1, (2, 5, 4)),
        (3, -1, (2, 5, 6)),
        (2, 1, (2, 6, 5)),
        (1, 1, (3, 4, 5, 2)),
        (-1, 1, (2, 3, 4, 5)),
        (2, 2, (2, 3, 4, 5)),
        (3, -1, (2, 4, 5, 6)),
        (5, -1, (2, 3, 4, 5)),
        (2, -2, (2, 3, 4, 5)),
        (-1, -3, (2, 3, 4, 5)),
        (2, 3, (2, 3, 5, 6)),
        (4, -1, (2, 3, 2, 5, 4)),
        (2, 1, (2, 4, 3, 2, 5)),
        (6, 1, (2, 6, 3)),
    ]
    group = [
        (dict(SCALED[n % 10], groups=groups, axis=axis), [shape])
        for n, (groups, axis, shape) in enumerate(grouped)
    ]
    plain = [({}, [shape]) for shape in shapes]
    # Keras multiplies by the scale along the last axes only.
    last = [(2, (3, 5, 2)), ([-1, -2], (2, 3, 5)), ([1, 2, 3], (3, 2, 4, 5)), ([3], (2, 3, 4, 5))]
    last += [([2, 3], (2, 3, 4, 5)), ([3, 4], (2, 3, 2, 4, 3)), (-1, (3, 7))]
    last = [({"axis": axis}, [shape]) for axis, shape in last]
    small = [(dict(a, epsilon=e), s) for (a, s), e in zip(last, (0.0, 0.1, 1e-3, 0.5) * 2)]
    return {
        "LayerNormalization": layer,
        "GroupNormalization": group,
        "RMSNormalization": [*plain, *last, *small],
        "UnitNormalization": [
            *plain,
            *axes,
            *[({"axis": axis}, [(3, 2, 5)]) for axis in (-1, 2, -2, [1, -1])],
        ],
    }


def _renamed(extra, **words):
    """Options with other words in the names of arguments: ``kernel`` to ``depthwise``."""
    return {
        "_".join(words.get(part, part) for part in key.split("_")): value
        for key, value in extra.items()
    }


def _sides(values, rank):
    return values[:rank] if isinstance(values, list) else values


TRANSPOSED = [
    {"kernel_size": 3},
    {"kernel_size": 2, "strides": 2},
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": 2, "padding": "same"},
    {"kernel_size": 3, "strides": 2, "padding": "same"},
    {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 0},
    {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
    {"kernel_size": 3, "strides": 2, "output_padding": 1},
    {"kernel_size": 2, "strides": 3},
    {"kernel_size": 2, "strides": 3, "output_padding": 0},
    {"kernel_size": [3, 2, 1], "strides": [1, 2, 1]},
    {"kernel_size": [2, 3, 2], "strides": [3, 1, 2], "padding": "same"},
    {"kernel_size": 2, "strides": 3, "padding": "same", "output_padding": 2},
    {"kernel_size": 1, "strides": 2},
    {"kernel_size": 4, "strides": 2, "padding": "same"},
    {"kernel_size": [5, 4, 3], "strides": [2, 2, 3], "output_padding": [1, 0, 2]},
]
DILATED = [
    {"kernel_size": 2, "dilation_rate": 2},
    {"kernel_size": 3, "dilation_rate": 2, "padding": "same"},
    {"kernel_size": 2, "dilation_rate": 3, "padding": "same"},
]


def _transpose(rank, geometry):
    """Transposed convolutions: geometry and the other options, as in `_conv`."""
    sizes = ((5,), (4, 3), (2, 3, 4))[rank - 1]
    cases = []
    extras = itertools.cycle(_kernel_extras(list(range(rank + 1))))
    for place, (stated, extra) in enumerate(zip(geometry, extras)):
        first = place % 3 == 1 and extra.get("activation") != "softmax"
        inputs = (2, 3, *sizes) if first else (2, *sizes, 3)
        shape = {key: _sides(value, rank) for key, value in stated.items()}
        cases.append((dict(shape, filters=4, **dict(extra, **(FIRST if first else {}))), [inputs]))
    return cases


def _depthwise(rank, channels, separable=False):
    """Windows over each channel, and with a second kernel that mixes them."""
    sizes = ((7,), (6, 5))[rank - 1]
    words = {"kernel": "depthwise"}
    cases = []
    for place, (stated, _) in enumerate(_conv(rank)):
        arguments = dict(stated)
        if rank == 2 and not separable and arguments.get("dilation_rate"):
            del arguments["dilation_rate"]  # 2.2.4 does not take it here
        if rank == 2 and isinstance(arguments.get("strides"), list):
            arguments["strides"] = place % 3 + 1  # TensorFlow wants the same along both axes
        size = arguments.pop("kernel_size")
        found = dict(_renamed(arguments, **words), kernel_size=size, depth_multiplier=place % 3 + 1)
        if separable:
            if place % 4 == 2:
                found["pointwise_regularizer"] = L1L2(0.05, 0.1)
            if place % 4 == 3:
                found["pointwise_constraint"] = _named("NonNeg")
        else:
            del found["filters"]
        first = found.get("data_format") == "channels_first"
        cases.append((found, [(2, channels, *sizes) if first else (2, *sizes, channels)]))
    return cases


def _local(rank):
    sizes = ((7,), (5, 4))[rank - 1]
    geometry = [
        {"kernel_size": 3},
        {"kernel_size": 2, "strides": 2},
        {"kernel_size": 1},
        {"kernel_size": [3, 2][:rank], "strides": [1, 2][:rank]},
        {"kernel_size": [1, 3][:rank]},
    ]
    cases = []
    for place, extra in enumerate(_kernel_extras([0, 1])):
        first = rank == 2 and place % 3 == 1 and extra.get("activation") != "softmax"
        shape = (2, 3, *sizes) if first else (2, *sizes, 3)
        found = dict(geometry[place % 5], filters=4, **dict(extra, **(FIRST if first else {})))
        cases.append((found, [shape]))
    return cases


def _old_dense(**arguments):
    """Highway and MaxoutDense, with the names of Keras 1."""
    cases = []
    for place, extra in enumerate(_kernel_extras(0)):
        found = {
            {"use_bias": "bias"}.get(key, key.replace("kernel_", "W_").replace("bias_", "b_")): v
            for key, v in extra.items()
            if key != "activation" or not arguments
        }
        if arguments:
            found.update(output_dim=place % 4 + 1, nb_feature=place % 3 + 2)
        cases.append((found, [(place % 3 + 2, place % 5 + 2)]))
    return cases


EINSUMS = [
    ("ab,bc->ac", 4, [(3, 5)]),
    ("abc,cd->abd", [None, 4], [(3, 2, 5)]),
    ("abc,cd->abd", [2, 4], [(3, 2, 5)]),
    ("abc,cde->abde", [2, 4, 3], [(3, 2, 5)]),
    ("abc,bd->adc", [4, 5], [(3, 2, 5)]),
    ("abcd,cde->abe", [2, 4], [(3, 2, 5, 2)]),
    ("...x,xy->...y", 4, [(3, 2, 5)]),
    ("...x,xy->...y", 4, [(3, 2, 2, 5)]),
    ("...xz,xyz->...y", 4, [(2, 3, 2, 5)]),
    ("ab...,bc->ac...", 4, [(3, 5, 2)]),
    ("abc...,cb->ab...", 2, [(3, 2, 5, 3)]),
    ("ab,b->ab", 5, [(3, 5)]),
    ("ab,bc->a", [], [(3, 5)]),
    ("aecd,abcd->acbe", [2, 4, 3], [(2, 3, 2, 2)]),
]
BIASES = {"ac": "c", "abd": "d", "abde": "be", "...y": "y", "ac...": "c", "ab...": "b", "adc": "dc"}


def _einsums():
    cases = []
    equations = [one for one in EINSUMS if one[0] not in ("ab,bc->a", "aecd,abcd->acbe")]
    for place, (equation, sizes, shapes) in enumerate(equations + equations[:4]):
        found = dict(_kernel_extras(0)[place % 15], equation=equation, output_shape=sizes)
        if found.pop("use_bias", True) and equation.split("->")[1] in BIASES:
            found["bias_axes"] = BIASES[equation.split("->")[1]]
        cases.append((found, shapes))
    more = [dict(extra, equation="abc,cd->abd", output_shape=[None, 4]) for extra in _activity()]
    return cases + [(found, [(3, 2, 5)]) for found in more]


def _adaptive(rank):
    sizes = ((7,), (6, 5), (5, 4, 6))[rank - 1]
    wanted = [1, 2, 3, 4, [2, 3, 4], [5, 2, 3], [8, 1, 5], [6, 10, 2]]
    # Not 7: 3.15 divides in 32 bits and takes some windows too far.
    cases = []
    for value, first in itertools.product(wanted, (False, True)):
        shape = (2, 3, *sizes) if first else (2, *sizes, 3)
        size = _sides(value, rank)
        cases.append((dict(output_size=size, **(FIRST if first else LAST)), [shape]))
    return cases


def _windows2():
    """The convolutions beside the plain ones, and the dense layers of Keras 1."""
    return {
        "Conv2DTranspose": _transpose(2, TRANSPOSED + DILATED),
        "Conv3DTranspose": _transpose(3, TRANSPOSED),
        "DepthwiseConv2D": _depthwise(2, 3),
        "SeparableConv1D": _depthwise(1, 3, separable=True),
        "SeparableConv2D": _depthwise(2, 3, separable=True),
        "LocallyConnected1D": _local(1),
        "LocallyConnected2D": _local(2),
        "Highway": _old_dense(),
        "MaxoutDense": _old_dense(output_dim=3),
    }


def _without_hard_sigmoid(table):
    """Keras 3 computes something else under the name."""
    for listed in table.values():
        for arguments, _ in listed:
            if arguments.get("activation") == "hard_sigmoid":
                arguments["activation"] = "silu"
    return table


def _windows3():
    """The same in Keras 3: what it alone has, and penalties of activities."""
    table = {
        "Conv1DTranspose": _transpose(1, TRANSPOSED + DILATED),
        "Conv2DTranspose": _transpose(2, DILATED + TRANSPOSED[4:8]),
        "Conv3DTranspose": _transpose(3, DILATED[:2]),
        "DepthwiseConv1D": _depthwise(1, 3),
        "EinsumDense": _einsums(),
    }
    plain = {"kernel_size": 2}
    table["DepthwiseConv2D"] = [
        (dict(plain, **extra), [(2, 5, 4, 3)])
        for extra in (
            {"dilation_rate": 2},
            {"dilation_rate": [1, 2], "padding": "same", "depth_multiplier": 2},
            {"activity_regularizer": L1L2(0.1, 0.2), "depthwise_regularizer": L1L2(0.01, 0.01)},
        )
    ]
    for rank in (1, 2):
        shape = [(2, 5, 4)] if rank == 1 else [(2, 5, 4, 3)]
        table[f"SeparableConv{rank}D"] = [
            (dict(plain, filters=4, depth_multiplier=2, **extra), shape)
            for extra in ({"activity_regularizer": L1L2(0.1, 0.2)}, {"activation": "gelu"})
        ]
    for rank, word in itertools.product((1, 2, 3), ("Max", "Average")):
        table[f"Adaptive{word}Pooling{rank}D"] = _adaptive(rank)
    return _without_hard_sigmoid(table)


def keras1():
    """``{layer: [(arguments, inputs), ...]}`` for Keras 1.2.2: what no later release has."""
    shapes = [(3, 5), (2, 3, 4), (2, 3, 2, 4)]
    shared = [{}, {"shared_axes": [1]}, {"shared_axes": [2]}, {"shared_axes": [1, 2]}]
    pairs = [(s, a) for s, a in itertools.product(shapes, shared)]
    pairs = [(s, a) for s, a in pairs if max(a.get("shared_axes", [0])) < len(s)]
    several = pairs + pairs[:6]
    return {
        "ParametricSoftplus": [
            (dict(more, alpha_init=0.25 * place, beta_init=2.0 - place), [shape])
            for place, (shape, more) in enumerate(several)
        ],
        "SReLU": [
            (dict(more, t_left_init=("zero", "one")[place // 8]), [shape])
            for place, (shape, more) in enumerate(several)
        ],
    }


def keras2():
    """``{layer: [(arguments, inputs), ...]}`` for Keras 2.2.4."""
    table = {"Dense": _dense(), "Concatenate": CONCATENATIONS, "Dot": DOTS}
    table["Embedding"] = [_embedding(*case) for case in EMBEDDINGS]
    table["Embedding"] += [_embedding(case[0], case[1], "float32") for case in EMBEDDINGS[:3]]
    table["Lambda"] = [({"function": f, "arguments": a}, s) for f, a, s in LAMBDAS]
    table["BatchNormalization/idle"] = BATCH_NORMS
    for made in (_merges(), _noise(), _shaping(), _values()):
        table.update(made)
    for rank in (1, 2, 3):
        table[f"Conv{rank}D"] = _conv(rank)
        for word in ("Max", "Average"):
            table[f"{word}Pooling{rank}D"] = _pool(rank)
            table[f"Global{word}Pooling{rank}D"] = _global_pool(rank)
        for kind in ("ZeroPadding", "Cropping", "UpSampling"):
            table[f"{kind}{rank}D"] = _resize(kind, rank)
    table["Conv1D"] += [
        (dict(filters=4, kernel_size=k, padding="causal", **more), [(2, 7, 3)])
        for k, more in itertools.product(
            (1, 2, 3), ({}, {"dilation_rate": 2}, {"strides": 2, "activation": "tanh"})
        )
    ]
    for name, cases in _more().items():
        table[name] = [*table[name], *cases]
    table.update(_windows2())
    return table


def keras3():
    """The same for Keras 3.15: what lamina does as it does, and what it alone has."""
    table = {"Dense": [(dict(units=4, **e), [s]) for e in _activity() for s in SHAPES[:3]]}
    table["Embedding"] = [
        _embedding({"activity_regularizer": L1L2(0.1, l2)}, [s])
        for l2 in (0.0, 0.2)
        for s in ((2, 3), (4, 2))
    ]
    table["BatchNormalization"] = [*BATCH_NORMS, *RENORMS]
    table["ActivityRegularization"] = [
        ({"l1": l1, "l2": l2}, [s])
        for l1, l2, s in itertools.product((0.0, 0.1, 0.5), (0.0, 0.3), SHAPES[:3])
    ]
    table["Identity"] = [({}, [shape]) for shape in SHAPES]
    table["Identity"] += [
        (dict(more), [shape])
        for more, shape in itertools.product(
            (
                {},
                {"activity_regularizer": L1L2(l2=0.3)},
                {"activity_regularizer": L1L2(0.2, 0.1)},
                {"trainable": False, "dtype": "float32"},
            ),
            [(5,), (3, 5, 2), (2, 3, 1, 5, 4)],
        )
    ]
    table["Softmax"] = [
        ({"axis": list(a)}, [(2, 3, 2, 4)]) for a in [(1, 2), (2, 3), (-1, 1), (1, 2, 3)]
    ]
    table["UpSampling2D"] = [
        (dict(size=size, interpolation="bilinear", **f), [(2, 3, 4, 2)])
        for size, f in itertools.product((1, 2, 3, [1, 2], [3, 1], [2, 3]), (LAST, FIRST))
    ]
    table["UpSampling2D"] += [
        (dict(size=size, interpolation=word, **f), [(2, 3, 4, 5)])
        for word in ("bicubic", "lanczos3", "lanczos5")
        for size, f in ((2, LAST), ([1, 3], FIRST), ([3, 2], LAST))
    ]
    table["ZeroPadding1D"] = [
        (dict(padding=p, **FIRST), [(2, 3, 4)]) for p in (0, 1, [1, 2], [0, 3])
    ]
    table["Activation"] = [
        ({"activation": a}, [(2, 3, 4)])
        for a in [
            "gelu",
            "silu",
            "swish",
            "mish",
            "relu6",
            "leaky_relu",
            "log_softmax",
            "hard_silu",
            "celu",
            "glu",
            "squareplus",
            "log_sigmoid",
            "hard_tanh",
            "soft_shrink",
            "hard_shrink",
            "tanh_shrink",
            "sparse_plus",
            "sparse_sigmoid",
        ]
    ]
    for rank in (1, 2, 3):
        table[f"Conv{rank}D"] = _conv3(rank)
        for word in ("Max", "Average"):
            table[f"Global{word}Pooling{rank}D"] = _global_pool3(rank)
    table.update(_normalizations())
    table.update(_windows3())
    return table


# Not in Keras 3, or with other functions there.
ONLY_2 = ("Lambda", "ThresholdedReLU")


def dtypes(release):
    """``{layer: [(dtype, arguments, inputs), ...]}``: for each dtype another case of the layer.

    A dtype of Keras 2.2.4 is its ``floatx``, one of Keras 3 the layer's own.
    """
    table = {kind: listed for kind, listed in keras2().items() if kind not in _windows2()}
    # TensorFlow 1 pools no volumes of float64.
    left_out = ONLY_2 if release == "keras3" else ("MaxPooling3D",)
    table = {kind: listed for kind, listed in table.items() if kind not in left_out}
    if release == "keras3":
        more = keras3()
        for rank in (1, 2, 3):  # Keras 3 has no default
            kind = f"AveragePooling{rank}D"
            table[kind] = [(dict({"pool_size": 2}, **a), shapes) for a, shapes in table[kind]]
        for kind in ("BatchNormalization", "ActivityRegularization", "Identity"):
            table[kind] = more[kind]
    variants = ("float64", "float64")
    if release == "keras3":
        variants = ("mixed_bfloat16", "mixed_float16", "float64")
    found = {}
    for kind, listed in table.items():
        if not kind.endswith("/exact"):
            places = [len(listed) * part // len(variants) for part in range(len(variants))]
            found[kind] = [(v, *listed[place]) for v, place in zip(variants, places)]
    return found


IDLE = ("Dropout", "Noise")


def trains(kind):
    """Whether the step is one of training: noise is left out, for no two libraries draw alike."""
    return not kind.endswith("/idle") and not any(word in kind for word in IDLE)


def generator(kind, place):
    """The numbers of a case; those of `numpy.random.RandomState` are the same for ever."""
    return np.random.RandomState(zlib.crc32(f"{kind} {place}".encode()))


def made_input(spec, rng, dtype="float32"):
    """An input of a case: noise of a shape, or what a dict says."""
    if not isinstance(spec, dict):
        return rng.normal(size=spec).astype(dtype)
    shape = tuple(spec["shape"])
    if spec["kind"] == "indices":
        return rng.randint(0, ROWS, size=shape).astype(spec["dtype"])
    if spec["kind"] == "grid":
        return (rng.randint(-8, 9, size=shape) * spec["step"]).astype(dtype)
    values = rng.normal(size=shape).astype(dtype)
    values[:, 1::2] = spec["value"]
    values[0, 0, ..., 0] = spec["value"]
    return values


def made_weight(name, shape, rng, dtype="float32"):
    """Noise for a weight; variances and standard deviations are positive."""
    values = rng.normal(size=shape).astype(dtype)
    positive = "variance" in name or "stddev" in name
    return np.abs(values) + values.dtype.type(0.1) if positive else values
