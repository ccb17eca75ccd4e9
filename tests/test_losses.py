"""Losses against recorded values of Keras, slow readings of their definitions, and misuse."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import losses, registry
from lamina.core import context
from lamina.core.symbolic import SymbolicTensor

GOLDEN = json.loads((Path(__file__).parent / "golden" / "losses.json").read_text())
CASES = [
    pytest.param(*case, id=f"{release}-{case[0]}-{case[1]}-{case[3]}")
    for release in ("keras2", "keras3")
    for case in GOLDEN[release]
]
RNG = np.random.default_rng(3)


def noise(*shape):
    return RNG.normal(size=shape).astype("float32")


def data(targets, outputs):
    true = np.array(GOLDEN["inputs"][targets][0])
    pred = np.array(GOLDEN["inputs"][outputs][1], "float32")
    return (true if true.dtype.kind == "i" else true.astype("float32")), pred


@pytest.mark.parametrize(("name", "targets", "outputs", "arguments", "expected"), CASES)
def test_rows_are_those_of_keras(name, targets, outputs, arguments, expected):
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    rows = getattr(losses, name)(*data(targets, outputs), **given)
    np.testing.assert_allclose(rows, expected, rtol=2e-5, atol=3e-6)
    assert rows.dtype == jnp.float32


@pytest.mark.parametrize(
    ("name", "arguments", "targets", "outputs", "weights", "expected"), GOLDEN["objects"]
)
def test_reductions_are_those_of_keras(name, arguments, targets, outputs, weights, expected):
    loss = getattr(losses, name)(**arguments)
    weight = None if weights is None else GOLDEN["inputs"][weights][0]
    value = loss(*data(targets, outputs), sample_weight=weight)
    np.testing.assert_allclose(value, expected, rtol=2e-5)


def test_every_recorded_name_is_there():
    functions = {case[0] for release in ("keras2", "keras3") for case in GOLDEN[release]}
    assert functions <= set(registry.names("loss"))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mse", losses.mean_squared_error),
        ("MSE", losses.mean_squared_error),
        ("mae", losses.mean_absolute_error),
        ("MAPE", losses.mean_absolute_percentage_error),
        ("msle", losses.mean_squared_logarithmic_error),
        ("kld", losses.kl_divergence),
        ("KLD", losses.kl_divergence),
        ("kullback_leibler_divergence", losses.kl_divergence),
        ("bce", losses.binary_crossentropy),
        ("logcosh", losses.log_cosh),
        ("log_cosh", losses.log_cosh),
        ("cosine", losses.cosine_similarity),
        ("cosine_proximity", losses.cosine_similarity),
        ("huber_loss", losses.huber),
    ],
)
def test_old_and_new_names(name, function):
    assert losses.get(name) is function


def test_a_class_name_gives_an_object():
    assert losses.get("MeanSquaredError").name == "mean_squared_error"
    assert losses.get(losses.Huber).name == "huber_loss"
    assert losses.get(None) is None


def test_unknown_names_have_a_hint():
    with pytest.raises(ValueError, match=r"Unknown loss 'mean_square_eror'.*'mean_squared_error'"):
        losses.get("mean_square_eror")


@pytest.mark.parametrize("made", losses._CLASSES, ids=lambda kind: kind.__name__)
def test_config_round_trip(made):
    loss = made(reduction="sum", name="mine")
    copy = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    assert type(copy) is made
    assert copy.get_config() == loss.get_config()
    assert (copy.name, copy.reduction) == ("mine", "sum")


@pytest.mark.parametrize(
    "loss",
    [
        losses.BinaryFocalCrossentropy(True, 0.4, 1.5, False, 0.1),
        losses.SparseCategoricalCrossentropy(True, 3),
        losses.Tversky(0.2, 0.8, axis=(1,)),
        losses.CategoricalGeneralizedCrossEntropy(q=0.3),
        losses.Circle(3.0, 0.1, False),
        losses.CosineSimilarity(axis=1),
        losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2], dtype="float64"),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_arguments_survive_the_config(loss):
    copy = losses.get(losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert copy._arguments == loss._arguments


def softmax_loss(labels, logits):
    """Cross-entropy in Python's own floats, term by term."""
    rows = []
    for label, row in zip(labels, np.asarray(logits, "float64"), strict=True):
        top = max(row)
        rows.append(math.log(sum(math.exp(x - top) for x in row)) + top - row[label])
    return rows


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_crossentropies_of_logits_are_exact_at_any_size(scale):
    logits, labels = noise(6, 5) * scale, np.array([0, 4, 2, 1, 3, 3])
    expected = softmax_loss(labels, logits)
    one_hot = np.eye(5, dtype="float32")[labels]
    sparse = losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    dense = losses.categorical_crossentropy(one_hot, logits, from_logits=True)
    np.testing.assert_allclose(sparse, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dense, expected, rtol=1e-5, atol=1e-6)
    slope = jax.grad(lambda x: losses.sparse_categorical_crossentropy(labels, x, True).sum())(
        logits
    )
    np.testing.assert_allclose(slope, jax.nn.softmax(logits) - one_hot, atol=1e-6)


def test_a_class_ruled_out_by_its_logit_is_no_nan():
    logits = np.array([[1.0, -np.inf, 2.0]], "float32")
    one_hot = np.array([[0.0, 0.0, 1.0]], "float32")

    def value(x):
        return losses.categorical_crossentropy(one_hot, x, from_logits=True)[0]

    result, slope = jax.value_and_grad(value)(logits)
    np.testing.assert_allclose(result, math.log(1 + math.exp(-1.0)), rtol=1e-6)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("logit", [-200.0, -3.0, 0.0, 3.0, 200.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_crossentropy_of_logits(logit, target):
    expected = max(logit, 0) - logit * target + math.log1p(math.exp(-abs(logit)))
    rows, slope = jax.value_and_grad(
        lambda x: losses.binary_crossentropy([[target]], x, from_logits=True)[0]
    )(jnp.array([[logit]]))
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)
    sigmoid = math.exp(min(logit, 0)) / (1 + math.exp(-abs(logit)))
    np.testing.assert_allclose(slope[0, 0], sigmoid - target, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "true", "pred"),
    [
        (losses.cosine_similarity, np.zeros((1, 3)), np.zeros((1, 3))),
        (losses.log_cosh, [[-1e5]], [[1e5]]),
        (losses.binary_crossentropy, [[0.0, 1.0]], [[1.0, 0.0]]),
        (losses.kl_divergence, [[0.0, 1.0]], [[1.0, 0.0]]),
        (losses.poisson, [[0.0, 1.0]], [[0.0, 0.0]]),
        (losses.categorical_crossentropy, [[0.0, 1.0]], [[1.0, 0.0]]),
    ],
)
def test_extremes_are_finite_with_their_slopes(function, true, pred):
    pred = jnp.asarray(pred, jnp.float32)
    value, slope = jax.value_and_grad(lambda p: function(true, p)[0])(pred)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_focal_losses_of_sure_rows_have_slopes():
    def binary(x):
        return losses.binary_focal_crossentropy([[1.0]], x, gamma=0.5, from_logits=True)[0]

    def classes(x):
        return losses.categorical_focal_crossentropy([[1.0, 0.0]], x, 1.0, 0.5, True)[0]

    assert np.isfinite(jax.grad(binary)(jnp.array([[90.0]]))).all()
    assert np.isfinite(jax.grad(classes)(jnp.array([[90.0, -90.0]]))).all()


def test_log_cosh_by_its_definition():
    true, pred = noise(4, 3), noise(4, 3)
    np.testing.assert_allclose(
        losses.log_cosh(true, pred), np.log(np.cosh(pred - true)).mean(-1), rtol=1e-5
    )


def test_ctc_sums_over_all_alignments():
    logits = noise(1, 4, 3)
    chances = np.asarray(jax.nn.softmax(logits.astype("float64"), axis=-1))[0]
    total = 0.0
    for path in np.ndindex(3, 3, 3, 3):
        merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if [c for c in merged if c != 0] == [2, 2]:
            total += math.prod(chances[step, c] for step, c in enumerate(path))
    np.testing.assert_allclose(losses.ctc([[2, 2, 0]], logits), [-math.log(total)], rtol=1e-5)


def test_half_precision_is_summed_in_32_bits():
    pred = jnp.full((1, 4), 300.0, jnp.float16)
    rows = losses.mean_squared_error(np.zeros((1, 4)), pred)
    np.testing.assert_allclose(rows, [90000.0])
    assert rows.dtype == jnp.float32


@pytest.mark.parametrize(
    ("true", "pred", "shape"),
    [
        ((4,), (4, 1), (4,)),
        ((4, 1), (4,), (4,)),
        ((4, 3), (4, 3, 1), (4, 3)),
        ((4, 3, 1), (4, 3), (4,)),
        ((4, 3), (4, 3), (4,)),
    ],
)
def test_a_missing_last_axis_is_added(true, pred, shape):
    assert losses.mean_squared_error(noise(*true), noise(*pred)).shape == shape


@pytest.mark.parametrize(
    ("function", "true", "pred", "message"),
    [
        ("mse", (4, 1), (4, 3), r"mean_squared_error: y_true.*\(4, 1\).*\(4, 3\).*Dense\(1\)"),
        ("mae", (4,), (4, 3), r"mean_absolute_error.*\(4,\).*sparse_categorical_crossentropy"),
        ("mse", (4, 3), (4, 1), r"End the model in a layer of 3 units"),
        (
            "categorical_crossentropy",
            (4, 1),
            (4, 3),
            r"sparse_.*one-hot.*y_true, 3",
        ),
        ("binary_crossentropy", (4,), (4, 2), r"sparse_categorical_crossentropy"),
        ("sparse_categorical_crossentropy", (4, 3), (4, 3), r"one-hot.*categorical_crossentropy"),
        ("sparse_categorical_crossentropy", (4, 2), (4, 5, 3), r"index a row, of shape \(4, 5\)"),
        ("mse", (5, 3), (4, 3), r"different numbers of rows"),
        ("hinge", (4, 3, 2), (4, 3), r"shape of the model's output"),
        ("ctc", (4,), (4, 3, 2), r"\(rows, longest\)"),
        ("circle", (4,), (3, 2), r"circle: y_pred must"),
    ],
)
def test_shapes_that_would_broadcast_are_refused(function, true, pred, message):
    with pytest.raises(ValueError, match=message):
        losses.get(function)(np.ones(true), np.ones(pred))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"label 3 in row 2.*3 classes.*0 to 2"),
        ([0, -1, 9], r"label -1 in row 1"),
        ([0.0, 1.5, 2.0], r"label 1\.5 in row 1.*whole numbers"),
        ([np.nan, 1.0, 2.0], r"label nan in row 0"),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_labels_out_of_range_are_reported(labels, message, traced):
    pred = jnp.full((3, 3), 1 / 3)
    labels = np.array(labels)
    if not traced:
        with pytest.raises(ValueError, match=message):
            losses.sparse_categorical_crossentropy(labels, pred)
        return

    explain = []

    @jax.jit
    def run(labels):
        with context.Call() as call:
            rows = losses.sparse_categorical_crossentropy(labels, pred)
        (fault,) = call.faults
        explain.append(fault.explain)
        return rows, fault.row, fault.value

    rows, row, value = run(labels)
    with pytest.raises(ValueError, match=message):
        raise ValueError(explain[0](int(row), float(value)))
    assert np.isfinite(rows).all()


def test_good_labels_make_no_fault():
    with context.Call() as call:
        losses.sparse_categorical_crossentropy(np.array([[0, 2], [1, 1]]), jnp.ones((2, 2, 3)))
    assert [int(fault.row) for fault in call.faults] == [-1]


def test_the_row_of_a_fault_counts_samples_not_steps():
    labels = np.zeros((4, 5), int)
    labels[2, 3] = 7
    with pytest.raises(ValueError, match="label 7 in row 2"):
        losses.sparse_categorical_crossentropy(labels, np.ones((4, 5, 3)))
    with context.Call() as call:
        losses.sparse_categorical_crossentropy(labels, np.ones((4, 5, 3)))
    (fault,) = call.faults
    assert (int(fault.row), float(fault.value)) == (2, 7.0)


def test_without_a_record_a_bad_label_is_a_nan():
    rows = jax.jit(losses.sparse_categorical_crossentropy)(jnp.array([1, 3]), jnp.ones((2, 3)))
    assert np.isnan(rows).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_labels_of_any_dtype(dtype):
    pred = jax.nn.softmax(noise(2, 300))
    labels = np.array([1, 0]).astype(dtype)
    expected = [-math.log(pred[0, 1]), -math.log(pred[1, 0])]
    rows = losses.sparse_categorical_crossentropy(labels, pred)
    np.testing.assert_allclose(rows, expected, rtol=1e-4)


def test_ignored_labels_may_lie_outside():
    pred = jax.nn.softmax(noise(4, 3))
    labels = np.array([0, -1, 2, -1])
    rows = losses.sparse_categorical_crossentropy(labels, pred, ignore_class=-1)
    assert rows[1] == rows[3] == 0
    value = losses.SparseCategoricalCrossentropy(ignore_class=-1)(labels[:, None], pred)
    np.testing.assert_allclose(value, (rows[0] + rows[2]) / 2, rtol=1e-6)


def test_class_axis_other_than_the_last():
    logits, labels = noise(2, 5, 3), np.array([[0, 4, 1], [2, 2, 3]])
    rows = losses.sparse_categorical_crossentropy(labels, logits, True, axis=1)
    last = losses.sparse_categorical_crossentropy(labels, np.moveaxis(logits, 1, -1), True)
    np.testing.assert_allclose(rows, last, rtol=1e-6)
    one_hot = np.moveaxis(np.eye(5)[labels], -1, 1)
    dense = losses.categorical_crossentropy(one_hot, logits, True, axis=1)
    np.testing.assert_allclose(dense, last, rtol=1e-6)


def test_one_class_is_warned_of():
    with pytest.warns(UserWarning, match="one class, so the loss is always 0"):
        losses.categorical_crossentropy([[1.0]], [[0.3]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.Huber(reduction="summ"), r"Huber: reduction must.*'summ'.*mean 'sum'"),
        (lambda: losses.binary_crossentropy([[1]], [[1.0]], label_smoothing=2), "from 0 to 1"),
        (lambda: losses.categorical_crossentropy([[1, 0]], [[1.0, 0]], axis=3), "axis must be"),
        (lambda: losses.categorical_crossentropy([[1, 0]], [[1.0, 0]], axis=True), "got True"),
        (lambda: losses.categorical_generalized_cross_entropy([0], [[1.0]], q=0), "q must be"),
        (
            lambda: losses.categorical_focal_crossentropy([[1, 0]], [[1.0, 0]], alpha=[1.0]),
            r"2 numbers, one for each class, got an array of shape \(1,\)",
        ),
        (lambda: losses.MeanSquaredError()(np.ones((4, 2)), np.ones((4, 2)), [1.0] * 3), "weight"),
        (lambda: losses.MeanSquaredError()(np.ones((4, 2)), np.ones((4, 2)), [1.0]), "weight"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_own_loss_class():
    class Cubic(losses.Loss):
        def __init__(self, power=3, name="cubic"):
            super().__init__(name=name)
            self.power = power

        def call(self, y_true, y_pred):
            return jnp.mean(jnp.abs(y_true - y_pred) ** self.power, axis=-1)

    true, pred = noise(4, 3), noise(4, 3)
    weights = np.array([0.5, 0, 2, 1])
    loss = Cubic(power=5)
    expected = ((np.abs(true - pred) ** 5).mean(-1) * weights).sum() / 4
    np.testing.assert_allclose(loss(true, pred, weights), expected, rtol=1e-5)
    assert Cubic.from_config(loss.get_config()).power == 5
    assert losses.Loss().name == "loss"


def test_functions_of_ones_own_see_floats():
    loss = losses.as_loss(lambda t, p: jnp.mean((1 - t) * p), name="mine")
    value = loss(np.array([[True, False]]), np.array([[0.5, 0.25]], "float32"), [2.0])
    np.testing.assert_allclose(value, 0.125 * 2)


def test_masks_divide_by_what_is_left():
    true, pred = noise(2, 3, 4), noise(2, 3, 4)
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
    weights = np.array([0.3, 0.9])
    rows = ((true - pred) ** 2).mean(-1)
    loss = losses.MeanSquaredError()
    np.testing.assert_allclose(
        loss.masked(true, pred, None, mask), (rows * mask).sum() / 3, rtol=1e-5
    )
    np.testing.assert_allclose(
        loss.masked(true, pred, weights, mask),
        (rows * mask * weights[:, None]).sum() / 3,
        rtol=1e-5,
    )
    assert loss.masked(true, pred, weights, np.zeros((2, 3), bool)) == 0


def test_a_mask_that_cannot_apply_is_refused():
    loss = losses.as_loss(lambda t, p: jnp.mean(t - p))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 3\).*losses of shape \(\)"):
        loss.masked(np.ones((2, 3, 1)), np.ones((2, 3, 1)), None, np.ones((2, 3)))


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_symbolic_tensors_are_taken(loss):
    true = SymbolicTensor((None, 7, 1), "int32", "true")
    pred = SymbolicTensor((None, 7, 1 if loss == "mse" else 3), name="pred")
    assert losses.get(loss)(true, pred).shape == (None, 7)
    assert losses.as_loss(loss)(true, pred).shape == ()
