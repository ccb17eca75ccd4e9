"""Classify pictures of clothing with two dense layers: the first tutorial of Keras.

python examples/image_classification.py                  # Fashion-MNIST, fetched once
python examples/image_classification.py --data digits    # comes with the package
"""

import argparse

import numpy as np

import lamina
from lamina import layers

CLOTHES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip


def load(name):
    """Images from 0 to 1 with their labels, and the names of the ten classes."""
    if name == "digits":
        (x_train, y_train), (x_test, y_test) = lamina.datasets.digits.load_data()
        names, white = [str(digit) for digit in range(10)], 16
    else:
        source = getattr(lamina.datasets, name)
        (x_train, y_train), (x_test, y_test) = source.load_data()
        names = CLOTHES if name == "fashion_mnist" else [str(digit) for digit in range(10)]
        white = 255
    x_train, x_test = x_train.astype("float32") / white, x_test.astype("float32") / white
    return (x_train, y_train), (x_test, y_test), names


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", choices=["fashion_mnist", "mnist", "digits"], default="fashion_mnist"
    )
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)

    lamina.utils.set_random_seed(0)
    (train_images, train_labels), (test_images, test_labels), names = load(options.data)
    print(f"{len(train_images)} images of {train_images.shape[1:]} to train on")

    # The layers: an image becomes a vector, the vector 128 features, these ten scores.
    model = lamina.Sequential(
        [
            layers.Flatten(input_shape=train_images.shape[1:]),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=lamina.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train_images, train_labels, epochs=options.epochs)

    loss, accuracy = model.evaluate(test_images, test_labels, verbose=2)
    print(f"Test accuracy: {accuracy:.3f}, loss: {loss:.3f}")

    # A softmax behind the scores makes them probabilities.
    probability_model = lamina.Sequential([model, layers.Softmax()])
    predictions = probability_model.predict(test_images)
    print("Probabilities of the first test image:", np.round(predictions[0], 3))
    print("It is read as:", names[np.argmax(predictions[0])])
    print("It is:", names[test_labels[0]])

    # One image is a batch of one.
    single = np.expand_dims(test_images[1], 0)
    print("The second alone:", names[np.argmax(probability_model.predict(single)[0])])
    return accuracy


if __name__ == "__main__":
    main()
