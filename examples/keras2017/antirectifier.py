"""Instead of a ReLU: both signs kept, side by side. A layer of one's own, written as in 2016.

python examples/keras2017/antirectifier.py
"""

import lamina as keras
from lamina import backend as K
from lamina import layers
from lamina.models import Sequential
from lamina.utils import np_utils


def both_signs(x):
    """Centre and normalize each row; then its positive and its negative part."""
    x -= K.mean(x, axis=1, keepdims=True)
    x = K.l2_normalize(x, axis=1)
    return K.concatenate([K.relu(x, 0), K.relu(-x, 0)], axis=1)


class Antirectifier(layers.Layer):
    """For Keras 2."""

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        assert len(shape) == 2  # only for vectors
        shape[-1] *= 2
        return tuple(shape)

    def call(self, inputs):
        return both_signs(inputs)


class OldAntirectifier(layers.Layer):
    """The same for Keras 1, where the method of the shape had another name."""

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], 2 * input_shape[1])

    def call(self, x, mask=None):
        return both_signs(x)


def build(kind):
    model = Sequential()
    model.add(layers.Dense(64, input_shape=(64,)))
    model.add(kind())
    model.add(layers.Dropout(0.1))
    model.add(layers.Dense(64))
    model.add(kind())
    model.add(layers.Dropout(0.1))
    model.add(layers.Dense(10))
    model.add(layers.Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return model


def main(kind=Antirectifier):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train = x_train.reshape(len(x_train), 64).astype("float32") / 16
    x_test = x_test.reshape(len(x_test), 64).astype("float32") / 16
    model = build(kind)
    history = model.fit(
        x_train,
        np_utils.to_categorical(y_train, 10),
        batch_size=64,
        nb_epoch=12,
        verbose=0,
        validation_data=(x_test, np_utils.to_categorical(y_test, 10)),
    )
    print(f"accuracy on the test: {history.history['val_acc'][-1]:.3f}")
    return model, history.history


if __name__ == "__main__":
    main()
