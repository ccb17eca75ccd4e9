"""Results of a pure run: a variable in them is its value of that run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina import layers, metrics, models
from lamina.core import pure
from lamina.core.variable import Variable


class Pair(NamedTuple):
    left: object
    right: object


def test_variables_in_results_have_the_values_of_the_run():
    variable = Variable(np.ones(3, "f"))

    def traced(value):
        result = pure.run(
            lambda: {"z": variable, "a": [(variable, 1.0)], "pair": Pair(2, 3)}, [variable], [value]
        ).result
        assert list(result) == ["z", "a", "pair"]
        assert isinstance(result["pair"], Pair)
        return result["z"], result["a"][0][0]

    for found in jax.jit(traced)(jnp.full(3, 5.0)):
        np.testing.assert_array_equal(found, [5, 5, 5])


class Rows(metrics.Metric):
    """Count rows, and return the variable itself."""

    def __init__(self, **options):
        super().__init__(**options)
        self.count = self.add_weight(name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.count.assign_add(jnp.float32(y_pred.shape[0]))

    def result(self):
        return self.count


def test_metric_that_returns_its_variable_counts_in_all_steps():
    model = models.Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse", metrics=[Rows(name="rows")])
    x, y = np.ones((7, 2), "f"), np.ones((7, 1), "f")
    history = model.fit(x, y, batch_size=3, epochs=2, verbose=0, validation_data=(x[:5], y[:5]))
    assert history.history["rows"] == [7.0, 7.0]
    assert history.history["val_rows"] == [5.0, 5.0]
    assert model.evaluate(x, y, batch_size=2, verbose=0)[1] == 7.0
    assert model.train_on_batch(x[:2], y[:2])[1] == 2.0
