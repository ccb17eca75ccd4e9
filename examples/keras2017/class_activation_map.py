"""Where does a net look? Class activation maps and Grad-CAM, written as in 2017.

python examples/keras2017/class_activation_map.py
"""

import numpy as np

import lamina as keras
from lamina import backend as K
from lamina.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
from lamina.models import Model

SIZE, PATCH = 16, 5
SHAPES = np.array(
    [
        [[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]],
        [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]],
        [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],
    ],
    "float32",
)


def pictures(count, seed):
    """Noise with one shape somewhere; also the class of the shape, and its upper left corner."""
    rng = np.random.RandomState(seed)
    x = 0.15 * rng.normal(size=(count, SIZE, SIZE, 1))
    labels = rng.randint(len(SHAPES), size=count)
    corners = rng.randint(0, SIZE - PATCH + 1, size=(count, 2))
    for image, label, (row, column) in zip(x, labels, corners, strict=True):
        image[row : row + PATCH, column : column + PATCH, 0] += SHAPES[label]
    return x.astype("float32"), labels, corners


def build():
    """A net whose classes are weighted means of the maps of its last convolution."""
    image = Input(shape=(SIZE, SIZE, 1))
    x = Conv2D(12, (3, 3), padding="same", activation="relu")(image)
    x = Conv2D(24, (3, 3), padding="same", activation="relu", name="last_conv")(x)
    x = GlobalAveragePooling2D()(x)
    y = Dense(len(SHAPES), activation="softmax", name="predictions")(x)
    return Model(input=image, output=y)


def class_activation_map(model):
    """A function of an image and a class: the maps, weighted as the class weighs their means."""
    kernel = model.get_layer("predictions").get_weights()[0]
    kernel = kernel - kernel.mean(axis=1, keepdims=True)  # softmax ignores what all classes share
    get_maps = K.function([model.layers[0].input], [model.get_layer("last_conv").output])

    def look(image, label):
        (maps,) = get_maps([image[None]])
        return np.dot(maps[0], kernel[:, label])

    return look


def gradient_weights(model, label):
    """A function of images: the mean gradient of a class's probability, and the maps."""
    last = model.get_layer("last_conv")
    score = model.output[:, label]
    gradients = K.gradients(score, last.output)[0]
    weights = K.mean(gradients, axis=(0, 1, 2))
    return K.function([model.input, K.learning_phase()], [weights, last.output[0]])


def grad_cam(model):
    """A function of an image and a class: the maps, weighted by their mean gradients."""
    looks = [gradient_weights(model, label) for label in range(len(SHAPES))]

    def look(image, label):
        weights, maps = looks[label]([image[None], 0])
        return np.maximum((maps * weights).sum(axis=-1), 0)

    return look


def hit(heat, corner):
    """Whether the hottest place lies on the shape."""
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    return bool(0 <= row - corner[0] < PATCH and 0 <= column - corner[1] < PATCH)


def main():
    np.random.seed(0)
    keras.utils.set_random_seed(1)
    model = build()
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.Adam(lr=0.01),
        metrics=["acc"],
    )
    x, labels, _ = pictures(900, seed=1)
    history = model.fit(x, labels, batch_size=50, nb_epoch=12, verbose=0)
    images, classes, corners = pictures(20, seed=2)
    said = model.predict(images).argmax(axis=-1)
    maps = list(map(class_activation_map(model), images, classes))
    heats = list(map(grad_cam(model), images, classes))
    results = {
        "accuracy": history.history["acc"][-1],
        "right": float((said == classes).mean()),
        "maps on the shape": float(np.mean(list(map(hit, maps, corners)))),
        "Grad-CAM on the shape": float(np.mean(list(map(hit, heats, corners)))),
    }
    for name, value in results.items():
        print(f"{name}: {value:.3f}")
    return model, results


if __name__ == "__main__":
    main()
