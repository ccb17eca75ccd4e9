"""What does a filter like to see? Ascent along the gradient of the input, written as in 2017.

python examples/keras2017/deep_dream.py
"""

import numpy as np

import lamina as keras
from lamina import backend as K
from lamina.layers import Activation, Convolution2D, Dense, Flatten, MaxPooling2D
from lamina.models import Sequential

COEFFICIENTS = {"conv_1": 0.2, "conv_2": 1.0}


def trained():
    """A small net that knows the digits."""
    (x, y), _ = keras.datasets.digits.load_data()
    x = x[..., None].astype("float32") / 16 - 0.5
    model = Sequential()
    model.add(Convolution2D(16, 3, 3, border_mode="same", input_shape=(8, 8, 1), name="conv_1"))
    model.add(Activation("relu"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Convolution2D(24, 3, 3, border_mode="same", activation="relu", name="conv_2"))
    model.add(Flatten())
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["acc"])
    model.fit(x, y, batch_size=64, nb_epoch=3, verbose=0)
    return model


def filter_function(model, layer_name, index):
    """A function of an image: how much a filter answers, and in which direction it would more."""
    layers = {layer.name: layer for layer in model.layers}
    loss = K.mean(layers[layer_name].output[:, :, :, index])
    gradients = K.gradients(loss, model.input)[0]
    gradients /= K.sqrt(K.mean(K.square(gradients))) + 1e-5
    return K.function([model.input, K.learning_phase()], [loss, gradients])


def favourite(model, layer_name, index, steps=30, rate=0.1):
    """An image that a filter answers to, and its answers on the way there."""
    iterate = filter_function(model, layer_name, index)
    image = np.random.normal(scale=0.05, size=(1, 8, 8, 1)).astype("float32")
    answers = []
    for _ in range(steps):
        loss, gradients = iterate([image, 0])
        answers.append(float(loss))
        image += rate * gradients
    return image, answers


def dream_function(model):
    """Loss and gradients of a dream: the activity of some layers, away from the border."""
    loss = K.variable(0.0)
    for name, coefficient in COEFFICIENTS.items():
        activity = model.get_layer(name).output
        scale = K.prod(K.cast(K.shape(activity), "float32"))
        loss = loss + coefficient * K.sum(K.square(activity[:, 1:-1, 1:-1, :])) / scale
    gradients = K.gradients(loss, model.input)[0]
    gradients /= K.maximum(K.mean(K.abs(gradients)), 1e-7)
    return K.function([model.input], [loss, gradients])


def dream(model, image, steps=15, rate=0.01, most=50.0):
    """An image changed towards more activity, and its losses on the way."""
    look = dream_function(model)
    losses = []
    for _ in range(steps):
        loss, gradients = look([image])
        losses.append(float(loss))
        if loss > most:
            break
        image = image + rate * gradients
    return image, losses


def main():
    np.random.seed(0)
    keras.utils.set_random_seed(0)
    model = trained()
    answers = [favourite(model, "conv_2", index)[1] for index in range(4)]
    for index, found in enumerate(answers):
        print(f"filter {index}: {found[0]:.4f} to {found[-1]:.4f}")
    _, (x, _) = keras.datasets.digits.load_data()
    _, losses = dream(model, x[:1, ..., None].astype("float32") / 16 - 0.5)
    print(f"dream: {losses[0]:.4f} to {losses[-1]:.4f}")
    return model, answers, losses


if __name__ == "__main__":
    main()
