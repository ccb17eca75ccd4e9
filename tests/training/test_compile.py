"""What `compile` keeps: losses and metrics of the outputs, their weights, masks and names."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import losses, metrics
from lamina.core import context, pure
from lamina.core.variable import Variable
from lamina.training.compile import Compilation

RNG = np.random.default_rng(5)
NAMES = ["p", "q"]


def noise(*shape):
    return RNG.normal(size=shape).astype("float32")


def chances(*shape):
    return np.asarray(jax.nn.softmax(noise(*shape)))


def bound(y_true, y_pred, *, names=None, **options):
    names = names or (["out"] if len(y_pred) == 1 else NAMES)
    compilation = Compilation("sgd", **options)
    compilation.bind(names, y_true, y_pred)
    return compilation


def run(compilation, y_true, y_pred, weights=None, masks=None):
    """One batch in, as a step does it; the total, the losses and the logs."""
    empty = [None] * len(y_pred)
    weights, masks = weights or empty, masks or empty
    total, parts = compilation.loss_value(y_true, y_pred, weights, masks)
    compilation.update(y_true, y_pred, weights, masks, total, parts, len(y_pred[0]))
    return total, parts, {key: float(value) for key, value in compilation.results().items()}


def mse(true, pred):
    return ((true - pred) ** 2).mean(-1)


# --- losses


def test_the_loss_of_one_output():
    true, pred = noise(4, 3), noise(4, 3)
    total, parts, logs = run(bound([true], [pred], loss="mse"), [true], [pred])
    np.testing.assert_allclose(total, mse(true, pred).mean(), rtol=1e-6)
    assert list(parts) == ["out"]
    assert list(logs) == ["loss"]


def test_sample_weights_are_divided_by_the_number_of_rows():
    true, pred, weights = noise(4, 3), noise(4, 3), np.array([0.0, 1.0, 2.0, 1.0])
    total, _, _ = run(bound([true], [pred], loss="mse"), [true], [pred], [weights])
    np.testing.assert_allclose(total, (mse(true, pred) * weights).sum() / 4, rtol=1e-5)


@pytest.mark.parametrize("weighted", [None, "rows", "steps"])
def test_masked_steps_do_not_count(weighted):
    true, pred = noise(2, 5, 3), noise(2, 5, 3)
    mask = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
    weights = {None: None, "rows": np.array([0.5, 3.0]), "steps": RNG.uniform(size=(2, 5))}[
        weighted
    ]
    mode = "temporal" if weighted == "steps" else None
    compilation = bound([true], [pred], loss="mse", sample_weight_mode=mode)
    total, _, _ = run(compilation, [true], [pred], [weights], [mask])
    full = 1.0 if weights is None else weights if weights.ndim == 2 else weights[:, None]
    np.testing.assert_allclose(total, (mse(true, pred) * full * mask).sum() / 4, rtol=1e-5)


def test_weights_of_steps_without_a_mask():
    true, pred, weights = noise(2, 5, 3), noise(2, 5, 3), RNG.uniform(size=(2, 5))
    total, _, _ = run(bound([true], [pred], loss="mse"), [true], [pred], [weights])
    np.testing.assert_allclose(total, (mse(true, pred) * weights).sum() / 10, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "weights", "factors"),
    [
        ("mse", None, (1, 1)),
        ("mse", [0.5, 3], (0.5, 3)),
        (["mse", "mse"], {"q": 0.25}, (1, 0.25)),
        ({"q": "mse"}, None, (None, 1)),
        ({"p": "mse", "q": None}, {"p": 2.0}, (2, None)),
        ([losses.MeanSquaredError(), lambda t, p: jnp.mean((t - p) ** 2, -1)], (2, 1), (2, 1)),
    ],
)
def test_losses_of_several_outputs_add_up(loss, weights, factors):
    true, pred = [noise(4, 3), noise(4, 2)], [noise(4, 3), noise(4, 2)]
    compilation = bound(true, pred, loss=loss, loss_weights=weights)
    total, parts, logs = run(compilation, true, pred)
    own = [mse(t, p).mean() for t, p in zip(true, pred, strict=True)]
    expected = sum(f * v for f, v in zip(factors, own, strict=True) if f is not None)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    there = [name for name, factor in zip(NAMES, factors, strict=True) if factor is not None]
    assert list(parts) == there
    assert list(logs) == ["loss", *(f"{name}_loss" for name in there)]
    for name, value in zip(NAMES, own, strict=True):
        if name in there:  # reported without its weight
            np.testing.assert_allclose(logs[f"{name}_loss"], value, rtol=1e-5)


def test_a_variable_loss_weight_is_read_in_each_run():
    true, pred, alpha = [noise(4, 1)], [noise(4, 1)], Variable(1.0, name="alpha")
    compilation = bound(true, pred, loss="mse", loss_weights=[alpha])
    assert compilation.loss_weight_variables == [alpha]

    @jax.jit
    def total(value):
        none = [None]
        return pure.run(compilation.loss_value, [alpha], [value], true, pred, none, none).result[0]

    np.testing.assert_allclose(total(3.0), 3 * total(1.0), rtol=1e-6)


def test_without_a_loss_the_sum_is_zero():
    total, parts, logs = run(bound([noise(4, 1)], [noise(4, 1)]), [None], [noise(4, 1)])
    assert (float(total), parts, logs) == (0.0, {}, {"loss": 0.0})


def test_vectors_count_as_columns():
    true, pred, weights = noise(4), noise(4), np.array([1.0, 0.0, 0.0, 2.0])
    compilation = bound([true], [pred], loss="mse", weighted_metrics=["mae"])
    total, _, logs = run(compilation, [true], [pred], [weights])
    np.testing.assert_allclose(total, ((true - pred) ** 2 * weights).sum() / 4, rtol=1e-5)
    np.testing.assert_allclose(logs["mae"], (abs(true - pred) * weights).sum() / 3, rtol=1e-5)


def test_an_own_loss_sees_targets_of_the_shape_of_outputs():
    true, pred = noise(4), noise(4, 1)
    seen = []

    def own(y_true, y_pred):
        seen.append((y_true.shape, y_pred.shape))
        return jnp.mean((y_true - y_pred) ** 2)

    total, _, _ = run(bound([true], [pred], loss=own), [true], [pred])
    np.testing.assert_allclose(total, ((true[:, None] - pred) ** 2).mean(), rtol=1e-5)
    assert seen == [((4, 1), (4, 1))]


def test_a_loss_that_is_not_reduced_is_refused():
    true, pred = noise(4, 3), noise(4, 3)
    compilation = bound([true], [pred], loss=losses.MeanSquaredError(reduction="none"))
    with pytest.raises(ValueError, match=r"'mean_squared_error' of output 'out'.*one number"):
        compilation.loss_value([true], [pred], [None], [None])


@pytest.mark.parametrize(
    ("true", "pred", "kind"),
    [
        ((4, 1), (4, 1), "binary"),
        ((4,), (4,), "binary"),
        ((4,), (4, 3), "sparse_categorical"),
        ((4, 1), (4, 3), "sparse_categorical"),
        ((4, 3), (4, 3), "categorical"),
    ],
)
@pytest.mark.parametrize("name", ["crossentropy", "ce"])
def test_crossentropy_is_chosen_by_the_shapes(true, pred, kind, name):
    targets = np.zeros(true, "float32")
    compilation = bound([targets], [noise(*pred)], loss=name)
    assert getattr(compilation._losses[0], "name", None) == f"{kind}_crossentropy"


# --- metrics


@pytest.mark.parametrize("name", ["acc", "accuracy"])
@pytest.mark.parametrize(
    ("loss", "true", "pred", "expected"),
    [
        ("mse", [[1.0], [0.0]], [[0.7], [0.8]], 0.5),
        ("binary_crossentropy", [[1, 0, 1], [0, 0, 1]], [[0.9, 0.2, 0.3], [0.1, 0.2, 0.3]], 4 / 6),
        ("categorical_crossentropy", [[1, 0, 0], [0, 0, 1]], [[0.6, 0.3, 0.1]] * 2, 0.5),
        ("sparse_categorical_crossentropy", [[0], [2]], [[0.6, 0.3, 0.1]] * 2, 0.5),
        (None, [0, 2], [[0.6, 0.3, 0.1]] * 2, 0.5),
    ],
)
def test_accuracy_is_chosen_by_loss_and_shapes(name, loss, true, pred, expected):
    true, pred = np.array(true), np.array(pred, "float32")
    compilation = bound([true], [pred], loss=loss, metrics=[name])
    _, _, logs = run(compilation, [true], [pred])
    assert logs[name] == pytest.approx(expected)


def test_the_crossentropy_metric_knows_of_logits():
    true, pred = np.array([0, 2]), noise(2, 3)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    _, _, logs = run(bound([true], [pred], loss=loss, metrics=["ce"]), [true], [pred])
    assert logs["ce"] == pytest.approx(logs["loss"])


def own_metric(y_true, y_pred):
    return jnp.max(jnp.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("given", "weighted", "names"),
    [
        (["mse"], None, ["mse"]),
        ("mae", None, ["mae"]),
        (["acc", "acc", "accuracy"], None, ["acc", "acc_1", "accuracy"]),
        ([own_metric, own_metric], None, ["own_metric", "own_metric_1"]),
        ([metrics.MeanAbsoluteError(name="mine"), "mse"], None, ["mine", "mse"]),
        ([metrics.MeanAbsoluteError], None, ["mean_absolute_error"]),
        ([losses.Huber(0.5)], None, ["huber_loss"]),
        ([{"class_name": "MeanSquaredError", "config": {"name": "m"}}], None, ["m"]),
        (["loss_"], None, None),
        (["mse"], ["mse", "mae"], ["mse", "weighted_mse", "mae"]),
        ({"out": ["mse", "huber"]}, None, ["mse", "huber"]),
        ([["mse"], ["mae"]], None, ["mse", "mae"]),
        ([None, "mse"], None, ["mse"]),
    ],
)
def test_names_in_the_logs(given, weighted, names):
    true, pred = noise(4, 1), noise(4, 1)
    options = {"loss": "mse", "metrics": given, "weighted_metrics": weighted}
    if names is None:
        with pytest.raises(ValueError, match="Unknown metric 'loss_'"):
            Compilation("sgd", **options)
        return
    compilation = bound([true], [pred], **options)
    _, _, logs = run(compilation, [true], [pred])
    assert list(logs) == compilation.metrics_names == ["loss", *names]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["mae"], ["p_mae", "q_mae"]),
        ("mae", ["p_mae", "q_mae"]),
        (["mae", "mse"], ["p_mae", "p_mse", "q_mae", "q_mse"]),
        ([["mae", "mse"], []], ["p_mae", "p_mse"]),
        ([None, "mae"], ["q_mae"]),
        (["mse", ["mae"]], ["p_mse", "q_mae"]),
        ({"q": "mae"}, ["q_mae"]),
        ({"q": ["mae", own_metric], "p": ["acc"]}, ["p_acc", "q_mae", "q_own_metric"]),
        ([metrics.MeanSquaredError("a"), metrics.MeanSquaredError("b")], ["p_a", "q_b"]),
    ],
)
def test_names_of_several_outputs(given, names):
    true, pred = [noise(4, 3), noise(4, 2)], [noise(4, 3), noise(4, 2)]
    compilation = bound(true, pred, loss="mse", metrics=given)
    _, _, logs = run(compilation, true, pred)
    assert list(logs) == compilation.metrics_names == ["loss", "p_loss", "q_loss", *names]
    for key, value in logs.items():
        if key.endswith("_mae"):
            place = NAMES.index(key[0])
            np.testing.assert_allclose(value, abs(true[place] - pred[place]).mean(), rtol=1e-5)


def test_metrics_are_masked_and_only_the_weighted_ones_weighted():
    true, pred, weights = noise(2, 5, 3), noise(2, 5, 3), np.array([0.5, 3.0])
    mask = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
    compilation = bound([true], [pred], loss="mse", metrics=["mae"], weighted_metrics=["mae"])
    _, _, logs = run(compilation, [true], [pred], [weights], [mask])
    rows, full = abs(true - pred).mean(-1), mask * weights[:, None]
    np.testing.assert_allclose(logs["mae"], (rows * mask).sum() / 4, rtol=1e-5)
    np.testing.assert_allclose(logs["weighted_mae"], (rows * full).sum() / full.sum(), rtol=1e-5)


def test_masks_weights_and_names_are_those_of_keras():
    golden = json.loads((Path(__file__).parents[1] / "golden" / "compile.json").read_text())
    true = [np.array(target) for target in golden["targets"]]
    pred = [np.array(output, "float32") for output in golden["outputs"]]
    weights = [np.array(weight) for weight in golden["weights"]]
    compilation = bound(true, pred, **golden["options"])
    _, _, logs = run(compilation, true, pred, weights, [np.array(golden["mask"]), None])
    assert {key: pytest.approx(value, rel=1e-5) for key, value in logs.items()} == golden["logs"]


def test_the_loss_of_an_epoch_counts_rows_not_batches():
    true, pred = noise(5, 3), noise(5, 3)
    compilation = bound([true], [pred], loss="mse", metrics=["mae"])
    for rows in (slice(0, 4), slice(4, 5)):
        _, _, logs = run(compilation, [true[rows]], [pred[rows]])
    np.testing.assert_allclose(logs["loss"], mse(true, pred).mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["mae"], abs(true - pred).mean(), rtol=1e-5)
    compilation.reset()
    assert all(float(value) == 0 for value in compilation.results().values())


def test_a_metric_with_several_results():
    class Ends(metrics.Metric):
        def __init__(self, name="ends"):
            super().__init__(name)
            self.top = self.add_weight(name="top")

        def update_state(self, y_true, y_pred):
            self.top.assign(jnp.max(y_pred))

        def result(self):
            return {"top": self.top.value, "double": 2 * self.top.value}

    true, pred = noise(4, 1), noise(4, 1)
    compilation = bound([true], [pred], loss="mse", metrics=[Ends()])
    _, _, logs = run(compilation, [true], [pred])
    assert logs["double"] == 2 * logs["top"] == pytest.approx(2 * pred.max())
    with pytest.raises(TypeError, match=r"'ends'.*Ends\.update_state takes no sample_weight"):
        run(compilation, [true], [pred], masks=[np.ones((4,), bool)])


def test_a_compiled_step_gives_the_same():
    true, pred = [noise(4, 3), np.array([0, 2, 1, 1])], [noise(4, 3), chances(4, 3)]
    loss = ["mse", "sparse_categorical_crossentropy"]
    compilation = bound(true, pred, loss=loss, metrics={"p": "mae", "q": "acc"})
    weights = [np.array([1.0, 2, 0, 1]), None]
    variables = compilation.metric_variables

    def step(values, true, pred):
        none = [None, None]
        outcome = pure.run(compilation.loss_value, [], [], true, pred, weights, none)
        total, parts = outcome.result
        rows = [fault.row for fault in outcome.call.faults]
        args = (true, pred, weights, none, total, parts, 4)
        after = pure.run(compilation.update, variables, values, *args).values
        return total, pure.run(compilation.results, variables, after).result, rows

    total, logs, rows = jax.jit(step)([v.value for v in variables], true, pred)
    expected, _, plain = run(compilation, true, pred, weights)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert [int(row) for row in rows] == [-1]
    assert {key: pytest.approx(float(value), rel=1e-5) for key, value in logs.items()} == plain


def test_a_label_out_of_range_is_a_fault_of_the_step():
    true, pred = [np.array([0, 3])], [chances(2, 3)]
    compilation = bound(true, pred, loss="sparse_categorical_crossentropy")
    with context.Call() as call:
        compilation.loss_value(true, pred, [None], [None])
    (fault,) = call.faults
    assert int(fault.row) == 1
    assert "label 3 in row 1" in fault.explain(1, float(fault.value))


def test_every_variable_once():
    metric = metrics.MeanSquaredError("m")
    true, pred = [noise(4, 3), noise(4, 2)], [noise(4, 3), noise(4, 2)]
    compilation = bound(true, pred, loss="mse", metrics={"p": [metric, "mae"]})
    variables = compilation.metric_variables
    assert len(set(variables)) == len(variables)
    assert set(metric.variables) < set(variables)
    assert metric in compilation.metrics
    assert len(compilation.metrics) == 5


# --- structures of targets and weights


@pytest.mark.parametrize(
    ("given", "loss", "expected"),
    [
        (["A", "B"], "mse", ["A", "B"]),
        (("A", "B"), "mse", ["A", "B"]),
        ({"q": "B", "p": "A"}, "mse", ["A", "B"]),
        ({"q": "B"}, {"q": "mse"}, [None, "B"]),
        (["B"], {"q": "mse"}, [None, "B"]),
        ("B", [None, "mse"], [None, "B"]),
        (["A", None], ["mse", None], ["A", None]),
        (None, None, [None, None]),
    ],
)
def test_targets_by_output(given, loss, expected):
    assert Compilation("sgd", loss).flatten_targets(given, NAMES) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "no targets for output 'p', which has a loss"),
        ("A", r"y holds 1 array, but the model has 2 outputs \('p' and 'q'\)"),
        (["A", "B", "C"], "y holds 3 arrays"),
        ({"p": "A"}, "no targets for output 'q'"),
        ({"p": "A", "Q": "B"}, "y has an entry for 'Q'.*Did you mean 'q'"),
    ],
)
def test_wrong_targets_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        Compilation("sgd", "mse").flatten_targets(given, NAMES)


def test_targets_of_one_output():
    compilation = Compilation("sgd", "mse")
    array = noise(4, 1)
    for given in (array, [array], (array,), {"out": array}):
        assert compilation.flatten_targets(given, ["out"])[0] is array
    with pytest.raises(ValueError, match=r"y holds 2 arrays, but the model has 1 output \('out'\)"):
        compilation.flatten_targets([array, array], ["out"])


def test_sample_weights_by_output():
    flatten = Compilation("sgd", "mse").flatten_weights
    assert flatten(None, NAMES) == [None, None]
    assert flatten("W", NAMES) == ["W", "W"]
    assert flatten(["W", None], NAMES) == ["W", None]
    assert flatten({"q": "W"}, NAMES) == [None, "W"]
    with pytest.raises(ValueError, match=r"sample_weight is a list of 1, but the model has 2 outp"):
        flatten(["W"], NAMES)
    with pytest.raises(ValueError, match=r"sample_weight has an entry for 'r'"):
        flatten({"r": "W"}, NAMES)


# --- misuse


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "categorical_crosentropy"}, "Unknown loss 'categorical_crosentropy'.*Did you"),
        ({"loss": {"p": "mse", "q": "maee"}}, "Unknown loss 'maee'"),
        ({"metrics": ["acuracy"]}, r"Unknown metric 'acuracy'\. Did you mean .*[aA]ccuracy"),
        ({"weighted_metrics": {"p": ["mseee"]}}, "Unknown metric 'mseee'"),
        ({"steps_per_execution": 0}, "steps_per_execution must be a positive int, got 0"),
        ({"sample_weight_mode": "time"}, "sample_weight_mode must be None or 'temporal'"),
        ({"target_tensors": [1]}, "give targets to fit as y"),
    ],
)
def test_wrong_values_raise_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Compilation("sgd", **options)


def test_the_optimizer_may_change_but_not_go():
    compilation = Compilation("sgd", "mse")
    compilation.set_optimizer("adam")
    assert compilation.optimizer.name == "adam"
    with pytest.raises(ValueError, match="optimizer must be a name or an object, got None"):
        compilation.set_optimizer(None)
    with pytest.raises(ValueError, match=r"Unknown optimizer 'adan'.*'[aA]dam'"):
        Compilation("adan", "mse")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": 3}, r"loss must hold names, functions and Loss objects, got 3"),
        ({"metrics": [None, 0.5]}, r"metrics must hold names, functions and Metric objects, got 0"),
    ],
)
def test_wrong_kinds_raise_at_once(options, message):
    with pytest.raises(TypeError, match=message):
        Compilation("sgd", **options)


SHARED = metrics.MeanSquaredError("shared")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": {"P": "mse"}}, r"loss has an entry for 'P'.*'p' and 'q'\. Did you mean 'p'"),
        ({"loss": ["mse"]}, r"loss is a list of 1, but the model has 2 outputs.*one loss for each"),
        ({"loss": "mse", "loss_weights": [1.0]}, r"loss_weights is a list of 1"),
        ({"loss": "mse", "loss_weights": {"r": 1}}, r"loss_weights has an entry for 'r'"),
        ({"loss": "mse", "loss_weights": 0.5}, r"loss_weights is one number, 0\.5, but .* 2 outp"),
        ({"metrics": {"x": "mse"}}, r"metrics has an entry for 'x'"),
        ({"metrics": [["mse"]]}, r"metrics is a list of 1.*one list of metrics for each"),
        ({"weighted_metrics": [["mse"]]}, r"weighted_metrics is a list of 1"),
        ({"metrics": [SHARED]}, r"metric objects.*does not say for which of 'p' and 'q'"),
        ({"metrics": {"p": SHARED, "q": SHARED}}, r"'shared' is given for the outputs 'p' and 'q'"),
    ],
)
def test_structures_that_do_not_fit(options, message):
    arrays = [noise(4, 3), noise(4, 2)]
    with pytest.raises(ValueError, match=message):
        bound(arrays, arrays, **options)


def test_an_error_of_a_loss_names_the_output():
    true, pred = [noise(4, 3), noise(4, 1)], [noise(4, 3), noise(4, 2)]
    with pytest.raises(ValueError, match=r"Output 'q': mean_squared_error: y_true has .*\(4, 2\)"):
        run(bound(true, pred, loss="mse"), true, pred)


def test_a_loss_weight_is_a_number():
    arrays = [noise(4, 3), noise(4, 2)]
    with pytest.raises(TypeError, match="loss_weights must hold numbers, got 'a'"):
        bound(arrays, arrays, loss="mse", loss_weights=["a", 1])


def test_a_metric_needs_targets():
    pred = [noise(4, 3), noise(4, 2)]
    compilation = bound([pred[0], None], pred, loss={"p": "mse"}, metrics={"q": ["mae"]})
    with pytest.raises(ValueError, match="metric 'q_mae' needs targets for output 'q'"):
        run(compilation, [pred[0], None], pred)
