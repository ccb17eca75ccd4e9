"""The models that ``tools/golden_files.py`` trains and saves.

They are for Keras 2, ``tf.keras`` and Keras 3; those of Keras 1 are in ``golden_file_models_1.py``.
Each builder takes the `Release` and returns a `Case`: the model, how it is compiled, its inputs
and targets. Each axis has its own size.
"""

import numpy as np

FIRST, LAST = "channels_first", "channels_last"
BATCH = 5


class Case:
    """A model with all that is needed to train and to compare it."""

    def __init__(self, model, inputs, targets=None, compiled=None, **facts):
        self.model, self.inputs = model, inputs
        self.targets, self.compiled = targets or [], compiled
        self.sample_weight = facts.pop("sample_weight", None)
        self.formats = facts.pop("formats", None)
        self.trains_on = facts.pop("trains_on", compiled is not None)
        self.facts = facts


def halve(x):
    """What the ``Lambda`` of a user's named function does."""
    return x * 0.5


def off_by_tenth(y_true, y_pred):
    """A loss of the user's own: the mean square distance to a tenth more than the target."""
    difference = y_pred - (y_true + 0.1)
    return (
        (difference * difference).mean(axis=-1)
        if hasattr(difference, "mean")
        else MEAN[0](difference * difference)
    )


MEAN = [None]
"""The mean over the last axis of the release that runs."""


def floats(*shape):
    """Noise that is the same for the same shape in every release."""
    return np.random.RandomState(sum(shape)).normal(size=shape).astype("float32")


def classes(count, kinds):
    return np.eye(kinds, dtype="float32")[np.arange(count) % kinds]


def mlp(r):
    """Dense, BatchNormalization, Activation: Adam with its state, metrics by name."""
    model = r.sequential(
        (4,),
        r.layers.Dense(7, activation="tanh"),
        r.layers.BatchNormalization(),
        r.layers.Activation("relu"),
        r.layers.Dense(3),
    )
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse", "metrics": ["mae"]}
    return Case(model, [floats(BATCH, 4)], [floats(BATCH, 3)], compiled, batch_statistics=True)


def plain(r):
    """Dense layers alone: SGD with Nesterov momentum."""
    model = r.sequential(
        (4,),
        r.layers.Dense(6, activation="elu", name="hidden"),
        r.layers.Dense(3, activation="softmax", use_bias=False, name="classes"),
    )
    optimizer = r.optimizer("SGD", 0.05, momentum=0.9, nesterov=True)
    compiled = {
        "optimizer": optimizer,
        "loss": "categorical_crossentropy",
        "metrics": ["accuracy"],
    }
    return Case(model, [floats(BATCH, 4)], [classes(BATCH, 3)], compiled)


def dropout(r):
    """Layers that act in training alone; compiled with names only."""
    model = r.sequential(
        (4,),
        r.layers.Dense(8, activation="relu"),
        r.layers.Dropout(0.25),
        r.layers.GaussianNoise(0.1),
        r.layers.AlphaDropout(0.1),
        r.layers.GaussianDropout(0.1),
        r.layers.Dense(3, activation="softmax"),
    )
    compiled = {"optimizer": "rmsprop", "loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    return Case(model, [floats(BATCH, 4)], [classes(BATCH, 3)], compiled, trains_on=False)


def cnn(r, data_format):
    """Convolutions and pooling in two dimensions: RMSprop, integer labels."""
    shape = (8, 9, 2) if data_format == LAST else (2, 8, 9)
    model = r.sequential(
        shape,
        r.layers.Conv2D(3, (3, 2), padding="same", data_format=data_format),
        r.leaky_relu(0.2),
        r.layers.MaxPooling2D((2, 3), data_format=data_format),
        r.layers.ZeroPadding2D(((1, 0), (2, 1)), data_format=data_format),
        r.layers.Conv2D(
            4, 2, dilation_rate=(1, 2), activation="relu", data_format=data_format, use_bias=False
        ),
        r.layers.BatchNormalization(axis=-1 if data_format == LAST else 1),
        r.layers.Conv2D(5, (2, 1), strides=2, data_format=data_format),
        r.layers.Flatten(),
        r.layers.Dense(6, activation="softmax"),
    )
    compiled = {
        "optimizer": r.optimizer("RMSprop", 0.001),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    }
    labels = np.arange(BATCH, dtype="float32")[:, None]
    inputs = [floats(BATCH, *shape)]
    return Case(model, inputs, [labels], compiled, batch_statistics=True)


def cnn_last(r):
    return cnn(r, LAST)


def cnn_first(r):
    return cnn(r, FIRST)


def conv1d(r):
    """One dimension: causal and dilated windows, pooling, cropping."""
    model = r.sequential(
        (12, 3),
        r.layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh"),
        r.layers.AveragePooling1D(2, padding="same"),
        r.layers.UpSampling1D(3),
        r.layers.Cropping1D((1, 2)),
        r.layers.Conv1D(5, 4, strides=2, padding="valid"),
        r.layers.GlobalMaxPooling1D(),
        r.layers.Dense(2, activation="sigmoid"),
    )
    compiled = {"optimizer": r.optimizer("SGD", 0.1), "loss": "binary_crossentropy"}
    return Case(model, [floats(BATCH, 12, 3)], [classes(BATCH, 2)], compiled)


def conv3d(r):
    """Three dimensions."""
    model = r.sequential(
        (4, 5, 6, 2),
        r.layers.Conv3D(3, (2, 3, 1), padding="same"),
        r.layers.MaxPooling3D((1, 2, 3)),
        r.layers.GlobalAveragePooling3D(),
    )
    return Case(model, [floats(BATCH, 4, 5, 6, 2)])


def text(r):
    """Indices of words, their mean, one probability."""
    model = r.sequential(
        None,
        r.embedding(11, 4, 7),
        r.layers.GlobalAveragePooling1D(),
        r.layers.Dense(6, activation="relu"),
        r.layers.Dense(1, activation="sigmoid"),
        dtype="int32",
    )
    words = (np.arange(BATCH * 7).reshape(BATCH, 7) * 5 % 11).astype("int32")
    compiled = {
        "optimizer": r.optimizer("Adam", 0.01),
        "loss": "binary_crossentropy",
        "metrics": ["accuracy"],
    }
    targets = [(np.arange(BATCH) % 2).astype("float32")[:, None]]
    return Case(model, [words], targets, compiled)


def masking(r):
    """Steps that are masked do not count in the mean."""
    model = r.sequential(
        (6, 3),
        r.layers.Masking(mask_value=0.0),
        r.layers.Dense(4, activation="tanh"),
        r.layers.GlobalAveragePooling1D(),
        r.layers.Dense(2),
    )
    inputs = floats(BATCH, 6, 3)
    for row in range(BATCH):
        inputs[row, 6 - row :] = 0.0
    return Case(model, [inputs])


def two_by_two(r):
    """Two inputs, two outputs, a shared layer: losses, weights and metrics by name."""
    left, right = r.layers.Input((4,), name="left"), r.layers.Input((6,), name="right")
    shared = r.layers.Dense(5, activation="tanh", name="shared")
    near = shared(r.layers.Dense(3, name="near")(left))
    far = shared(r.layers.Dense(3, name="far")(right))
    both = r.layers.Concatenate(name="both")([near, far])
    product = r.layers.Multiply(name="product")([near, far])
    first = r.layers.Dense(2, name="first")(both)
    second = r.layers.Dense(3, activation="softmax", name="second")(product)
    model = r.models.Model(inputs=[left, right], outputs=[first, second], name="two")
    compiled = {
        "optimizer": r.optimizer("SGD", 0.05, momentum=0.5),
        "loss": {"first": "mse", "second": "categorical_crossentropy"},
        "loss_weights": {"first": 0.5, "second": 2.0},
        "metrics": {"first": ["mae"], "second": ["accuracy"]},
    }
    inputs = [floats(BATCH, 4), floats(BATCH, 6)]
    return Case(model, inputs, [floats(BATCH, 2), classes(BATCH, 3)], compiled)


def merges(r):
    """Every merging layer."""
    a, b = r.layers.Input((3, 4)), r.layers.Input((3, 4))
    made = [
        r.layers.Add()([a, b]),
        r.layers.Subtract()([a, b]),
        r.layers.Multiply()([a, b]),
        r.layers.Average()([a, b]),
        r.layers.Maximum()([a, b]),
        r.layers.Minimum()([a, b]),
        r.layers.Concatenate(axis=1)([a, b]),
        r.layers.Dot(axes=2, normalize=True)([a, b]),
        r.layers.Dot(axes=(1, 1))([a, b]),
    ]
    return Case(r.models.Model([a, b], made), [floats(BATCH, 3, 4), floats(BATCH + 1, 3, 4)[1:]])


def nested(r):
    """Models in a model: a Sequential, a Model that is called twice, layers that stand still."""
    inner = r.sequential(
        (4,),
        r.layers.Dense(5, name="inner_dense"),
        r.layers.BatchNormalization(name="inner_norm"),
        name="inner",
    )
    inner.layers[-2].trainable = False
    x = r.layers.Input((5,), name="deep_input")
    y = r.layers.Dense(3, activation="tanh", name="deep_dense")(x)
    deep = r.models.Model(x, r.layers.Dense(5, name="deep_out")(y), name="deep")
    start = r.layers.Input((4,), name="start")
    once = deep(inner(start))
    twice = deep(once)
    end = r.layers.Dense(2, name="end")(r.layers.Add(name="sum")([once, twice]))
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse"}
    targets = [floats(BATCH, 2)]
    model = r.models.Model(start, end, name="outer")
    return Case(model, [floats(BATCH, 4)], targets, compiled, batch_statistics=True)


def nested_sequential(r):
    """A Sequential in a Sequential, and a Model in it."""
    first = r.sequential((4,), r.layers.Dense(6, activation="relu"), r.layers.Dense(5))
    x = r.layers.Input((5,))
    second = r.models.Model(x, r.layers.Dense(3, activation="tanh")(x))
    model = r.sequential(None, first, second, r.layers.Dense(2))
    return Case(model, [floats(BATCH, 4)])


def frozen(r):
    """A layer that is not trained has no optimizer state."""
    still = r.layers.Dense(6, activation="tanh", name="still")
    model = r.sequential((4,), still, r.layers.Dense(3, name="moving"))
    still.trainable = False
    optimizer = r.optimizer("SGD", 0.05, momentum=0.9)
    compiled = {"optimizer": optimizer, "loss": "mse"}
    return Case(model, [floats(BATCH, 4)], [floats(BATCH, 3)], compiled)


def without_path(function):
    """The function, whose code goes into files, without the folder that it was read from."""
    code = function.__code__
    if hasattr(code, "replace"):
        function.__code__ = code.replace(co_filename="model.py")
        return function
    first = "argcount kwonlyargcount nlocals stacksize flags code consts names varnames"
    values = [getattr(code, f"co_{part}") for part in first.split(" ")]
    last = [code.co_name, code.co_firstlineno, code.co_lnotab, code.co_freevars, code.co_cellvars]
    function.__code__ = type(code)(*values, "model.py", *last)
    return function


def lambda_named(r):
    """A Lambda of a user's function: the loader is given ``halve``."""
    layer = r.layers.Lambda(without_path(halve), output_shape=(6,), name="halved")
    model = r.sequential((4,), r.layers.Dense(6), layer, r.layers.Dense(3))
    return Case(model, [floats(BATCH, 4)], functions={"halved": "halve"})


def lambda_library(r):
    """A Lambda of a function of Keras itself; 2.2.4 writes its code, not its name."""
    function = r.keras.activations.softsign
    layer = r.layers.Lambda(without_path(function) if r.lr else function, name="soft")
    model = r.sequential((4,), r.layers.Dense(6), layer, r.layers.Dense(3))
    facts = {"functions": {"soft": "softsign"}} if r.lr else {}
    return Case(model, [floats(BATCH, 4)], **facts)


def lambda_python(r):
    """A Lambda of a Python lambda, whose code is in the file: never to be run from there."""
    function = eval(compile("lambda x, by: x * x + by", "model.py", "eval"))
    layer = r.layers.Lambda(function, arguments={"by": 3.0}, name="squares")
    model = r.sequential((4,), r.layers.Dense(6), layer, r.layers.Dense(3))
    return Case(model, [floats(BATCH, 4)], functions={"squares": "square_plus"})


def custom_layer(r):
    """A layer class of the user's own: inputs times weights times a factor."""
    layer = r.Scale(1.5, name="scaled")
    model = r.sequential((4,), r.layers.Dense(6), layer, r.layers.Dense(3))
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse"}
    targets = [floats(BATCH, 3)]
    return Case(model, [floats(BATCH, 4)], targets, compiled, classes=["Scale"])


def custom_loss(r):
    """A loss and a metric of the user's own: without them a warning, and the model."""
    model = r.sequential((4,), r.layers.Dense(6, activation="tanh"), r.layers.Dense(3))
    compiled = {
        "optimizer": r.optimizer("RMSprop", 0.01),
        "loss": off_by_tenth,
        "metrics": [off_by_tenth, "mae"],
    }
    targets = [floats(BATCH, 3)]
    return Case(model, [floats(BATCH, 4)], targets, compiled, losses=["off_by_tenth"])


def penalties(r):
    """Initializers, regularizers and constraints, and an optimizer that clips."""
    k = r.keras
    model = r.sequential(
        (4,),
        r.layers.Dense(
            6,
            activation="tanh",
            kernel_initializer=k.initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=3),
            bias_initializer=k.initializers.Constant(0.2),
            kernel_regularizer=k.regularizers.l2(0.05),
            bias_regularizer=k.regularizers.L1L2(l1=0.01, l2=0.02),
            kernel_constraint=k.constraints.MaxNorm(2.0, axis=0),
            bias_constraint=k.constraints.NonNeg(),
        ),
        r.layers.Dense(
            5,
            kernel_initializer=k.initializers.RandomNormal(0.1, 0.2, seed=4),
            activity_regularizer=k.regularizers.l1(0.01),
            kernel_constraint=k.constraints.UnitNorm(axis=1),
        ),
        r.layers.Dense(
            3,
            kernel_initializer="he_uniform",
            bias_initializer="ones",
            kernel_regularizer="l2",
            kernel_constraint=k.constraints.MinMaxNorm(0.5, 1.5, rate=0.7, axis=0),
        ),
    )
    optimizer = r.optimizer("Adam", 0.01, clipnorm=0.5)
    compiled = {"optimizer": optimizer, "loss": "mae"}
    targets = [floats(BATCH, 3)]
    return Case(model, [floats(BATCH, 4)], targets, compiled, activity_regularizer=True)


def reshapes(r):
    """Layers that move axes, and the activations with arguments or weights."""
    layers = r.layers
    model = r.sequential(
        (6,),
        layers.RepeatVector(4),
        layers.Permute((2, 1)),
        layers.Reshape((4, 3, 2)),
        layers.UpSampling2D((2, 1)),
        layers.Cropping2D(((1, 2), (0, 1))),
        layers.PReLU(shared_axes=[1, 2]),
        layers.SpatialDropout2D(0.3),
        layers.AveragePooling2D((2, 1), strides=1, padding="same"),
        layers.ELU(0.7),
        layers.ReLU(max_value=1.5, **r.slope(0.1)),
        layers.Softmax(axis=-1),
        layers.GlobalAveragePooling2D(),
        layers.ActivityRegularization(l1=0.1),
    )
    return Case(model, [floats(BATCH, 6)])


def temporal(r):
    """One loss for each step of time, weighted."""
    model = r.sequential((4, 3), r.layers.Dense(5, activation="tanh"), r.layers.Dense(2))
    compiled = {"optimizer": r.optimizer("SGD", 0.1), "loss": "mse", **r.weights_in_time()}
    weights = np.abs(floats(BATCH, 4))
    inputs, targets = [floats(BATCH, 4, 3)], [floats(BATCH, 4, 2)]
    return Case(model, inputs, targets, compiled, sample_weight=weights)


def long_names(r):
    """Names so long that the attributes that list them are split over several."""
    layers = [r.layers.Dense(3, use_bias=False, name=letter * 33000) for letter in "ab"]
    return Case(r.sequential((2,), *layers), [floats(BATCH, 2)], formats=["h5.gz"])


def legacy_adam(r):
    """The Adam of ``tf.keras`` before 2.11: its state stands elsewhere in the file."""
    model = r.sequential((2,), r.layers.Dense(3, activation="tanh"), r.layers.Dense(1))
    optimizer = r.keras.optimizers.legacy.Adam(0.01, decay=0.1)
    compiled = {"optimizer": optimizer, "loss": "mse"}
    return Case(model, [floats(BATCH, 2)], [floats(BATCH, 1)], compiled)


def transformer(r):
    """Attention of heads with masks and causality, layer normalization, single attention."""
    layers = r.layers
    words = layers.Input((6,), dtype="int32", name="words")
    # Keras 3 takes the mask off what its heads look at, so that the sum behind them has none.
    x = layers.Embedding(9, 4, mask_zero=r.major == 2, name="vectors")(words)
    heads = layers.MultiHeadAttention(2, 3, value_dim=3, name="heads")
    y = heads(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(layers.Add(name="sum")([x, y]))
    x = layers.Attention(use_scale=True, name="single")([x, x])
    x = layers.AdditiveAttention(name="additive")([x, x])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    model = r.models.Model(words, layers.Dense(2, name="out")(x), name="transformer")
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse"}
    inputs = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1], [3, 0, 0, 0, 0, 0]], "int32")
    return Case(model, [inputs], [floats(3, 2)], compiled)


def normalizations(r):
    """Normalization of samples, and what is done to images first."""
    layers = r.layers
    model = r.sequential(
        (5, 4, 6),
        layers.Rescaling(0.5, offset=0.25),
        layers.GroupNormalization(3, axis=-1),
        layers.Resizing(4, 3),
        layers.LayerNormalization([1, 2], center=False),
        layers.CenterCrop(2, 3),
        layers.UnitNormalization(axis=-1),
    )
    compiled = {"optimizer": r.optimizer("SGD", 0.1), "loss": "mse"}
    return Case(model, [floats(BATCH, 5, 4, 6)], [floats(BATCH, 2, 3, 6)], compiled)


def colours(r):
    """Colours that change in training alone, and a kernel that is normalized there."""
    layers = r.layers
    model = r.sequential(
        (5, 4, 3),
        layers.RandomBrightness((-0.25, 0.5), value_range=(0, 1), seed=3, name="brightness"),
        layers.RandomContrast(0.25, seed=4, name="contrast"),
        layers.SpectralNormalization(layers.Conv2D(2, 3, name="inner"), 2, name="normalized"),
        layers.Flatten(),
        layers.Dense(3, name="out"),
    )
    return Case(model, [floats(BATCH, 5, 4, 3)])


def grouped_attention(r):
    """What Keras 3 alone has: attention of grouped heads, and by root mean square."""
    layers = r.layers
    query, value = layers.Input((5, 4), name="query"), layers.Input((3, 4), name="value")
    x = layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="heads")(query, value)
    x = layers.RMSNormalization(name="norm")(x)
    model = r.models.Model([query, value], x, name="grouped")
    compiled = {"optimizer": r.optimizer("SGD", 0.1), "loss": "mse"}
    inputs = [floats(BATCH, 5, 4), floats(BATCH, 3, 4)]
    return Case(model, inputs, [floats(BATCH, 5, 4)], compiled)


def optimizer_case(name, rate=0.01, **arguments):
    """A builder of a small model that is trained by one optimizer."""

    def build(r):
        model = r.sequential((2,), r.layers.Dense(3, activation="tanh"), r.layers.Dense(1))
        compiled = {"optimizer": r.optimizer(name, rate, **arguments), "loss": "mse"}
        targets = [floats(BATCH, 1)]
        formats = ["keras"] if r.major == 3 else ["h5"]
        return Case(model, [floats(BATCH, 2)], targets, compiled, formats=formats)

    return build


def windows(r):
    """Separable, depthwise and transposed convolutions of images."""
    layers = r.layers
    model = r.sequential(
        (5, 6, 3),
        layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", activation="relu"),
        layers.DepthwiseConv2D((2, 3), depth_multiplier=2, strides=1),
        layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=(0, 1)),
        layers.SeparableConv2D(2, (3, 2), strides=2, use_bias=False),
        layers.GlobalAveragePooling2D(),
    )
    compiled = {"optimizer": r.optimizer("SGD", 0.05, momentum=0.5), "loss": "mse"}
    return Case(model, [floats(BATCH, 5, 6, 3)], [floats(BATCH, 2)], compiled)


def volumes(r):
    """A transposed convolution of volumes, a separable one of steps."""
    layers = r.layers
    model = r.sequential(
        (2, 3, 1, 2),
        layers.Conv3DTranspose(3, 2, strides=(1, 2, 2), activation="tanh"),
        layers.Reshape((36, 3)),
        layers.SeparableConv1D(4, 3, strides=2, depth_multiplier=2),
        layers.GlobalMaxPooling1D(),
    )
    return Case(model, [floats(BATCH, 2, 3, 1, 2)])


def local(r):
    """Windows with weights of their own for each place, in the forms of the release."""
    layers = r.layers
    forms = [{}, {}] if r.folder == "keras2.2.4" else [{"implementation": 2}, {"implementation": 3}]
    model = r.sequential(
        (5, 4, 2),
        layers.LocallyConnected2D(3, (2, 3), activation="tanh", **forms[0]),
        layers.LocallyConnected2D(2, (3, 1), strides=(1, 2), **forms[1]),
        layers.Reshape((2, 2)),
        layers.LocallyConnected1D(3, 2, use_bias=False),
        layers.Flatten(),
    )
    compiled = {"optimizer": r.optimizer("SGD", 0.05, momentum=0.5), "loss": "mse"}
    return Case(model, [floats(BATCH, 5, 4, 2)], [floats(BATCH, 3)], compiled)


def local_first(r):
    """The same with the channels first, which moves the weights too."""
    layers = r.layers
    model = r.sequential(
        (2, 5, 4),
        layers.LocallyConnected2D(3, (2, 3), data_format=FIRST, activation="tanh"),
        layers.LocallyConnected2D(2, (3, 1), strides=(1, 2), data_format=FIRST, implementation=2)
        if r.folder != "keras2.2.4"
        else layers.LocallyConnected2D(2, (3, 1), strides=(1, 2), data_format=FIRST),
        layers.Flatten(),
    )
    return Case(model, [floats(BATCH, 2, 5, 4)])


def steps(r):
    """What tf.keras and Keras 3 have for steps of time: transposed and depthwise convolutions."""
    layers = r.layers
    model = r.sequential(
        (6, 3),
        layers.Conv1DTranspose(4, 3, strides=2, output_padding=1),
        layers.DepthwiseConv1D(3, depth_multiplier=2, activation="tanh"),
        layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d"),
        layers.GlobalMaxPooling1D(),
    )
    compiled = {"optimizer": r.optimizer("SGD", 0.05, momentum=0.5), "loss": "mse"}
    return Case(model, [floats(BATCH, 6, 3)], [floats(BATCH, 5)], compiled)


def adaptive(r):
    """Pooling to a given size."""
    layers = r.layers
    model = r.sequential(
        (5, 7, 3),
        layers.AdaptiveAveragePooling2D((4, 3)),
        layers.AdaptiveMaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(2),
    )
    return Case(model, [floats(BATCH, 5, 7, 3)])


MODELS = {
    builder.__name__: builder
    for builder in (
        mlp,
        plain,
        dropout,
        cnn_last,
        cnn_first,
        conv1d,
        conv3d,
        text,
        masking,
        two_by_two,
        merges,
        nested,
        nested_sequential,
        frozen,
        lambda_named,
        lambda_library,
        lambda_python,
        custom_layer,
        custom_loss,
        penalties,
        reshapes,
        temporal,
        long_names,
        windows,
        volumes,
        local,
        local_first,
    )
}
MODELS.update(
    {
        "optimizer_" + name.lower(): optimizer_case(name)
        for name in ("Adagrad", "Adadelta", "Adamax", "Nadam")
    }
)
MODELS["legacy_adam"] = legacy_adam
LATER = {one.__name__: one for one in (transformer, normalizations, grouped_attention, colours)}
LATER.update({one.__name__: one for one in (steps, adaptive)})
"""Models of layers that Keras 2.2.4 does not have."""
MODELS.update(LATER)
MODELS["optimizer_amsgrad"] = optimizer_case("Adam", amsgrad=True)
