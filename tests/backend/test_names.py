"""The names of the classic `K`, and those that nothing else uses."""

import jax
import numpy as np
import pytest
from jax.experimental import sparse

from lamina import backend as K

KERAS_2 = """
    Function abs all any arange argmax argmin backend batch_dot batch_flatten batch_get_value
    batch_normalization batch_set_value bias_add binary_crossentropy cast cast_to_floatx
    categorical_crossentropy clear_session clip concatenate constant conv1d conv2d
    conv2d_transpose conv3d conv3d_transpose cos count_params ctc_batch_cost ctc_decode
    ctc_label_dense_to_sparse cumprod cumsum depthwise_conv2d dot dropout dtype elu epsilon equal
    eval exp expand_dims eye flatten floatx foldl foldr function gather get_session get_uid
    get_value get_variable_shape gradients greater greater_equal hard_sigmoid identity
    image_data_format image_dim_ordering in_test_phase in_top_k in_train_phase int_shape
    is_keras_tensor is_placeholder is_sparse is_tensor l2_normalize learning_phase less less_equal
    local_conv1d local_conv2d log logsumexp manual_variable_initialization map_fn max maximum mean
    min minimum moving_average_update ndim normalize_batch_in_training normalize_data_format
    not_equal one_hot ones ones_like permute_dimensions placeholder pool2d pool3d pow print_tensor
    prod random_binomial random_normal random_normal_variable random_uniform
    random_uniform_variable relu repeat repeat_elements reset_uids reshape resize_images
    resize_volumes reverse rnn round separable_conv1d separable_conv2d set_epsilon set_floatx
    set_image_data_format set_image_dim_ordering set_learning_phase set_session set_value shape
    sigmoid sign sin slice softmax softplus softsign sparse_categorical_crossentropy
    spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum switch
    tanh temporal_padding tile to_dense transpose truncated_normal update update_add update_sub
    var variable zeros zeros_like
"""

KERAS_1 = """
    asymmetric_spatial_2d_padding asymmetric_temporal_padding atrous_conv2d deconv2d
    legacy_weight_ordering lesser lesser_equal set_legacy_weight_ordering
"""
"""What Keras 1 had beyond these."""

LABELS = np.array([[3, 1, 4, 1], [5, 0, 2, 6], [7, 3, 0, 8]], "int32")


def test_every_name_of_keras_2_is_there():
    assert len(KERAS_2.split()) == 156
    assert [name for name in KERAS_2.split() if name not in K.__all__ or not hasattr(K, name)] == []


def test_every_name_of_keras_1_is_there():
    assert [name for name in KERAS_1.split() if name not in K.__all__ or not hasattr(K, name)] == []


@pytest.mark.parametrize("lengths", [[2, 4, 0], [1, 9, -2], [4, 4, 4], [0, 0, 0], [0, 2, 3]])
def test_sparse_labels(lengths):
    matrix = K.ctc_label_dense_to_sparse(LABELS, lengths)
    assert isinstance(matrix, sparse.BCOO)
    kept = np.arange(4)[None] < np.array(lengths)[:, None]
    assert matrix.shape == (3, 4)
    assert matrix.dtype == np.int32
    np.testing.assert_array_equal(matrix.indices, np.argwhere(kept))
    np.testing.assert_array_equal(matrix.data, LABELS[kept])
    np.testing.assert_array_equal(K.to_dense(matrix), LABELS * kept)
    assert K.is_sparse(matrix)


def test_sparse_labels_of_variables_and_inside_of_jit():
    lengths = np.array([[2], [4], [1]], "int32")
    kept = np.arange(4)[None] < lengths
    made = K.ctc_label_dense_to_sparse(K.variable(LABELS), lengths)
    np.testing.assert_array_equal(made.todense(), LABELS * kept)
    traced = jax.jit(K.ctc_label_dense_to_sparse)(LABELS, lengths)
    assert traced.nse == 12
    np.testing.assert_array_equal(traced.data[:7], LABELS[kept])
    np.testing.assert_array_equal(traced.indices[7:], [[3, 4]] * 5)
    np.testing.assert_array_equal(traced.todense(), LABELS * kept)


def test_sparse_labels_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"labels must have shape \(batch, longest\), got \(4,\)"):
        K.ctc_label_dense_to_sparse(LABELS[0], [1])
    with pytest.raises(ValueError, match=r"label_lengths must have one number for each of 3 rows"):
        K.ctc_label_dense_to_sparse(LABELS, [1, 2])
    with pytest.raises(TypeError, match=r"got a symbolic tensor; K\.ctc_batch_cost takes dense"):
        K.ctc_label_dense_to_sparse(K.placeholder((3, 4)), [1, 2, 3])


def test_weight_ordering_is_remembered():
    assert K.legacy_weight_ordering() is False
    try:
        K.set_legacy_weight_ordering(True)
        assert K.legacy_weight_ordering() is True
    finally:
        K.set_legacy_weight_ordering(False)
    assert K.legacy_weight_ordering() is False
    with pytest.raises(ValueError, match="value must be True or False, got 'name'"):
        K.set_legacy_weight_ordering("name")  # pyright: ignore[reportArgumentType]
