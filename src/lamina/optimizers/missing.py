"""`MissingOptimizer`: stands where a file names an optimizer that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina.optimizers.base import Optimizer

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Config


class MissingOptimizer(Optimizer):
    """Keep the place of an optimizer that could not be read: all but training works.

    Args:
        kind: its class, as the file names it.

    Raises:
        ValueError: when it is to train or to be written down; the message says what to do.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
    >>> model.compile(MissingOptimizer("Mystery"), "mse")
    >>> model.evaluate([[0, 0]], [[1]], verbose=0)
    1.0
    >>> model.fit([[0, 0]], [[1]], verbose=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: The model was loaded without its optimizer 'Mystery', ...
    """

    def __init__(self, kind: str) -> None:
        super().__init__(0.0, name=kind)
        self._learning_rate = None
        self.kind = kind

    def init(self, variables: Sequence[Variable]) -> dict[str, Any]:
        self._variables = list(variables)
        return {"step": jnp.zeros((), jnp.int32)}

    def hyperparameters(self) -> dict[str, Any]:
        raise ValueError(self._explained())

    def finalize(self, values: Sequence[Any], state: Any) -> list[Any]:
        del state
        return list(values)

    def columns(self) -> None:
        return None

    def get_config(self) -> Config:
        raise ValueError(self._explained())

    def _explained(self) -> str:
        return (
            f"The model was loaded without its optimizer {self.kind!r}, which was not read. To "
            "train, call compile(optimizer, model.loss), which starts anew, or load the file with "
            f"custom_objects={{{self.kind!r}: ...}}, which brings the state of the optimizer too."
        )
