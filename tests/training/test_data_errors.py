"""Wrong data and wrong arguments: each is named, with what came and the way out."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from lamina.training import data as sources
from lamina.training.data import class_weights
from lamina.utils.sequence import PyDataset

make_source: Any = sources.make_source
split_validation: Any = sources.split_validation
weigh: Any = class_weights.weigh

X = np.ones((11, 3), "float32")
Y = np.array([0, 3, 1, 2, 2, 0, 1, 3, 0, 1, 2], "int32")


def counting():
    """A generator of batches."""
    yield X, Y


class Numbered(PyDataset):
    def __init__(self, length=5):
        super().__init__()
        self.length = length

    def __len__(self):
        return self.length


one = np.ones((4, 2), "float32")
ERRORS = {
    "lengths": (lambda: make_source(one, Y), r"fit: all arrays must .* got x: 4, y: 11\.$"),
    "lengths of weights": (
        lambda: make_source(one, one, Y, where="evaluate"),
        r"evaluate: .* got x: 4, y: 4, sample_weight: 11\.$",
    ),
    "lengths in lists": (
        lambda: make_source([one, X], {"out": Y}),
        r"x\[0\]: 4, x\[1\]: 11, y\['out'\]: 11\. A list of arrays means several inputs",
    ),
    "no x": (lambda: make_source(None), "fit: x is None; there is no data"),
    "empty array": (
        lambda: make_source(np.ones((0, 3))),
        r"fit: x is empty: its shape is \(0, 3\)",
    ),
    "empty list": (lambda: make_source([]), "fit: x is an empty list"),
    "empty dict": (lambda: make_source({}), "fit: x is an empty dict"),
    "scalar": (lambda: make_source(np.float32(3)), "fit: x is a scalar; an array with one row"),
    "number": (lambda: make_source(one, 3), "fit: y is a scalar"),
    "scalar inside": (lambda: make_source([one, jnp.ones(())]), r"fit: x\[1\] is a scalar"),
    "text": (lambda: make_source("digits.csv"), "fit: x holds strings; map them to ints first"),
    "strings": (lambda: make_source(one, np.array(["a"] * 4)), "fit: y holds strings"),
    "strings in lists": (
        lambda: make_source(one, ["cat", "dog", "cat", "cat"]),
        r"fit: y\[0\] is 'cat', a str; all entries must be numbers",
    ),
    "object": (
        lambda: make_source({"a": np.array([[1], [1, 2]], dtype=object)}),
        r"fit: x\['a'\] has dtype object \(it holds list\); numbers are expected",
    ),
    "dates": (lambda: make_source(np.array(["2020-01-01"], "M8[D]")), r"has dtype datetime64\[D\]"),
    "complex": (lambda: make_source(one * 1j), "fit: x holds complex numbers"),
    "masked": (
        lambda: make_source(np.ma.masked_equal([1, 2], 2)),
        "fit: x is a masked array with masked entries",
    ),
    "None in structure": (lambda: make_source([one, None]), r"fit: x\[1\] is None; an array is"),
    "None in numbers": (lambda: make_source([[1, 2], [3, None]]), r"fit: x\[1\]\[1\] is None"),
    "None in y": (lambda: make_source(one, [one, None]), r"fit: y\[1\] is None"),
    "ragged": (
        lambda: make_source([[1, 2], [3, 4], [5, 6, 7]]),
        r"fit: x is ragged: x\[0\] has length 2 and x\[2\] has length 3",
    ),
    "ragged inside": (
        lambda: make_source([[[1], [2]], [[3], [4, 5]]]),
        r"fit: x\[1\] is ragged: x\[1\]\[0\] has length 1 and x\[1\]\[1\] has length 2",
    ),
    "ragged between": (
        lambda: make_source([[[1], [2]], [[3, 4], [4, 5]]]),
        r"x\[0\] has shape \(2, 1\) and x\[1\] has shape \(2, 2\)",
    ),
    "numbers and lists": (
        lambda: make_source([1, [2, 3]]),
        r"x\[0\] is a number and x\[1\] has length 2",
    ),
    "huge int": (lambda: make_source([1, 2**70]), "fit: x cannot be read .* exceed 64 bits"),
    "int64": (
        lambda: make_source(np.array([[1, 2], [3, 2**40]])),
        r"fit: x holds 1099511627776 in row 1, beyond the range of int32",
    ),
    "float64": (
        lambda: make_source(one, [1e300] * 4),
        "fit: y holds numbers beyond the range of fl",
    ),
    "table": (
        lambda: make_source(pd.DataFrame({"a": [1, 2], "b": ["u", "v"]})),
        "fit: x: column 'b' holds (str|object), not numbers",
    ),
    "series": (lambda: make_source(pd.Series(["u"])), "fit: x holds (str|object), not numbers"),
    "sparse y": (
        lambda: make_source(one, scipy.sparse.csr_matrix(one)),
        "fit: y is sparse; only x may be",
    ),
    "batch_size": (
        lambda: make_source(one, batch_size=0),
        "fit: batch_size must be a positive int, got 0",
    ),
    "batch_size float": (
        lambda: make_source(one, batch_size=2.5),
        r"batch_size must be a positive int, got 2\.5",
    ),
    "batch_size bool": (lambda: make_source(one, batch_size=True), "positive int, got True"),
    "steps": (
        lambda: make_source(one, steps=-1),
        "fit: steps_per_epoch must be a positive int, got -1",
    ),
    "steps of predict": (
        lambda: make_source(one, steps=0, where="predict"),
        "predict: steps must be a positive int",
    ),
    "workers": (
        lambda: make_source(one, workers=-1),
        "workers must be an int of at least 0, got -1",
    ),
    "queue": (lambda: make_source(one, max_queue_size=0), "max_queue_size must be a positive int"),
    "shuffle": (
        lambda: make_source(one, shuffle="batsh"),
        r"fit: shuffle must be True, False or 'batch', got 'batsh'\. Did you mean 'batch'\?",
    ),
    "shuffle None": (lambda: make_source(one, shuffle=None), "got None"),
    "batch_size and generator": (
        lambda: make_source(counting(), batch_size=4),
        "fit: batch_size cannot be given when x is a generator; it decides itself",
    ),
    "y and generator": (
        lambda: make_source(counting(), Y),
        r"fit: y cannot be given when x is a generator; let it yield \(x, y\)",
    ),
    "weights and sequence": (
        lambda: make_source(Numbered(), sample_weight=Y),
        "fit: sample_weight cannot be given when x is a Numbered",
    ),
    "no data": (lambda: make_source(object()), "fit: x must be arrays, a generator, .* got object"),
    "no array": (lambda: make_source(one, object()), "fit: y must be an array, .* got object"),
    "empty sequence": (lambda: make_source(Numbered(0)), "a Numbered, is empty: its length is 0"),
    "batch of four": (
        lambda: next(make_source(iter([(1, 2, 3, 4)])).batches(0)),
        "fit: batch 0: A batch is x, .* got a tuple of 4",
    ),
    "batch lengths": (
        lambda: list(make_source(iter([(one, one), (one, Y)])).batches(0)),
        "fit: batch 1: all arrays must have the same number of rows, got x: 4, y: 11",
    ),
    "batch without x": (
        lambda: next(make_source(iter([(None, one)])).batches(0)),
        "fit: batch 0 has no x",
    ),
    "fraction": (
        lambda: split_validation(one, one, None, 1.5),
        "fit: validation_split must be between",
    ),
    "fraction type": (lambda: split_validation(one, one, None, "a"), "must be a number between 0"),
    "split of few": (
        lambda: split_validation(one[:1], None, None, 0.5),
        r"validation_split=0\.5 of 1 rows leaves no rows for training",
    ),
    "split of generator": (
        lambda: split_validation(counting(), None, None, 0.5),
        "fit: validation_split needs arrays, but x is a generator",
    ),
    "class key": (
        lambda: weigh(Y, None, {"cat": 1}, "fit"),
        "class_weight: classes are ints .* 'cat'",
    ),
    "class negative": (lambda: weigh(Y, None, {-1: 1}, "fit"), "got the key -1"),
    "class beyond": (
        lambda: weigh(np.eye(3), None, {3: 1}, "fit"),
        r"class_weight has the class 3, but y has 3 classes \(0 to 2\)",
    ),
    "class weight": (
        lambda: weigh(Y, None, {1: "a"}, "fit"),
        r"class_weight\[1\] must be a finite",
    ),
    "class weight NaN": (lambda: weigh(Y, None, {1: np.nan}, "fit"), "finite number, got nan"),
    "class_weight list": (
        lambda: weigh(Y, None, [1, 2], "fit"),
        "must be a dict of class to weight",
    ),
    "class of 3D": (
        lambda: weigh(np.ones((4, 2, 3)), None, {0: 1}, "fit"),
        r"needs one class per row, but y has shape \(4, 2, 3\)",
    ),
    "class of fractions": (
        lambda: weigh(np.array([0, 0.5]), None, {0: 1}, "fit"),
        "holds 0.5 in row 1",
    ),
    "class of NaN": (lambda: weigh(np.array([np.nan]), None, {0: 1}, "fit"), "holds nan in row 0"),
    "two hot": (
        lambda: weigh(np.array([[0, 1], [1, 1]]), None, {0: 1}, "fit"),
        "row 1 of y has 2 equal largest entries",
    ),
    "class without y": (
        lambda: make_source(one, class_weight={0: 1}),
        "class_weight needs targets",
    ),
    "classes of outputs": (
        lambda: weigh([Y, Y], None, {0: 1.0}, "fit"),
        "with several outputs must be a dict of output to a dict",
    ),
    "unknown output": (
        lambda: weigh({"left": Y, "right": Y}, None, {"rihgt": {0: 1}}, "fit"),
        r"names the output 'rihgt'; .* Did you mean 'right'\?",
    ),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=list(ERRORS))
def test_mistakes_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
