"""`Trainer`: what models know about training; the loop itself is in `lamina.training`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.core import dialects, pure, shapes
from lamina.core.variable import Variable
from lamina.core.weights import structure
from lamina.seeds import next_seed
from lamina.training import loop
from lamina.training.callbacks import CallbackList
from lamina.training.compile import Compilation
from lamina.training.data import make_source, split_validation, unpack
from lamina.training.step import Steps

if TYPE_CHECKING:
    from lamina.core.layer import Layer as Host
    from lamina.training.data.source import Source
else:
    Host = object


class Trainer(Host):
    """``compile``, ``fit``, ``evaluate``, ``predict`` and their relatives."""

    stop_training: bool
    history: Any
    graph: Any
    output_names: list[str]

    def _start_training_state(self) -> None:
        self._compilation: Compilation | None = None
        self._collected: list[Variable] | None = None
        self._steps: Steps | None = None
        self._seed: Any = np.uint32(0)
        self._step: Any = np.uint32(0)
        self.stop_training = False
        self.history = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how to train: optimizer, loss and metrics.

        Args:
            optimizer: name, object, or an ``optax.GradientTransformation``.
            loss: name, function or object; a list or a dict by output name for several outputs.
            metrics: names, functions or objects; a list, or a dict by output name.
            loss_weights: factors of the outputs' losses, as a list or a dict by output name.
            sample_weight_mode: ``"temporal"`` for weights of shape ``(batch, time)``; they are
                recognised without it.
            weighted_metrics: metrics to which sample weights apply.
            target_tensors: not supported.
            run_eagerly: run steps operation by operation, for debugging.
            steps_per_execution: most steps in one compiled call; lamina finds a good number itself.
            jit_compile: accepted; everything is compiled.
            auto_scale_loss: whether a float16 policy wraps the optimizer in loss scaling.

        Raises:
            ValueError: an unknown name.

        The weights that are trainable now are those that will be trained; set ``trainable`` before.
        """
        self._compilation = Compilation(
            optimizer,
            loss,
            metrics,
            loss_weights=loss_weights,
            sample_weight_mode=sample_weight_mode,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            target_tensors=target_tensors,
            auto_scale_loss=auto_scale_loss,
        )
        self._steps = None
        self._seed, self._step = np.uint32(next_seed()), np.uint32(0)
        self._collected = self.trainable_weights if self._all_built() else None

    def _all_built(self) -> bool:
        return self.built and all(layer.built for layer in self.all_layers())

    def overrides_compute_loss(self) -> bool:
        """Whether a subclass has its own ``compute_loss``."""
        return type(self).compute_loss is not Trainer.compute_loss

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        """The loss of a batch; a subclass may define another one.

        Args:
            x: inputs.
            y: targets.
            y_pred: outputs of the model.
            sample_weight: weights of the rows.

        Returns:
            A scalar, without the penalties of weights and activities unless it adds them.
        """
        compilation = self._checked_compilation("compute_loss")
        flat = shapes.flat(y_pred)
        targets = compilation.flatten_targets(y, self.output_names)
        row_weights = compilation.flatten_weights(sample_weight, self.output_names)
        return compilation.loss_value(targets, flat, row_weights, [None] * len(flat))[0]

    def _checked_compilation(self, method: str) -> Compilation:
        if self._compilation is None:
            raise RuntimeError(
                f"{self}: {method} needs a compiled model; call compile(optimizer, loss) first."
            )
        return self._compilation

    @property
    def optimizer(self) -> Any:
        """The optimizer that was compiled, or ``None``."""
        return None if self._compilation is None else self._compilation.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        compilation = self._checked_compilation("setting the optimizer")
        compilation.set_optimizer(optimizer)
        self._steps = None

    @property
    def loss(self) -> Any:
        """The loss as it was given to ``compile``."""
        return None if self._compilation is None else self._compilation.loss

    @property
    def metrics(self) -> list[Any]:
        """The metric objects, once they are made."""
        return [] if self._compilation is None else self._compilation.metrics

    @property
    def metrics_names(self) -> list[str]:
        """Names of what ``evaluate`` returns, in order."""
        return [] if self._compilation is None else self._compilation.metrics_names

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run operation by operation."""
        return self._compilation is not None and bool(self._compilation.run_eagerly)

    @property
    def _is_compiled(self) -> bool:
        return self._compilation is not None

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compilation is not None

    def reset_metrics(self) -> None:
        """Start all metrics anew."""
        self._checked_compilation("reset_metrics").reset()

    def reset_states(self) -> None:
        """Set the states of stateful layers back to zero."""
        for layer in self.all_layers():
            reset = getattr(layer, "reset_states", None)
            if layer is not self and callable(reset):
                reset()

    def _prepared_steps(self, batch: Any) -> Steps:
        """The compiled steps, made when they are needed, for batches like this one."""
        compilation = self._checked_compilation("fit")
        steps = self._steps
        if steps is not None and steps.structure == structure[0]:
            return steps
        self._steps = None
        self._build_on(batch[0])
        if not compilation.bound:
            self._bind(batch)
        trainable = self._trained_variables()
        if compilation.optimizer.state is None:
            compilation.optimizer.state = compilation.optimizer.init(trainable)
        steps = Steps(self, compilation, trainable)
        steps.prepare(batch)
        steps.structure = structure[0]
        self._steps = steps
        return steps

    def _trained_variables(self) -> list[Variable]:
        """The variables that were trainable when the model was compiled."""
        if self._collected is None:
            self._collected = self.trainable_weights
        return self._collected

    def _build_on(self, x: Any) -> None:
        """Build the model for data like x."""
        self._prepare((x,), {})

    def _bind(self, batch: Any) -> None:
        """Tell the compilation which outputs there are."""
        outputs = jax.eval_shape(self._abstract_outputs, batch[0])
        flat = shapes.flat(outputs)
        if self.graph is None:
            keys = list(outputs) if isinstance(outputs, dict) else None
            self.output_names = keys or [f"output_{i + 1}" for i in range(len(flat))]
        compilation = self._checked_compilation("fit")
        targets = compilation.flatten_targets(batch[1], self.output_names)
        compilation.bind(self.output_names, targets, flat)

    def _abstract_outputs(self, x: Any) -> Any:
        return pure.trial(self._computed, ((x,), {}, None), {})[0]

    # ---- fit, evaluate, predict -----------------------------------------------------------

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
        """
        given = _translated("fit", old, {"epochs": epochs})
        epochs = given["epochs"]
        self._checked_compilation("fit")
        _check_epochs(self, epochs, initial_epoch, validation_freq)
        common = {
            "workers": workers,
            "use_multiprocessing": use_multiprocessing,
            "max_queue_size": max_queue_size,
        }
        if validation_split:
            if validation_data is None:
                (x, y, sample_weight), validation_data = split_validation(
                    x, y, sample_weight, validation_split
                )
        source = make_source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            seed=int(self._seed),
            class_weight=class_weight,
            where="fit",
            names=self.output_names or None,
            **common,
        )
        validate = None
        if validation_data is not None:
            rows = validation_batch_size or batch_size
            validate = self._validation(validation_data, rows, validation_steps, common, callbacks)
        listed = self._callbacks(callbacks, verbose, epochs, source, validate is not None)
        try:
            return loop.fit(self, source, listed, epochs, initial_epoch, validate, validation_freq)
        finally:
            source.close()

    def _callbacks(
        self, callbacks: Any, verbose: Any, epochs: int, source: Source, validates: bool
    ) -> CallbackList:
        """The callbacks of a fit, with history and progress among them."""
        if isinstance(callbacks, CallbackList):
            return callbacks
        params = {
            "verbose": verbose,
            "epochs": epochs,
            "steps": source.steps,
            "samples": source.samples,
            "batch_size": source.batch_size,
            "do_validation": validates,
            "metrics": self.metrics_names,
        }
        return CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, model=self, params=params
        )

    def _validation(
        self, data: Any, rows: int | None, steps: int | None, common: Any, callbacks: Any
    ) -> Any:
        """A function that evaluates the model on validation data."""
        x, y, weights = _validation_parts(data)
        source = make_source(
            x,
            y,
            weights,
            batch_size=rows,
            steps=steps,
            where="fit: validation_data",
            names=self.output_names or None,
            **common,
        )
        listed = CallbackList(callbacks, model=self) if callbacks else CallbackList(model=self)

        def validate() -> dict[str, Any]:
            return loop.evaluate(self, source, listed)

        return validate

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
        """
        steps = _translated("evaluate", old, {"steps": steps})["steps"]
        self._checked_compilation("evaluate")
        source = make_source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps,
            where="evaluate",
            names=self.output_names or None,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            max_queue_size=max_queue_size,
        )
        try:
            listed = self._plain_callbacks(callbacks, verbose, source)
            return self._reported(loop.evaluate(self, source, listed), return_dict)
        finally:
            source.close()

    def _plain_callbacks(self, callbacks: Any, verbose: Any, source: Source) -> CallbackList:
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
        """
        steps = _translated("predict", old, {"steps": steps})["steps"]
        source = make_source(
            x,
            batch_size=batch_size,
            steps=steps,
            where="predict",
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            max_queue_size=max_queue_size,
        )
        try:
            listed = self._plain_callbacks(callbacks, 0 if verbose == "auto" else verbose, source)
            return loop.predict(self, source, listed)
        finally:
            source.close()

    def _predicted(self, x: Any) -> Any:
        """Outputs of one batch, on the device."""
        return self(x)


def _translated(method: str, old: dict[str, Any], today: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a method under today's names.

    Raises:
        TypeError: an argument that no release had.
    """
    found = dict(today)
    for name, value in old.items():
        new = dialects.METHODS.get(name)
        if new not in today:
            from lamina import registry

            known = [*today, *dialects.METHODS]
            raise TypeError(
                f"{method}: unknown argument {name!r}.{registry.did_you_mean(name, known)}"
            )
        found[new] = value
    return found


def _check_epochs(model: Any, epochs: Any, initial_epoch: Any, frequency: Any) -> None:
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < 0:
            raise ValueError(f"{model}: fit: {name} must be an int of at least 0, got {value!r}.")
    good = isinstance(frequency, int) and frequency > 0
    if not good and not (isinstance(frequency, list | tuple | set | range) and frequency):
        raise ValueError(
            f"{model}: fit: validation_freq must be a positive int or a list of epochs, "
            f"got {frequency!r}."
        )


def _validation_parts(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of what was passed as validation data."""
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(
                "fit: validation_data must be (x, y) or (x, y, sample_weight), got a tuple of "
                f"{len(data)}."
            )
        return unpack(data)
    if isinstance(data, list) and len(data) in (2, 3) and all(hasattr(p, "shape") for p in data):
        return unpack(tuple(data))
    return data, None, None
