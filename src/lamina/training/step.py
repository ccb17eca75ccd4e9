"""The pure steps of a compiled model: train, evaluate, predict; one batch or many a call.

A step is a function ``(state, ...) -> (state, logs)`` of one pytree, whose memory is donated.
`Steps` makes the functions once for a compiled model, collects the state from the variables before
a call and publishes it to them after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxprs_in_params

from lamina.core import context, jit, pure, shapes, weights
from lamina.core.context import Fault
from lamina.core.readers import readers
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.training.compile import Compilation

Batch = tuple[Any, Any, Any]
"""Inputs, targets and sample weights of some rows."""


class State(NamedTuple):
    """Everything that a training step reads and changes.

    Attributes:
        trainable: values of the weights that the optimizer changes.
        other: values of the model's other variables.
        optimizer: state of the optimizer.
        metrics: values of the variables of trackers and metrics.
        seed: uint32, from which all random keys are folded.
        step: uint32, number of steps so far.
        faults: rows and values of failed checks; rows are -1 while all is well.
    """

    trainable: list[Any]
    other: list[Any]
    optimizer: Any
    metrics: list[Any]
    seed: Any
    step: Any
    faults: tuple[Any, Any]


class Results(NamedTuple):
    """What evaluating steps change: metrics and failed checks."""

    metrics: list[Any]
    seed: Any
    faults: tuple[Any, Any]


class Steps:
    """The compiled steps of one model under one compilation.

    Args:
        model: the model; built.
        compilation: what ``compile`` kept; bound.
        trainable: the variables that the optimizer changes.
    """

    def __init__(self, model: Any, compilation: Compilation, trainable: list[Variable]) -> None:
        self.model = model
        self.compilation = compilation
        self.trainable = trainable
        known = set(trainable)
        self.other = [v for v in model.weights if v not in known]
        self.other += compilation.loss_weight_variables
        self.variables = [*self.trainable, *self.other]
        self.metrics: list[Variable] = compilation.metric_variables
        self.structure = weights.structure[0]
        self.faults: list[Fault] = []
        self.names: list[str] = list(model.output_names)
        self._train_one = jit.compile(self._one, donate=[0])
        self._train_many = jit.compile(self._many, donate=[0])
        self._eval_one = jit.compile(self._test_one, donate=[0])
        self._eval_many = jit.compile(self._test_many, donate=[0])

    # ---- pure functions -------------------------------------------------------------------

    def _objective(self, batch: Batch, training: bool) -> Any:
        """Run the model on a batch, within a call: the total loss and what metrics need."""
        x, y, weight = batch
        outputs, mask = self.model._computed((x,), {}, None)
        flat = shapes.flat(outputs)
        masks = [None] * len(flat) if mask is None else shapes.flat(mask)
        targets = self.compilation.flatten_targets(y, self.names)
        row_weights = self.compilation.flatten_weights(weight, self.names)
        record = context.current()
        assert record is not None
        if self.model.overrides_compute_loss():
            total, parts = self.model.compute_loss(x, y, outputs, weight), {}
        else:
            total, parts = self.compilation.loss_value(targets, flat, row_weights, masks)
            added = [loss for _, loss in record.losses] + weights.regularization(self.trainable)
            for loss in added:
                total = total + jnp.asarray(loss).astype(total.dtype)
        return total, (parts, targets, flat, row_weights, masks)

    def _faults_of(self, record: context.Call) -> tuple[Any, Any]:
        """Rows and values of all checks, stacked; the messages are kept on the side."""
        self.faults = list(record.faults)
        if not self.faults:
            return jnp.zeros((0,), jnp.int32), jnp.zeros((0,), jnp.float32)
        rows = jnp.stack([jnp.asarray(fault.row).astype(jnp.int32) for fault in self.faults])
        values = jnp.stack([jnp.asarray(f.value).astype(jnp.float32) for f in self.faults])
        return rows, values

    def _train(self, state: State, hyper: dict[str, Any], batch: Batch) -> State:
        """One step of training."""
        optimizer = self.compilation.optimizer
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)

        def objective(trainable: list[Any]) -> Any:
            outcome = pure.run(
                self._objective,
                self.variables,
                [*trainable, *state.other],
                batch,
                True,
                training=True,
                key=key,
            )
            total, details = outcome.result
            other = outcome.values[len(trainable) :]
            scaled = optimizer.scale_loss(total, state.optimizer)
            return scaled, (total, details, other, self._faults_of(outcome.call))

        gradients, aux = jax.grad(objective, has_aux=True)(state.trainable)
        total, details, other, faults = aux
        trainable, slots = optimizer.update(gradients, state.optimizer, state.trainable, hyper)
        trainable = self._constrained(trainable)
        metrics = self._measured(state.metrics, total, details, batch)
        new = State(trainable, other, slots, metrics, state.seed, state.step + 1, faults)
        return self._guarded(state, new)

    def _constrained(self, values: list[Any]) -> list[Any]:
        pairs = zip(self.trainable, values, strict=True)
        return [value if v.constraint is None else v.constraint(value) for v, value in pairs]

    def _measured(self, metrics: list[Any], total: Any, details: Any, batch: Batch) -> list[Any]:
        """Values of the metrics' variables after a batch."""
        parts, targets, flat, row_weights, masks = details
        outcome = pure.run(
            self.compilation.update,
            self.metrics,
            metrics,
            targets,
            [lax.stop_gradient(output) for output in flat],
            row_weights,
            masks,
            lax.stop_gradient(total),
            parts,
            rows_of(batch[0]),
        )
        return outcome.values

    def _guarded(self, old: Any, new: Any) -> Any:
        """The old state, with the failure noted, if a check failed in this or an earlier step."""
        rows, values = new.faults
        if rows.shape[0] == 0:
            return new
        before = jnp.any(old.faults[0] >= 0)
        failed = before | jnp.any(rows >= 0)

        def choose(one: Any, other: Any) -> Any:
            return jnp.where(failed, one, other)

        kept = jax.tree.map(choose, old._replace(faults=()), new._replace(faults=()))
        noted = (
            jnp.where(before, old.faults[0], rows),
            jnp.where(before, old.faults[1], values),
        )
        return kept._replace(faults=noted)

    def _logs(self, metrics: list[Any]) -> list[Any]:
        """What the logs will show, in the order of their names."""
        return list(pure.run(self.compilation.results, self.metrics, metrics).result.values())

    def _one(self, state: State, hyper: dict[str, Any], batch: Batch) -> Any:
        state = self._train(state, hyper, batch)
        return state, self._logs(state.metrics)

    def _many(self, state: State, hyper: Any, block: Batch, first: Any, count: Any) -> Any:
        """`count` steps on the batches of a block, from number `first` on."""

        def going(carry: tuple[Any, State]) -> Any:
            place, state = carry
            return (place < first + count) & ~jnp.any(state.faults[0] >= 0)

        def body(carry: tuple[Any, State]) -> tuple[Any, State]:
            place, state = carry
            return place + 1, self._train(state, hyper, batch_of(block, place))

        _, state = lax.while_loop(going, body, (first, state))
        return state, self._logs(state.metrics)

    def _test(self, results: Results, values: list[Any], batch: Batch) -> Results:
        """One step of evaluation."""
        outcome = pure.run(
            self._objective,
            self.variables,
            values,
            batch,
            False,
            training=False,
            key=jax.random.key(results.seed),
        )
        total, details = outcome.result
        faults = self._faults_of(outcome.call)
        metrics = self._measured(results.metrics, total, details, batch)
        return self._guarded(results, Results(metrics, results.seed + 1, faults))

    def _test_one(self, results: Results, values: list[Any], batch: Batch) -> Any:
        results = self._test(results, values, batch)
        return results, self._logs(results.metrics)

    def _test_many(self, results: Any, values: Any, block: Batch, first: Any, count: Any) -> Any:
        def body(place: Any, results: Results) -> Results:
            return self._test(results, values, batch_of(block, place))

        results = lax.fori_loop(first, first + count, body, results)
        return results, self._logs(results.metrics)

    # ---- state ----------------------------------------------------------------------------

    def prepare(self, batch: Batch) -> None:
        """Trace the objective once, abstractly: how many checks there are, and convolutions."""
        values = [variable._value for variable in self.variables]

        def forward(values: list[Any], batch: Batch) -> Any:
            key = jax.random.key(0)
            outcome = pure.run(
                self._objective, self.variables, values, batch, True, training=True, key=key
            )
            return outcome.result[0], self._faults_of(outcome.call)

        program, (_, faults) = jax.make_jaxpr(forward, return_shape=True)(values, batch)
        self.fault_count = faults[0].shape[0]
        on_cpu = jax.default_backend() == "cpu"
        # XLA runs convolutions inside of a loop 20 to 30 times slower on a CPU.
        self.loops = not (on_cpu and _has_convolution(program.jaxpr))
        self._noted = self._faultless()

    def _faultless(self) -> tuple[Any, Any]:
        count = self.fault_count
        return jnp.full((count,), -1, jnp.int32), jnp.zeros((count,), jnp.float32)

    def collect(self) -> State:
        """The state as it is now; arrays that somebody else holds are copied, for donation."""
        model, variables = self.model, [*self.variables, *self.metrics]
        if readers.count or True in [v.exposed for v in variables]:
            for variable in variables:
                if variable.exposed or readers.count:
                    variable._value = jnp.array(variable._value, copy=True)
                    variable.exposed = False
        return State(
            [v._value for v in self.trainable],
            [v._value for v in self.other],
            self.compilation.optimizer.state,
            [v._value for v in self.metrics],
            model._seed,
            model._step,
            self._noted,
        )

    def publish(self, state: State) -> None:
        """Make a state that of the model, the optimizer and the metrics."""
        for variable, value in zip(self.trainable, state.trainable, strict=True):
            variable._value = value
        for variable, value in zip(self.other, state.other, strict=True):
            variable._value = value
        for variable, value in zip(self.metrics, state.metrics, strict=True):
            variable._value = value
        self.compilation.optimizer.state = state.optimizer
        self.model._seed, self.model._step = state.seed, state.step
        self._noted = state.faults

    def _advance(self, run: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Train by one compiled call; gives the logs, still on the device."""
        with readers.lock:
            hyper = self.compilation.optimizer.hyperparameters()
            state, logs = run(self.collect(), hyper, *args)
            self.publish(state)
        return dict(zip(self.compilation.metrics_names, logs, strict=True))

    def one(self, batch: Batch) -> dict[str, Any]:
        """A training step on a batch."""
        eager = self.compilation.run_eagerly
        return self._advance(self._one if eager else self._train_one, batch)

    def several(self, block: Batch, first: int, count: int) -> dict[str, Any]:
        """`count` training steps on the batches of a block, from number `first` on."""
        return self._advance(self._train_many, block, np.int32(first), np.int32(count))

    def test(self, batch: Batch) -> dict[str, Any]:
        """An evaluation step on a batch."""
        eager = self.compilation.run_eagerly
        return self._tested(self._test_one if eager else self._eval_one, batch)

    def test_several(self, block: Batch, first: int, count: int) -> dict[str, Any]:
        """`count` evaluation steps on the batches of a block, from number `first` on."""
        return self._tested(self._eval_many, block, np.int32(first), np.int32(count))

    def _tested(self, run: Callable[..., Any], *args: Any) -> dict[str, Any]:
        with readers:
            values = [variable._value for variable in self.variables]
            for variable in self.metrics:
                if variable.exposed:
                    variable._value = jnp.array(variable._value, copy=True)
                    variable.exposed = False
            measured = [variable._value for variable in self.metrics]
            results, logs = run(Results(measured, np.uint32(0), self._noted), values, *args)
        for variable, value in zip(self.metrics, results.metrics, strict=True):
            variable._value = value
        self._noted = results.faults
        return dict(zip(self.compilation.metrics_names, logs, strict=True))

    def check(self) -> None:
        """Raise the error of the first check that failed since the last look."""
        if self.fault_count and np.any(np.asarray(self._noted[0]) >= 0):
            rows, values = self._noted
            self._noted = self._faultless()
            pure.raise_faults(self.faults, rows, values)


def rows_of(x: Any) -> int:
    """Number of rows of a batch."""
    return jax.tree.leaves(x)[0].shape[0]


def batch_of(block: Batch, place: Any) -> Any:
    """One batch of a block."""
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, place, keepdims=False), block)


def _has_convolution(program: Any) -> bool:
    """Whether a jaxpr, or one inside of it, convolves."""
    for equation in program.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        for inner in jaxprs_in_params(equation.params):
            if _has_convolution(inner):
                return True
    return False
