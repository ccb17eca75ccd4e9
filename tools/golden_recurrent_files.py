"""Save models with recurrent layers by real releases of Keras, and record what they predict.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python tools/golden_recurrent_files.py keras1.2.2
    KERAS_BACKEND=tensorflow python tools/golden_recurrent_files.py keras2.2.4
    python tools/golden_recurrent_files.py tf2.15
    KERAS_BACKEND=jax python tools/golden_recurrent_files.py keras3.15

``tests/golden/recurrent_files/<release>/`` gets a file for each model, with noise in all weights,
and ``<model>.npz``: ``input_0`` ... and ``prediction_0`` ...; nothing is compiled.
"""

import os
import sys

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
FOLDER = os.path.join(ROOT, "tests", "golden", "recurrent_files")
FRAMES = (4, 5, 3)


def floats(*shape):
    return np.random.RandomState(sum(shape)).normal(size=shape).astype("float32")


def gapped(*shape):
    x = floats(*shape)
    x[0, :2] = 0
    x[1, 2] = 0
    x[2, -2:] = 0
    return x


def words(*shape):
    return np.random.RandomState(sum(shape)).randint(0, 9, size=shape).astype("int32")


def keras_1(L, Sequential, Model):
    def chain(*layers):
        model = Sequential()
        for layer in layers:
            model.add(layer)
        return model

    three = chain(
        L.Masking(input_shape=FRAMES[1:]),
        L.LSTM(6, return_sequences=True, forget_bias_init="zero", consume_less="gpu"),
        L.GRU(5, return_sequences=True, go_backwards=True, inner_activation="sigmoid"),
        L.SimpleRNN(4, W_regularizer="l2", dropout_U=0.2),
    )
    both = chain(
        L.Embedding(9, 4, mask_zero=True, input_length=6),
        L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="concat"),
        L.TimeDistributed(L.Dense(5, activation="tanh")),
        L.Bidirectional(L.GRU(4), merge_mode="sum"),
    )
    images = chain(
        L.ConvLSTM2D(3, 2, 3, border_mode="same", dim_ordering="tf", input_shape=(3, 5, 6, 2)),
        L.Flatten(),
        L.Dense(2),
    )
    return [
        ("three", three, [gapped(*FRAMES)]),
        ("both", both, [words(4, 6)]),
        ("images", images, [floats(2, 3, 5, 6, 2)]),
    ]


def later(L, Sequential, Model, release):
    """The models of Keras 2, tf.keras and Keras 3."""
    three = Sequential(
        [
            L.Masking(input_shape=FRAMES[1:]) if release != "keras3.15" else L.Masking(),
            L.LSTM(6, return_sequences=True, unit_forget_bias=False),
            L.GRU(5, return_sequences=True, go_backwards=True),
            L.GRU(4, return_sequences=True, reset_after=True),
            L.GRU(4, return_sequences=True, reset_after=False, recurrent_activation="hard_sigmoid"),
            L.SimpleRNN(4, kernel_regularizer="l2", recurrent_dropout=0.2),
        ]
    )
    if release == "keras3.15":
        three.build(FRAMES)
    ids = L.Input((6,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=True)(ids)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(5, activation="tanh"))(x)
    every = L.Bidirectional(L.SimpleRNN(4, return_sequences=True), merge_mode="ave")(x)
    both = Model(ids, [every, L.Bidirectional(L.GRU(4), merge_mode="sum")(x)])
    frames = L.Input((3, 5, 6, 2))
    y = L.ConvLSTM2D(3, (2, 3), padding="same", return_sequences=True)(frames)
    y = L.TimeDistributed(L.Conv2D(2, 2))(y)
    inner = Sequential([L.Flatten(input_shape=(4, 5, 2)), L.Dense(3)])
    if release == "keras3.15":
        inner = Sequential([L.Input((4, 5, 2)), L.Flatten(), L.Dense(3)])
    images = Model(frames, L.RNN(L.LSTMCell(4))(L.TimeDistributed(inner)(y)))
    source, target = L.Input((None, 3)), L.Input((None, 2))
    _, h, c = L.LSTM(5, return_state=True)(source)
    decoded = L.LSTM(5, return_sequences=True)(target, initial_state=[h, c])
    stacked = L.RNN([L.GRUCell(3), L.LSTMCell(4)], return_sequences=True)(decoded)
    translate = Model([source, target], stacked)
    found = [
        ("three", three, [gapped(*FRAMES)]),
        ("both", both, [words(4, 6)]),
        ("images", images, [floats(2, 3, 5, 6, 2)]),
        ("translate", translate, [floats(4, 6, 3), floats(4, 3, 2)]),
    ]
    if release == "keras2.2.4":
        state = Sequential([L.LSTM(3, stateful=True, batch_input_shape=(4, 5, 3)), L.Dense(2)])
        found.append(("stateful", state, [floats(4, 5, 3)]))
    return found


def save(release):
    if release == "tf2.15":
        from tensorflow import keras
    else:
        import keras
    L, models = keras.layers, keras.models
    if release == "keras1.2.2":
        found = keras_1(L, models.Sequential, models.Model)
    else:
        found = later(L, models.Sequential, models.Model, release)
    folder = os.path.join(FOLDER, release)
    os.makedirs(folder, exist_ok=True)
    for name, model, inputs in found:
        rng = np.random.RandomState(len(name))
        model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.get_weights()])
        given = inputs[0] if len(inputs) == 1 else inputs
        outputs = model.predict(given, batch_size=4, verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        arrays = {f"input_{n}": one for n, one in enumerate(inputs)}
        arrays.update({f"prediction_{n}": one for n, one in enumerate(outputs)})
        np.savez_compressed(os.path.join(folder, name + ".npz"), **arrays)
        for ending in ["h5"] + (["keras"] if release == "keras3.15" else []):
            path = os.path.join(folder, name + "." + ending)
            if os.path.exists(path):
                os.remove(path)
            try:
                model.save(path)
            except Exception as error:
                print("FAILED", release, name, ending, type(error), str(error)[:200])
            else:
                print(release, name, ending, os.path.getsize(path), flush=True)


if __name__ == "__main__":
    save(sys.argv[1])
