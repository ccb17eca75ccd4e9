"""Are two digits the same? Two branches that share their layers, written as in 2016.

python examples/keras2017/siamese.py
"""

import random

import numpy as np

import lamina as keras
from lamina import backend as K
from lamina.layers import Dense, Dropout, Input, Lambda
from lamina.models import Model, Sequential
from lamina.optimizers import RMSprop


def euclidean_distance(vectors):
    x, y = vectors
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


def distance_shape(shapes):
    shape1, _ = shapes
    return (shape1[0], 1)


def contrastive_loss(y_true, y_pred):
    """Small distances of equal pairs, a margin between the others (Hadsell et al., 2006)."""
    margin = 1
    return K.mean(
        y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0))
    )


def close(y_true, y_pred):
    """Share of the pairs that the distance tells rightly."""
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, K.dtype(y_true))))


def pairs_of(x, labels):
    """Alternating pairs of one digit and of two, in an array of shape (pairs, 2, features)."""
    random.seed(0)
    places = [np.where(labels == digit)[0] for digit in range(10)]
    fewest = min(len(found) for found in places) - 1
    pairs, same = [], []
    for digit in range(10):
        for i in range(fewest):
            first, second = places[digit][i], places[digit][i + 1]
            other = places[(digit + random.randrange(1, 10)) % 10][i]
            pairs += [[x[first], x[second]], [x[first], x[other]]]
            same += [1, 0]
    return np.array(pairs), np.array(same)


def base_network(size):
    """The layers that both branches share."""
    seq = Sequential()
    seq.add(Dense(64, input_shape=(size,), activation="relu"))
    seq.add(Dropout(0.1))
    seq.add(Dense(64, activation="relu"))
    seq.add(Dropout(0.1))
    seq.add(Dense(32, activation="relu"))
    return seq


def main():
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train = x_train.reshape(len(x_train), 64).astype("float32") / 16
    x_test = x_test.reshape(len(x_test), 64).astype("float32") / 16
    tr_pairs, tr_y = pairs_of(x_train, y_train)
    te_pairs, te_y = pairs_of(x_test, y_test)

    network = base_network(64)
    input_a, input_b = Input(shape=(64,)), Input(shape=(64,))
    processed = [network(input_a), network(input_b)]
    distance = Lambda(euclidean_distance, output_shape=distance_shape)(processed)
    model = Model(input=[input_a, input_b], output=distance)
    model.compile(loss=contrastive_loss, optimizer=RMSprop(lr=0.002), metrics=[close])
    history = model.fit(
        [tr_pairs[:, 0], tr_pairs[:, 1]],
        tr_y,
        validation_data=([te_pairs[:, 0], te_pairs[:, 1]], te_y),
        batch_size=128,
        nb_epoch=12,
        verbose=0,
    )
    found = model.predict([te_pairs[:, 0], te_pairs[:, 1]])
    accuracy = np.mean((found.ravel() < 0.5) == te_y)
    print(f"loss: {history.history['loss'][0]:.4f} to {history.history['loss'][-1]:.4f}")
    print(f"accuracy on pairs of the test: {accuracy:.3f}")
    return model, history.history, accuracy, te_pairs


if __name__ == "__main__":
    main()
