"""What a layer adds to the training of the model that it is in: losses, metrics, updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina.core import context, dispatch, weights
from lamina.core.derived import Derived, Valued
from lamina.core.symbolic import is_symbolic
from lamina.core.weights import WeightOwner


class Adds(WeightOwner):
    """The methods of `Layer` for losses and metrics."""

    activity_regularizer: Any
    _call_losses: list[Any]
    _loss_functions: list[Callable[[], Any]]

    @property
    def losses(self) -> list[Any]:
        """Scalars to add to the loss: weight penalties, and what the last call added."""
        added = [loss for layer in self.all_layers() for loss in layer._call_losses]
        functions = [f for layer in self.all_layers() for f in layer._loss_functions]
        return added + [f() for f in functions] + weights.regularization(self.trainable_weights)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add scalars to the loss of the model.

        Args:
            losses: a scalar or a list of them. Outside of ``call``: what functions of ``K`` give
                for variables, such as ``0.1 * K.sum(K.square(self.kernel))``, or a function
                without arguments, such as ``lambda: 0.1 * jnp.sum(self.kernel.value ** 2)``.
            inputs: accepted for code of Keras 2; not needed.

        Raises:
            ValueError: a number outside of ``call``: it would be a constant, and teach nothing.
        """
        del inputs
        call = context.current()
        for loss in losses if isinstance(losses, list | tuple) else [losses]:
            if call is None and isinstance(loss, Valued):
                loss = (loss if isinstance(loss, Derived) else +loss).again  # noqa: PLW2901
            if callable(loss):
                self._loss_functions.append(loss)
                weights.structure[0] += 1
            elif is_symbolic(loss):
                raise ValueError(
                    f"{self}: add_loss got a symbolic tensor. Give it to the model, "
                    "model.add_loss(tensor), or compute the loss in the layer's call."
                )
            elif call is not None and not vars(self).get("_building"):
                call.losses.append((self, dispatch.plain(loss)))
            else:
                raise ValueError(
                    f"{self}: add_loss got a value outside of call: it would stay the same "
                    "however the weights change. Call add_loss in call, or pass a function that "
                    "computes the loss: add_loss(lambda: ...)."
                )

    def add_metric(self, value: Any, name: str | None = None, aggregation: Any = "mean") -> None:
        """Report the mean of a value in the logs; called from ``call``.

        Args:
            value: scalar, or an array whose mean is taken.
            name: name in the logs.
            aggregation: ``"mean"``.

        Raises:
            ValueError: it is called outside of ``call``, or with another aggregation.
        """
        if aggregation not in ("mean", None):
            raise ValueError(f"{self}: add_metric: aggregation is 'mean', got {aggregation!r}.")
        call = context.current()
        if call is None or is_symbolic(value):
            raise ValueError(f"{self}: add_metric is called with an array, in the layer's call.")
        call.metrics.append((name or f"{self.name}_metric", dispatch.plain(value)))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Do what ``(variable, new value)`` pairs of Keras 1 and 2 say; called from ``call``.

        Raises:
            ValueError: a new value of variables outside of ``call``: it would be assigned once.
        """
        del inputs
        for update in updates if isinstance(updates, list) else [updates]:
            if isinstance(update, tuple):
                if context.current() is None and isinstance(update[1], Derived):
                    raise ValueError(
                        f"{self}: add_update outside of call would change {update[0]!r} once, and "
                        "not at each step. Call it in call."
                    )
                update[0].assign(update[1])

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses; ``None`` for the weight penalties alone, as in Keras 2."""
        if inputs is None:
            return weights.regularization(self.trainable_weights)
        return [loss for layer in self.all_layers() for loss in layer._call_losses]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """Nothing: assignments happen in ``call``."""
        del inputs
        return []

    @property
    def updates(self) -> list[Any]:
        """Nothing: assignments happen in ``call``."""
        return []

    def _add_computed(self, outputs: Any, record: context.Call) -> None:
        """Losses of functions and of the activity regularizer, after ``call``."""
        if id(self) not in record.counted:  # once, however often the layer is called
            record.counted.add(id(self))
            # Without an owner: `losses` calls the functions itself.
            added = [dispatch.plain(function()) for function in self._loss_functions]
            record.losses.extend((None, loss) for loss in added)
        if self.activity_regularizer is not None:
            for output in _leaves(outputs):
                penalty = self.activity_regularizer(output)
                rows = max(np.shape(output)[0], 1) if np.ndim(output) else 1
                record.losses.append((self, penalty / rows))


def _leaves(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, list | tuple):
        for part in outputs:
            yield from _leaves(part)
    elif isinstance(outputs, dict):
        yield from _leaves(list(outputs.values()))
    elif outputs is not None:
        yield outputs
