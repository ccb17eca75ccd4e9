"""The models that are measured: plain data that every contender reads, NumPy and nothing else.

A layer is a pair: the name of its class in Keras, and its arguments under their Keras names.
One kind is no class: ``Residual``, whose output is ``relu(body(x) + shortcut(x))``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

Layer = tuple[str, dict[str, Any]]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Workload:
    """A model, its data, and how it is trained.

    Attributes:
        name: short name, used on the command line.
        about: what it is, for tables.
        shape: shape of one sample.
        layers: the layers, the last with its activation.
        batch: rows of a batch.
        batches: batches of the data set.
        epochs: epochs that are trained in one go.
        classes: numbers that the model gives; 1 for a probability.
        vocabulary: number of different tokens, where samples are tokens.
        file: a file of float32 that holds the samples; by default they are in memory.
    """

    name: str
    about: str
    shape: Shape
    layers: Sequence[Layer]
    batch: int
    batches: int
    epochs: int = 1
    classes: int = 10
    vocabulary: int | None = None
    file: str | None = None

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    @property
    def loss(self) -> str:
        kind = "binary" if self.classes == 1 else "sparse_categorical"
        return f"{kind}_crossentropy"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def without_dropout(self) -> Workload:
        """The same with rates of zero: all contenders give the same numbers."""
        return replace(self, layers=[_silent(*layer) for layer in self.layers])


def _silent(kind: str, options: dict[str, Any]) -> Layer:
    return kind, options | ({"rate": 0.0} if kind == "Dropout" else {})


def from_json(stated: Any) -> Workload:
    """Undo `Workload.as_json`."""
    return Workload(**stated | {"shape": tuple(stated["shape"])})


def data(work: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Noise to train on: samples and labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, max(work.classes, 2), work.rows).astype("int32")
    shape = (work.rows, *work.shape)
    if work.file is not None:
        return np.memmap(work.file, "float32", "r", shape=shape), labels
    if work.vocabulary is not None:
        return rng.integers(0, work.vocabulary, shape).astype("int32"), labels
    return rng.standard_normal(shape, "float32"), labels


def named(layers: Sequence[Layer], prefix: str = "layer") -> Iterator[tuple[str, str, Any]]:
    """Name, kind and arguments of each layer; those inside of a residual come after it."""
    for place, (kind, options) in enumerate(layers):
        yield f"{prefix}_{place}", kind, options


def weights(work: Workload) -> dict[str, list[np.ndarray]]:
    """First weights of all layers that have some, by name: in the order and layout of Keras."""
    found: dict[str, list[np.ndarray]] = {}
    _weigh(work.layers, work.shape, "layer", np.random.default_rng(1), found)
    return found


def _weigh(
    layers: Sequence[Layer],
    shape: Shape,
    prefix: str,
    rng: np.random.Generator,
    found: dict[str, list[np.ndarray]],
) -> Shape:
    """Draw the weights of a chain of layers; gives the shape of its output."""
    for name, kind, options in named(layers, prefix):
        if kind == "Residual":
            _weigh(options["shortcut"], shape, f"{name}_shortcut", rng, found)
            shape = _weigh(options["body"], shape, f"{name}_body", rng, found)
            continue
        shapes = _weight_shapes(kind, options, shape)
        if shapes:
            found[name] = [_draw(rng, kind, place, one) for place, one in enumerate(shapes)]
        shape = output_shape(kind, options, shape)
    return shape


def _weight_shapes(kind: str, options: dict[str, Any], shape: Shape) -> list[Shape]:
    if kind == "Dense":
        return [(shape[-1], options["units"]), (options["units"],)]
    if kind == "Embedding":
        return [(options["input_dim"], options["output_dim"])]
    if kind == "BatchNormalization":
        return [shape[-1:]] * 4
    if kind.startswith("Conv"):
        window = (options["kernel_size"],) * (len(shape) - 1)
        return [(*window, shape[-1], options["filters"]), (options["filters"],)]
    return []


def _draw(rng: np.random.Generator, kind: str, place: int, shape: Shape) -> np.ndarray:
    if kind == "BatchNormalization":
        # gamma, beta, mean, variance
        middle = 1.0 if place in {0, 3} else 0.0
        return (middle + rng.uniform(-0.1, 0.1, shape)).astype("float32")
    if place == 1:
        return rng.uniform(-0.05, 0.05, shape).astype("float32")
    if kind == "Embedding":
        return rng.uniform(-0.05, 0.05, shape).astype("float32")
    cells = math.prod(shape[:-2])
    limit = math.sqrt(6 / (cells * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype("float32")


def output_shape(kind: str, options: dict[str, Any], shape: Shape) -> Shape:
    """Shape of a layer's output, without the batch."""
    if kind == "Dense":
        return (*shape[:-1], options["units"])
    if kind == "Embedding":
        return (*shape, options["output_dim"])
    if kind == "Flatten":
        return (math.prod(shape),)
    if kind.startswith("Global"):
        return shape[-1:]
    if kind.startswith("MaxPooling"):
        return (*(size // options["pool_size"] for size in shape[:-1]), shape[-1])
    if kind.startswith("Conv"):
        lost = 0
        if options.get("padding", "valid") == "valid":
            lost = (options["kernel_size"] - 1) * options.get("dilation_rate", 1)
        return (*(size - lost for size in shape[:-1]), options["filters"])
    return shape


def dense(units: int, activation: str | None = "relu") -> Layer:
    return "Dense", {"units": units, "activation": activation}


def dropout(rate: float) -> Layer:
    return "Dropout", {"rate": rate}


def conv(rank: int, filters: int, size: int = 3, padding: str = "same", **more: Any) -> Layer:
    options = {"filters": filters, "kernel_size": size, "padding": padding}
    return f"Conv{rank}D", options | {"activation": "relu"} | more


def pool(rank: int) -> Layer:
    return f"MaxPooling{rank}D", {"pool_size": 2}


def embedding(tokens: int, units: int) -> Layer:
    return "Embedding", {"input_dim": tokens, "output_dim": units}


FLATTEN: Layer = ("Flatten", {})
ANSWER = dense(10, "softmax")
YES_OR_NO = dense(1, "sigmoid")


def normalized(filters: int, activation: str = "relu") -> list[Layer]:
    """A convolution, batch normalization, and an activation."""
    return [
        conv(2, filters, activation=None),
        ("BatchNormalization", {}),
        ("Activation", {"activation": activation}),
    ]


def residual(filters: int) -> Layer:
    """Two convolutions and what jumps over them."""
    body = [*normalized(filters), *normalized(filters, "linear")]
    return "Residual", {"body": body, "shortcut": []}


def mlp(batch: int, batches: int) -> Workload:
    """784-512-512-10 with dropout."""
    layers = [dense(512), dropout(0.2), dense(512), dropout(0.2), ANSWER]
    about = f"MLP 784-512-512-10, dropout, batch {batch}"
    return Workload(f"mlp_{batch}", about, (784,), layers, batch, batches)


def vgg(widths: Sequence[int]) -> list[Layer]:
    """Pairs of convolutions with pooling between them."""
    stack = [[conv(2, width), conv(2, width), pool(2)] for width in widths]
    return [*(layer for stage in stack for layer in stage), FLATTEN, dense(256), ANSWER]


RESNET = [
    *normalized(32),
    pool(2),
    residual(32),
    *normalized(64),
    pool(2),
    residual(64),
    *normalized(128),
    residual(128),
    ("GlobalAveragePooling2D", {}),
    ANSWER,
]

MNIST = [
    conv(2, 32, padding="valid"),
    conv(2, 64, padding="valid"),
    pool(2),
    dropout(0.25),
    FLATTEN,
    dense(128),
    dropout(0.5),
    ANSWER,
]

CIFAR = [
    conv(2, 32),
    conv(2, 32, padding="valid"),
    pool(2),
    dropout(0.25),
    conv(2, 64),
    conv(2, 64, padding="valid"),
    pool(2),
    dropout(0.25),
    FLATTEN,
    dense(512),
    dropout(0.5),
    ANSWER,
]

IMDB = [
    embedding(5000, 50),
    dropout(0.2),
    conv(1, 250, padding="valid"),
    ("GlobalMaxPooling1D", {}),
    dense(250),
    dropout(0.2),
    YES_OR_NO,
]

TEXT = [
    embedding(10_000, 16),
    dropout(0.2),
    ("GlobalAveragePooling1D", {}),
    dropout(0.2),
    YES_OR_NO,
]

CAUSAL = [
    *(conv(1, 32, padding="causal", dilation_rate=2**depth) for depth in range(7)),
    ("GlobalAveragePooling1D", {}),
    ANSWER,
]

VOLUMES = [
    conv(3, 16),
    pool(3),
    conv(3, 32),
    pool(3),
    conv(3, 64, padding="valid"),
    ("GlobalAveragePooling3D", {}),
    ANSWER,
]

WORKLOADS = {
    work.name: work
    for work in (
        Workload(
            "mlp_small",
            "MLP 20-32-3, batch 32",
            (20,),
            [dense(32), dense(3, "softmax")],
            batch=32,
            batches=256,
            epochs=3,
            classes=3,
        ),
        mlp(32, 200),
        mlp(128, 100),
        Workload(
            "fashion",
            "Fashion-MNIST tutorial, batch 32",
            (28, 28),
            [FLATTEN, dense(128), ANSWER],
            batch=32,
            batches=400,
        ),
        Workload("mnist_cnn", "MNIST CNN, batch 128", (28, 28, 1), MNIST, 128, 8),
        Workload("cifar_cnn", "CIFAR-10 CNN, batch 32", (32, 32, 3), CIFAR, 32, 16),
        Workload(
            "imdb_cnn",
            "IMDB CNN, 400 tokens, batch 32",
            (400,),
            IMDB,
            batch=32,
            batches=16,
            classes=1,
            vocabulary=5000,
        ),
        Workload(
            "text",
            "Embedding and mean, 250 tokens, batch 32",
            (250,),
            TEXT,
            batch=32,
            batches=200,
            classes=1,
            vocabulary=10_000,
        ),
        Workload(
            "vgg", "VGG-like, 6 convolutions, batch 16", (32, 32, 3), vgg((64, 128, 256)), 16, 8
        ),
        Workload("resnet", "Residual, 9 convolutions, batch 32", (32, 32, 3), RESNET, 32, 8),
        Workload("causal", "Dilated causal Conv1D, 7 deep, batch 32", (512, 8), CAUSAL, 32, 16),
        Workload(
            "volumes", "3D convolution and pooling, batch 16", (16, 24, 24, 1), VOLUMES, 16, 8
        ),
    )
}
