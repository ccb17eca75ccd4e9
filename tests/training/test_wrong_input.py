"""Wrong input over the whole public API: a clear error, and a model that trains on."""

# The calls are wrong on purpose.
# pyright: reportCallIssue=false, reportArgumentType=false, reportAssignmentType=false

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import activations, callbacks, losses, metrics, optimizers
from lamina.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    MaxPooling2D,
    Reshape,
)
from lamina.models import Model, Sequential

ROWS, FEATURES, CLASSES = 8, 4, 3
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.integers(0, CLASSES, ROWS)
HOT = np.eye(CLASSES, dtype="f")[Y]
WORDS = rng.integers(0, 5, (ROWS, 6))
IMAGES = rng.normal(size=(ROWS, 6, 6, 1)).astype("f")
LAMINA, JAX = Path(lamina.__file__).parent, Path(jax.__file__).parent


class Models:
    """Compiled models that all cases share; each is good for something else."""

    def __init__(self) -> None:
        self.plain = Sequential(
            [Input((FEATURES,), name="features"), Dense(CLASSES, activation="softmax", name="out")],
            name="plain",
        )
        self.plain.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy", ["accuracy"])
        self.hot = Sequential([Input((FEATURES,)), Dense(CLASSES, name="hot_out")], name="hot")
        self.hot.compile(optimizers.SGD(0.1), "mse")
        self.words = Sequential(
            [
                Embedding(5, 2, input_length=6, name="table"),
                Flatten(),
                Dense(CLASSES, activation="softmax"),
            ],
            name="words",
        )
        self.words.compile("sgd", "sparse_categorical_crossentropy")
        self.images = Sequential(
            [Conv2D(2, 3, input_shape=(6, 6, 1), name="conv"), Flatten(), Dense(1)], name="images"
        )
        self.images.compile("sgd", "mse")
        left, right = Input((FEATURES,), name="left"), Input((FEATURES,), name="right")
        outputs = [Dense(1, name="a")(left), Dense(CLASSES, name="b")(right)]
        self.pair = Model([left, right], outputs, name="pair")
        self.pair.compile("sgd", ["mse", "mse"])

    def good(self) -> dict[str, tuple[Any, Any, Any]]:
        """Each model with data that fit it."""
        return {
            "plain": (self.plain, X, Y),
            "hot": (self.hot, X, HOT),
            "words": (self.words, WORDS, Y),
            "images": (self.images, IMAGES, np.ones((ROWS, 1))),
            "pair": (self.pair, [X, X], [np.ones((ROWS, 1)), HOT]),
        }


def generator(count: int, batch: Any = None) -> Iterator[Any]:
    for _ in range(count):
        yield (X, Y) if batch is None else batch


class Empty(lamina.utils.Sequence):
    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> Any:
        raise IndexError


class NoCallback:
    pass


def bare(*layers: Any) -> Sequential:
    return Sequential(layers or [Dense(2)], name="bare")


def compiled(*arguments: Any, **options: Any) -> Any:
    model = Sequential([Input((FEATURES,)), Dense(CLASSES, name="out")], name="own")
    model.compile(*arguments, **options)
    return model


def with_row(array: np.ndarray, value: Any) -> np.ndarray:
    array = array.copy()
    array[3] = value
    return array


Case = tuple[str, Callable[[Models], Any], type[Exception] | tuple[type[Exception], ...], str]

# Model that must train on, what is done, the error, and what its message must say.
CASES: dict[str, Case] = {
    # shapes and ranks of x
    "features too many": (
        "plain", lambda m: m.plain.fit(X[:, :3], Y, verbose=0), ValueError,
        r"'plain'.*'features'.*\(None, 4\).*\(8, 3\)",
    ),
    "features too few in evaluate": (
        "plain", lambda m: m.plain.evaluate(np.ones((8, 9)), Y, verbose=0), ValueError,
        r"'plain'.*\(None, 4\).*\(8, 9\)",
    ),
    "features wrong in predict": (
        "plain", lambda m: m.plain.predict(np.ones((2, 9))), ValueError,
        r"'plain'.*\(None, 4\).*\(2, 9\)",
    ),
    "rank too low": (
        "plain", lambda m: m.plain.predict(np.ones(4)), ValueError, r"'features'.*rank 2.*rank 1",
    ),
    "rank too high": (
        "plain", lambda m: m.plain.train_on_batch(X[None], Y[:1]), ValueError,
        r"'features'.*rank 2.*\(1, 8, 4\)",
    ),
    "rank wrong in a call": (
        "plain", lambda m: m.plain(np.ones((2, 3, 4))), ValueError, r"'plain'.*rank 3",
    ),
    "channels missing": (
        "images", lambda m: m.images.fit(IMAGES[..., 0][:, :5], np.ones(8), verbose=0), ValueError,
        r"'images'.*\(None, 6, 6, 1\)",
    ),
    "channels too many": (
        "images", lambda m: m.images.predict(np.ones((2, 6, 6, 3))), ValueError,
        r"\(None, 6, 6, 1\).*\(2, 6, 6, 3\)",
    ),
    "length of sequences": (
        "words", lambda m: m.words.predict(WORDS[:, :4]), ValueError, r"\(None, 6\).*\(8, 4\)",
    ),
    # dtypes and values of x
    "text": (
        "plain", lambda m: m.plain.fit(np.full((8, 4), "a"), Y, verbose=0), ValueError, r"fit: x",
    ),
    "objects": (
        "plain", lambda m: m.plain.fit(np.full((8, 4), None), Y, verbose=0), ValueError, r"fit: x",
    ),
    "no array at all": (
        "plain", lambda m: m.plain.fit(NoCallback(), Y, verbose=0), TypeError,
        r"fit: x must be.*NoCallback",
    ),
    "x is None": ("plain", lambda m: m.plain.fit(None, Y, verbose=0), ValueError, r"x is None"),
    "ragged list": (
        "plain", lambda m: m.plain.predict([[1, 2, 3, 4], [1, 2]]), ValueError, r"predict: x",
    ),
    "index out of the table": (
        "words", lambda m: m.words.fit(with_row(WORDS, 5), Y, verbose=0), ValueError,
        r"'table': index 5 in row 3.*0 to 4",
    ),
    "index out of the table in predict": (
        "words", lambda m: m.words.predict(with_row(WORDS, -1)), ValueError,
        r"'table': index -1 in row 3",
    ),
    "index out of the table in a call": (
        "words", lambda m: m.words(with_row(WORDS, 7)), ValueError, r"'table': index 7 in row 3",
    ),
    # rows
    "unequal lengths": (
        "plain", lambda m: m.plain.fit(X, Y[:5], verbose=0), ValueError,
        r"same number of rows.*x: 8.*y: 5",
    ),
    "unequal weights": (
        "plain", lambda m: m.plain.fit(X, Y, sample_weight=np.ones(3), verbose=0), ValueError,
        r"sample_weight: 3",
    ),
    "unequal in test_on_batch": (
        "plain", lambda m: m.plain.test_on_batch(X[:2], Y), ValueError, r"x: 2.*y: 8",
    ),
    "no rows": (
        "plain", lambda m: m.plain.fit(X[:0], Y[:0], verbose=0), ValueError,
        r"fit: x.*(0 rows|no rows|empty)",
    ),
    "no rows to predict": (
        "plain", lambda m: m.plain.predict(X[:0]), ValueError,
        r"predict: x.*(0 rows|no rows|empty)",
    ),
    "empty list": ("plain", lambda m: m.plain.fit([], [], verbose=0), ValueError, r"fit: x"),
    # y and the loss
    "label too large": (
        "plain", lambda m: m.plain.fit(X, with_row(Y, 3), verbose=0), ValueError,
        r"label 3 in row 3.*3 classes",
    ),
    "label negative in evaluate": (
        "plain", lambda m: m.plain.evaluate(X, with_row(Y, -1), verbose=0), ValueError,
        r"label -1 in row 3",
    ),
    "label with a fraction": (
        "plain", lambda m: m.plain.train_on_batch(X, with_row(Y.astype("f"), 0.5)), ValueError,
        r"label 0.5 in row 3",
    ),
    "one-hot labels for a sparse loss": (
        "plain", lambda m: m.plain.fit(X, HOT, verbose=0), ValueError,
        r"y_true has shape \(8, 3\).*categorical_crossentropy",
    ),
    "loss that would broadcast": (
        "hot", lambda m: m.hot.fit(X, np.ones((8, 1)), verbose=0), ValueError,
        r"\(8, 1\).*\(8, 3\)",
    ),
    "targets without an axis": (
        "hot", lambda m: m.hot.fit(X, np.ones(8), verbose=0), ValueError, r"\(8,\).*\(8, 3\)",
    ),
    "targets of another width": (
        "hot", lambda m: m.hot.evaluate(X, np.ones((8, 2)), verbose=0), ValueError,
        r"\(8, 2\).*\(8, 3\)",
    ),
    "no targets": ("hot", lambda m: m.hot.fit(X, verbose=0), ValueError, r"y|target"),
    "no loss": (
        "hot", lambda m: compiled("sgd").fit(X, HOT, verbose=0), ValueError, r"'own'.*loss",
    ),
    # several inputs and outputs
    "an input too few": (
        "pair", lambda m: m.pair.fit(X, [X[:, :1], HOT], verbose=0), ValueError,
        r"'pair' has 2 inputs \(left, right\), but got 1",
    ),
    "an input too many": (
        "pair", lambda m: m.pair.predict([X, X, X]), ValueError, r"2 inputs.*got 3",
    ),
    "an input of unknown name": (
        "pair", lambda m: m.pair.predict({"left": X, "rigth": X}), ValueError,
        r"'rigth'.*Did you mean 'right'",
    ),
    "a target too few": (
        "pair", lambda m: m.pair.fit([X, X], [HOT], verbose=0), ValueError, r"2 outputs.*'?a'?.*b",
    ),
    "a target of unknown name": (
        "pair", lambda m: m.pair.fit([X, X], {"a": X[:, :1], "c": HOT}, verbose=0), ValueError,
        r"'c'",
    ),
    "a target of the wrong width, named": (
        "pair", lambda m: m.pair.fit([X, X], [X[:, :1], X], verbose=0), ValueError,
        r"'b'.*\(8, 4\).*\(8, 3\)",
    ),
    "losses of unknown outputs": (
        "pair", lambda m: _recompiled(m, {"a": "mse", "bb": "mse"}), ValueError,
        r"loss.*'bb'.*Did you mean 'b'",
    ),
    "weights of losses in a wrong number": (
        "pair", lambda m: _recompiled(m, "mse", loss_weights=[1.0, 2.0, 3.0]), ValueError,
        r"loss_weights is a list of 3.*2 outputs",
    ),
    "weights of unknown outputs": (
        "pair",
        lambda m: m.pair.fit([X, X], [X[:, :1], HOT], verbose=0, sample_weight={"q": X[:, 0]}),
        ValueError, r"sample_weight.*'q'",
    ),
    # names
    "unknown loss": (
        "plain", lambda m: m.plain.compile("sgd", "categorical_crossentropi"), ValueError,
        r"Unknown loss 'categorical_crossentropi'.*Did you mean 'categorical_crossentropy'",
    ),
    "unknown metric": (
        "plain", lambda m: m.plain.compile("sgd", "mse", metrics=["acuracy"]), ValueError,
        r"Unknown metric 'acuracy'.*Did you mean",
    ),
    "unknown optimizer": (
        "plain", lambda m: m.plain.compile("adamm", "mse"), ValueError,
        r"Unknown optimizer 'adamm'.*Did you mean 'Adam'",
    ),
    "unknown activation": (
        "plain", lambda m: Dense(2, activation="rleu"), ValueError,
        r"Unknown activation 'rleu'.*Did you mean 'relu'",
    ),
    "unknown activation by get": (
        "plain", lambda m: activations.get("sigmoyd"), ValueError, r"Did you mean.*'sigmoid'",
    ),
    "unknown initializer": (
        "plain", lambda m: Dense(2, kernel_initializer="glorot_unifrom"), ValueError,
        r"Unknown initializer.*Did you mean 'glorot_uniform'",
    ),
    "unknown regularizer": (
        "plain", lambda m: Dense(2, kernel_regularizer="l3"), ValueError,
        r"Unknown regularizer 'l3'",
    ),
    "unknown constraint": (
        "plain", lambda m: Dense(2, kernel_constraint="maxnrm"), ValueError,
        r"Unknown constraint 'maxnrm'",
    ),
    "unknown layer name": (
        "plain", lambda m: m.plain.get_layer("oot"), ValueError,
        r"'plain'.*no layer 'oot'.*Did you mean 'out'",
    ),
    # arguments
    "unknown argument of fit": (
        "plain", lambda m: m.plain.fit(X, Y, epoch=3), TypeError,
        r"fit: unknown argument 'epoch'.*Did you mean 'epochs'",
    ),
    "unknown argument of predict": (
        "plain", lambda m: m.plain.predict(X, batchsize=3), TypeError,
        r"predict.*'batchsize'.*Did you mean 'batch_size'",
    ),
    "unknown argument of compile": (
        "plain", lambda m: m.plain.compile("sgd", "mse", metric=["mae"]), TypeError,
        r"compile: unknown argument 'metric'.*Did you mean 'metrics'",
    ),
    "unknown argument of a layer": (
        "plain", lambda m: Dense(2, activaton="relu"), TypeError,
        r"Dense: unknown argument 'activaton'.*Did you mean 'activation'",
    ),
    "unknown argument of an optimizer": (
        "plain", lambda m: optimizers.Adam(learning_rat=0.1), TypeError,
        r"Adam.*'learning_rat'.*Did you mean 'learning_rate'",
    ),
    "negative rate": ("plain", lambda m: optimizers.SGD(-1.0), ValueError, r"learning_rate.*-1"),
    "epochs negative": (
        "plain", lambda m: m.plain.fit(X, Y, epochs=-1), ValueError, r"epochs must be.*got -1",
    ),
    "epochs with a fraction": (
        "plain", lambda m: m.plain.fit(X, Y, epochs=1.5), ValueError, r"epochs must be.*got 1.5",
    ),
    "batch_size 0": (
        "plain", lambda m: m.plain.fit(X, Y, batch_size=0), ValueError, r"batch_size.*got 0",
    ),
    "batch_size with a fraction": (
        "plain", lambda m: m.plain.evaluate(X, Y, batch_size=2.5), TypeError, r"batch_size.*2.5",
    ),
    "validation_split 1": (
        "plain", lambda m: m.plain.fit(X, Y, validation_split=1.0), ValueError,
        r"validation_split.*between 0 and 1.*1.0",
    ),
    "validation_split of nearly nothing": (
        "plain", lambda m: m.plain.fit(X[:1], Y[:1], validation_split=0.1), ValueError,
        r"validation_split.*leaves no rows for training",
    ),
    "validation_split of a generator": (
        "plain", lambda m: m.plain.fit(generator(2), validation_split=0.5), ValueError,
        r"validation_split needs arrays",
    ),
    "validation_freq 0": (
        "plain", lambda m: m.plain.fit(X, Y, validation_data=(X, Y), validation_freq=0), ValueError,
        r"validation_freq.*got 0",
    ),
    "validation_data of four": (
        "plain", lambda m: m.plain.fit(X, Y, validation_data=(X, Y, Y, Y)), ValueError,
        r"validation_data must be",
    ),
    "validation_data of another shape": (
        "plain",
        lambda m: m.plain.fit(X, Y, verbose=0, epochs=0, validation_data=(X, Y[:2])), ValueError,
        r"validation_data.*x: 8.*y: 2",
    ),
    "shuffle": (
        "plain", lambda m: m.plain.fit(X, Y, shuffle="batches"), ValueError,
        r"shuffle must be.*'batches'.*Did you mean 'batch'",
    ),
    "verbose": ("plain", lambda m: m.plain.fit(X, Y, verbose="yes"), ValueError, r"verbose.*'yes'"),
    "steps_per_execution": (
        "plain", lambda m: m.plain.compile("sgd", "mse", steps_per_execution=0), ValueError,
        r"steps_per_execution must be a positive int, got 0",
    ),
    # state of the model
    "fit before compile": (
        "plain", lambda m: bare().fit(X, Y), RuntimeError, r"'bare': fit needs a compiled model",
    ),
    "evaluate before compile": (
        "plain", lambda m: bare().evaluate(X, Y), RuntimeError, r"'bare': evaluate needs",
    ),
    "train_on_batch before compile": (
        "plain", lambda m: bare().train_on_batch(X, Y), RuntimeError, r"'bare': train_on_batch",
    ),
    "counting before build": (
        "plain", lambda m: bare().count_params(), ValueError, r"'bare': count_params needs weights",
    ),
    "input before build": (
        "plain", lambda m: bare().input_shape, AttributeError, r"'bare': input_shape is not known",
    ),
    "a wrong number of weights": (
        "plain", lambda m: m.plain.set_weights([np.ones((4, 3))]), ValueError,
        r"'plain': set_weights got 1 arrays.*2 weights",
    ),
    "weights of a wrong shape": (
        "plain", lambda m: m.plain.set_weights([np.ones((3, 4)), np.ones(3)]), ValueError,
        r"'out/kernel' has shape \(4, 3\).*\(3, 4\)",
    ),
    "no optimizer": (
        "plain", lambda m: m.plain.compile(None, "mse"), ValueError, r"optimizer.*None",
    ),
    "something else as optimizer": (
        "plain", lambda m: m.plain.compile(3, "mse"), TypeError, r"optimizer.*3",
    ),
    "something else as loss": (
        "plain", lambda m: m.plain.compile("sgd", 3), TypeError, r"loss must hold.*3",
    ),
    "target_tensors": (
        "plain", lambda m: m.plain.compile("sgd", "mse", target_tensors=[X]), ValueError,
        r"target_tensors must be None",
    ),
    # streams
    "a generator that yields nothing": (
        "plain", lambda m: m.plain.fit(generator(0), steps_per_epoch=2, verbose=0), ValueError,
        r"generator, is empty",
    ),
    "a generator of single arrays": (
        "plain", lambda m: m.plain.fit(generator(2, X), verbose=0), ValueError, r"y|target",
    ),
    "a generator of four": (
        "plain", lambda m: m.plain.fit(generator(2, (X, Y, Y, Y)), verbose=0), ValueError,
        r"batch 0.*4 entries",
    ),
    "a generator of unequal rows": (
        "plain", lambda m: m.plain.fit(generator(2, (X, Y[:3])), verbose=0), ValueError,
        r"batch 0.*x: 8.*y: 3",
    ),
    "a generator of another width": (
        "plain", lambda m: m.plain.fit(generator(2, (X[:, :2], Y)), verbose=0), ValueError,
        r"'plain'.*\(8, 2\)",
    ),
    "y beside a generator": (
        "plain", lambda m: m.plain.fit(generator(2), Y, verbose=0), ValueError,
        r"y cannot be given.*generator",
    ),
    "batch_size beside a generator": (
        "plain", lambda m: m.plain.fit(generator(2), batch_size=3, verbose=0), ValueError,
        r"batch_size cannot be given",
    ),
    "an empty Sequence": (
        "plain", lambda m: m.plain.fit(Empty(), verbose=0), ValueError, r"Empty, is empty",
    ),
    # callbacks
    "a class as callback": (
        "plain", lambda m: m.plain.fit(X, Y, verbose=0, callbacks=[callbacks.History]), TypeError,
        r"class History instead of an object",
    ),
    "a function as callback": (
        "plain", lambda m: m.plain.fit(X, Y, verbose=0, callbacks=[print]), TypeError,
        r"LambdaCallback",
    ),
    "something else as callback": (
        "plain", lambda m: m.plain.fit(X, Y, verbose=0, callbacks=NoCallback()), TypeError,
        r"is no callback",
    ),
    "a monitor whose direction is unknown": (
        "plain",
        lambda m: m.plain.fit(X, Y, verbose=0, callbacks=callbacks.EarlyStopping("wealth")),
        ValueError, r"EarlyStopping.*'wealth'.*mode",
    ),
    "patience": (
        "plain", lambda m: callbacks.EarlyStopping(patience=-1), ValueError, r"patience.*-1",
    ),
    # building
    "units": ("plain", lambda m: Dense(-3, name="d"), ValueError, r"'d': units.*-3"),
    "units with a fraction": ("plain", lambda m: Dense(2.5), ValueError, r"units.*2.5"),
    "rate": ("plain", lambda m: Dropout(1.5, name="drop"), ValueError, r"'drop': rate.*1.5"),
    "a window larger than the image": (
        "images",
        lambda m: Conv2D(1, 9, name="big")(np.ones((1, 6, 6, 1), "f")), ValueError, r"'big'",
    ),
    "a pool on vectors": (
        "images", lambda m: MaxPooling2D(name="pool")(X), ValueError, r"'pool'.*rank|'pool'.*4",
    ),
    "a shape of another size": (
        "plain", lambda m: Reshape((3, 2), name="fold")(X), ValueError, r"'fold'.*\(3, 2\)",
    ),
    "an unknown size": (
        "plain", lambda m: Dense(2, name="open")(Input((None,))), ValueError, r"'open'.*None",
    ),
    "two layers of one name": (
        "plain", lambda m: Sequential([Dense(1, name="d"), Dense(2, name="d")]), ValueError,
        r"'d'.*unique",
    ),
    "no layer": ("plain", lambda m: Sequential([Dense]), TypeError, r"add takes a layer"),
    "arrays as inputs of a model": (
        "plain", lambda m: Model(X, X), TypeError, r"inputs must be symbolic",
    ),
    "an output of another input": (
        "plain", lambda m: Model(Input((2,)), Dense(1)(Input((2,), name="other"))), ValueError,
        r"depends on the input 'other'",
    ),
    "an activation that is none": (
        "plain", lambda m: Activation(3), (TypeError, ValueError), r"activation|function",
    ),
    # of the user's own
    "a loss that gives a wrong shape": (
        "hot", lambda m: compiled("sgd", losses.MeanSquaredError(reduction="none")).fit(X, HOT),
        ValueError, r"'mean_squared_error'.*reduction",
    ),
    "a metric without targets for it": (
        "hot", lambda m: compiled("sgd", "mse", metrics=[metrics.MeanIoU(3)]).fit(X, HOT),
        ValueError, r"MeanIoU|mean_io_u",
    ),
}  # fmt: skip


def _recompiled(models: Models, loss: Any, **options: Any) -> None:
    pair = Model(models.pair.inputs, models.pair.outputs)
    pair.compile("sgd", loss, **options)
    pair.fit([X, X], [X[:, :1], HOT], verbose=0)


@pytest.fixture(scope="module")
def models() -> Models:
    made = Models()
    for model, x, y in made.good().values():
        model.fit(x, y, epochs=1, verbose=0)
    return made


def test_there_are_at_least_60_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_named_and_the_model_trains_on(case, models) -> None:
    name, action, kind, message = CASES[case]
    model, x, y = models.good()[name]
    before = model.get_weights()
    with pytest.raises(kind, match="(?s)" + message) as caught:
        action(models)
    assert type(caught.value) in (kind if isinstance(kind, tuple) else (kind,))
    last = traceback.extract_tb(caught.value.__traceback__)[-1].filename
    assert not Path(last).is_relative_to(JAX), last
    assert Path(last).is_relative_to(LAMINA), last
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(x, y, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert not all(
        np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True)
    )
    assert bool(jnp.isfinite(jnp.asarray(model.get_weights()[0])).all())
