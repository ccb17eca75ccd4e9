"""Models that are graphs: several inputs and outputs, shared layers, models as layers.

python examples/functional_api.py                  # MNIST, fetched once
python examples/functional_api.py --data digits    # comes with the package
"""

import argparse

import numpy as np

import lamina
from lamina import Model, layers
from lamina import backend as K


def load(name):
    """Images from 0 to 1 with one channel, and their labels."""
    source = getattr(lamina.datasets, name)
    (x_train, y_train), (x_test, y_test) = source.load_data()
    white = 16 if name == "digits" else 255
    x_train = x_train[..., np.newaxis].astype("float32") / white
    x_test = x_test[..., np.newaxis].astype("float32") / white
    return (x_train, y_train), (x_test, y_test)


def classifier(image_shape, name):
    """The same model as a Sequential of three dense layers, written as a graph."""
    inputs = lamina.Input(shape=image_shape)
    x = layers.Flatten()(inputs)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    return Model(inputs=inputs, outputs=layers.Dense(10)(x), name=name)


def encoder(image_shape):
    """Images to 32 features, with a jump over one convolution."""
    image = lamina.Input(shape=image_shape, name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    block = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x + block)
    return Model(image, layers.Dense(32, activation="relu")(layers.Flatten()(x)), name="encoder")


def pairs(image_shape):
    """Two images in; out come the digit of the first, and whether both are the same digit."""
    shared = encoder(image_shape)  # a model is a layer: both calls use the same weights
    first = lamina.Input(shape=image_shape, name="first")
    second = lamina.Input(shape=image_shape, name="second")
    features, others = shared(first), shared(second)
    digit = layers.Dense(10, name="digit")(features)
    distance = layers.Lambda(K.square)(features - others)
    same = layers.Dense(1, activation="sigmoid", name="same")(distance)
    return Model(inputs=[first, second], outputs={"digit": digit, "same": same}, name="pairs")


def ensemble(members, image_shape):
    """The mean of several models."""
    inputs = lamina.Input(shape=image_shape)
    scores = [member(inputs) for member in members]
    total = scores[0]
    for score in scores[1:]:
        total = total + score
    return Model(inputs, total / len(members), name="ensemble")


def paired(images, labels, seed):
    """Each image with a partner; every second partner shows the same digit."""
    rng = np.random.default_rng(seed)
    partner = rng.permutation(len(labels))
    for index in range(0, len(labels), 2):
        partner[index] = rng.choice(np.flatnonzero(labels == labels[index]))
    same = (labels == labels[partner]).astype("float32")[:, np.newaxis]
    return {"first": images, "second": images[partner]}, {"digit": labels, "same": same}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["mnist", "digits"], default="mnist")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)

    lamina.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = load(options.data)
    shape = x_train.shape[1:]
    from_logits = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)

    # One input, one output.
    members = [classifier(shape, name) for name in ("one", "other")]
    for member in members:
        member.compile("adam", from_logits, metrics=["accuracy"])
        member.fit(x_train, y_train, epochs=options.epochs, validation_split=0.2, verbose=2)
    members[0].summary()

    # Part of a graph as a model of its own, with the same weights.
    hidden = Model(members[0].inputs, members[0].layers[2].output)
    print("Features of the first layer:", hidden.predict(x_test, verbose=0).shape)

    # Models as layers of a model.
    together = ensemble(members, shape)
    together.compile("adam", from_logits, metrics=["accuracy"])
    print("The mean of two:", together.evaluate(x_test, y_test, verbose=0))

    # Two inputs, two outputs, a shared model inside.
    model = pairs(shape)
    model.compile(
        optimizer=lamina.optimizers.Adam(2e-3),
        loss={"digit": from_logits, "same": "binary_crossentropy"},
        loss_weights={"digit": 1.0, "same": 0.5},
        metrics={"digit": ["accuracy"], "same": ["accuracy"]},
    )
    inputs, targets = paired(x_train, y_train, seed=1)
    model.fit(inputs, targets, epochs=options.epochs, batch_size=32, verbose=2)
    inputs, targets = paired(x_test, y_test, seed=2)
    results = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    for name, value in results.items():
        print(f"{name}: {float(value):.4f}")
    return results


if __name__ == "__main__":
    main()
