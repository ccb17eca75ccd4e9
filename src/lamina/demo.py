"""The main job from end to end: a convolutional network learns handwritten digits.

``lamina demo`` and ``make demo`` run it. It is also an example: everything in `network` and
`run` is the public API.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 25
BATCH = 32
RATE = 2e-3
SHOWN = 24  # predictions in the picture


def run(seed: int = 0, epochs: int = EPOCHS, picture: Path | None = None) -> float:
    """Train the network, test it, and draw what came out.

    Args:
        seed: of the weights, the order of the images and the dropout.
        epochs: rounds over the training images.
        picture: the file to draw into; ``None`` draws nothing.

    Returns:
        The part of the test images that it reads right, from 0 to 1.
    """
    from lamina import seeds
    from lamina.datasets import digits

    began = time.perf_counter()
    seeds.set_random_seed(seed)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = scaled(x_train), scaled(x_test)

    model = network(steps=epochs * -(-len(x_train) // BATCH))
    model.summary()
    history = model.fit(
        x_train, y_train, batch_size=BATCH, epochs=epochs, validation_data=(x_test, y_test)
    )
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(
        f"\nTest accuracy {accuracy:.2%}, loss {loss:.4f}: {round(accuracy * len(x_test))} of "
        f"{len(x_test)} images that it was not trained on, after "
        f"{time.perf_counter() - began:.1f} s."
    )
    if picture is not None:
        draw(history.history, x_test, y_test, model.predict(x_test, verbose=0), picture)
        print(f"Learning curves and predictions: {picture}")
    return float(accuracy)


def scaled(images: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1, with an axis for the one channel.

    >>> scaled(np.full((1, 8, 8), 16, np.uint8)).max().item()
    1.0
    """
    return (images[..., np.newaxis] / 16).astype(np.float32)


def network(steps: int) -> Any:
    """The compiled model: two convolutions, pooling, two dense layers, dropout between.

    Args:
        steps: how many training steps the rate of learning takes to fall to zero.
    """
    from lamina.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
    from lamina.models import Sequential
    from lamina.optimizers import Adam, schedules

    model = Sequential(
        [
            Conv2D(32, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            Conv2D(64, 3, padding="same", activation="relu"),
            MaxPooling2D(2),
            Dropout(0.25),
            Flatten(),
            Dense(128, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile(
        optimizer=Adam(schedules.CosineDecay(RATE, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(
    history: dict[str, list[float]],
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    path: Path,
) -> None:
    """Write a picture with the learning curves and some predictions, mistakes first.

    Args:
        history: what ``fit`` recorded: loss and accuracy, with and without ``val_``.
        images: test images of the shape ``(n, 8, 8, 1)``.
        labels: their digits.
        predicted: the probabilities of the ten digits, of the shape ``(n, 10)``.
        path: the file; its folder is made.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    top, bottom = halves
    for axes, name in zip(top.subplots(1, 2), ("accuracy", "loss"), strict=True):
        _draw_curve(axes, history, name)
    guesses = np.asarray(predicted)
    order = np.argsort(guesses.argmax(1) == labels, kind="stable")[:SHOWN]
    bottom.suptitle("Read from the test images (mistakes first, in red)", fontsize="medium")
    for axes, index in zip(bottom.subplots(3, SHOWN // 3).flat, order, strict=False):
        _draw_digit(axes, images[index, :, :, 0], int(labels[index]), guesses[index])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_curve(axes: Any, history: dict[str, list[float]], name: str) -> None:
    epochs = range(1, len(history[name]) + 1)
    axes.plot(epochs, history[name], color="#9aa5b1", label="training")
    axes.plot(epochs, history[f"val_{name}"], color="#1f6feb", label="test")
    if name == "accuracy":
        axes.set_ylim(min(0.9, *history[f"val_{name}"]), 1.002)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    else:
        axes.set_yscale("log")
    axes.set(title=name, xlabel="epoch")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _draw_digit(axes: Any, image: np.ndarray, label: int, guess: np.ndarray) -> None:
    digit = int(guess.argmax())
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
    if digit == label:
        axes.set_title(f"{digit}", fontsize="medium", color="#1a7f37")
    else:
        axes.set_title(f"{digit}, is {label}", fontsize="medium", color="#cf222e")
