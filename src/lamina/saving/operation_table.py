"""Functions of Keras 3 as the classes that its graphs name: module, arguments of a call, others.

A line of `TABLE` says ``call arguments | arguments of the constructor: classes``; a name in
brackets begins the classes of a module of ``keras.src.ops``. ``tools/golden_operations.py`` makes
it from a release.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple


class Class(NamedTuple):
    """A class of Keras 3 that is a function in a graph.

    Attributes:
        name: its name.
        module: where it stands, in ``keras.src.ops``.
        given: names of the arguments of a call; one with a star takes all that follow.
        made: names of the arguments of its constructor.
    """

    name: str
    module: str
    given: tuple[str, ...]
    made: tuple[str, ...]


@cache
def classes() -> dict[str, Class]:
    """The classes by the names of their functions, without underscores.

    >>> classes()["expanddims"]
    Class(name='ExpandDims', module='numpy', given=('x',), made=('axis',))
    """
    return {found.name.lower(): found for found in _parsed()}


def _parsed() -> Iterator[Class]:
    module = ""
    for line in TABLE.replace("\n  ", " ").strip().splitlines():
        if line.startswith("["):
            module = line.strip("[]")
            continue
        arguments, _, names = line.partition(":")
        given, _, made = arguments.partition("|")
        for name in names.split():
            yield Class(name, module, tuple(given.split()), tuple(made.split()))


TABLE = """
[core]
indices values | shape: Scatter
inputs indices updates | reduction: ScatterUpdate
inputs start_indices updates: SliceUpdate
inputs start_indices | shape: Slice
variable: StopGradient
x | dtype sparse ragged: ConvertToTensor
x | dtype: Cast SaturateCast
x | num axis: Unstack
[image]
image1 image2 | max_val filter_size filter_sigma k1 k2 data_format: SSIM
images output_shape scale translation | spatial_dims method antialias: ScaleAndTranslate
images start_points end_points | interpolation fill_value data_format: PerspectiveTransform
images transform | interpolation fill_mode fill_value data_format: AffineTransform
images | alpha sigma interpolation fill_mode fill_value seed data_format: ElasticTransform
images | data_format: HSVToRGB RGBToGrayscale RGBToHSV SobelEdges
images | kernel_size sigma data_format: GaussianBlur
images | size interpolation antialias crop_to_aspect_ratio pad_to_aspect_ratio fill_mode
  fill_value data_format: Resize
images | size strides dilation_rate padding data_format: ExtractPatches
images | top_cropping left_cropping bottom_cropping right_cropping target_height target_width
  data_format: CropImages
images | top_padding left_padding bottom_padding right_padding target_height target_width
  data_format: PadImages
inputs coordinates | order fill_mode fill_value: MapCoordinates
[linalg]
a b | lower: SolveTriangular
a b | rcond: Lstsq
a b: Solve
x | full_matrices compute_uv: SVD
x | mode: Qr
x | ord axis keepdims: Norm
x | rcond: Pinv
x | tol: MatrixRank
x | upper: Cholesky CholeskyInverse
x: Det Eig Eigh Inv LuFactor
[math]
data segment_ids | num_segments sorted: SegmentMax SegmentMin SegmentProd SegmentSum
targets predictions | k: InTopK
x y: CDist
x | axis keepdims: Logsumexp
x | fft_length: IRFFT RFFT
x | k sorted: TopK
x | sequence_length sequence_stride fft_length length window center: ISTFT
x | sequence_length sequence_stride fft_length window center: STFT
x | sequence_length sequence_stride: ExtractSequences
x: Erf Erfc Erfinv FFT FFT2 IFFT2 Logdet Rsqrt ViewAsComplex ViewAsReal
[nn]
abs_ angle: Polar
inputs depthwise_kernel pointwise_kernel | strides padding data_format dilation_rate:
  SeparableConv
inputs kernel | strides padding data_format dilation_rate: Conv DepthwiseConv
inputs kernel | strides padding output_padding data_format dilation_rate: ConvTranspose
inputs sequence_lengths | strategy beam_width top_paths merge_repeated mask_index: CTCDecode
inputs | num_classes axis dtype sparse: MultiHot
inputs | output_size data_format: AdaptiveAveragePool AdaptiveMaxPool
inputs | pool_size strides padding data_format: AveragePool MaxPool
query key value bias mask scale | is_causal flash_attention attn_logits_soft_cap:
  DotProductAttention
target output target_length output_length | mask_index: CTCLoss
target output | from_logits axis: CategoricalCrossentropy SparseCategoricalCrossentropy
target output | from_logits: BinaryCrossentropy
x | alpha: Celu Elu
x | approximate: Gelu
x | axes keepdims synchronized: Moments
x | axis order epsilon: Normalize
x | axis: Glu LogSoftmax Softmax Sparsemax
x | b: Squareplus
x | block_size data_format: DepthToSpace SpaceToDepth
x | kernel_size dilation padding stride: Unfold
x | negative_slope: LeakyRelu
x | num_classes axis dtype sparse: OneHot
x | output_size kernel_size dilation padding stride: Fold
x | threshold default_value: Threshold
x | threshold: HardShrink SoftShrink
x1 x2 | max_val: PSNR
x: HardSigmoid HardSilu HardTanh LogSigmoid Relu Relu6 Selu Sigmoid Silu Softplus Softsign
  SparsePlus SparseSigmoid TanhShrink
[numpy]
*operands | subscripts: Einsum
*x | indexing: Meshgrid
a | n axis: Diff
array | k axes: Rot90
condition x1 x2: Where
condlist choicelist default: Select
fill_value | shape dtype: Full
indices | shape: UnravelIndex
sorted_sequence values | side: SearchSorted
start stop step | dtype: Arange
start stop | num endpoint base dtype axis: Logspace
start stop | num endpoint dtype axis: Geomspace
start stop | num endpoint retstep dtype axis: Linspace
x bins: Digitize
x constant_values | pad_width mode: Pad
x fill_value | dtype: FullLike
x indices | axis: Take TakeAlongAxis
x key: GetItem
x q | axis method keepdims: Nanpercentile Nanquantile Percentile Quantile
x weights | axis: Average
x y: BitwiseAnd BitwiseLeftShift BitwiseOr BitwiseRightShift BitwiseXor LeftShift RightShift
x | N increasing: Vander
x | axes: Transpose
x | axis dtype: Cumprod Cumsum Nancumprod Nancumsum
x | axis keepdims dtype: Prod
x | axis keepdims initial: Max Min
x | axis keepdims: All Amax Amin Any Argmax Argmin Mean Median Nanargmax Nanargmin Nanmax Nanmean
  Nanmedian Nanmin Nanprod Nanstd Nansum Nanvar Ptp Std Sum Var
x | axis1 axis2: Swapaxes
x | axis: Argsort CountNonzero ExpandDims Flip Sort Squeeze Stack
x | bins range: Histogram
x | decimals: Round
x | dtype: Array EmptyLike OnesLike View ZerosLike
x | indices_or_sections axis: ArraySplit Split
x | indices_or_sections: Dsplit Hsplit Vsplit
x | k: Diag Diagflat Tril Triu
x | kth axis: Argpartition
x | nan posinf neginf: NanToNum
x | newshape: Reshape
x | offset axis1 axis2: Diagonal Trace
x | repeats axis: Repeat
x | repeats: Tile
x | shape: BroadcastTo
x | shift axis: Roll
x | sorted return_index return_inverse return_counts axis size fill_value: Unique
x | source destination: Moveaxis
x | weights minlength sparse: Bincount
x | x_min x_max: Clip
x1 x2 rtol atol | equal_nan: Isclose
x1 x2 | assume_unique invert: IsIn
x1 x2 | axes: Tensordot
x1 x2 | axis: Append
x1 x2 | axisa axisb axisc axis: Cross
x1 x2 | mode: Correlate
x1 x2 | rtol atol equal_nan: AllClose
x1 x2: Add Arctan2 Divide DivideNoNan Dot Equal FloorDivide Fmax Fmin Fmod Gcd Greater
  GreaterEqual Heaviside Hypot Inner Kron Lcm Ldexp Less LessEqual Logaddexp Logaddexp2 LogicalAnd
  LogicalOr LogicalXor Matmul Maximum Minimum Mod Multiply Nextafter NotEqual Outer Power Subtract
  TrueDivide Vdot
x: Abs Absolute Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh BitwiseInvert BitwiseNot Cbrt
  Ceil Conj Conjugate Copy Corrcoef Cos Cosh Deg2rad Exp Exp2 Expm1 Fabs Fliplr Flipud Floor I0
  Imag Isfinite Isinf Isnan Isneginf Isposinf Isreal Log Log10 Log1p Log2 LogicalNot Ndim Negative
  Nonzero Rad2deg Ravel Real Reciprocal Sign Signbit Sin Sinc Sinh Size Slogdet Sqrt Square Tan
  Tanh Trunc
xs | axis: Concatenate
xs: Dstack Hstack Vstack
y | x dx axis: Trapezoid
"""
