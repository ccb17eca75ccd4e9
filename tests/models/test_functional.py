"""Models made from symbolic inputs and outputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Add, Dense, Dropout, Input, Lambda
from lamina.models import Model, Sequential


def dense(layer, x):
    return x @ layer.get_weights()[0] + layer.get_weights()[1]


def test_a_model_computes_its_graph(x):
    a = Input(shape=(3,))
    first, second = Dense(4), Dense(2)
    hidden = first(a)
    model = Model(a, second(hidden * 2))
    np.testing.assert_allclose(model(x), dense(second, 2 * dense(first, x)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x), model(x), rtol=1e-6)
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert model.count_params() == 3 * 4 + 4 + 4 * 2 + 2


def test_old_and_new_names_of_the_arguments(x):
    a = Input(shape=(3,))
    b = Dense(2)(a)
    outputs = [Model(a, b)(x), Model(inputs=a, outputs=b)(x), Model(input=a, output=b)(x)]
    assert all((out == outputs[0]).all() for out in outputs)


def test_several_inputs_and_outputs_in_every_structure(x, y):
    a, b = Input(shape=(3,), name="a"), Input(shape=(5,), name="b")
    left, right = Dense(2, name="left")(a), Dense(2, name="right")(b)
    total = Add(name="total")([left, right])
    model = Model([a, b], [total, left])
    expected = model([x, y])
    assert [o.shape for o in expected] == [(4, 2), (4, 2)]
    for given in ((x, y), {"a": x, "b": y}, {"b": y, "a": x, "unused": x}):
        for output, wanted in zip(model(given), expected, strict=True):
            np.testing.assert_array_equal(output, wanted)
    by_name = Model({"first": a, "second": b}, {"sum": total, "part": left})
    found = by_name({"a": x, "b": y})
    assert sorted(found) == ["part", "sum"]
    np.testing.assert_array_equal(found["sum"], expected[0])
    np.testing.assert_array_equal(by_name([x, y])["part"], expected[1])
    np.testing.assert_array_equal(by_name({"first": x, "second": y})["sum"], expected[0])
    assert model.input_names == ["a", "b"]
    assert model.output_names == ["total", "left"]


def test_a_list_of_one_is_that_one(x):
    a = Input(shape=(3,))
    model = Model([a], [Dense(2)(a)])
    assert model(x).shape == model([x]).shape == (4, 2)
    assert model.output_shape == (None, 2)
    assert model.predict(x).shape == (4, 2)


def test_a_shared_layer_has_its_weights_once(x, y):
    shared = Dense(2, name="shared")
    a, b = Input(shape=(3,)), Input(shape=(3,))
    model = Model([a, b], Add()([shared(a), shared(b)]))
    assert len(model.weights) == 2
    np.testing.assert_allclose(
        model([x, 2 * x]), dense(shared, x) + dense(shared, 2 * x), rtol=1e-4, atol=1e-5
    )
    assert len(shared.inbound_nodes) == 2
    assert len([layer for layer in model.layers if layer is shared]) == 1


def test_a_model_is_a_layer(x):
    a = Input(shape=(3,))
    inner = Model(a, Dense(3, activation="tanh")(a), name="inner")
    b, c = Input(shape=(3,)), Input(shape=(3,))
    outer = Model([b, c], [inner(b), inner(inner(c))])
    first, second = outer([x, x])
    np.testing.assert_allclose(first, inner(x), rtol=1e-5)
    np.testing.assert_allclose(second, inner(inner(x)), rtol=1e-5)
    assert [layer.name for layer in outer.layers].count("inner") == 1
    assert len(outer.weights) == 2
    inner.trainable = False
    assert outer.trainable_weights == []
    assert Sequential([inner, Dense(1)])(x).shape == (4, 1)


def test_the_method_call_needs_a_run(x):
    a = Input(shape=(3,))
    with pytest.raises(RuntimeError, match=r"Call the model itself, model\(x\)"):
        Model(a, Dense(2)(a)).call(x)


def test_training_reaches_layers_in_models_in_models(x):
    a = Input(shape=(3,))
    inner = Model(a, Dropout(0.5)(a))
    outer = Model(a, inner(a))
    np.testing.assert_array_equal(outer(x), x)
    np.testing.assert_array_equal(outer(x, training=False), x)
    assert (np.asarray(outer(x, training=True)) == 0).any()


def test_an_input_may_be_an_inner_tensor(x):
    a = Input(shape=(3,))
    hidden = Dense(4)(a)
    last = Dense(2)
    tail = Model(hidden, last(hidden))
    h = np.ones((4, 4), "f")
    np.testing.assert_allclose(tail(h), dense(last, h), rtol=1e-5)
    assert tail.layers[-1] is last


def test_an_output_that_depends_on_another_input():
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    total = Add(name="total")([a, b])
    with pytest.raises(ValueError, match=r"output 'total' depends on the input 'b' .*\('a'\)"):
        Model(a, total)


WRONG = [
    (lambda a: Model(a, None), TypeError, "outputs must be symbolic tensors"),
    (
        lambda a: Model(np.ones((2, 3)), Dense(2)(a)),
        TypeError,
        r"inputs must be symbolic tensors.* got ndarray of shape \(2, 3\) and dtype float64\.",
    ),
    (lambda a: Model([], Dense(2)(a)), ValueError, "inputs holds no tensor"),
    (lambda a: Model([a, a], Dense(2)(a)), ValueError, "input 'a' is listed more than once"),
    (
        lambda a: Model(a, Dense(3, name="d")(Dense(3, name="d")(a))),
        ValueError,
        "two layers are named 'd'",
    ),
    (lambda a: Model(a, Dense(2)(a), nmae="m"), TypeError, "Did you mean 'name'"),
    (lambda a: Model(inputs=a, input=a, outputs=Dense(2)(a)), TypeError, "the same argument"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_wrong_models(make, error, message):
    with pytest.raises(error, match=message):
        make(Input(shape=(3,), name="a"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((4, 7)), r"input 'a' expects shape \(None, 3\).*axis 1 has size 7 instead of 3"),
        (np.ones(3), r"A single sample needs a batch axis in front"),
        ([np.ones((4, 3))] * 2, r"has 1 input \(a\), but got 2"),
        (
            {"b": np.ones((4, 3))},
            "no data for input 'a'; the dict has 'b', the model the inp",
        ),
    ],
)
def test_data_that_do_not_fit(data, message, x):
    a = Input(shape=(3,), name="a")
    model = Model(a, Dense(2)(a))
    with pytest.raises(ValueError, match=message):
        model(data)
    assert model(x).shape == (4, 2)


def test_a_misspelt_key_is_named(x):
    left, right = Input(shape=(3,), name="left"), Input(shape=(3,), name="right")
    model = Model([left, right], Add()([left, right]))
    with pytest.raises(ValueError, match=r"unknown key 'rigth'.*Did you mean 'right'\?"):
        model({"left": x, "rigth": x})
    with pytest.raises(ValueError, match=r"no data for input 'right'; the dict has 'left', the "):
        model({"left": x})


def test_layers_by_name_and_index():
    a = Input(shape=(3,), name="a")
    model = Model(a, Dense(2, name="last")(a), name="m")
    assert model.get_layer("last") is model.get_layer(index=1) is model.layers[-1]
    with pytest.raises(ValueError, match=r"no layer 'lsat'. Did you mean 'last'\?"):
        model.get_layer("lsat")
    with pytest.raises(ValueError, match="has 2 layers; index 5 is none"):
        model.get_layer(index=5)
    with pytest.raises(ValueError, match="either a name or an index"):
        model.get_layer()


def test_a_symbolic_loss_of_the_model_is_computed_at_each_step(x):
    a = Input(shape=(3,))
    layer = Dense(2, use_bias=False)
    code = layer(a)
    model = Model(a, Dense(3)(code))
    model.add_loss(0.5 * (code**2).sum(axis=-1))
    model.compile("sgd", "mse")
    alone = ((model.predict(x) - x) ** 2).mean()
    kernel = layer.get_weights()[0]
    np.testing.assert_allclose(
        model.evaluate(x, x, verbose=0), alone + (0.5 * (x @ kernel) ** 2).sum(-1).mean(), rtol=1e-4
    )
    model.fit(x, x, verbose=0)
    assert np.abs(layer.get_weights()[0] - kernel).max() > 0


def test_a_wrapped_array_is_fed_nothing(x):
    fixed = np.arange(12, dtype="f").reshape(4, 3)
    a, b = Input(shape=(3,), name="a"), Input(tensor=fixed, name="b")
    layer = Dense(1)
    model = Model([a, b], layer(Add()([a, b])))
    np.testing.assert_allclose(model(x), dense(layer, x + fixed), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict(x, batch_size=4), model(x), rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(x, np.ones((4, 1)), batch_size=4, verbose=0)


def test_a_model_of_wrapped_arrays_alone_takes_no_data(x):
    y, weights = np.arange(4, dtype="f")[:, None], np.array([0.0, 1.0, 2.0, 0.5])
    a = Input(tensor=x)
    model = Model(a, Dense(1)(a))
    twin_in = Input(shape=(3,))
    twin = Model(twin_in, Dense(1)(twin_in))
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(None, steps=1), twin.predict(x), rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(None), twin.predict(x), rtol=1e-5)
    assert model.predict(None, steps=3).shape == (12, 1)
    for one in (model, twin):
        one.compile("sgd", "mse")
    held = (None, y)
    found = model.fit(None, y, epochs=6, sample_weight=weights, validation_data=held, verbose=0)
    wanted = twin.fit(x, y, epochs=6, sample_weight=weights, validation_data=(x, y), verbose=0)
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=1e-4)
    model.fit(None, y, steps_per_epoch=3, verbose=0)
    twin.fit(x, y, epochs=3, verbose=0)
    model.train_on_batch(None, y)
    twin.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert model.evaluate(None, y, verbose=0) == pytest.approx(twin.evaluate(x, y, verbose=0), 1e-4)
    with pytest.raises(ValueError, match=r"are not cut into batches.*got 2 for 4 rows"):
        model.fit(None, y, batch_size=2, verbose=0)
    with pytest.raises(ValueError, match="rows"):
        model.fit(None, y[:3], verbose=0)


@pytest.mark.parametrize("kind", ["scipy", "bcoo"])
@pytest.mark.parametrize("way", ["call", "predict"])
def test_sparse_data(kind, way):
    import scipy.sparse
    from jax.experimental.sparse import BCOO

    plain = np.random.default_rng(2).normal(size=(6, 3)).astype("f")
    plain[plain < 0.5] = 0
    data = scipy.sparse.csr_matrix(plain) if kind == "scipy" else BCOO.fromdense(jnp.asarray(plain))
    a = Input(shape=(3,), sparse=True)
    layer = Dense(2)
    twice = Lambda(lambda m: m @ jnp.full((3, 4), 2.0))(a)
    model = Model(a, [layer(a), twice])
    outputs = model(data) if way == "call" else model.predict(data)
    np.testing.assert_allclose(outputs[0], dense(layer, plain), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs[1], plain @ np.full((3, 4), 2.0), rtol=1e-5, atol=1e-6)


def test_dict_outputs_are_in_the_order_of_their_keys():
    """As in Keras 3, whose files hold the weights of the layers in this order."""
    place = Input((4,))
    first, second = Dense(2, name="zz"), Dense(3, name="pp")
    model = Model(place, {"zo": first(place), "po": second(place)})
    assert [layer.name for layer in model.layers[1:]] == ["pp", "zz"]
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (4, 2), (2,)]
    assert list(model.predict(np.ones((2, 4)))) == ["po", "zo"]
