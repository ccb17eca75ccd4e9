"""Small public data sets, one module each with a function ``load_data``.

`digits` comes with the package. The others are fetched once into ``~/.keras/datasets`` (or
``$KERAS_HOME/datasets``), under the names that Keras gives them.
"""

from lamina.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
]
