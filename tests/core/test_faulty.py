"""Errors out of users' layers, losses and metrics say where they happened, and only that."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend, losses, metrics
from lamina.layers import Dense, Input, Layer
from lamina.models import Model, Sequential

X = np.random.default_rng(3).normal(size=(40, 7)).astype("f")
Y = np.random.default_rng(4).normal(size=(40, 1)).astype("f")


class NoReturn(Layer):
    def call(self, inputs):
        inputs * 2  # pyright: ignore[reportUnusedExpression]


class NoReturnModel(Model):
    def call(self, inputs, training=None, mask=None):
        inputs * 2  # pyright: ignore[reportUnusedExpression]


class Mismatch(Layer):
    def call(self, inputs):
        return jnp.dot(inputs, jnp.ones((3, 3), inputs.dtype))


def notes(found):
    return getattr(found.value, "__notes__", [])


def fitted(*layers: Layer, loss: Any = "mse", **options: Any):
    model = Sequential(layers or [Dense(1)])
    model.compile("sgd", loss, **options)
    return model.fit(X, Y, batch_size=8, verbose=0)


def fit_model(model):
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    "act",
    [
        lambda: NoReturn(name="n")(X),
        lambda: NoReturn(name="n")(Input((7,))),
        lambda: Sequential([Input((7,)), NoReturn(name="n")]),
        lambda: Sequential([NoReturn(name="n"), Dense(1)])(X),
        lambda: fitted(NoReturn(name="n"), Dense(1)),
        lambda: fitted(NoReturn(name="n"), Dense(1), run_eagerly=True),
        lambda: NoReturnModel(name="n")(X),
        lambda: fit_model(NoReturnModel(name="n")),
    ],
)
def test_a_call_without_return(act):
    with pytest.raises(TypeError, match="'n': call returned None; it must return the output"):
        act()


def test_notes_show_none_for_unknown_sizes():
    for act in (
        lambda: Mismatch(name="m")(Input((7,))),
        lambda: Sequential([Input((None, 7)), Mismatch(name="m")]),
    ):
        with pytest.raises(TypeError, match="dot_general") as found:
            act()
        (note,) = notes(found)
        assert note.startswith(
            "This happened in the call of Mismatch 'm' on inputs of shapes (None,"
        )
        assert "1680" not in note
        assert "3360" not in note
    with pytest.raises(TypeError) as found:
        Mismatch(name="m")(X)
    assert notes(found) == [
        "This happened in the call of Mismatch 'm' on inputs of shapes (40, 7)."
    ]


def product(y_true, y_pred):
    return y_true @ y_pred


def nothing(y_true, y_pred):
    del y_true, y_pred


def one_argument(y_true):
    return y_true


def branching(y_true, y_pred):
    return abs(y_true - y_pred) if float(y_pred.sum()) > 0 else y_pred


WHERE = "on y_true of shape (8, 1) and y_pred of shape (8, 1)"
CASES = [
    (product, "dot_general", "This happened in the {} 'product' " + WHERE + "."),
    (one_argument, "takes 1 positional", "This happened in the {} 'one_argument' " + WHERE + "."),
    (
        nothing,
        "The {} 'nothing' returned None " + WHERE.replace("(", r"\(").replace(")", r"\)"),
        None,
    ),
]


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", ["loss", "metric"])
@pytest.mark.parametrize(("function", "message", "note"), CASES)
def test_a_loss_or_metric_is_named(function, message, note, kind, eager):
    given = {"loss": function} if kind == "loss" else {"metrics": [function]}
    with pytest.raises(TypeError, match=message.format(kind)) as found:
        fitted(run_eagerly=eager, **given)
    assert notes(found) == ([] if note is None else [note.format(kind)])


def test_classes_of_losses_and_metrics_are_named():
    class OwnLoss(losses.Loss):
        def call(self, y_true, y_pred):
            return y_true @ y_pred

    class OwnMetric(metrics.Metric):
        def update_state(self, y_true, y_pred):  # pyright: ignore
            y_true @ y_pred

    with pytest.raises(TypeError) as found:
        fitted(loss=OwnLoss())
    assert notes(found) == [f"This happened in the loss 'own_loss' {WHERE}."]
    with pytest.raises(TypeError) as found:
        fitted(metrics=[OwnMetric(name="own")])
    assert notes(found) == [f"This happened in the metric 'own' {WHERE}."]


def test_a_loss_that_needs_values():
    with pytest.raises(TypeError, match=r"the loss 'branching' on .* needs values .* not known"):
        fitted(loss=branching)
    with pytest.raises(TypeError, match=r"'branching' .* float\(jax.lax.stop_gradient"):
        fitted(loss=branching, run_eagerly=True)


def test_own_losses_need_no_note():
    with pytest.raises(ValueError) as found:  # noqa: PT011
        losses.CategoricalCrossentropy()(np.ones((4, 3), "f"), np.ones((4, 5), "f"))
    assert not notes(found)


def test_no_note_on_frames_of_jax():
    def frames(found):
        return [note for note in notes(found) if "JAX has removed its internal frames" in note]

    for act in (
        lambda: Mismatch()(X),
        lambda: Mismatch()(Input((7,))),
        lambda: fitted(Mismatch(), Dense(1)),
        lambda: fitted(loss=product),
        lambda: fitted(loss=product, run_eagerly=True),
    ):
        with pytest.raises(TypeError) as found:
            act()
        assert not frames(found)
        assert len(notes(found)) == 1


class Branch(Layer):
    def call(self, inputs):
        return inputs * 2 if float(inputs.sum()) > 0 else inputs


class BranchModel(Model):
    def __init__(self, value):
        super().__init__()
        self.dense = Dense(1)
        self.inner = Sequential([Dense(3)])
        self.value = value

    def call(self, inputs, training=None, mask=None):
        hidden = self.inner(inputs)
        if self.value(hidden.sum()) > 0:
            return self.dense(hidden) * 2
        return self.dense(hidden)


def test_an_eager_model_is_built_from_its_first_batch():
    model = BranchModel(float)
    model.compile("sgd", "mse", run_eagerly=True)
    assert np.isfinite(model.evaluate(X, Y, verbose=0))
    assert model.predict(X, verbose=0).shape == (40, 1)
    hidden = X @ model.inner.get_weights()[0]
    factor = 2 if hidden[:32].sum() > 0 else 1
    wanted = hidden @ np.asarray(model.dense.kernel) * factor
    np.testing.assert_allclose(model.predict(X, verbose=0)[:32], wanted[:32], rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match=r"takes float\(\) .* t.item\(\)") as found:
        model.fit(X, Y, verbose=0)
    assert not notes(found)


def test_an_eager_model_trains_on_values_of_arrays():
    for value in (lambda t: t, lambda t: t.item()):
        model = BranchModel(value)
        model.compile("sgd", "mse", run_eagerly=True)
        before = model.fit(X, Y, verbose=0).history["loss"][0]
        assert model.fit(X, Y, epochs=5, verbose=0).history["loss"][-1] < before


def test_layers_of_an_eager_sequential_see_values():
    model = Sequential([Branch(), Dense(1), Sequential([Branch(), Dense(1)])])
    model.compile("sgd", "mse", run_eagerly=True)
    assert model.predict(X, verbose=0).shape == (40, 1)
    model = Sequential([Branch(), Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, verbose=0)
    doubled = X[:8] * (2 if X[:8].sum() > 0 else 1)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict_on_batch(X[:8]), doubled @ kernel + bias, rtol=1e-4)
    model = Sequential([Dense(2), Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, verbose=0)
    assert model.output_shape == (None, 1)


def test_a_compiled_model_says_that_values_are_needed():
    with pytest.raises(TypeError, match=r"'b': call needs values .* run_eagerly=True"):
        fitted(Branch(name="b"), Dense(1))


@pytest.mark.parametrize("make", [jnp.asarray, backend.variable], ids=["arrays", "variables"])
def test_functions_of_k_say_on_what_they_failed(make):
    with pytest.raises(TypeError) as found:
        backend.dot(make(np.ones((2, 3), "f")), make(np.ones((4, 5), "f")))
    assert notes(found) == ["This happened in dot of arrays of the shapes (2, 3), (4, 5)."]
