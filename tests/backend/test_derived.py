"""What K and operators make of variables outside of any run follows the variables."""

import copy
import gc
import pickle
import threading
import time
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import lamina
from lamina import backend as K
from lamina import ops
from lamina.core.derived import Derived
from lamina.layers import Dense, Input, Lambda, Layer
from lamina.models import Model, Sequential, clone_model

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3)).astype("f")
B = RNG.normal(size=(2, 3)).astype("f")
C = RNG.normal(size=(3,)).astype("f")
MATRIX = RNG.normal(size=(3, 4)).astype("f")
PICTURE = RNG.normal(size=(1, 5, 6, 2)).astype("f")


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=3e-5)


def slope(function, x, step=1e-4):
    """The gradient of a function of an array to a number, by central differences."""
    x = x.astype("f8")
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        move = np.zeros_like(x)
        move[place] = step
        found[place] = (function(x + move) - function(x - move)) / (2 * step)
    return found


def doubled(x):
    return x * x + x


# Functions of K and operators on a variable of the shape of A, and the same by NumPy.
EXPRESSIONS = {
    "operators": (lambda w: (2 - w) * w / 3 + -(w**2) - abs(w), None),
    "array on the left": (lambda w: B * w + B, None),
    "array of JAX on the left": (lambda w: jnp.asarray(B) - w, lambda w: B - w),
    "constant on the left": (lambda w: K.constant(3.0) * w, lambda w: 3 * w),
    "number of NumPy on the left": (lambda w: np.float32(3) * w, None),
    "product of matrices": (lambda w: w @ MATRIX, None),
    "product with a matrix on the left": (lambda w: B.T @ w, None),
    "slices": (lambda w: w[:, 1:] - w[:, :-1], None),
    "rows": (lambda w: sum(row * (place + 1) for place, row in enumerate(w)), None),
    "methods": (lambda w: w.reshape((3, 2)).T.sum(axis=0) * w.mean(), None),
    "comparison": (
        lambda w: K.cast(w > 0, "float32") * w + K.cast(w >= B, "float32") * w,
        lambda w: (w > 0) * w + (w >= B) * w,
    ),
    "equality": (
        lambda w: K.cast(K.round(w) == 0, "float32") * w,
        lambda w: (np.round(w) == 0) * w,
    ),
    "nested": (
        lambda w: K.exp(K.sum(K.square(K.concatenate([w, w * 2], axis=1)), axis=1) * 0.1),
        lambda w: np.exp((w**2).sum(1) * 0.5),
    ),
    "shared": (lambda w: doubled(K.tanh(w)), lambda w: doubled(np.tanh(w))),
    "list of both": (lambda w: K.stack([B, w, 2 * w]), lambda w: np.stack([B, w, 2 * w])),
    "second argument": (lambda w: K.dot(B, K.transpose(w)), lambda w: B @ w.T),
    "choice": (
        lambda w: K.switch(K.sum(w) > 0, lambda: w, lambda: w * 3),
        lambda w: w if w.sum() > 0 else 3 * w,
    ),
    "stopped": (lambda w: K.stop_gradient(w) * w, lambda w: w * w),
    "activation": (
        lambda w: lamina.activations.sigmoid(w) + lamina.activations.relu(w),
        lambda w: 1 / (1 + np.exp(-w)) + np.maximum(w, 0),
    ),
    "loss": (
        lambda w: lamina.losses.mean_squared_error(B, w),
        lambda w: ((w - B) ** 2).mean(-1),
    ),
    "map": (lambda w: K.map_fn(lambda row: row * row, w), lambda w: w * w),
    "convolution": (
        lambda w: K.conv2d(PICTURE, K.reshape(w, (1, 1, 2, 3))),
        lambda w: PICTURE @ w,
    ),
    "dtype": (
        lambda w: K.cast(K.cast(w * 10, "int32") * 2, "float32"),
        lambda w: 2 * np.trunc(10 * w),
    ),
}
SMOOTH = sorted(set(EXPRESSIONS) - {"dtype", "stopped", "choice"})


@pytest.fixture(params=EXPRESSIONS)
def expression(request):
    function, by_numpy = EXPRESSIONS[request.param]
    return function, by_numpy or function


def test_expression_follows_its_variable(expression):
    function, by_numpy = expression
    w = K.variable(A)
    result = function(w)
    assert isinstance(result, Derived)
    close(result, by_numpy(A))
    K.set_value(w, B + 0.25)
    close(K.eval(result), by_numpy(B + 0.25))
    close(K.get_value(result), by_numpy(B + 0.25))
    close(result, by_numpy(A))


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_go_through_an_expression(name):
    function, by_numpy = EXPRESSIONS[name]
    by_numpy = by_numpy or function
    w, x = K.variable(B), K.placeholder((2,))
    loss = K.sum(x) * K.sum(function(w) * 0.5)
    K.set_value(w, A)
    (found,) = K.function([x], K.gradients(loss, [w]))([[1.0, 2.0]])
    np.testing.assert_allclose(
        found, slope(lambda a: 1.5 * by_numpy(a).sum(), A), rtol=2e-3, atol=2e-3
    )


def test_symbolic_tensors_meet_an_expression():
    w, x = K.variable(A), K.placeholder((None, 3))
    results = [
        x * K.sum(w),
        K.sum(w) * x,
        K.dot(x, K.transpose(w * 2)),
        K.concatenate([x, w * 2], axis=0),
    ]
    f = K.function([x], results)
    for value in (A, B):
        K.set_value(w, value)
        product, other, dot, joined = f([A])
        close(product, A * value.sum())
        close(other, A * value.sum())
        close(dot, A @ (2 * value).T)
        close(joined, np.concatenate([A, 2 * value]))


def test_function_of_expressions_alone():
    v, w = K.variable(A), K.variable(B)
    f = K.function([], [v * w, K.sum(v)])
    K.set_value(v, B)
    product, total = f([])
    close(product, B * B)
    close(total, B.sum())
    close(K.function([], v + w)([]), B + B)


def test_an_expression_may_be_fed_and_differentiated():
    w = K.variable(A)
    inner = K.square(w)
    loss = K.sum(inner * 3)
    of_inner, of_w = K.gradients(loss, [inner, w])
    close(K.eval(of_inner), np.full((2, 3), 3.0))
    close(K.eval(of_w), 6 * A)
    close(K.function([inner], [loss])([B])[0], 3 * B.sum())


def test_total_variation_of_a_picture():
    picture = K.variable(PICTURE)

    def variation(x, square, total):
        down = square(x[:, :-1, :-1] - x[:, 1:, :-1])
        right = square(x[:, :-1, :-1] - x[:, :-1, 1:])
        return total((down + right) ** 1.25)

    loss = variation(picture, K.square, K.sum)
    step = K.function(
        [], [loss], updates=[(picture, picture - 0.01 * K.gradients(loss, picture)[0])]
    )
    x = PICTURE.astype("f8")
    for _ in range(2):
        (found,) = step([])
        np.testing.assert_allclose(found, variation(x, np.square, np.sum), rtol=1e-4)
        x = x - 0.01 * slope(lambda a: variation(a, np.square, np.sum), x)
        np.testing.assert_allclose(K.get_value(picture), x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("update", [K.update, lambda v, new: (v, new)], ids=["update", "pair"])
def test_updates_of_variables_alone(update):
    v, w = K.variable(2.0), K.variable([1.0, 3.0])
    f = K.function([], [], updates=[update(v, v * 0.5 + K.sum(K.square(w))), update(w, w + 1)])
    f([])
    assert K.get_value(v) == 2 * 0.5 + 10
    close(K.get_value(w), [2, 4])
    f([])
    assert K.get_value(v) == 11 * 0.5 + 20
    close(K.get_value(w), [3, 5])


def test_an_update_by_an_expression():
    steps, size = K.variable(0.0), K.variable(2.0)
    f = K.function([], [], updates=[K.update_add(steps, size * 3)])
    assert K.get_value(steps) == 0
    f([])
    K.set_value(size, 5.0)
    f([])
    assert K.get_value(steps) == 2 * 3 + 5 * 3


def test_an_update_outside_of_a_function_takes_values_of_now():
    v, w = K.variable(2.0), K.variable(3.0)
    double = w * 2
    K.set_value(w, 5.0)
    K.update(v, double)
    assert K.get_value(v) == 10


class Penalized(Layer):
    """Multiplies by a kernel whose squares are added to the loss in `build`."""

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (1, 3), initializer="ones")
        self.add_loss(0.01 * K.sum(K.square(self.kernel)))

    def call(self, inputs):
        return inputs * self.kernel


def gradient_step(model, x, y):
    model.compile(lamina.optimizers.SGD(1.0), "mse")
    before = model.get_weights()[0].astype("f8")
    model.fit(x, y, epochs=1, batch_size=len(x), verbose=0)
    return before, before - model.get_weights()[0]


@pytest.mark.parametrize("made", ["sequential", "functional", "twice", "subclass"])
def test_a_loss_that_is_added_in_build_counts_once_at_each_step(made):
    layer = Penalized()
    x = Input((3,))
    inner = layer

    class Own(Model):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def call(self, inputs, training=None, mask=None):
            return self.inner(inputs)

    model = {
        "sequential": lambda: Sequential([layer]),
        "functional": lambda: Model(x, layer(x)),
        "twice": lambda: Model(x, layer(layer(x))),
        "subclass": Own,
    }[made]()
    zeros = np.zeros((2, 3), "f")
    model(zeros)
    layer.set_weights([C[None]])
    model.compile(lamina.optimizers.SGD(1.0), "mse")
    close(model.evaluate(zeros, zeros, verbose=0), 0.01 * (C**2).sum())
    before, moved = gradient_step(model, zeros, zeros)
    close(before, C[None])
    close(moved, 0.02 * C[None])
    close(float(sum(model.losses)), 0.01 * ((0.98 * C) ** 2).sum())


def test_a_loss_of_weights_that_is_added_to_a_model():
    layer = Dense(2, use_bias=False, input_shape=(3,))
    model = Sequential([layer])
    model.set_weights([MATRIX[:, :2]])
    scale = K.variable(0.25)
    model.add_loss(scale * K.sum(K.abs(layer.kernel)))
    zeros = np.zeros((4, 3), "f"), np.zeros((4, 2), "f")
    before, moved = gradient_step(model, *zeros)
    close(moved, 0.25 * np.sign(before))
    K.set_value(scale, 0.5)
    close(model.evaluate(*zeros, verbose=0), 0.5 * np.abs(model.get_weights()[0]).sum())


def test_losses_of_expressions_and_symbolic_tensors_together():
    x = Input((3,))
    layer = Dense(1, use_bias=False)
    model = Model(x, layer(x))
    model.add_loss([K.mean(K.square(x)), K.sum(layer.kernel) * 2])
    model.compile("sgd", "mse")
    layer.set_weights([MATRIX[:, :1]])
    zeros = np.zeros((2, 3), "f")
    close(model.evaluate(zeros, zeros[:, :1], verbose=0), 2 * MATRIX[:, :1].sum())


def test_losses_of_a_model_in_a_loss_of_ones_own():
    x = Input((3,))
    layer = Dense(1, use_bias=False, kernel_regularizer=lambda w: 0.5 * K.sum(K.square(w)))
    model = Model(x, layer(x))
    loss = K.mean(model.output) * 0 + sum(model.losses)
    f = K.function([x], [loss, *K.gradients(loss, model.trainable_weights)])
    layer.set_weights([MATRIX[:, :1]])
    value, of_kernel = f([np.zeros((2, 3), "f")])
    close(value, 0.5 * (MATRIX[:, :1] ** 2).sum())
    close(of_kernel, MATRIX[:, :1])


def test_an_expression_in_a_layer_follows_the_variable():
    w = K.variable(C[None])
    factor = K.square(w)
    model = Sequential([Lambda(lambda x: x * factor + K.sum(factor), input_shape=(3,))])
    for value in (C[None], B[:1]):
        K.set_value(w, value)
        close(model(A), A * value**2 + (value**2).sum())
        close(model.predict(A, verbose=0), A * value**2 + (value**2).sum())


def test_an_expression_as_the_input_of_a_model():
    w = K.variable(A)
    x = Input(tensor=K.concatenate([w, w * 2], axis=0))
    layer = Dense(2)
    out = layer(x)
    layer.set_weights([MATRIX[:, :2], MATRIX[0, :2]])
    grads = K.gradients(K.sum(out), [w])
    K.set_value(w, B)
    close(K.eval(out), np.concatenate([B, 2 * B]) @ MATRIX[:, :2] + MATRIX[0, :2])
    close(K.eval(grads[0]), np.broadcast_to(3 * MATRIX[:, :2].sum(1), (2, 3)))


def test_a_layer_called_on_a_symbolic_tensor_and_an_expression():
    w, x = K.variable(A), Input(batch_shape=(2, 3))
    out = lamina.layers.add([x, K.square(w)])
    K.set_value(w, B)
    close(K.function([x], [out])([A])[0], A + B**2)


def test_results_in_a_run_are_arrays():
    w, seen = K.variable(C[None]), []

    def call(x):
        seen.append((w * 2, K.square(w), w[0], w.sum(), x * w))
        return x * w

    Lambda(call)(A)
    assert all(isinstance(one, jax.Array) for results in seen for one in results)


def test_under_a_trace_of_ones_own_results_are_arrays():
    w = K.variable(C)
    found = []

    def traced(x):
        found.extend([w * 2, K.square(w), w * x, x * w])
        return x * (w * 2)

    close(jax.jit(traced)(A[0]), A[0] * C * 2)
    assert all(isinstance(one, jax.Array) for one in found)


def test_functions_of_keras_3_compute_at_once():
    w = K.variable(A)
    for result in (
        ops.square(w),
        ops.add(w, 1.0),
        ops.sum(w * 2),
        lamina.random.shuffle(w, seed=1),
    ):
        assert isinstance(result, jax.Array)


USES = {
    "numpy": lambda d: np.sqrt(np.asarray(d)),
    "function of numpy": np.sqrt,
    "jax.numpy": jnp.sqrt,
    "reshape": lambda d: jnp.sqrt(jnp.reshape(d, (2, 3))),
    "concatenate": lambda d: jnp.sqrt(jnp.concatenate([d, d])[:2]),
    "jit": jax.jit(jnp.sqrt),
    "jit of a dict": lambda d: jax.jit(lambda tree: {"a": jnp.sqrt(tree["a"])})({"a": d})["a"],
    "closure of jit": lambda d: jax.jit(lambda x: x * jnp.sqrt(d))(1.0),
    "vmap": jax.vmap(jnp.sqrt),
    "grad": jax.grad(lambda x: (x**1.5).sum() * (2 / 3)),
    "scan": lambda d: lax.scan(lambda c, x: (c * x, None), d, jnp.ones(3))[0] ** 0.5,
    "cond": lambda d: lax.cond(True, jnp.sqrt, lambda x: x, d),
    "lax of its array": lambda d: lax.sqrt(jnp.asarray(d)),
    "tree": lambda d: jax.tree.map(jnp.sqrt, [d])[0],
    "device_put": lambda d: jnp.sqrt(jax.device_put(d)),
    "index": lambda d: jnp.sqrt(jnp.stack([d[0], d[1]])),
    "iteration": lambda d: np.stack([np.sqrt(row) for row in d]),
    "ops": ops.sqrt,
    "layer": Lambda(jnp.sqrt),
    "at": lambda d: jnp.sqrt(d.at[0].multiply(1.0)),
}


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
def test_it_is_used_as_an_array(use):
    close(use(K.square(K.variable(A))), np.abs(A))


def test_it_looks_like_an_array():
    one = K.sum(K.variable([1.0, 2.0]))
    assert (float(one), int(one), bool(one), len(K.variable(A) * 1)) == (3.0, 3, True, 2)
    assert (repr(one), str(one), f"{one:.1f}") == ("Array(3., dtype=float32)", "3.0", "3.0")
    assert (one.shape, one.ndim, one.size, one.dtype) == ((), 0, 1, np.float32)
    assert "abc"[K.cast(K.variable(1.0), "int32")] == "b"
    assert K.int_shape(one) == ()
    assert K.is_tensor(one)
    assert not K.is_variable(one)
    assert not K.is_keras_tensor(one)
    assert {one: 1}[one] == 1
    assert bool(one == 3.0) != bool(one != 3.0)
    assert one.item() == 3.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "bool"])
def test_dtypes(dtype):
    v = K.variable(np.array([0, 1, 1]), dtype=dtype)
    result = K.any(v) if dtype == "bool" else K.sum(v * v)
    assert K.dtype(result) == (dtype if dtype != "bool" else "bool")
    K.set_value(v, [0, 0, 1])
    assert K.eval(result) == 1


def test_unfit_operands_are_refused():
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = K.variable(1.0) * object()
    with pytest.raises(TypeError):
        _ = K.variable(1.0) + "a"


def test_copies():
    w = K.variable(C)
    held = {"w": w, "total": K.sum(w * w)}
    again = copy.deepcopy(held)
    K.set_value(w, 2 * C)
    K.set_value(again["w"], 3 * C)
    close(K.eval(held["total"]), 4 * (C**2).sum())
    close(K.eval(again["total"]), 9 * (C**2).sum())
    close(K.eval(copy.copy(held["total"])), 4 * (C**2).sum())
    array = pickle.loads(pickle.dumps(held["total"]))
    assert isinstance(array, jax.Array)
    close(array, (C**2).sum())


def test_a_copied_layer_adds_its_own_loss():
    layer = Penalized()
    layer(A)
    twin = copy.deepcopy(layer)
    layer.set_weights([C[None]])
    close(float(twin.losses[0]), 0.03)
    close(float(layer.losses[0]), 0.01 * (C**2).sum())


def test_it_lives_no_longer_than_its_last_user():
    w = K.variable(A)
    gc.disable()
    try:
        big = jnp.asarray(B)
        inner = w * big
        outer = K.sum(inner)
        K.function([], [outer * 2])
        kept = weakref.ref(inner), weakref.ref(big)
        del inner
        assert kept[0]() is None
        del big
        first = kept[1]()
        assert first is not None
        del first
        value = weakref.ref(K.sum(w * jnp.asarray(B)))
        assert value() is None
    finally:
        gc.enable()
    gc.collect()
    del outer
    gc.collect()
    assert kept[1]() is None


def test_a_graph_lives_no_longer_than_its_result():
    factor, x = K.sum(K.variable(A)), K.placeholder((2, 3))
    result = weakref.ref(K.exp(x * factor))
    gc.collect()
    assert result() is None
    assert K.eval(factor) is not None


def test_long_chains():
    w = K.variable([1.0, 2.0])
    term = K.sum(K.square(w))
    loss, start = term, time.perf_counter()
    for _ in range(3000):
        loss = loss + term
    found = copy.deepcopy(loss)
    K.set_value(w, [2.0, 3.0])
    close(K.eval(loss), 3001 * 13)
    close(found, 3001 * 5)
    twice = loss
    for _ in range(60):
        twice = twice + twice * 0.5
    close(K.eval(twice), np.float64(3001 * 13) * 1.5**60)
    assert time.perf_counter() - start < 20
    deep = term
    for _ in range(20_000):
        deep = +deep
    del deep


def test_threads():
    v = K.variable(2.0)
    shared = K.sum(v * 3)
    found, errors = [], []

    def work(number):
        try:
            x = K.placeholder(())
            found.append(K.function([x], [x * shared])([number])[0] / number)
        except Exception as error:  # shown by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert found == [6.0] * 8


def test_what_cannot_follow_says_so():
    layer, v = Dense(2, name="d"), K.variable(1.0)
    with pytest.raises(ValueError, match="add_update outside of call would change"):
        layer.add_update((v, v + 1))
    with pytest.raises(ValueError, match="add_loss got a value outside of call"):
        layer.add_loss(jnp.square(v))
    with pytest.raises(TypeError, match="must be computed from an Input or a variable"):
        K.gradients(jnp.square(v), [v])
    x = Input((3,))
    model = Model(x, Lambda(lambda t: t)(x) * K.square(v))
    with pytest.raises(NotImplementedError, match=r"cannot stand in a config|Wrap it in"):
        model.get_config()


LOOPS = {
    "map": (lambda w: K.map_fn(lambda row: row * w, B[:, 0]), lambda w: B[:, 0] * w),
    "left fold": (lambda w: K.foldl(lambda a, b: a + b * w, C), lambda w: C[0] + C[1:].sum() * w),
    "right fold": (lambda w: K.foldr(lambda a, b: a + b * w, C), lambda w: C[2] + C[:2].sum() * w),
    "recurrence": (
        lambda w: K.rnn(
            lambda x, states: (states[0] + x * w, [states[0] + x * w]), B[:, :, None], [B[:, :1]]
        )[1],
        lambda w: B[:, :1, None] + np.cumsum(B, 1)[:, :, None] * w,
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_over_functions_that_read_a_variable(name):
    function, by_numpy = LOOPS[name]
    w = K.variable(2.0)
    result = function(w)
    close(result, by_numpy(2.0))
    K.set_value(w, -3.0)
    close(K.eval(result), by_numpy(-3.0))
    close(K.eval(K.gradients(K.sum(result), [w])[0]), by_numpy(1.0).sum() - by_numpy(0.0).sum())


LABELS = np.array([[2], [0]])
# Functions that the table of test_kinds_of_tensors.py lacks; their second arguments are variables.
FURTHER = {
    "batch_dot": (
        lambda w: K.batch_dot(K.constant(B), w, 1),
        lambda w: (B * w).sum(1, keepdims=True),
    ),
    "bias_add": (lambda w: K.bias_add(K.constant(B), w[0]), lambda w: B + w[0]),
    "normalization": (
        lambda w: K.batch_normalization(
            K.constant(B), w[0], K.square(w[1]), w[1], w[0], epsilon=0.1
        ),
        lambda w: (B - w[0]) / np.sqrt(w[1] ** 2 + 0.1) * w[0] + w[1],
    ),
    "of the batch": (
        lambda w: K.normalize_batch_in_training(w, w[0] * 0 + 1, w[1] * 0, [0], 0.1)[0],
        lambda w: (w - w.mean(0)) / np.sqrt(w.var(0) + 0.1),
    ),
    "sparse crossentropy": (
        lambda w: K.sparse_categorical_crossentropy(LABELS[:, 0], w, from_logits=True),
        lambda w: np.log(np.exp(w).sum(1)) - w[[0, 1], LABELS[:, 0]],
    ),
    "in_top_k": (
        lambda w: K.in_top_k(w, LABELS[:, 0], 1),
        lambda w: w.argmax(1) == LABELS[:, 0],
    ),
    "phase": (lambda w: K.in_train_phase(w * 5, w, training=0), lambda w: w),
    "phase of the run": (lambda w: K.in_train_phase(w * 5, w * 2), lambda w: 2 * w),
    "resize_images": (
        lambda w: K.resize_images(w[None, :, :, None], 2, 1, "channels_last"),
        lambda w: w.repeat(2, 0)[None, :, :, None],
    ),
    "conv2d_transpose": (
        lambda w: K.conv2d_transpose(
            PICTURE, K.reshape(w, (1, 1, 3, 2)), (1, 5, 6, 3), padding="same"
        ),
        lambda w: PICTURE @ w.reshape(3, 2).T,
    ),
    "local_conv1d": (
        lambda w: K.local_conv1d(K.constant(B[:, :2, None]), w[:, None], (1,), (1,)),
        lambda w: B[:, :2, None] * w[None],
    ),
    "print_tensor": (lambda w: K.print_tensor(w) * 2, lambda w: 2 * w),
    "moving average": (
        lambda w: w * 0.75 + 0.25 * K.mean(w, axis=0, keepdims=True),
        lambda w: w * 0.75 + 0.25 * w.mean(0),
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_further_functions_follow(name):
    function, by_numpy = FURTHER[name]
    w = K.variable(B * 0.5)
    result = function(w)
    K.set_value(w, A)
    close(K.eval(result), by_numpy(A))


@pytest.mark.parametrize("duplicate", [clone_model, copy.deepcopy])
def test_copies_of_models_compute_with_their_own_weights(duplicate):
    x, scale = Input((3,)), K.variable(2.0)
    layer = Dense(2, use_bias=False)
    model = Model(x, layer(x) * scale + K.sum(layer.kernel))
    model.add_loss(scale * K.sum(K.square(layer.kernel)))
    layer.set_weights([MATRIX[:, :2]])
    twin = duplicate(model)
    twin.set_weights([MATRIX[:, 1:3]])
    close(model(A), A @ MATRIX[:, :2] * 2 + MATRIX[:, :2].sum())
    close(twin(A), A @ MATRIX[:, 1:3] * 2 + MATRIX[:, 1:3].sum())
    close(float(model.losses[0]), 2 * (MATRIX[:, :2] ** 2).sum())
    close(float(twin.losses[0]), 2 * (MATRIX[:, 1:3] ** 2).sum())
