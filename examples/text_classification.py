"""Tell praise from its contrary: word numbers, an embedding, a mean, a dense layer.

python examples/text_classification.py                   # IMDB, fetched once
python examples/text_classification.py --data builtin    # sentences made up here
"""

import argparse

import numpy as np

import lamina
from lamina import layers

PAD, START, UNKNOWN = 0, 1, 2

SUBJECTS = [
    "film", "story", "cast", "music", "ending", "dialogue",
    "camera", "director", "plot", "hero", "picture", "scene",
]  # fmt: skip
GOOD = [
    "wonderful", "brilliant", "moving", "funny", "clever",
    "charming", "great", "superb", "honest", "warm",
]  # fmt: skip
BAD = [
    "awful", "boring", "clumsy", "stale", "shallow",
    "tedious", "poor", "dreadful", "fake", "cold",
]  # fmt: skip
FRAMES = [
    "the {0} is {1} and the {2} is {3}",
    "i found the {0} {1} but also the {2} {3}",
    "what a {1} {0} with such a {3} {2}",
    "a {1} {0} and a {3} {2} i will remember it",
    "never saw a {0} so {1} or a {2} so {3}",
]


def made_up(count, seed):
    """Sentences of praise (1) and of the contrary (0)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    texts = []
    for label in labels:
        one, two = rng.choice(SUBJECTS, 2, replace=False)
        words = rng.choice(GOOD if label else BAD, 2, replace=False)
        texts.append(str(rng.choice(FRAMES)).format(one, words[0], two, words[1]))
    return texts, labels


def numbered(texts, words):
    """Texts as lists of numbers; a word that is not in the table is unknown."""
    table = {word: number + 3 for number, word in enumerate(words)}
    return [[START, *(table.get(word, UNKNOWN) for word in text.split())] for text in texts]


def padded(rows, length):
    """An array of the last `length` numbers of each row, with zeros behind."""
    values = np.full((len(rows), length), PAD, np.int32)
    for index, row in enumerate(rows):
        end = row[-length:]
        values[index, : len(end)] = end
    return values


def load(name, num_words):
    """Rows of word numbers with their labels, the size of the table, and the row's length."""
    if name == "imdb":
        train, test = lamina.datasets.imdb.load_data(num_words=num_words)
        return train, test, num_words, 256
    train, test = made_up(2000, seed=1), made_up(400, seed=2)
    words = sorted({word for text in train[0] for word in text.split()})
    rows = [(numbered(texts, words), labels) for texts, labels in (train, test)]
    return rows[0], rows[1], len(words) + 3, 16


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["imdb", "builtin"], default="imdb")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--num-words", type=int, default=10000)
    options = parser.parse_args(arguments)

    lamina.utils.set_random_seed(0)
    (rows, y_train), (test_rows, y_test), size, length = load(options.data, options.num_words)
    x_train, x_test = padded(rows, length), padded(test_rows, length)
    y_train, y_test = (np.asarray(y, "float32")[:, np.newaxis] for y in (y_train, y_test))

    model = lamina.Sequential(
        [
            layers.Embedding(size, 16, mask_zero=True),  # the zeros behind do not count
            layers.Dropout(0.2),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x_train, y_train, batch_size=64, epochs=options.epochs, validation_split=0.2, verbose=2
    )
    model.summary()
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.3f}, loss: {loss:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
