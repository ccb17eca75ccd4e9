"""Masks that do not fit: the layer names itself, whatever is wrong with them."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportIncompatibleMethodOverride=false

import numpy as np
import pytest

from lamina import layers
from lamina.layers import Dense, GlobalAveragePooling1D, Input, Lambda, Layer
from lamina.models import Model, Sequential

X = np.random.default_rng(4).normal(size=(2, 4, 3)).astype("f")
MASK = np.array([[True, False, True, True], [True, True, False, False]])

ONE_INPUT = {
    "Activation": ("tanh",),
    "ActivityRegularization": (),
    "AlphaDropout": (0.5,),
    "BatchNormalization": (),
    "Dense": (5,),
    "Dropout": (0.5,),
    "ELU": (),
    "GaussianDropout": (0.5,),
    "GaussianNoise": (0.5,),
    "GlobalAveragePooling1D": (),
    "Identity": (),
    "LayerNormalization": (),
    "LeakyReLU": (),
    "PReLU": (),
    "ReLU": (),
    "Softmax": (),
    "SpatialDropout1D": (0.5,),
    "ThresholdedReLU": (),
}
SEVERAL = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")

WRONG = {
    "length": (np.ones((2, 7), bool), ValueError, r"mask has shape \(2, 7\), which does not fit"),
    "batch": (np.ones((3, 4), bool), ValueError, r"mask has shape \(3, 4\)"),
    "rank": (np.ones((2, 4, 3, 9), bool), ValueError, r"mask has shape \(2, 4, 3, 9\)"),
    "steps alone": (np.ones(4, bool), ValueError, r"mask has shape \(4,\)"),
    "words": (np.array([["a"] * 4] * 2), TypeError, "an array of dtype <U1|mask must be"),
    "a word": ("mask", TypeError, "mask must be an array of True and False, got str 'mask'"),
    "a number": (3, TypeError, "mask must be an array of True and False, got int 3"),
    "complex": (MASK.astype("complex64"), TypeError, "dtype complex64"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ONE_INPUT)
def test_a_mask_that_does_not_fit_is_refused_by_name(name, wrong):
    mask, error, message = WRONG[wrong]
    layer = getattr(layers, name)(*ONE_INPUT[name], name="me")
    with pytest.raises(error, match=f"{name} 'me': .*{message}"):
        layer(X, mask=mask)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", SEVERAL)
def test_so_is_one_of_several(name, wrong):
    mask, error, message = WRONG[wrong]
    with pytest.raises(error, match=f"{name} 'me': .*{message}"):
        getattr(layers, name)(name="me")([X, X], mask=[None, mask])


@pytest.mark.parametrize("mask", [MASK, [MASK], [MASK, None, None]])
def test_there_is_a_mask_for_each_input(mask):
    with pytest.raises(TypeError, match="Add 'me': mask must be a list of 2 masks, one for each"):
        layers.Add(name="me")([X, X], mask=mask)


@pytest.mark.parametrize("mask", [MASK.tolist(), MASK.astype("f"), MASK.astype(int)])
def test_lists_and_numbers_are_masks_too(mask):
    expected = [X[0][MASK[0]].mean(0), X[1][MASK[1]].mean(0)]
    np.testing.assert_allclose(GlobalAveragePooling1D()(X, mask=mask), expected, rtol=1e-5)


def test_steps_come_last_in_channels_first():
    pool = GlobalAveragePooling1D("channels_first", name="me")
    np.testing.assert_allclose(
        pool(X.transpose(0, 2, 1), mask=MASK), GlobalAveragePooling1D()(X, mask=MASK), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"'me': mask has shape \(2, 3\)"):
        pool(X.transpose(0, 2, 1), mask=MASK[:, :3])


class Shifted(Layer):
    """Drops the first step, but not of the mask."""

    supports_masking = True

    def call(self, inputs):
        return inputs[:, 1:]


@pytest.mark.parametrize("last", [GlobalAveragePooling1D, layers.Concatenate])
def test_a_mask_of_another_layer_that_does_not_fit(last):
    end = last(name="me")
    x = Input((4, 3))
    y = Shifted()(layers.Masking()(x))
    ends = [y, y] if last is layers.Concatenate else y
    with pytest.raises(ValueError, match=r"'me': mask (has|must have) shape"):
        Model(x, end(ends)).predict(X, verbose=0)


def test_masks_that_cannot_be_combined():
    x = Input((4, 3))
    masked = layers.Masking()(x)
    shorter = Lambda(lambda x: x[:, 1:], mask=lambda _, mask: mask[:, 1:])
    with pytest.raises(ValueError, match="Add 'me': the masks of its inputs, of shapes"):
        layers.Add(name="me")([shorter(masked), Shifted()(masked)])


def test_states_beside_a_sequence_need_no_mask():
    layer, state = layers.GRU(5, name="me"), np.ones((2, 5), "f")
    assert layer([X, state], mask=MASK).shape == (2, 5)
    with pytest.raises(ValueError, match=r"GRU 'me': mask has shape \(2, 7\)"):
        layer([X, state], mask=np.ones((2, 7), bool))


def test_layers_of_users_and_functions_take_any_mask():
    class Weighted(Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            return inputs * mask

    assert Weighted()(X, mask=3.0).shape == X.shape
    assert Lambda(lambda x, mask: x[:, :mask])(X, mask=2).shape == (2, 2, 3)
    assert Sequential([Dense(5)])(X, mask=MASK).shape == (2, 4, 5)
