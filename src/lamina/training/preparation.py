"""What is found out before a first step: what layers report, what is read beside the weights.

One abstract run of the model in training tells it, unless losses and metrics read variables, too.
If they do, the trace of the step finds it, and a whole step is run abstractly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from lamina.core import jit, programs, pure, shapes
from lamina.core.packed import Pack
from lamina.core.variable import Variable
from lamina.training.state import Batch, metrics_of, names_of, values_of

if TYPE_CHECKING:
    from lamina.training.step import Steps


class Forward(NamedTuple):
    """What one abstract run of a model in training has told.

    Attributes:
        program: the jaxpr; ``None`` if the model runs eagerly.
        reports: names of numbers that layers reported.
        strays: variables that were read and are not the model's.
        adds_losses: whether layers added losses.
    """

    program: Any
    reports: list[str]
    strays: list[Variable]
    adds_losses: bool


class Unprepared(Exception):
    """A step reads variables that no run has shown so far."""


def forward(model: Any, x: Any) -> tuple[Any, list[Any], Forward]:
    """Run a model on a batch as in training; abstractly, unless it runs eagerly.

    Args:
        model: the model; compiled and built.
        x: inputs.

    Returns:
        Its outputs in their structure, the same as shapes and dtypes in a list, and what the run
        has told.
    """
    held = [variable for metric in metrics_of(model) for variable in metric.variables]
    variables = list(dict.fromkeys([*model.weights, *held]))
    found: list[Any] = []

    def outputs(values: list[Any], x: Any) -> Any:
        with model.flags_as_compiled():
            key = jax.random.key(0)
            arguments = (x,), {}, None
            outcome = pure.run(
                model._computed, variables, values, *arguments, training=True, key=key
            )
        found[:] = [outcome.result[0], outcome.call]
        return shapes.flat(found[0])

    values, program = [variable._value for variable in variables], None
    if model.run_eagerly:
        flat = outputs(values, x)
    else:
        program, flat = jax.make_jaxpr(outputs, return_shape=True)(values, x)
    structured, call = found
    reports = names_of(call.metrics)
    return structured, flat, Forward(program, reports, list(call.strays), bool(call.losses))


def prepare(steps: Steps, batch: Batch, told: Forward | None = None) -> None:
    """Find out what steps need to know.

    Args:
        steps: the steps of a model.
        batch: arrays, or shapes and dtypes of them.
        told: what a run of the model has told.
    """
    if told is None or told.program is None or steps.held or steps.model.overrides_compute_loss():
        _try(steps, batch)
        return
    steps.strays.update(dict.fromkeys(told.strays))
    steps.lossless = not (steps.has_loss() or told.adds_losses)
    _enter_metrics(steps, told.reports)
    steps.loops = programs.may_loop(told.program.jaxpr)
    steps.further = unknown(steps)


@jit.tidy
def prepare_again(steps: Steps, error: Exception) -> None:
    """Run a step abstractly, if that is what a first call lacked; else raise its error.

    What the first batch told about outputs is then forgotten, so that another one may follow.

    Args:
        steps: the steps of a model.
        error: what the call raised.
    """
    if isinstance(error, Unprepared):
        _try(steps, steps.compilation.example)
        return
    if not steps.ran:
        steps.compilation.unbind()
        steps.structure = -1
    raise error


def _try(steps: Steps, batch: Batch) -> None:
    """Run a step, abstractly unless the model runs eagerly."""
    steps.tried = True
    values = [variable._value for variable in steps.variables]
    held = [variable._value for variable in steps.held_variables]

    def step(values: list[Any], batch: Batch) -> Any:
        outcome = steps.forward((values, []), held, batch, "train", jax.random.key(0))
        total, details = outcome.result
        steps.lossless = not (steps.has_loss() or outcome.call.losses)
        reports = dict(zip(names_of(outcome.call.metrics), values_of(outcome), strict=True))
        _enter_metrics(steps, list(reports))
        metrics = [variable._value for variable in steps.metrics]
        steps.measured(metrics, (values, []), total, details, batch, reports)
        return total

    steps.further = []
    if steps.compilation.run_eagerly:
        step(values, batch)
    else:
        program = jax.make_jaxpr(step)(values, batch)
        steps.loops = programs.may_loop(program.jaxpr)
    steps.further = unknown(steps)


def _enter_metrics(steps: Steps, reports: list[str]) -> None:
    """Collect the variables of metrics, once the names of all reports are known."""
    compilation, held = steps.compilation, steps.held_variables
    compilation.add_reports(reports, steps.held)
    own = [v for v in compilation.metric_variables if v not in set(held)]
    steps.metrics = [*own, *held]
    steps.pack = Pack(steps.metrics)


def unknown(steps: Steps) -> list[Variable]:
    """Variables that were read and are neither the model's, nor metrics', nor passed in."""
    known = {*steps.variables, *steps.metrics, *steps.further}
    return [variable for variable in steps.strays if variable not in known]
