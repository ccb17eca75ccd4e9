"""Layers that hand values on, and the relatives of ReLU."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest

from lamina.layers import (
    ELU,
    ActivityRegularization,
    Identity,
    Input,
    LeakyReLU,
    Masking,
    Permute,
    PReLU,
    RepeatVector,
    ThresholdedReLU,
)


def test_masking_makes_a_mask_for_the_layers_behind():
    x = np.array([[[0.0, 0.0], [0.0, 3.0], [5.0, 5.0]]], "f")
    assert Masking().compute_mask(x).tolist() == [[False, True, True]]
    assert Masking(5.0).compute_mask(x).tolist() == [[True, True, False]]
    assert Masking(5.0)(x).tolist() == [[[0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]]
    assert Masking()(Input((3, 2))).mask.shape == (None, 3)


@pytest.mark.parametrize("value", ["0", None, float("nan")])
def test_masking_value_is_checked(value):
    with pytest.raises(ValueError, match="Masking 'm': mask_value must be a number"):
        Masking(value, name="m")


def test_activity_penalty_is_a_mean_over_the_batch():
    layer = ActivityRegularization(l1=0.5, l2=0.25)
    output = layer(np.array([[1.0, -3.0], [2.0, 0.0]], "f"))
    assert output.tolist() == [[1.0, -3.0], [2.0, 0.0]]
    np.testing.assert_allclose(layer.losses, [(0.5 * 6 + 0.25 * 14) / 2])


@pytest.mark.parametrize("argument", ["l1", "l2"])
def test_activity_factors_are_checked(argument):
    with pytest.raises(ValueError, match=f"'a': {argument} must be a number of 0 or more, got -1"):
        ActivityRegularization(name="a", **{argument: -1})


def test_identity_hands_on_lists():
    x = np.ones((1, 2), "f")
    one, two = Identity()([x, x + 1])
    assert (one.tolist(), two.tolist()) == ([[1.0, 1.0]], [[2.0, 2.0]])


@pytest.mark.parametrize("dims", [(0, 1), (1, 1), (1, 3), (), "21", (1.0, 2)])
def test_permute_dims_are_checked(dims):
    with pytest.raises(ValueError, match="Permute 'p': dims must hold each axis of a sample once"):
        Permute(dims, name="p")


def test_permute_needs_its_rank():
    with pytest.raises(ValueError, match="Permute 'p': expected an input of rank 3, got rank 4"):
        Permute((2, 1), name="p")(Input((3, 4, 5)))


def test_repeat_vector_is_checked():
    with pytest.raises(ValueError, match="RepeatVector 'r': n must be a positive int, got 0"):
        RepeatVector(0, name="r")
    with pytest.raises(ValueError, match="RepeatVector 'r': expected an input of rank 2, got rank"):
        RepeatVector(2, name="r")(Input((3, 4)))


@pytest.mark.parametrize(("cls", "argument"), [(LeakyReLU, "alpha"), (ThresholdedReLU, "theta")])
def test_slopes_are_checked(cls, argument):
    with pytest.raises(ValueError, match=f"'a': {argument} must be a number of 0 or more, got -1"):
        cls(-1, name="a")


def test_the_factor_of_an_elu_may_have_any_sign():
    # As in Keras 2 and 3; the numbers are those that Keras 2.2.4 gives.
    found = ELU(-1.0)(np.array([[-3.0, -0.5, 0.0, 2.0]], "f"))
    np.testing.assert_allclose(found, [[0.95021296, 0.39346933, 0.0, 2.0]], rtol=1e-6)
    with pytest.raises(ValueError, match="ELU 'e': alpha must be a number, got None"):
        ELU(None, name="e")


def test_slope_under_the_name_of_keras_3():
    assert LeakyReLU(negative_slope=0.2).alpha == 0.2


@pytest.mark.parametrize("axes", [0, [-1], ["1"]])
def test_shared_axes_are_checked(axes):
    with pytest.raises(ValueError, match="PReLU 'p': shared_axes must be axes of the input from 1"):
        PReLU(shared_axes=axes, name="p")


def test_slopes_need_known_sizes_on_axes_of_their_own():
    with pytest.raises(ValueError, match="PReLU 'p': the size of axis 1 of the input must be"):
        PReLU(name="p")(Input((None, 4)))
    with pytest.raises(ValueError, match=r"shared_axes \[3\] are not all axes of an input"):
        PReLU(shared_axes=[3])(Input((3, 4)))
    layer = PReLU(shared_axes=[1])
    assert layer(Input((None, 4))).shape == (None, None, 4)
    assert layer.alpha.shape == (1, 4)
