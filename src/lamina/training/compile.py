"""What ``compile`` keeps: the optimizer, a loss for each output, metrics, and how steps run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina import losses, metrics, optimizers
from lamina.core.variable import Variable
from lamina.metrics.base import reset_all
from lamina.training import measures, outputs
from lamina.training.measures import Measure

if TYPE_CHECKING:
    from lamina.typing import Array


class Compilation:
    """Keep what `Model.compile` was given, and turn it into losses and metrics.

    Names are looked up at once. Whatever depends on shapes is made by `bind`, when the first
    batch has shown them.

    Args:
        optimizer: name, config, object, or a transformation of optax.
        loss: a name, function or `Loss` for all outputs; or a list or dict with one for each,
            ``None`` where there is none.
        metrics: names, functions and `Metric` objects, for the only output or for all; or
            nested in a list or dict, some for each output. Sample weights do not count.
        loss_weights: numbers by which the losses of the outputs are multiplied in the sum.
        sample_weight_mode: ``None`` or ``"temporal"``, or one of them for each output; kept for
            old code, since the shape of the weights says the same.
        weighted_metrics: like `metrics`; sample weights count.
        run_eagerly: whether steps run uncompiled, for debugging.
        steps_per_execution: how many batches one compiled call takes.
        jit_compile: kept; XLA compiles everything.
        target_tensors: must be ``None``.
        auto_scale_loss: whether losses are scaled in half precision.

    Attributes:
        collected: the weights that were trainable when the model was compiled, once it is built.
        flags: the layers at that time, and whether each was trainable, by identity.
        method: what the user called last, for messages.
        known_steps: compiled steps, by the layers, weights and flags that they are for.
        example: shapes and dtypes of the first batch, ``None`` before it.

    Raises:
        ValueError: an unknown name, or a value that cannot be.
        TypeError: something that is no loss or metric.

    >>> compiled = Compilation("sgd", "mse", metrics=["mae"])
    >>> compiled.bind(["out"], [jnp.zeros((2, 1))], [jnp.zeros((2, 1))])
    >>> compiled.metrics_names
    ['loss', 'mae']
    """

    def __init__(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = "auto",
        target_tensors: Any = None,
        auto_scale_loss: bool = True,
    ) -> None:
        self.set_optimizer(optimizer)
        self.loss = loss
        self.user_metrics = metrics
        self.loss_weights = loss_weights
        self.sample_weight_mode = sample_weight_mode
        self.weighted_metrics = weighted_metrics
        self.run_eagerly = bool(run_eagerly)
        self.steps_per_execution = _positive(steps_per_execution)
        self.jit_compile = jit_compile
        self.auto_scale_loss = bool(auto_scale_loss)
        if target_tensors is not None:
            raise ValueError("compile: target_tensors must be None; give targets to fit as y.")
        for mode in outputs.leaves(sample_weight_mode):
            if mode not in ("temporal", "samplewise"):
                raise ValueError(
                    f"compile: sample_weight_mode must be None or 'temporal', got {mode!r}."
                )
        for entry in outputs.leaves(loss):
            measures.check_loss(entry)
        for entry in outputs.leaves(metrics) + outputs.leaves(weighted_metrics):
            measures.check_metric(entry)
        self.bound = False
        self.method = "fit"
        self.collected: list[Variable] | None = None
        self.flags: dict[int, tuple[Any, bool]] = {}
        self.known_steps: dict[Any, Any] = {}
        self.example: Any = None
        self._output_names: list[str] = []
        self._losses: list[losses.Loss | None] = []
        self._weights: list[Any] = []
        self._measures: list[Measure] = []
        self._trackers: dict[str, Any] = {"loss": _tracker("loss")}
        self._reports: dict[str, Any] = {}
        self._held: list[Any] = []

    def set_optimizer(self, optimizer: Any) -> None:
        """Keep another optimizer.

        Args:
            optimizer: as in the constructor.

        Raises:
            ValueError: it is ``None`` or an unknown name.
            TypeError: it is no optimizer.
        """
        found = optimizers.get(optimizer)
        if found is None:
            raise ValueError("compile: optimizer must be a name or an object, got None.")
        self.optimizer: optimizers.Optimizer = found

    # --- at the first batch

    def bind(self, output_names: Sequence[str], y_true: list[Any], y_pred: list[Any]) -> None:
        """Make the losses, metrics and trackers of each output.

        Args:
            output_names: names of the outputs.
            y_true: targets of each output, or ``None``: anything that has a shape.
            y_pred: the outputs.

        Raises:
            ValueError: losses, weights or metrics do not fit the outputs.
        """
        names = list(output_names)
        given = outputs.losses(self.loss, names)
        self._weights = outputs.loss_weights(self.loss_weights, names)
        pairs = list(zip(y_true, y_pred, strict=True))
        self._losses = [
            None if entry is None else measures.loss_of(entry, *pair)
            for entry, pair in zip(given, pairs, strict=True)
        ]
        self._output_names = names
        self._trackers = {"loss": self._trackers["loss"]}
        if len(names) > 1:
            keys = [f"{n}_loss" for n, loss in zip(names, self._losses, strict=True) if loss]
            self._trackers |= {key: _tracker(key) for key in keys}
        self._measures = []
        self._add_measures("metrics", self.user_metrics, pairs)
        self._add_measures("weighted_metrics", self.weighted_metrics, pairs)
        self.bound = True

    def unbind(self) -> None:
        """Forget what the first batch has told; the next one is a first one again."""
        self.bound = False
        self.known_steps.clear()

    def _add_measures(self, argument: str, given: Any, pairs: list[Any]) -> None:
        weighted = argument == "weighted_metrics"
        names = self._output_names
        nested = outputs.metrics(argument, given, names, lambda e: isinstance(e, metrics.Metric))
        taken = {*self._trackers, *(measure.key for measure in self._measures)}
        plain = set(taken)
        for place, entries in enumerate(nested):
            prefix = f"{names[place]}_" if len(names) > 1 else ""
            for entry in entries:
                metric, name = measures.metric_of(entry, self._losses[place], *pairs[place])
                self._check_unshared(metric, place)
                measures.build(metric, *pairs[place])
                if weighted and prefix + name in plain:
                    name = f"weighted_{name}"
                key = _free(prefix + name, taken)
                taken.add(key)
                self._measures.append(Measure(key, metric, place, weighted))

    def add_reports(self, names: Sequence[str], held: Sequence[Any] = ()) -> None:
        """Make room in the logs for what layers report.

        Args:
            names: names of numbers that layers add with ``add_metric``.
            held: metric objects that layers hold as attributes and update themselves.
        """
        taken = {*self._trackers, *(measure.key for measure in self._measures)}
        self._reports = {name: self._reports.get(name) or _tracker(name) for name in names}
        own = [measure.metric for measure in self._measures]
        self._held = [metric for metric in held if not any(metric is one for one in own)]
        for name in [*names, *(metric.name for metric in self._held)]:
            if name in taken:
                raise ValueError(
                    f"A layer reports a metric named {name!r}, but the logs have that name already."
                    " Give it another one."
                )
            taken.add(name)

    def _check_unshared(self, metric: Any, place: int) -> None:
        for measure in self._measures:
            if measure.metric is metric and measure.output != place:
                first, second = self._output_names[measure.output], self._output_names[place]
                raise ValueError(
                    f"The metric object {metric.name!r} is given for the outputs {first!r} and "
                    f"{second!r}, whose sums it would mix. Make one object for each."
                )

    def flatten_targets(self, y: Any, output_names: Sequence[str]) -> list[Any]:
        """The targets of each output, in the order of the outputs; ``None`` where none are.

        Args:
            y: an array, a list or tuple, or a dict by output name.
            output_names: names of the outputs.

        Raises:
            ValueError: too many or too few, or a name that no output has.
        """
        wanted = [entry is not None for entry in outputs.losses(self.loss, output_names)]
        return outputs.targets(y, output_names, wanted, self.method)

    def flatten_weights(self, sample_weight: Any, output_names: Sequence[str]) -> list[Any]:
        """The sample weights of each output; one array counts for all.

        Args:
            sample_weight: ``None``, an array, a list or tuple, or a dict by output name.
            output_names: names of the outputs.

        Raises:
            ValueError: a wrong length, or a name that no output has.
        """
        return outputs.weights(sample_weight, output_names)

    # --- in a step

    def loss_value(
        self, y_true: list[Any], y_pred: list[Any], sample_weight: list[Any], masks: list[Any]
    ) -> tuple[Array, dict[str, Array]]:
        """The sum of the losses times their weights, and each output's own loss.

        With weights w, masks m and n losses l an output's loss is ``sum(w * l) / n``, or
        ``sum(w * m * l) / sum(m)``. Weights may be ``(rows,)`` or ``(rows, steps)``.

        Args:
            y_true: targets of each output.
            y_pred: the outputs.
            sample_weight: weights of each output, or ``None``.
            masks: mask of each output, or ``None``.
        """
        total = jnp.float32(0.0)
        found: dict[str, Array] = {}
        for place, loss in enumerate(self._losses):
            if loss is None:
                continue
            name = self._output_names[place]
            targets, predictions = measures.columns(y_true[place], y_pred[place])
            value = self._value(
                loss, name, targets, predictions, sample_weight[place], masks[place]
            )
            if value.ndim:
                raise ValueError(
                    f"The loss {loss.name!r} of output {name!r} has reduction={loss.reduction!r}; "
                    "to train, it must give one number: 'sum_over_batch_size' or 'sum'."
                )
            found[name] = value
            scaled = value * jnp.asarray(self._weights[place]).astype(value.dtype)
            total = scaled if len(found) == 1 else total + scaled.astype(total.dtype)
        return total, found

    def _value(self, loss: losses.Loss, name: str, *arguments: Any) -> Array:
        try:
            return loss.masked(*arguments)
        except ValueError as error:
            if len(self._output_names) == 1:
                raise
            raise ValueError(f"Output {name!r}: {error}") from error

    def update(
        self,
        y_true: list[Any],
        y_pred: list[Any],
        sample_weight: list[Any],
        masks: list[Any],
        total: Any,
        per_output: dict[str, Any],
        batch_size: Any,
        reports: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a batch into the trackers and metrics.

        Args:
            y_true: targets of each output.
            y_pred: the outputs.
            sample_weight: weights of each output, or ``None``; for `weighted_metrics`.
            masks: mask of each output, or ``None``; for all metrics.
            total: the loss with all that was added to it.
            per_output: each output's own loss.
            batch_size: number of rows, by which the losses are averaged over batches.
            reports: what layers reported with ``add_metric``, by name.
        """
        for key, value in (reports or {}).items():
            mean = jnp.mean(jnp.asarray(value).astype(jnp.float32))
            self._reports[key].update_state(mean, sample_weight=batch_size)
        for key, tracker in self._trackers.items():
            value = total if key == "loss" else per_output.get(key.removesuffix("_loss"))
            if value is not None:
                tracker.update_state(value, sample_weight=batch_size)
        for key, metric, place, weighted in self._measures:
            if y_true[place] is None:
                raise ValueError(
                    f"The metric {key!r} needs targets for output {self._output_names[place]!r}."
                )
            pair = measures.columns(y_true[place], y_pred[place])
            weight = measures.weight_of(sample_weight[place] if weighted else None, masks[place])
            measures.update(key, metric, pair, weight)

    def results(self) -> dict[str, Any]:
        """The logs: the loss, the losses of the outputs, the metrics."""
        logs = {key: tracker.result() for key, tracker in self._trackers.items()}
        for measure in self._measures:
            result = measure.metric.result()
            logs |= result if isinstance(result, dict) else {measure.key: result}
        logs |= {key: tracker.result() for key, tracker in self._reports.items()}
        return logs | {metric.name: metric.result() for metric in self._held}

    def reset(self) -> None:
        """Set all trackers and metrics back to their start."""
        reset_all(self.metrics)

    # --- what there is

    @property
    def metrics(self) -> list[Any]:
        """The trackers of the losses, then the metrics; each once."""
        found = [*self._trackers.values(), *(measure.metric for measure in self._measures)]
        found += [*self._reports.values(), *self._held]
        return list({id(metric): metric for metric in found}.values())

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs, in their order."""
        measured = (measure.key for measure in self._measures)
        return [*self._trackers, *measured, *self._reports, *(held.name for held in self._held)]

    @property
    def metric_variables(self) -> list[Variable]:
        """The variables of all trackers and metrics."""
        found = [variable for metric in self.metrics for variable in metric.variables]
        return list(dict.fromkeys(found))

    @property
    def has_loss(self) -> bool:
        """Whether any output has a loss."""
        return bool(outputs.leaves(self.loss))

    @property
    def loss_weight_variables(self) -> list[Variable]:
        """Loss weights that are variables, which a step must read anew each time."""
        return [weight for weight in self._weights if isinstance(weight, Variable)]


def outline(batch: Any) -> Any:
    """Shapes and dtypes in the place of the arrays of a batch."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), batch)


def _positive(steps: Any) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"compile: steps_per_execution must be a positive int, got {steps!r}.")
    return steps


def _tracker(name: str) -> Any:
    return metrics.Mean(name=name)


def _free(name: str, taken: set[str]) -> str:
    """The name, with the first number that makes it a new one."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
