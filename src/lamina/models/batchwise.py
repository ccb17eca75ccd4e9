"""One batch at a time, and the names that Keras 1 and 2 had for sources of batches."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from lamina.core import dialects, shapes
from lamina.distribution.current import current
from lamina.training import loop
from lamina.training.data.arrays import DEFAULT_BATCH_SIZE, as_one_batch
from lamina.training.interrupt import Interrupt

if TYPE_CHECKING:
    from lamina.models.trainer import Trainer as Host
else:
    Host = object


ALL_ROWS = 2**31 - 1
"""Size of a batch that takes whatever there is."""


class BatchMethods(Host):
    """``train_on_batch`` and its relatives, ``fit_generator`` and its relatives.

    >>> from lamina.models import Model
    >>> issubclass(Model, BatchMethods)
    True
    """

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

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
        1.0
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
        """Compute loss and metrics on the given rows.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> model.test_on_batch(np.ones((4, 2)), np.ones((4, 1)))
        1.0
        """
        batch = self._one_batch("test_on_batch", x, y, sample_weight, None)
        steps = self._prepared_steps(batch)
        if reset_metrics:
            steps.compilation.reset()
        logs = steps.test(batch, 0)
        steps.check("test")
        return self._reported(loop.fetched(logs), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs for the given rows, as one batch.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.predict_on_batch(np.ones((4, 2))).shape
        (4, 1)
        """
        if self.takes_texts:
            return self.predict(x, batch_size=ALL_ROWS)
        batch = as_one_batch(x, ALL_ROWS, "predict_on_batch")
        if batch is None:
            source = self._source(x, batch_size=ALL_ROWS, where="predict_on_batch")
            (batch, _, _) = next(iter(source.batches(0)))
        run = self if current.placement is None else current.placement.predicting(self)
        return loop.joined([run(batch, training=False)])

    def _one_batch(self, where: str, x: Any, y: Any, weights: Any, class_weight: Any) -> Any:
        self._checked_compilation(where).method = where
        names = self._names_of_targets() or None
        source = self._source(
            x,
            y,
            weights,
            batch_size=ALL_ROWS,
            class_weight=class_weight,
            where=where,
            names=names,
        )
        return next(iter(source.batches(0)))

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: Any = True,
        initial_epoch: int = 0,
        **old: Any,
    ) -> Any:
        """``fit`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields batches ``(x, y)`` or ``(x, y, weights)``.
            steps_per_epoch: batches of an epoch.
            epochs: number of the last epoch.
            verbose: 0 for silence, 1 for a bar, 2 for a line an epoch.
            callbacks: one callback or a list of them.
            validation_data: ``(x, y)``, ``(x, y, weights)`` or a source of batches.
            validation_steps: batches of an evaluation.
            class_weight: weight of each class in the loss.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            shuffle: whether the batches of a `Sequence` change their order each epoch.
            initial_epoch: number of the first epoch.
            old: other arguments of ``fit``, and the names of Keras 1, of which
                ``samples_per_epoch`` and ``nb_val_samples`` count rows.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> batches = ((np.ones((4, 2)), np.ones((4, 1))) for _ in range(6))
        >>> len(model.fit_generator(batches, 3, epochs=2, verbose=0).history["loss"])
        2
        """
        options = {
            "steps_per_epoch": steps_per_epoch,
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": callbacks,
            "validation_data": validation_data,
            "validation_steps": validation_steps,
            "class_weight": class_weight,
            **_workload(max_queue_size, workers, use_multiprocessing),
            "shuffle": shuffle,
            "initial_epoch": initial_epoch,
            **old,
        }
        source, options = _in_steps(generator, options, "samples_per_epoch", "steps_per_epoch")
        if "nb_val_samples" in options:
            data = options["validation_data"]
            data, options = _in_steps(data, options, "nb_val_samples", "validation_steps")
            options["validation_data"] = data
        return self.fit(source, **_renamed(options))

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
        **old: Any,
    ) -> Any:
        """``evaluate`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields batches, as for ``fit_generator``.
            steps: batches to take.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            verbose: 0 for silence, 1 for a bar.
            old: other arguments of ``evaluate``, and the names of Keras 1, of which
                ``val_samples`` counts rows.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> batches = ((np.ones((4, 2)), np.ones((4, 1))) for _ in range(3))
        >>> model.evaluate_generator(batches, 3)
        1.0
        """
        work = _workload(max_queue_size, workers, use_multiprocessing)
        options = {"steps": steps, "verbose": verbose, **work, **old}
        source, options = _in_steps(generator, options, "val_samples", "steps")
        return self.evaluate(source, **_renamed(options))

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
        **old: Any,
    ) -> Any:
        """``predict`` on a generator, as Keras 1 and 2 spelled it.

        Args:
            generator: yields inputs, or batches as for ``fit_generator``.
            steps: batches to take.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            verbose: 0 for silence, 1 for a bar.
            old: other arguments of ``predict``, and the names of Keras 1, of which
                ``val_samples`` counts rows.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, input_shape=(2,))])
        >>> model.predict_generator((np.ones((4, 2)) for _ in range(3)), 3).shape
        (12, 1)
        """
        work = _workload(max_queue_size, workers, use_multiprocessing)
        options = {"steps": steps, "verbose": verbose, **work, **old}
        source, options = _in_steps(generator, options, "val_samples", "steps")
        return self.predict(source, **_renamed(options))


def _workload(limit: int, workers: int, processes: bool) -> dict[str, Any]:
    return {"max_queue_size": limit, "workers": workers, "use_multiprocessing": processes}


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
    if isinstance(source, list | tuple):  # validation data as arrays
        size = options.get("validation_batch_size") or DEFAULT_BATCH_SIZE
    elif size is None and hasattr(source, "__next__"):
        first = next(source, None)
        if first is not None:
            source = itertools.chain([first], source)
            parts = first if isinstance(first, tuple) else (first,)
            size = len(shapes.flat(parts[0])[0])
    options[steps] = math.ceil(wanted / size) if size else wanted
    return source, options
