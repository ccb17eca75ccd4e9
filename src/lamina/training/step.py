"""The pure steps of a compiled model: train, evaluate, predict; one batch or many a call.

A step is a function ``(state, ...) -> (state, logs)`` of one pytree, whose memory is donated.
`Steps` makes the functions once for a compiled model, collects the state from the variables before
a call and publishes it to them after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from jax import lax

from lamina.core import context, jit, pure, shapes
from lamina.core.context import Fault
from lamina.core.packed import Pack
from lamina.core.pure import has_failed, noted_in, nothing_noted
from lamina.core.readers import readers
from lamina.core.variable import Variable
from lamina.training.preparation import Unprepared, prepare_again, unknown
from lamina.training.state import (
    Batch,
    Results,
    State,
    batch_of,
    explanations,
    faults_of,
    guarded,
    metrics_of,
    names_of,
    numbers_of,
    rows_of,
    unless_noted,
    values_of,
)

if TYPE_CHECKING:
    from lamina.training.compile import Compilation

Phase = Literal["train", "test"]
Values = tuple[list[Any], list[Any]]
"""Values of the model's variables, and of the user's variables that are only read."""

Settings = tuple[dict[str, Any], list[Any]]
"""What a step reads anew each time: settings of the optimizer, and the user's variables."""

Explain = Callable[[Fault, int, int, float], str]


class Steps:
    """The compiled steps of one model under one compilation.

    Args:
        model: the model; built.
        compilation: what ``compile`` kept; bound.
        trainable: the variables that the optimizer changes.
        names: names of the outputs, as targets know them.

    Attributes:
        structure: count of changes of layers for which these steps are known to be right.
        loops: whether many steps may run in one compiled call.
        strays: variables that were read without a value of the run.
        tried: whether a whole step was run abstractly.
        ran: whether a step has run.
        lossless: whether there is nothing to train on.
    """

    def __init__(
        self, model: Any, compilation: Compilation, trainable: list[Variable], names: list[str]
    ) -> None:
        self.model = model
        self.compilation = compilation
        self.trainable = trainable
        self.names = names
        self.held = metrics_of(model)
        self.held_variables = [v for metric in self.held for v in metric.variables]
        # States that stateful layers keep from batch to batch: evaluation changes them, too.
        stateful = [layer for layer in model.all_layers() if layer.stateful]
        self.held_variables += [v for layer in stateful for v in layer._passing()]
        known = {*trainable, *self.held_variables}
        self.other = [v for v in model.weights if v not in known]
        self.other += compilation.loss_weight_variables
        self.variables = [*self.trainable, *self.other]
        self.metrics: list[Variable] = []
        self.pack = Pack([])
        # Variables of the user's that losses and metrics read: passed in, never donated.
        self.further: list[Variable] = []
        self.structure = -1
        self.loops = False
        self.lossless = False
        self.log_names: list[str] = []
        self.kept: Any = None
        self._checks: dict[Phase, list[Fault]] = {"train": [], "test": []}
        self.strays: dict[Variable, None] = {}
        self.tried = False
        self.ran = False
        self._noted = {"train": nothing_noted(), "test": nothing_noted()}
        self._train_one = jit.compile(self._one, donate=[0], stored=2)
        self._train_many = jit.compile(self._many, donate=[0], stored=2)
        self._eval_one = jit.compile(self._test_one, donate=[0], stored=2)
        self._eval_many = jit.compile(self._test_many, donate=[0], stored=2)

    # ---- pure functions -------------------------------------------------------------------

    def _objective(self, batch: Batch, training: bool) -> Any:
        """Run the model on a batch, within a call: the total loss and what metrics need."""
        x, y, weight = batch
        model, compilation = self.model, self.compilation
        with model.flags_as_compiled():
            outputs, mask = model._computed((x,), {}, None)
        flat = shapes.flat(outputs)
        masks = [None] * len(flat) if mask is None else shapes.flat(mask)
        targets = compilation.flatten_targets(y, self.names)
        row_weights = compilation.flatten_weights(weight, self.names)
        if model.overrides_compute_loss():
            total, parts = model._own_loss(x, y, outputs, weight, training), {}
        else:
            total, parts = compilation.loss_value(targets, flat, row_weights, masks)
            total = model._with_penalties(total)
        return total, (parts, targets, flat, row_weights, masks)

    def forward(
        self, values: Values, metrics: list[Any], batch: Batch, phase: Phase, key: Any
    ) -> pure.Outcome:
        """The objective as a pure function; metrics that layers hold may change in it."""
        held = metrics[len(metrics) - len(self.held_variables) :]
        training = phase == "train"
        own, further = values
        outcome = pure.run(
            self._objective,
            [*self.variables, *self.held_variables, *self.further],
            [*own, *held, *further],
            batch,
            training,
            training=training,
            key=key,
        )
        self.strays.update(outcome.call.strays)
        return outcome

    def _split(self, outcome: pure.Outcome, metrics: list[Any]) -> tuple[list[Any], list[Any]]:
        """Values of the model's variables and of the metrics after a forward run."""
        count = len(self.variables)
        held = outcome.values[count : count + len(self.held_variables)]
        return outcome.values[:count], [*metrics[: len(metrics) - len(held)], *held]

    def _train(self, state: State, settings: Settings, batch: Batch) -> State:
        """One step of training."""
        optimizer = self.compilation.optimizer
        hyper, further = settings
        key = context.key_of_step(state.seed, state.step)
        measured = self.pack.apart(state.metrics)
        kept: list[Any] = []

        def objective(trainable: list[Any]) -> Any:
            values = [*trainable, *state.other], further
            outcome = self.forward(values, measured, batch, "train", key)
            total, details = outcome.result
            own, metrics = self._split(outcome, measured)
            kept[:] = [explanations(outcome.call.faults), names_of(outcome.call.metrics)]
            found = numbers_of(outcome.call.faults), [value for _, value in outcome.call.metrics]
            scaled = optimizer.scale_loss(total, state.optimizer)
            return scaled, (total, details, own, metrics, found)

        gradients, aux = jax.grad(objective, has_aux=True)(state.trainable)
        total, details, own, metrics, (numbers, reports) = aux
        # What a layer assigned to a weight that learns is what the optimizer changes.
        count = len(state.trainable)
        faults = faults_of(numbers, kept[0])
        reports = dict(zip(kept[1], reports, strict=True))
        values = own, further
        metrics, more = self.measured(metrics, values, total, details, batch, reports)
        faults = self._checks["train"] = [*faults, *more]

        def update(trainable: list[Any], slots: Any) -> tuple[list[Any], Any]:
            del trainable
            trainable, slots = optimizer.update(gradients, slots, own[:count], hyper)
            return self._constrained(trainable), slots

        other = own[count:]
        new = state._replace(other=other, metrics=self.pack.together(metrics), step=state.step + 1)
        state = guarded(state, new, faults)
        trainable, slots = unless_noted(
            state.noted, faults, update, state.trainable, state.optimizer
        )
        return state._replace(trainable=trainable, optimizer=slots)

    def _constrained(self, values: list[Any]) -> list[Any]:
        pairs = zip(self.trainable, values, strict=True)
        return [value if v.constraint is None else v.constraint(value) for v, value in pairs]

    def measured(
        self,
        metrics: list[Any],
        values: Values,
        total: Any,
        details: Any,
        batch: Batch,
        reports: dict[str, Any],
    ) -> tuple[list[Any], list[Fault]]:
        """Values of the metrics' variables after a batch, and the checks that metrics made."""
        parts, targets, flat, row_weights, masks = details
        outcome = pure.run(
            self.compilation.update,
            [*self.metrics, *self.variables, *self.further],
            [*metrics, *values[0], *values[1]],
            targets,
            [lax.stop_gradient(output) for output in flat],
            row_weights,
            masks,
            lax.stop_gradient(total),
            parts,
            rows_of(batch[0]),
            reports,
        )
        self.strays.update(outcome.call.strays)
        if not self.tried and unknown(self):
            raise Unprepared
        return outcome.values[: len(metrics)], list(outcome.call.faults)

    def _logs(self, metrics: list[Any]) -> list[Any]:
        """What the logs will show, in the order of their names."""
        values = self.pack.apart(metrics)
        logs = pure.run(self.compilation.results, self.metrics, values).result
        self.log_names = list(logs)
        return list(logs.values())

    def _one(self, state: State, settings: Settings, batch: Batch) -> Any:
        state = self._train(state, settings, batch)
        return state, self._logs(state.metrics)

    def _many(self, state: State, settings: Settings, block: Batch, first: Any, count: Any) -> Any:
        """`count` steps on the batches of a block, from number `first` on."""

        def going(carry: tuple[Any, State]) -> Any:
            place, state = carry
            return (place < first + count) & ~has_failed(state.noted)

        def body(carry: tuple[Any, State]) -> tuple[Any, State]:
            place, state = carry
            return place + 1, self._train(state, settings, batch_of(block, place))

        _, state = lax.while_loop(going, body, (first, state))
        return state, self._logs(state.metrics)

    def _test(self, results: Results, values: Values, batch: Batch) -> Results:
        """One step of evaluation."""
        key = jax.random.key(results.step)
        measured = self.pack.apart(results.metrics)
        outcome = self.forward(values, measured, batch, "test", key)
        total, details = outcome.result
        _, metrics = self._split(outcome, measured)
        reports = dict(zip(names_of(outcome.call.metrics), values_of(outcome), strict=True))
        metrics, more = self.measured(metrics, values, total, details, batch, reports)
        faults = self._checks["test"] = [*outcome.call.faults, *more]
        metrics = self.pack.together(metrics)
        return guarded(results, Results(metrics, results.step + 1, results.noted), faults)

    def _test_one(self, results: Results, values: Values, batch: Batch) -> Any:
        results = self._test(results, values, batch)
        return results, self._logs(results.metrics)

    def _test_many(self, results: Any, values: Any, block: Batch, first: Any, count: Any) -> Any:
        def body(place: Any, results: Results) -> Results:
            return self._test(results, values, batch_of(block, place))

        results = lax.fori_loop(first, first + count, body, results)
        return results, self._logs(results.metrics)

    # ---- state ----------------------------------------------------------------------------

    def collect(self) -> State:
        """The state as it is now; arrays that somebody else holds are copied, for donation."""
        model, variables = self.model, [*self.variables, *self.pack.others]
        if readers.active or True in [v.exposed for v in variables]:
            for variable in variables:
                if variable.exposed or readers.active:
                    variable.make_private()
        return State(
            [v._value for v in self.trainable],
            [v._value for v in self.other],
            self.compilation.optimizer.state,
            self.pack.collect(),
            model._seed,
            model._step,
            self._noted["train"],
        )

    def publish(self, state: State) -> None:
        """Make a state that of the model, the optimizer and the metrics."""
        for variable, value in zip(self.trainable, state.trainable, strict=True):
            variable._value = value
        for variable, value in zip(self.other, state.other, strict=True):
            variable._value = value
        self.pack.publish(state.metrics)
        self.compilation.optimizer.state = state.optimizer
        vars(self.model).update(_seed=state.seed, _step=state.step)  # setattr of layers is slow
        self._noted["train"] = state.noted
        self.ran = True

    def has_loss(self) -> bool:
        """Whether there is a loss without what layers add."""
        penalized = any(variable.regularizer is not None for variable in self.trainable)
        return penalized or self.compilation.has_loss or self.model.overrides_compute_loss()

    def _advance(self, run: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Train by one compiled call; gives the logs, still on the device."""
        if self.lossless:
            raise ValueError(
                f"{self.model}: there is no loss to train on. Give compile a loss, or let the "
                "model add one with add_loss."
            )
        with readers.lock:
            hyper = self.compilation.optimizer.hyperparameters()
            settings = hyper, [variable._value for variable in self.further]
            try:
                state, logs = run(self.collect(), settings, *args)
            except Exception as error:
                prepare_again(self, error)
                return self._advance(run, *args)
            self.publish(state)
        return dict(zip(self.log_names, logs, strict=True))

    def one(self, batch: Batch) -> dict[str, Any]:
        """A training step on a batch."""
        eager = self.compilation.run_eagerly
        return self._advance(self._one if eager else self._train_one, batch)

    def several(self, block: Batch, first: int, count: int) -> dict[str, Any]:
        """`count` training steps on the batches of a block, from number `first` on."""
        return self._advance(self._train_many, block, np.int32(first), np.int32(count))

    def test(self, batch: Batch, step: int) -> dict[str, Any]:
        """An evaluation step on the batch of that number."""
        eager = self.compilation.run_eagerly
        return self._tested(self._test_one if eager else self._eval_one, step, batch)

    def test_several(self, block: Batch, step: int, first: int, count: int) -> dict[str, Any]:
        """`count` evaluation steps on the batches of a block, from number `first` on.

        Args:
            block: some batches.
            step: number of the first of them in the evaluation.
            first: its place in the block.
            count: how many.
        """
        return self._tested(self._eval_many, step, block, np.int32(first), np.int32(count))

    def _tested(self, run: Callable[..., Any], step: int, *args: Any) -> dict[str, Any]:
        with readers:
            own = [variable._value for variable in self.variables]
            values = own, [variable._value for variable in self.further]
            for variable in self.pack.others:
                if variable.exposed:
                    variable.make_private()
            with readers.lock:
                before = Results(self.pack.collect(), np.uint32(step), self._noted["test"])
            try:
                results, logs = run(before, values, *args)
            except Exception as error:
                prepare_again(self, error)
                return self._tested(run, step, *args)
        with readers.lock:
            self.pack.publish(results.metrics)
        self._noted["test"] = results.noted
        self.ran = True
        return dict(zip(self.log_names, logs, strict=True))

    def check(self, phase: Phase, explain: Explain | None = None) -> None:
        """Raise the error of the first check that failed since the last look.

        Args:
            phase: whether to look at training or at evaluation.
            explain: makes the message from the check, the number of the step, row and value.
        """
        if not self._checks[phase]:
            return
        if np.asarray(self._noted[phase])[0] < 0:
            return
        place, row, value, step = noted_in(self._noted[phase])
        self._noted[phase] = nothing_noted()
        fault = self._checks[phase][place]
        if explain is None:
            raise ValueError(fault.explain(row, value))
        raise ValueError(explain(fault, step, row, value))
