"""Recurrent layers and wrappers against Keras 2.2.4 and 3.15: outputs, gradients, one SGD step.

The cases are in ``tools/recurrent_cases.py``, the recording script is
``tools/golden_recurrent.py``. All cases of a layer run in one compiled program.
"""

import json
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers, optimizers
from lamina.core import pure
from lamina.core.weights import regularization
from lamina.layers import Input
from lamina.models import Model

FOLDER = Path(__file__).parents[1] / "golden"
TABLE = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "recurrent_cases.py"))
# Each program runs once: the compiler's time is what counts.
QUICK: Any = {"xla_backend_optimization_level": 0}
# The cases of both releases have the same numbers, so that one run is compared with both.
BOTH = sorted(set(TABLE["keras2"]()) - {"Bidirectional"})
KINDS = [(("keras2", "keras3"), kind) for kind in BOTH]
KINDS += [(("keras3",), kind) for kind in ("ConvLSTM1D", "ConvLSTM3D", "Bidirectional")]
KINDS += [(("keras2",), "Bidirectional")]


@cache
def recorded(release):
    with np.load(FOLDER / f"recurrent_{release}.npz") as arrays:
        stored = dict(arrays)
    return json.loads((FOLDER / f"recurrent_{release}.json").read_text()), stored


def listed(value):
    return list(value) if isinstance(value, list | tuple) else [value]


def as_in_keras_2(name, options):
    """Keras 2.2.4 repeats the output before at masked steps in both directions."""
    rnn = name in ("SimpleRNN", "LSTM", "GRU")
    return {**options, "zero_output_for_mask": False} if rnn else options


class Case:
    """A layer in a model with the recorded weights, and its step as a pure function."""

    def __init__(self, release, kind, place, arguments, shape, more):
        x, states, rng = TABLE["made_inputs"](kind, place, shape, more)
        change = as_in_keras_2 if (release, kind) == ("keras2", "Bidirectional") else None
        made = {key: TABLE["built"](layers, one, change) for key, one in arguments.items()}
        self.layer = getattr(layers, kind)(**made)
        self.values = [x, *states]
        inputs = [Input(batch_shape=(None, *one.shape[1:])) for one in self.values]
        tensor = layers.Masking()(inputs[0]) if more.get("masked") else inputs[0]
        options = {"initial_state": inputs[1:]} if states else {}
        outputs = listed(self.layer(tensor, **options))
        self.model = Model(inputs, outputs)
        weights = self.layer.get_weights()
        self.layer.set_weights(TABLE["made_weights"]([w.shape for w in weights], rng))
        promised = [(len(x), *output.shape[1:]) for output in outputs]
        self.targets = [rng.normal(size=one).astype("float32") for one in promised]
        self.optimizer = optimizers.SGD(0.1)
        self.state = self.optimizer.init(self.layer.trainable_weights)

    def __call__(self, values, given):
        """Outputs, gradients of the inputs and new weights, as the recording has them."""
        own = self.layer.weights

        def loss(values, given):
            outcome = pure.run(self.objective, own, values, given, training=False)
            total, outputs = outcome.result
            return total, outputs

        (slopes, gradients), outputs = jax.grad(loss, (0, 1), has_aux=True)(values, given)
        if own:
            hyper = self.optimizer.hyperparameters()
            values, _ = self.optimizer.update(slopes, self.state, values, hyper)
        pairs = zip(own, values, strict=True)
        new = [value if w.constraint is None else w.constraint(value) for w, value in pairs]
        return [*outputs, *gradients, *new]

    def objective(self, given):
        outputs = listed(self.model._computed((given,), {}, None)[0])
        total = sum(jnp.mean(jnp.square(o - t)) for o, t in zip(outputs, self.targets, strict=True))
        record = pure.context.current()
        assert record is not None
        for penalty in [p for _, p in record.losses] + regularization(self.layer.weights):
            total = total + penalty
        return total, outputs


@pytest.mark.parametrize(("releases", "kind"), KINDS, ids=["-".join((*r, k)) for r, k in KINDS])
def test_outputs_gradients_and_weights_are_those_of_keras(releases, kind):
    named = TABLE[releases[-1]]()[kind]
    cases = [Case(releases[0], kind, place, *case) for place, case in enumerate(named)]
    values = [[weight.value for weight in case.layer.weights] for case in cases]
    given = [case.values for case in cases]

    def program(values, given):
        return [case(*pair) for case, *pair in zip(cases, values, given, strict=True)]

    compiled = jax.jit(program).lower(values, given).compile(compiler_options=QUICK)
    found = compiled(values, given)
    for release in releases:
        compare(release, kind, cases, found)


def compare(release, kind, cases, found):
    """Compare what was computed with the recording; that of the older release may be shorter."""
    facts, arrays = recorded(release)
    named = TABLE[release]()[kind]
    place = 0
    for made, parts, case, fact in zip(cases, found, named, facts[kind], strict=False):
        assert [weight.name for weight in made.layer.weights] == fact["weights"]
        assert [list(part.shape) for part in parts] == fact["shapes"], case
        # Keras 3 loses the mask of the sequence where initial states come beside it.
        lost = release == "keras3" and {"masked", "states"} <= case[2].keys()
        for part in parts:
            expected = arrays[kind][place : place + part.size].reshape(part.shape)
            place += part.size
            if lost:
                continue
            close = 2e-5 * max(1.0, np.abs(expected).max(initial=0.0))
            np.testing.assert_allclose(part, expected, rtol=2e-5, atol=close, err_msg=str(case))
    assert place == arrays[kind].size
    assert len(facts[kind]) == len(named)
