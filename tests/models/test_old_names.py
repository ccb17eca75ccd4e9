# pyright: reportIncompatibleMethodOverride=false, reportAttributeAccessIssue=false
"""Names of models of Keras 2 that stood for parts of a graph."""

import numpy as np
import pytest

from lamina.layers import Dense, Input
from lamina.models import Model, Sequential


class Own(Model):
    def __init__(self):
        super().__init__()
        self.dense = Dense(2)

    def call(self, x):
        return self.dense(x)


def functional():
    x = Input((3,))
    return Model(x, Dense(2)(x))


KINDS = [lambda: Sequential([Dense(2, input_shape=(3,))]), functional, Own]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("total_loss", r"optimizer.get_updates\(loss, model.trainable_weights\)"),
        ("targets", "K.placeholder"),
        ("_feed_targets", "K.placeholder"),
        ("sample_weights", "one more placeholder"),
        ("_feed_sample_weights", "one more placeholder"),
        ("metrics_tensors", "model.metrics"),
        ("metrics_updates", "model.metrics"),
        ("_feed_inputs", "Use model.inputs"),
        ("_feed_outputs", "Use model.outputs"),
        ("state_updates", "weights"),
        ("uses_learning_phase", r"K.learning_phase\(\)"),
        ("train_function", "model.train_on_batch on a batch.*get_updates"),
        ("test_function", "model.test_on_batch"),
        ("predict_function", "model.predict_on_batch"),
        ("_standardize_user_data", "check their data"),
    ],
)
def test_a_name_of_the_graph_says_what_to_use(make, name, instead):
    model = make()
    with pytest.raises(AttributeError, match=f"has no attribute '{name}', .*{instead}"):
        getattr(model, name)
    assert not hasattr(model, name)


def test_other_missing_names_are_missing_as_ever():
    with pytest.raises(AttributeError, match="no attribute 'total_losses'"):
        _ = functional().total_losses
    with pytest.raises(AttributeError, match="known only after the layer was called"):
        _ = Own().output_mask


def test_a_subclass_may_use_the_names_itself():
    model = Own()
    model.targets = 3
    assert model.targets == 3


def test_functions_of_steps_are_made_when_they_are_needed():
    model = functional()
    model.compile("sgd", "mse")
    for name in ("train", "test", "predict"):
        assert getattr(model, f"_make_{name}_function")() is None
    assert model.predict(np.ones((1, 3), "f"), verbose=0).shape == (1, 2)


def test_collected_weights_are_those_that_train():
    model = functional()
    model.compile("sgd", "mse")
    assert model._collected_trainable_weights == model.trainable_weights
