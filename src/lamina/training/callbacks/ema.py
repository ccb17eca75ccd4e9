"""Evaluating with the moving average of the weights while others are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from lamina.training.callbacks.base import Callback


class SwapEMAWeights(Callback):
    """Put the moving averages into the model for evaluations and predictions.

    The optimizer keeps them if it was made with ``use_ema=True``. Afterwards the model has the
    weights that are trained again; at the end of training the averages stay in it.

    Args:
        swap_on_epoch: have them in the model from the end of an epoch to the begin of the next,
            too, for callbacks after this one such as `ModelCheckpoint`.

    Raises:
        ValueError: while it runs, if the optimizer keeps no averages.

    >>> SwapEMAWeights(swap_on_epoch=True).swap_on_epoch
    True
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = bool(swap_on_epoch)
        self._trained: list[Any] | None = None
        self._between = False

    @property
    def _variables(self) -> list[Any]:
        return self.model.optimizer._variables

    def _put_averages(self) -> None:
        """Put the averages into the model, and keep the weights that are trained."""
        optimizer = self.model.optimizer
        if self._trained is not None or optimizer.state is None:
            return
        if int(optimizer.iterations.numpy()) == 0:
            return  # the average of no steps
        trained = [variable.value for variable in self._variables]
        averages = optimizer.finalize(trained, optimizer.state)
        if all(new is old for new, old in zip(averages, trained, strict=True)):
            raise ValueError(
                f"SwapEMAWeights: {optimizer!r} keeps no moving averages; "
                "make it with use_ema=True."
            )
        self._trained = trained
        for variable, average in zip(self._variables, averages, strict=True):
            variable.assign(jnp.array(average, copy=True))

    def _put_back(self) -> None:
        if self._trained is not None:
            for variable, value in zip(self._variables, self._trained, strict=True):
                variable.assign(value)
            self._trained = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._trained, self._between = None, False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._between = False
        self._put_back()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._put_averages()
            self._between = True

    def on_test_begin(self, logs: Any = None) -> None:
        self._put_averages()

    def on_test_end(self, logs: Any = None) -> None:
        if not self._between:
            self._put_back()

    def on_predict_begin(self, logs: Any = None) -> None:
        self._put_averages()

    def on_predict_end(self, logs: Any = None) -> None:
        if not self._between:
            self._put_back()

    def on_train_end(self, logs: Any = None) -> None:
        self._trained, self._between = None, False

    def get_state(self) -> dict[str, Any]:
        return {"trained": self._trained, "between": self._between}

    def set_state(self, state: Mapping[str, Any]) -> None:
        trained = state["trained"]
        self._trained = None if trained is None else [jnp.asarray(value) for value in trained]
        self._between = bool(state["between"])
