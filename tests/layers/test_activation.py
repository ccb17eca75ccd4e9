"""Activations as layers."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Activation, Input, ReLU, Softmax


@pytest.mark.parametrize("argument", ["max_value", "negative_slope"])
@pytest.mark.parametrize("value", [-1.0, "1", float("nan"), True])
def test_relu_arguments_are_checked(argument, value):
    with pytest.raises(ValueError, match=f"ReLU 'r': {argument} must be a number of 0 or more"):
        ReLU(name="r", **{argument: value})


def test_relu_numbers_cannot_be_none():
    with pytest.raises(ValueError, match="negative_slope must be a number of 0 or more, got None"):
        ReLU(negative_slope=None)


@pytest.mark.parametrize("value", ["1", float("nan"), True, None])
def test_the_threshold_is_a_number(value):
    with pytest.raises(ValueError, match="ReLU 'r': threshold must be a number, got"):
        ReLU(name="r", threshold=value)


def test_relu_may_begin_to_pass_below_zero():
    """As the notes' formula has it, and Keras 2.2.4 (without a top, where that clips at 0)."""
    x = np.array([[-3.0, -1.5, -1.0, -0.5, 0.0, 1.5, 2.5]], "f")
    found = ReLU(threshold=-1.0, negative_slope=0.5)(x)
    assert found.tolist() == [[-1.0, -0.25, 0.0, -0.5, 0.0, 1.5, 2.5]]
    found = ReLU(threshold=-1.0, max_value=2.0)(x)
    assert found.tolist() == [[0.0, 0.0, 0.0, -0.5, 0.0, 1.5, 2.0]]


def test_relu_at_its_corners():
    x = np.array([[0.0, 0.5, 1.0, 1.5, 2.0, 9.0]], "f")
    layer = ReLU(max_value=2.0, negative_slope=0.5, threshold=1.0)
    assert layer(x).tolist() == [[-0.5, -0.25, 0.0, 1.5, 2.0, 2.0]]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize(("top", "threshold"), [(6.0, 1.0), (1.3, 0.7), (2.0, 2.0), (1.0, 2.0)])
def test_relu_beside_its_corners_in_every_dtype(dtype, slope, top, threshold):
    """At a corner, one unit below and one above, in numbers that the dtype rounds as well."""
    with jax.enable_x64(dtype == "float64"):
        kind = jnp.dtype(dtype)
        corners = np.array([top, threshold], kind)
        far = np.array(99, kind)
        around = [np.nextafter(corners, -far), corners, np.nextafter(corners, far)]
        x = np.concatenate(around).astype(kind)[None]
        found = ReLU(top, slope, threshold, dtype=dtype)(jnp.asarray(x))
        assert found.dtype == kind
        for value, result in zip(x[0], np.asarray(found)[0], strict=True):
            if value >= corners[0]:
                assert result == corners[0]
            elif value > corners[1]:
                assert result == value
            else:
                below = float(value) - float(corners[1])
                assert float(result) == pytest.approx(slope * below, rel=0.02, abs=1e-12)


def test_softmax_leaves_out_what_a_full_mask_says():
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("f")
    mask = np.array([[True, True, False, True], [False, True, True, True]])
    powers = np.exp(x) * mask
    expected = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(Softmax()(x, mask=mask), expected, rtol=1e-5)


def test_softmax_keeps_numbers_under_a_mask_of_steps():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
    mask = np.array([[True, True, False], [False, True, True]])
    np.testing.assert_array_equal(Softmax()(x, mask=mask), Softmax()(x))


@pytest.mark.parametrize("axis", ["x", 1.5, (), (1, "x"), None])
def test_softmax_axis_is_checked(axis):
    with pytest.raises(ValueError, match=r"Softmax 's': axis must be an int or several of them"):
        Softmax(axis, name="s")


def test_softmax_axis_must_exist():
    with pytest.raises(ValueError, match=r"Softmax 's': axis 2 is not one of an input of shape"):
        Softmax(2, name="s")(Input((3,)))


def test_softmax_equals_the_activation_of_that_name():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("f")
    np.testing.assert_array_equal(Softmax()(x), Activation("softmax")(x))


def test_activation_takes_a_function():
    assert Activation(lambda x: x * 2)(np.array([[1.5]], "f")).tolist() == [[3.0]]


def test_activation_name_is_checked():
    with pytest.raises(ValueError, match=r"Unknown activation 'rleu'. Did you mean 'relu'"):
        Activation("rleu")


def test_softmax_takes_each_axis_once():
    with pytest.raises(
        ValueError, match=r"Softmax 's': axis must hold each axis once, got \(1, 1\)"
    ):
        Softmax((1, 1), name="s")
    with pytest.raises(ValueError, match=r"Softmax 's': axis \(1, -1\) holds an axis .* twice"):
        Softmax((1, -1), name="s")(np.ones((2, 3), "f"))
    assert Softmax((1, -1))(np.ones((2, 3, 4), "f")).shape == (2, 3, 4)


def test_relu_with_a_limit_below_the_threshold():
    # The limit is the first of the rules: 1.5 >= 1.
    found = ReLU(max_value=1.0, threshold=2.0)(np.array([[0.5, 1.0, 1.5, 2.0, 2.5]], "f"))
    np.testing.assert_array_equal(found, [[0.0, 1.0, 1.0, 1.0, 1.0]])


def test_softmax_spreads_a_mask_along_axes_of_size_1():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
    mask = np.array([[[True, False, True, True]], [[True, True, False, False]]])
    raised = np.where(mask, np.exp(x), 0.0)
    expected = raised / raised.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(Softmax()(x, mask=mask), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"Softmax 's': mask has shape \(2, 1, 3\), which does"):
        Softmax(name="s")(x, mask=mask[:, :, :3])
