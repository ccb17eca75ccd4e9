"""Small public data sets, one module each with a function ``load_data``.

`digits` comes with the package. The others are fetched once into ``~/.keras/datasets`` (or
``$KERAS_HOME/datasets``), under the names that Keras gives them. A module is imported when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"lamina.datasets.{name}")
    from lamina.registry import did_you_mean

    raise AttributeError(
        f"lamina.datasets has no data set {name!r}.{did_you_mean(name, __all__)}", name=name
    )


def __dir__() -> list[str]:
    return [*globals(), *__all__]
