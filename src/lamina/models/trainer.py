"""`Trainer`: ``fit``, ``evaluate`` and ``predict``; the loop itself is in `lamina.training`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.distribution.current import current
from lamina.models import functional, texts
from lamina.models.arguments import check_epochs, check_split, translated, validation_parts
from lamina.models.compiled import Compiled
from lamina.training import lengths, loop
from lamina.training.callbacks import CallbackList
from lamina.training.data import FixedSource, make_source, split_validation
from lamina.training.data.arrays import DEFAULT_BATCH_SIZE, as_one_batch
from lamina.training.data.values import is_arrays
from lamina.training.progress import checked_verbosity

if TYPE_CHECKING:
    from lamina.training.data.source import Source


class Trainer(Compiled):
    """``fit``, ``evaluate`` and ``predict``, which every model has.

    >>> from lamina.models import Model
    >>> issubclass(Model, Trainer)
    True
    """

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **old: Any,
    ) -> Any:
        """Train the model for some epochs.

        Args:
            x: inputs: arrays, lists or dicts of arrays, plain lists, pandas objects; or a
                generator, a `Sequence`, any iterable of batches ``(x, y)`` or ``(x, y, weights)``.
            y: targets, in the structure of the outputs; only with arrays.
            batch_size: rows of a batch; 32 by default.
            epochs: number of the last epoch (``nb_epoch`` in Keras 1).
            verbose: 0 for silence, 1 for a bar, 2 for a line an epoch, ``"auto"``.
            callbacks: one callback or a list of them.
            validation_split: fraction of the rows, taken from the end, to evaluate on.
            validation_data: ``(x, y)``, ``(x, y, weights)`` or a source of batches to evaluate on.
            shuffle: whether rows change their order each epoch; ``"batch"`` for whole batches.
            class_weight: weight of each class in the loss.
            sample_weight: weight of each row, or of each row and time step.
            initial_epoch: number of the first epoch, to go on where a training stopped.
            steps_per_epoch: batches of an epoch; needed for endless generators.
            validation_steps: batches of an evaluation.
            validation_batch_size: rows of a batch of an evaluation.
            validation_freq: every how many epochs, or after which ones, to evaluate.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            old: names that older releases had for these.

        Returns:
            A `History`; ``history.history`` maps names to a value for each epoch.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: data that do not fit the model or each other.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=1, verbose=0).history
        {'loss': [1.0]}
        """
        workload = _workload(workers, use_multiprocessing, max_queue_size)
        workload = translated(self.fit, old, {"epochs": epochs, **workload})
        epochs = workload.pop("epochs")
        self._checked_compilation("fit").method = "fit"
        check_epochs(self, epochs, initial_epoch, validation_freq)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_validation(
                x, y, sample_weight, validation_split
            )
        elif validation_split:
            check_split(validation_split)
        source = self._source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            seed=int(self._seed),
            class_weight=class_weight,
            where="fit",
            names=self._names_of_targets() or None,
            **workload,
        )
        held_out = None
        if validation_data is not None:
            rows = validation_batch_size or batch_size
            held_out = self._held_out(validation_data, rows, validation_steps, workload)
        self._warn_of_flags("fit")
        listed = self._callbacks(callbacks, verbose, epochs, source, held_out is not None)
        validation = loop.Validation(held_out, validation_freq)
        try:
            return loop.fit(self, source, listed, range(initial_epoch, epochs), validation)
        finally:
            source.close()
            if held_out is not None:
                held_out.close()

    def _source(self, x: Any, y: Any = None, sample_weight: Any = None, **options: Any) -> Source:
        """The source of batches for what was passed as data."""
        rows = functional.held_rows(self) if x is None else None
        if rows is None:
            source = make_source(x, y, sample_weight, **options)
            if current.placement is not None:
                current.placement.check(source, options["where"])
            return source
        known = ("batch_size", "steps", "class_weight", "where", "names")
        options = {name: options[name] for name in known if name in options}
        return FixedSource(rows, y, sample_weight, **options)

    def _callbacks(
        self, callbacks: Any, verbose: Any, epochs: int, source: Source, validates: bool
    ) -> CallbackList:
        """The callbacks of a fit, with history and progress among them."""
        verbose = checked_verbosity(verbose, "fit")
        names = self.metrics_names  # all of them as soon as the first batch is known
        params = {
            "verbose": verbose,
            "epochs": epochs,
            "steps": source.steps,
            "samples": source.samples,
            "batch_size": source.batch_size,
            "do_validation": validates,
            "metrics": [*names, *(f"val_{name}" for name in names if validates)],
        }
        if isinstance(callbacks, CallbackList):
            callbacks = callbacks.callbacks
        return CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, model=self, params=params
        )

    def _held_out(self, data: Any, rows: int | None, steps: int | None, workload: Any) -> Source:
        """The source of validation data."""
        x, y, weights = validation_parts(data)
        arrays = x is None or is_arrays(x)
        return self._source(
            x,
            y,
            weights,
            batch_size=rows if arrays else None,
            steps=steps,
            where="fit: validation_data",
            names=self._names_of_targets() or None,
            **workload,
        )

    def _finish_training(self) -> None:
        """What the optimizer does at the end of a training: moving averages become weights."""
        compilation = self._compilation
        if compilation is None or self._steps is None:
            return
        optimizer = compilation.optimizer
        variables = self._steps.trainable
        values = [variable._value for variable in variables]
        final = optimizer.finalize(values, optimizer.state)
        for variable, old, new in zip(variables, values, final, strict=True):
            if new is not old:
                variable.assign(new)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        return_dict: bool = False,
        **old: Any,
    ) -> Any:
        """Compute the loss and the metrics on data.

        Args:
            x: inputs, or a source of batches, as in ``fit``.
            y: targets.
            batch_size: rows of a batch; 32 by default.
            verbose: 0 for silence, 1 for a bar, 2 for a line.
            sample_weight: weight of each row.
            steps: batches to take.
            callbacks: one callback or a list of them.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            return_dict: whether to return a dict by name.
            old: names that older releases had for these.

        Returns:
            The loss, or a list of it and the metrics in the order of ``metrics_names``, or a dict.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse", ["mae"])
        >>> model.evaluate(np.ones((8, 2)), 2 * np.ones((8, 1)), verbose=0)
        [4.0, 2.0]
        """
        workload = _workload(workers, use_multiprocessing, max_queue_size)
        workload = translated(self.evaluate, old, {"steps": steps, **workload})
        self._checked_compilation("evaluate").method = "evaluate"
        source = self._source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            where="evaluate",
            names=self._names_of_targets() or None,
            **workload,
        )
        try:
            listed = self._plain_callbacks("evaluate", callbacks, verbose, source)
            return self._reported(loop.evaluate(self, source, listed), return_dict)
        finally:
            source.close()

    def _plain_callbacks(
        self, method: str, callbacks: Any, verbose: Any, source: Source
    ) -> CallbackList:
        verbose = checked_verbosity(verbose, method)
        params = {"verbose": verbose, "steps": source.steps, "samples": source.samples}
        return CallbackList(callbacks, add_progbar=verbose != 0, model=self, params=params)

    def _reported(self, logs: dict[str, Any], return_dict: bool) -> Any:
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **old: Any,
    ) -> Any:
        """Compute the outputs for data.

        Args:
            x: inputs, or a source of batches, as in ``fit``; targets in it are left out.
            batch_size: rows of a batch; 32 by default.
            verbose: 0 for silence, 1 for a bar.
            steps: batches to take.
            callbacks: one callback or a list of them.
            max_queue_size: batches that are prepared ahead.
            workers: threads that fetch from a `Sequence`.
            use_multiprocessing: processes instead of threads.
            old: names that older releases had for these.

        Returns:
            NumPy arrays in the structure of the outputs.

        >>> import numpy as np
        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.predict(np.ones((8, 2))).shape
        (8, 1)
        """
        workload = _workload(workers, use_multiprocessing, max_queue_size)
        workload = translated(self.predict, old, {"steps": steps, **workload})
        self._refuse_own_steps()
        alone = callbacks is None and verbose in (0, "auto") and workload == _ALONE
        if alone and not self.takes_texts:
            batch = as_one_batch(x, batch_size, "predict")
            if batch is not None:
                most = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
                return loop.joined([lengths.predicted(self, batch, most)])
        if self.takes_texts:
            source: Source = texts.TextSource(self, x, batch_size, workload["steps"])
        else:
            source = self._source(x, batch_size=batch_size, where="predict", **workload)
        try:
            verbose = 0 if verbose == "auto" else verbose
            listed = self._plain_callbacks("predict", callbacks, verbose, source)
            return loop.predict(self, source, listed)
        finally:
            source.close()


_ALONE = {"steps": None, "workers": 1, "use_multiprocessing": False, "max_queue_size": 10}
"""Arguments of ``predict`` that are as they are by default."""


def _workload(workers: int, processes: bool, limit: int) -> dict[str, Any]:
    """How batches are prepared, as `make_source` takes it."""
    return {"workers": workers, "use_multiprocessing": processes, "max_queue_size": limit}
