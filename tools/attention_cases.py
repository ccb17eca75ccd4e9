"""Layers of attention with many options and masks: recorded from Keras, compared with lamina.

The table is plain data: `tools/golden_attention.py` records, and
`tests/layers/test_golden_attention.py` compares. A case is the arguments of the layer, the shapes
of query, value and perhaps key, and the arguments of the call, where a mask is given by its shape.
"""

import zlib

import numpy as np

L1L2 = {"class_name": "L1L2", "config": {"l1": 0.01, "l2": 0.02}}
NON_NEG = {"class_name": "NonNeg", "config": {}}
MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask")

TWO = [(2, 5, 4), (2, 3, 4)]
THREE = [(2, 5, 4), (2, 3, 6), (2, 3, 4)]
SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}
STEPS = {"query_mask": (2, 5), "value_mask": (2, 3)}

SINGLE = [
    ({}, TWO, {}),
    ({}, THREE, {}),
    ({}, TWO, SCORES),
    ({}, TWO, CAUSAL),
    ({}, TWO, {"value_mask": (2, 3)}),
    ({}, TWO, {"query_mask": (2, 5)}),
    ({}, THREE, STEPS),
    ({}, THREE, dict(STEPS, **CAUSAL)),
    ({}, [(3, 6, 2), (3, 6, 2)], dict(CAUSAL, **SCORES)),
    ({}, [(1, 1, 3), (1, 4, 3)], dict(SCORES, value_mask=(1, 4))),
]
FLIPPED = [SINGLE[place] for place in (0, 1, 2, 3, 7, 8, 9)]


def _attention():
    scale, concat = {"use_scale": True}, {"score_mode": "concat"}
    cases = [*SINGLE, *[(dict(scale), *rest) for _, *rest in FLIPPED]]
    cases += [(dict(concat), *rest) for _, *rest in FLIPPED]
    return [*cases, *[(dict(scale, **concat), *rest) for _, *rest in FLIPPED]]


def _additive():
    return [*SINGLE, *[({"use_scale": False}, *rest) for _, *rest in FLIPPED]]


HEADS = [
    ({}, TWO, {}),
    ({}, [(2, 5, 4), (2, 3, 6), (2, 3, 7)], {}),
    ({}, TWO, SCORES),
    ({"use_bias": False}, TWO, CAUSAL),
    ({}, TWO, dict(CAUSAL, **SCORES)),
    ({}, TWO, {"value_mask": (2, 3)}),
    ({}, TWO, {"query_mask": (2, 5)}),
    ({}, TWO, dict(STEPS, **CAUSAL)),
    ({}, TWO, dict(STEPS, **SCORES)),
    ({}, [(2, 5, 4), (2, 3, 4), (2, 3, 4)], {"key_mask": (2, 3), "value_mask": (2, 3)}),
    ({}, TWO, {"attention_mask": (2, 5, 3)}),
    ({}, TWO, dict(SCORES, attention_mask=(2, 5, 3))),
    ({}, TWO, dict(CAUSAL, attention_mask=(5, 3), value_mask=(2, 3))),
    ({"use_gate": True}, TWO, {}),
    ({"use_gate": True, "use_bias": False}, TWO, dict(CAUSAL, **SCORES)),
    ({"sliding_window": 2}, [(2, 6, 4), (2, 6, 4)], {}),
    ({"sliding_window": 1}, [(2, 6, 4), (2, 6, 4)], SCORES),
    ({"sliding_window": 3}, [(2, 6, 4), (2, 6, 4)], dict(CAUSAL, value_mask=(2, 6))),
    ({"dropout": 0.4}, TWO, {}),
    ({"dropout": 0.4}, TWO, dict(STEPS)),
    ({"kernel_regularizer": L1L2, "bias_regularizer": L1L2}, TWO, {}),
    ({"kernel_constraint": NON_NEG, "bias_constraint": NON_NEG}, TWO, {}),
]
FLAT = [(2, 5, 4), (2, 3, 4), (2, 3, 4)]
PLANE = [(2, 3, 5, 4), (2, 3, 5, 4)]


def _multi_head():
    cases = [(dict(a, num_heads=2, key_dim=3), s, c) for a, s, c in HEADS]
    more = [
        ({"value_dim": 5}, TWO, dict(CAUSAL, **SCORES)),
        ({"value_dim": 5, "use_gate": True}, TWO, SCORES),
        ({"output_shape": 6}, TWO, {}),
        ({"output_shape": (6, 2)}, TWO, CAUSAL),
        ({"attention_axes": 1}, PLANE, {}),
        ({"attention_axes": (2,)}, [(2, 3, 5, 4), (2, 3, 7, 4)], SCORES),
        ({"attention_axes": (1, 2)}, [(2, 3, 5, 4), (2, 2, 4, 4)], {}),
        ({}, [(2, 3, 5, 4), (2, 2, 4, 4)], SCORES),
        ({"attention_axes": (-2,), "output_shape": 7}, PLANE, {}),
        ({"attention_axes": (1,)}, PLANE, {"value_mask": (2, 3)}),
    ]
    return [*cases, *[(dict(a, num_heads=3, key_dim=2), s, c) for a, s, c in more]]


def _grouped():
    sizes = [(4, 2), (6, 3), (4, 1), (2, 2)]
    cases = []
    for place, (arguments, shapes, call) in enumerate(HEADS):
        heads, shared = sizes[place % 4]
        more = {"head_dim": 3, "num_query_heads": heads, "num_key_value_heads": shared}
        fit = len({shape[-1] for shape in shapes}) == 1
        cases.append((dict(arguments, **more), shapes if fit else FLAT, call))
    return cases


def cases():
    """``{layer: [(arguments, shapes, call), ...]}``."""
    return {
        "Attention": _attention(),
        "AdditiveAttention": _additive(),
        "MultiHeadAttention": _multi_head(),
        "GroupQueryAttention": _grouped(),
    }


def numbers(kind, place):
    """The numbers of a case; those of `numpy.random.RandomState` are the same for ever."""
    return np.random.RandomState(zlib.crc32(f"{kind} {place}".encode()))


def made_masks(call, rng):
    """The arguments of a call with masks of noise in the place of their shapes."""
    found = {}
    for name, value in sorted(call.items()):
        found[name] = rng.uniform(size=value) < 0.6 if name in MASKS else value
    return found


def listed(kind):
    """Whether a layer takes its inputs, and their masks, as one list."""
    return kind in ("Attention", "AdditiveAttention")
