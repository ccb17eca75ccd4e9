"""Targets that a loss has no meaning for are named, at once or at the end of a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import losses
from lamina.core import context
from lamina.layers import Dense, Input
from lamina.models import Sequential

NOISE = np.random.default_rng(0).uniform(0.1, 0.9, (4, 3)).astype("f")


def hot(value, row=2, column=1):
    targets = np.zeros((4, 3), "f")
    targets[:, 0] = 1
    targets[row, column] = value
    return targets


BAD = [
    ("binary_crossentropy", hot(-1), r"value -1 in row 2.*\(y_true \+ 1\) / 2"),
    ("binary_crossentropy", hot(7), "value 7 in row 2"),
    ("binary_focal_crossentropy", hot(7, 0), "value 7 in row 0"),
    ("categorical_crossentropy", hot(-1), "value -1 in row 2.*one-hot"),
    ("categorical_crossentropy", hot(3, 1), "value 3 in row 1.*one-hot"),
    ("categorical_focal_crossentropy", hot(3, 1), "value 3 in row 1"),
    ("kl_divergence", hot(-0.5), r"value -0\.5 in row 2.*never negative"),
    ("poisson", hot(-2, 3), "y_true has the value -2 in row 3.*never negative"),
]


def in_a_step(function, *data):
    """What a compiled run reports, as an error."""
    explain = []

    @jax.jit
    def run(*data):
        with context.Call() as call:
            rows = function(*data)
        explain[:] = [fault.explain for fault in call.faults]
        return rows, [(fault.row, fault.value) for fault in call.faults]

    _, found = run(*data)
    assert found
    for text, (row, value) in zip(explain, found, strict=True):
        if row >= 0:
            raise ValueError(text(int(row), float(value)))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("name", "targets", "message"), BAD)
def test_targets_out_of_range_are_reported(name, targets, message, traced):
    function = getattr(losses, name)
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        in_a_step(function, targets, NOISE) if traced else function(targets, NOISE)


def test_negative_expectations_of_counts_are_reported():
    with pytest.raises(ValueError, match=r"poisson: y_pred has the value -3 in row 1.*softplus"):
        losses.poisson(np.ones((4, 3)), hot(-3, 1))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("binary_crossentropy", NOISE),
        ("binary_crossentropy", NOISE > 0.5),
        ("binary_crossentropy", hot(1.2)),  # noise on the labels of a GAN
        ("categorical_crossentropy", hot(1.0)),
        ("categorical_crossentropy", np.eye(4, 3) * [[2.5], [-3], [7], [0]]),  # policy gradient
        ("kl_divergence", NOISE - 0.1),
        ("poisson", np.arange(12).reshape(4, 3)),
    ],
)
def test_targets_in_range_and_their_idioms_are_not(name, targets, traced):
    function = getattr(losses, name)
    if traced:
        in_a_step(function, targets, NOISE)
    assert np.isfinite(function(targets, NOISE)).all()


def test_of_logits_only_targets_are_checked():
    logits = 30 * (NOISE - 0.5)
    assert np.isfinite(losses.binary_crossentropy(hot(1), logits, from_logits=True)).all()
    smooth = losses.categorical_crossentropy(hot(0), logits, from_logits=True, label_smoothing=0.1)
    assert np.isfinite(smooth).all()


def test_a_fit_says_so():
    model = Sequential([Input((3,)), Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match="binary_crossentropy: y_true has the value -1 in row 2"):
        model.fit(NOISE, np.array([1, 1, -1, 1]), verbose=0, shuffle=False)
    model.fit(NOISE, np.array([1, 1, 0, 1]), verbose=0)


def test_a_loss_under_vmap_records_nothing_that_would_leak():
    def loss(y_true, y_pred):
        return jax.vmap(losses.binary_crossentropy)(y_true, y_pred)

    model = Sequential([Input((3,)), Dense(1, activation="sigmoid")])
    model.compile("sgd", loss)
    y = jnp.array([[1.0], [0.0], [1.0], [0.0]])
    assert np.isfinite(model.fit(NOISE, y, verbose=0).history["loss"]).all()
