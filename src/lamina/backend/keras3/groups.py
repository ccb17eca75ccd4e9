"""Which functions belong to which module of ``keras.ops``."""

from lamina.backend.keras3.names import words

LINALG = frozenset(
    words(
        "cholesky cholesky_inverse det eig eigh inv jvp lstsq lu_factor matrix_rank norm pinv "
        "qr solve solve_triangular svd"
    )
)
"""Names of ``keras.ops.linalg``."""

CORE = frozenset(
    words(
        "associative_scan cast cdist cond convert_to_numpy convert_to_tensor custom_gradient "
        "dtype erf erfc erfinv extract_sequences fft fft2 fori_loop ifft2 in_top_k irfft "
        "is_tensor istft logdet logsumexp map rearrange rfft rsqrt saturate_cast scan scatter "
        "scatter_update segment_max segment_min segment_prod segment_sum shape slice "
        "slice_update stft stop_gradient switch top_k unstack vectorized_map view_as_complex "
        "view_as_real while_loop"
    )
)
"""Names of ``keras.ops`` that are in none of its modules."""

OTHER_NN = frozenset(
    words(
        "adaptive_average_pool adaptive_max_pool binary_crossentropy categorical_crossentropy "
        "ctc_decode ctc_loss depth_to_space fold gelu hard_sigmoid hard_swish polar psnr "
        "space_to_depth sparse_categorical_crossentropy swish unfold"
    )
)
"""Names of ``keras.ops.nn`` that are neither activations nor in `nn`."""
