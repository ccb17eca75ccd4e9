"""One batch at a time, and the names that Keras 1 and 2 had for sources of batches."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from lamina.core import dialects, shapes
from lamina.training import loop
from lamina.training.data import make_source
from lamina.training.interrupt import Interrupt

if TYPE_CHECKING:
    from lamina.models.trainer import Trainer as Host
else:
    Host = object


class BatchMethods(Host):
    """``train_on_batch`` and its relatives, ``fit_generator`` and its relatives."""

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Do one step of training on the given rows.

        Returns:
            The loss, or a list of it and the metrics, or a dict, as ``evaluate`` does.
        """
        batch = self._one_batch("train_on_batch", x, y, sample_weight, class_weight)
        self._warn_of_flags("train_on_batch")
        with Interrupt().held() as interrupt:
            steps = self._prepared_steps(batch)
            if reset_metrics:
                steps.compilation.reset()
            logs = steps.one(batch)
            steps.check("train")
            interrupt.check()
        return self._reported(loop.fetched(logs), return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Compute loss and metrics on the given rows."""
        batch = self._one_batch("test_on_batch", x, y, sample_weight, None)
        steps = self._prepared_steps(batch)
        if reset_metrics:
            steps.compilation.reset()
        logs = steps.test(batch, 0)
        steps.check("test")
        return self._reported(loop.fetched(logs), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs for the given rows, as one batch."""
        source = make_source(x, batch_size=2**31 - 1, where="predict_on_batch")
        (batch, _, _) = next(iter(source.batches(0)))
        return loop.joined([self._predicted(batch)])

    def _one_batch(self, where: str, x: Any, y: Any, weights: Any, class_weight: Any) -> Any:
        self._checked_compilation(where)
        names = self._names_of_targets() or None
        source = make_source(
            x,
            y,
            weights,
            batch_size=2**31 - 1,
            class_weight=class_weight,
            where=where,
            names=names,
        )
        return next(iter(source.batches(0)))

    def fit_generator(self, generator: Any, *places: Any, **options: Any) -> Any:
        """``fit`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields batches ``(x, y)`` or ``(x, y, weights)``.
            places: ``steps_per_epoch``, ``epochs``, ``verbose``, ``callbacks``... as in Keras 2.
            options: other arguments of ``fit``; ``samples_per_epoch`` and ``nb_val_samples`` of
                Keras 1 count rows.
        """
        options = _placed("fit_generator", _FIT, places, options)
        source, options = _in_steps(generator, options, "samples_per_epoch", "steps_per_epoch")
        if "nb_val_samples" in options:
            data = options.get("validation_data")
            data, options = _in_steps(data, options, "nb_val_samples", "validation_steps")
            options["validation_data"] = data
        return self.fit(source, **_renamed(options))

    def evaluate_generator(self, generator: Any, *places: Any, **options: Any) -> Any:
        """``evaluate`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields batches, as for ``fit_generator``.
            places: ``steps``, ``callbacks``, ``max_queue_size``... as in Keras 2.
            options: other arguments of ``evaluate``; ``val_samples`` of Keras 1 counts rows.
        """
        options = _placed("evaluate_generator", _EVALUATE, places, options)
        source, options = _in_steps(generator, options, "val_samples", "steps")
        return self.evaluate(source, **_renamed(options))

    def predict_generator(self, generator: Any, *places: Any, **options: Any) -> Any:
        """``predict`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields inputs, or batches as for ``fit_generator``.
            places: ``steps``, ``callbacks``, ``max_queue_size``... as in Keras 2.
            options: other arguments of ``predict``; ``val_samples`` of Keras 1 counts rows.
        """
        options = _placed("predict_generator", _EVALUATE, places, options)
        source, options = _in_steps(generator, options, "val_samples", "steps")
        return self.predict(source, **_renamed(options))


_WORK = ("max_queue_size", "workers", "use_multiprocessing")
_FIT = (
    *("steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data"),
    *("validation_steps", "class_weight", *_WORK, "shuffle", "initial_epoch"),
)
_EVALUATE = ("steps", "callbacks", *_WORK, "verbose")


def _placed(
    method: str, names: tuple[str, ...], places: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any]:
    """Arguments by position under their names, with those that have names already."""
    if len(places) > len(names):
        raise TypeError(
            f"{method} takes at most {len(names)} arguments by position after the generator, "
            f"got {len(places)}."
        )
    return {**dict(zip(names, places, strict=False)), **options}


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    return {dialects.METHODS.get(name, name): value for name, value in options.items()}


def _in_steps(
    source: Any, options: dict[str, Any], rows: str, steps: str
) -> tuple[Any, dict[str, Any]]:
    """A source, and options with a number of batches where Keras 1 gave one of rows."""
    if rows not in options:
        return source, options
    options = dict(options)
    wanted = options.pop(rows)
    size = getattr(source, "batch_size", None)
    if size is None and hasattr(source, "__next__"):
        first = next(source, None)
        if first is not None:
            source = itertools.chain([first], source)
            parts = first if isinstance(first, tuple) else (first,)
            size = len(shapes.flat(parts[0])[0])
    options[steps] = math.ceil(wanted / size) if size else wanted
    return source, options
