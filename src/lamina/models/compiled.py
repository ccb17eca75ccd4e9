"""`Compiled`: what a model knows about its compilation, and the steps that come of it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.core import context, jit, shapes
from lamina.core.variable import Variable
from lamina.core.weights import regularization, structure
from lamina.distribution.current import current
from lamina.models.arguments import unknown
from lamina.optimizers import LossScaleOptimizer
from lamina.seeds import next_run_seed
from lamina.training.compile import Compilation, outline
from lamina.training.preparation import Forward, forward, prepare
from lamina.training.step import Steps
from lamina.warning import warn

if TYPE_CHECKING:
    from lamina.core.layer import Layer as Host
else:
    Host = object

MOST_STEPS = 8
"""Programs that are kept for one compilation: as flags of layers change, others are needed."""

_LOOP = "or train with a loop of your own: gradients by jax.grad, then optimizer.apply."
OWN_STEPS = {
    "train_step": f"Override compute_loss or call, give compile a loss of your own, {_LOOP}",
    "test_step": "Override compute_loss or call, or give compile a loss or metrics of your own.",
    "predict_step": "Override call, which gets training=False there, or use what model(x) returns.",
}
"""Methods by which subclasses in Keras replace a whole step, and what to do instead."""


class Compiled(Host):
    """``compile``, what it kept, and the compiled steps."""

    stop_training: bool
    history: Any
    graph: Any
    output_names: list[str]
    _output_structure: Any

    def _start_training_state(self) -> None:
        self._compilation: Compilation | None = None
        self._steps: Steps | None = None
        self._target_names: Any = None
        self._warned_of_flags = False
        self._flags_seen = -1
        self._fitting = False
        self._seed: Any = np.uint32(0)
        self._step: Any = np.uint32(0)
        self._epochs_trained = 0
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
        **other: Any,
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
            auto_scale_loss: whether layers that compute in float16 wrap the optimizer in loss
                scaling.
            **other: nothing; the names of arguments that do not exist.

        Raises:
            ValueError: an unknown name.
            TypeError: an unknown argument.
            NotImplementedError: a subclass has a `train_step`, `test_step` or `predict_step`.

        One optimizer object may serve several models, as in old GANs. The first that trains with
        it keeps it; the others go on with a copy that has a state of its own but the same
        learning rate variable, so that ``K.set_value(optimizer.lr, ...)`` holds for all of them.

        The weights that are trainable now are those that will be trained; set ``trainable`` before.
        Layers that heed ``trainable`` in training, as batch normalization does, go by it too.

        >>> from lamina.layers import Dense
        >>> from lamina.models import Sequential
        >>> model = Sequential([Dense(1, input_shape=(2,))])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> sorted(model.evaluate([[0, 0]], [[1]], verbose=0, return_dict=True).items())
        [('loss', 1.0), ('mae', 1.0)]
        """
        for name in other:
            raise unknown(self.compile, name)
        self._refuse_own_steps()
        compilation = Compilation(
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
        half = any(layer.compute_dtype == "float16" for layer in self.all_layers())
        scaled = isinstance(compilation.optimizer, LossScaleOptimizer)
        if half and compilation.auto_scale_loss and not scaled:
            compilation.set_optimizer(LossScaleOptimizer(compilation.optimizer))
        if self._all_built():
            self._collect(compilation)
        self._compilation = compilation
        self._forget_steps()
        self._warned_of_flags, self._flags_seen = False, -1
        self._seed, self._step = next_run_seed(), np.uint32(0)
        self._epochs_trained = 0

    def _refuse_own_steps(self) -> None:
        """Say that steps of a subclass's own, which nothing would call, are not supported."""
        for name, way_out in OWN_STEPS.items():
            if callable(getattr(self, name, None)):
                raise NotImplementedError(
                    f"{self}: {name} is overridden, but lamina never calls it: its steps are "
                    f"compiled from call and the loss. {way_out}"
                )

    def _forget_steps(self) -> None:
        self._steps = self._target_names = None
        self._checked_compilation("compile").known_steps.clear()

    def _collect(self, compilation: Compilation) -> list[Variable]:
        """Keep what is trainable now."""
        compilation.flags = {id(layer): (layer, layer.trainable) for layer in self.all_layers()}
        compilation.collected = self.trainable_weights
        return compilation.collected

    @contextmanager
    def flags_as_compiled(self) -> Iterator[None]:
        """Give the layers their ``trainable`` of the time of ``compile``, for as long as it runs.

        Frozen later for the sake of another model, as a discriminator is, batch normalization
        still learns in the model itself.
        """
        flags = self._checked_compilation("fit").flags
        changed = [layer for layer, flag in flags.values() if layer.trainable != flag]
        for layer in changed:
            vars(layer)["_trainable"] = not layer.trainable
        try:
            yield
        finally:
            for layer in changed:
                vars(layer)["_trainable"] = not layer.trainable

    def _all_built(self) -> bool:
        return self.built and all(layer.built for layer in self.all_layers())

    def overrides_compute_loss(self) -> bool:
        """Whether a subclass has its own ``compute_loss``."""
        return type(self).compute_loss is not Compiled.compute_loss

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch; a subclass may define another one.

        Args:
            x: inputs.
            y: targets.
            y_pred: outputs of the model.
            sample_weight: weights of the rows.
            training: whether the batch is one of training.

        Returns:
            A scalar: the losses of the outputs and the penalties of weights and activities.
        """
        del x, training
        compilation = self._checked_compilation("compute_loss")
        flat = shapes.flat(y_pred)
        names = self._names_of_targets()
        targets = compilation.flatten_targets(y, names)
        row_weights = compilation.flatten_weights(sample_weight, names)
        total, _ = compilation.loss_value(targets, flat, row_weights, [None] * len(flat))
        return self._with_penalties(total)

    def _with_penalties(self, total: Any) -> Any:
        """A loss with what layers added to it, and with the penalties of the trained weights."""
        record = context.current()
        added = [] if record is None else [loss for _, loss in record.losses]
        for loss in [*added, *regularization(self._trained_variables())]:
            total = total + jax.numpy.asarray(loss).astype(total.dtype)
        return total

    def _own_loss(self, x: Any, y: Any, outputs: Any, weight: Any, training: bool) -> Any:
        """The loss of a subclass's ``compute_loss``, with the arguments that it takes."""
        given = {"x": x, "y": y, "y_pred": outputs, "sample_weight": weight, "training": training}
        parameters = inspect.signature(self.compute_loss).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            taken = {parameter.name for parameter in parameters}
            given = {name: value for name, value in given.items() if name in taken}
        total = jax.numpy.asarray(self.compute_loss(**given))
        if total.ndim:
            raise ValueError(
                f"{self}: compute_loss must return a scalar, got an array of shape {total.shape}; "
                "take its mean."
            )
        return total

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
        self._checked_compilation("setting the optimizer").set_optimizer(optimizer)
        self._forget_steps()

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
        return self.takes_texts or bool(self._compilation and self._compilation.run_eagerly)

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compilation is not None

    _is_compiled = compiled

    def reset_metrics(self) -> None:
        """Start all metrics anew."""
        self._checked_compilation("reset_metrics").reset()

    def reset_states(self) -> None:
        """Set the states of stateful layers back to zero."""
        for layer in self.all_layers():
            reset = getattr(layer, "reset_states", None)
            if layer is not self and layer.stateful and callable(reset):
                reset()

    # ---- steps ----------------------------------------------------------------------------

    def _prepared_steps(self, batch: Any) -> Steps:
        """The compiled steps, made when they are needed, for batches like this one."""
        steps = self._steps
        if steps is not None and steps.structure == structure[0]:
            return steps
        steps = self._steps = self._matching_steps(batch)
        steps.structure = structure[0]
        return steps

    @jit.tidy
    def _matching_steps(self, batch: Any) -> Steps:
        """Steps for the layers, weights and flags as they are now: known ones, or new ones."""
        compilation = self._checked_compilation("fit")
        self._prepare((batch[0],), {})
        fresh = not compilation.bound
        told = self._bind(batch) if fresh else None
        layers, weights = list(self.all_layers()), self.weights
        trainable = self._trained_variables()
        flags = compilation.flags
        now = ((id(one), flags.get(id(one), (one, one.trainable))[1]) for one in layers)
        held = [one.constants for one in layers]
        key = (current.placement, id(self.graph), *now, *map(id, held), *map(id, weights))
        known = compilation.known_steps.get(key)
        if known is not None:
            return known
        self._ready_optimizer(compilation, trainable)
        make = Steps if current.placement is None else current.placement.steps
        steps = make(self, compilation, trainable, self._names_of_targets())
        try:
            prepare(steps, batch, told)
        except Exception:
            if fresh:
                compilation.unbind()
            raise
        if len(compilation.known_steps) >= MOST_STEPS:
            compilation.known_steps.clear()
        steps.kept = (self.graph, layers, held, weights)  # what the key names is not collected
        compilation.known_steps[key] = steps
        return steps

    def _ready_optimizer(self, compilation: Compilation, trainable: list[Variable]) -> None:
        """Give the optimizer a state; one that serves other weights already is copied."""
        optimizer = compilation.optimizer
        if optimizer.state is not None:
            if optimizer._variables == trainable:
                return
            optimizer = compilation.optimizer = without_state(optimizer)
        optimizer.state = optimizer.init(trainable)

    def _trained_variables(self) -> list[Variable]:
        """The variables that were trainable when the model was compiled."""
        compilation = self._checked_compilation("fit")
        if compilation.collected is None:
            return self._collect(compilation)
        return compilation.collected

    def _warn_of_flags(self, method: str) -> None:
        """Say that flags were changed after ``compile``, once."""
        collected = self._checked_compilation(method).collected
        if self._warned_of_flags or self._flags_seen == structure[0]:
            return
        if collected is None or not self._all_built():
            return
        now = self.trainable_weights
        if list(map(id, now)) == list(map(id, collected)):
            self._flags_seen = structure[0]
            return
        self._warned_of_flags = True
        warn(
            f"{self}: {method}: {len(now)} weights are trainable now, but {len(collected)} "
            "were when the model was compiled, and it is these that are trained. If that is not "
            "what you want, call compile again after you set `trainable`.",
        )

    def _bind(self, batch: Any) -> Forward:
        """Tell the compilation which outputs there are; gives what the run for it has told."""
        outputs, flat, told = forward(self, batch[0])
        if self.graph is None:
            numbered = [f"output_{i + 1}" for i in range(len(flat))]
            self.output_names = list(outputs) if isinstance(outputs, dict) else numbered
        self._target_names = None
        compilation, names = self._checked_compilation("fit"), self._names_of_targets()
        compilation.bind(names, compilation.flatten_targets(batch[1], names), flat)
        compilation.example = outline(batch)
        return told

    def _names_of_targets(self) -> list[str]:
        """Names by which dicts of targets, losses and metrics know the outputs."""
        if self._target_names is None:
            named = isinstance(self._output_structure, dict)
            self._target_names = tuple(self._output_structure if named else self.output_names)
        return list(self._target_names)


def without_state(optimizer: Any) -> Any:
    """A copy that shares the learning rate but not the state."""
    twin = copy.copy(optimizer)
    inner = getattr(twin, "inner_optimizer", None)
    if inner is not None:
        twin.inner_optimizer = without_state(inner)
    twin.state = None
    twin._steps = twin._compiled = None
    return twin
