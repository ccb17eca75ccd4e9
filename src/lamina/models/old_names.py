"""Names that models of Keras 1 and 2 had for parts of TensorFlow's graph: what to use instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.core.variable import Variable

_LOSS = (
    "Build the loss of tensors: target = K.placeholder(model.output_shape), loss = "
    "K.mean(K.square(model.output - target)), and K.function([model.input, target], [loss], "
    "updates=optimizer.get_updates(loss, model.trainable_weights))"
)
_STEP = "The steps are compiled from call and the loss: use model.{} on a batch"


class Gone:
    """An attribute that is not there, and the way out.

    Args:
        instead: what to use in its place.
    """

    def __init__(self, instead: str) -> None:
        self.instead = instead
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        if model is None:
            return self
        raise AttributeError(
            f"{type(model).__name__!r} object has no attribute {self.name!r}, a part of the graph "
            f"of Keras 2 that lamina does not make. {self.instead}."
        )


class OldNames:
    """Attributes of models that only a graph of TensorFlow had."""

    total_loss: Any = Gone(_LOSS)
    targets: Any = Gone(_LOSS)
    _feed_targets: Any = Gone(_LOSS)
    sample_weights: Any = Gone(f"{_LOSS}; weights are one more placeholder")
    _feed_sample_weights: Any = Gone(f"{_LOSS}; weights are one more placeholder")
    metrics_tensors: Any = Gone(
        "Values of metrics are in model.metrics, or compute them of tensors: metric(target, "
        "model.output) in K.function"
    )
    metrics_updates: Any = Gone("Metrics are updated within the compiled steps; see model.metrics")
    _feed_inputs: Any = Gone("Use model.inputs")
    _feed_outputs: Any = Gone("Use model.outputs")
    state_updates: Any = Gone("States of layers are weights, assigned within the compiled steps")
    uses_learning_phase: Any = Gone("K.learning_phase() may be an input of K.function in any case")
    train_function: Any = Gone(_STEP.format("train_on_batch") + f". {_LOSS}")
    test_function: Any = Gone(_STEP.format("test_on_batch"))
    predict_function: Any = Gone(_STEP.format("predict_on_batch"))
    _standardize_user_data: Any = Gone("train_on_batch, test_on_batch and predict check their data")

    @property
    def _collected_trainable_weights(self) -> list[Variable]:
        return self.trainable_weights  # type: ignore[attr-defined]

    def _make_train_function(self) -> None:
        """Nothing to do: a step is compiled when it is first used, by any thread."""

    _make_test_function = _make_predict_function = _make_train_function
