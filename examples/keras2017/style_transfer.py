"""One picture in the style of another: its losses and their descent, written as in 2017.

The features come from a net of random filters, which is enough for colours and strokes.

python examples/keras2017/style_transfer.py        # needs SciPy
"""

import numpy as np

import lamina as keras
from lamina import backend as K
from lamina.layers import AveragePooling2D, Conv2D, Input
from lamina.models import Model

SIDE = 16
STYLE_LAYERS = ["block1_conv1", "block1_conv2", "block2_conv1"]
CONTENT_LAYER = "block2_conv1"
WEIGHTS = {"content": 0.002, "style": 2000.0, "variation": 1e-5}


def content_picture():
    """A bright disk."""
    row, column = np.mgrid[:SIDE, :SIDE]
    disk = (row - 7.5) ** 2 + (column - 7.5) ** 2 < 25
    return np.where(disk[..., None], [0.9, 0.8, 0.7], [0.2, 0.2, 0.3])[None].astype("float32")


def style_picture():
    """Slanted stripes of two colours."""
    row, column = np.mgrid[:SIDE, :SIDE]
    stripes = ((row + column) // 2 % 2)[..., None]
    return (stripes * [0.9, 0.1, 0.1] + (1 - stripes) * [0.1, 0.1, 0.8])[None].astype("float32")


def net(tensor):
    """Features of pictures: a model that opens with a tensor instead of an empty input."""
    image = Input(tensor=tensor, shape=(SIDE, SIDE, 3))
    x = Conv2D(16, (3, 3), activation="relu", padding="same", name="block1_conv1")(image)
    x = Conv2D(16, (3, 3), activation="relu", padding="same", name="block1_conv2")(x)
    x = AveragePooling2D((2, 2), strides=(2, 2))(x)
    x = Conv2D(24, (3, 3), activation="relu", padding="same", name="block2_conv1")(x)
    return Model(image, x)


def gram_matrix(x):
    """How often features occur together."""
    features = K.batch_flatten(K.permute_dimensions(x, (2, 0, 1)))
    return K.dot(features, K.transpose(features))


def style_loss(style, combination):
    channels, size = K.int_shape(style)[-1], SIDE * SIDE
    difference = gram_matrix(style) - gram_matrix(combination)
    return K.sum(K.square(difference)) / (4.0 * channels**2 * size**2)


def content_loss(base, combination):
    return K.sum(K.square(combination - base))


def total_variation_loss(x):
    down = K.square(x[:, :-1, :-1, :] - x[:, 1:, :-1, :])
    right = K.square(x[:, :-1, :-1, :] - x[:, :-1, 1:, :])
    return K.sum(K.pow(down + right, 1.25))


def losses_and_gradients():
    """A function of the combined picture: content, style, variation, all, and the gradient."""
    base = K.variable(content_picture())
    style = K.variable(style_picture())
    combination = K.placeholder((1, SIDE, SIDE, 3))
    model = net(K.concatenate([base, style, combination], axis=0))
    outputs = {layer.name: layer.output for layer in model.layers}

    features = outputs[CONTENT_LAYER]
    content = content_loss(features[0, :, :, :], features[2, :, :, :])
    styles = K.variable(0.0)
    for name in STYLE_LAYERS:
        one = style_loss(outputs[name][1, :, :, :], outputs[name][2, :, :, :])
        styles = styles + one / len(STYLE_LAYERS)
    variation = total_variation_loss(combination)
    loss = WEIGHTS["content"] * content + WEIGHTS["style"] * styles
    loss += WEIGHTS["variation"] * variation
    gradients = K.gradients(loss, combination)[0]
    return K.function([combination], [content, styles, variation, loss, gradients])


class Evaluator:
    """Loss and gradient as SciPy wants them: two functions of a vector, computed together."""

    def __init__(self, function):
        self.function = function
        self.gradient = None

    def loss(self, x):
        *_, loss, gradient = self.function([x.reshape((1, SIDE, SIDE, 3))])
        self.gradient = gradient.flatten().astype("float64")
        return float(loss)

    def grads(self, x):
        return self.gradient


def main():
    from scipy.optimize import fmin_l_bfgs_b

    np.random.seed(0)
    keras.utils.set_random_seed(3)
    function = losses_and_gradients()
    evaluator = Evaluator(function)
    x = np.random.uniform(0.4, 0.6, SIDE * SIDE * 3)
    found = [[float(value) for value in function([x.reshape(1, SIDE, SIDE, 3)])[:4]]]
    for step in range(4):
        x, _, _ = fmin_l_bfgs_b(evaluator.loss, x, fprime=evaluator.grads, maxfun=10)
        x = np.clip(x, 0, 1)
        found.append([float(value) for value in function([x.reshape(1, SIDE, SIDE, 3)])[:4]])
        print(
            "{}: content {:.4f} style {:.6f} variation {:.2f} all {:.4f}".format(step, *found[-1])
        )
    return function, np.array(found), x.reshape(SIDE, SIDE, 3)


if __name__ == "__main__":
    main()
