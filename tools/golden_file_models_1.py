"""The models of Keras 1 that ``tools/golden_files.py`` trains and saves."""

import golden_file_models as table
import numpy as np
from golden_file_models import BATCH, Case, classes, floats


def mlp(r):
    """Dense, BatchNormalization, Activation: Adam with its state, metrics by name."""
    model = r.models.Sequential()
    model.add(r.layers.Dense(7, activation="tanh", input_dim=4))
    model.add(r.layers.BatchNormalization())
    model.add(r.layers.Activation("relu"))
    model.add(r.layers.Dense(3))
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse", "metrics": ["mae"]}
    return Case(model, [floats(BATCH, 4)], [floats(BATCH, 3)], compiled, batch_statistics=True)


def plain(r):
    """Dense layers alone: SGD with Nesterov momentum and decay."""
    model = r.models.Sequential()
    model.add(r.layers.Dense(6, activation="relu", init="uniform", input_shape=(4,), name="hidden"))
    model.add(r.layers.Dense(3, activation="softmax", bias=False, name="classes"))
    optimizer = r.optimizer("SGD", 0.05, momentum=0.9, decay=0.1, nesterov=True)
    compiled = {
        "optimizer": optimizer,
        "loss": "categorical_crossentropy",
        "metrics": ["accuracy"],
    }
    return Case(model, [floats(BATCH, 4)], [classes(BATCH, 3)], compiled)


def dropout(r):
    """Layers that act in training alone; compiled with names only."""
    model = r.models.Sequential()
    model.add(r.layers.Dense(8, activation="relu", input_dim=4))
    model.add(r.layers.Dropout(0.25))
    model.add(r.layers.GaussianNoise(0.1))
    model.add(r.layers.GaussianDropout(0.1))
    model.add(r.layers.Dense(3, activation="softmax"))
    compiled = {"optimizer": "rmsprop", "loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    return Case(model, [floats(BATCH, 4)], [classes(BATCH, 3)], compiled, trains_on=False)


def cnn(r, order):
    """Convolutions and pooling in two dimensions: RMSprop, integer labels."""
    r.keras.backend.set_image_dim_ordering(order)
    shape = (8, 9, 2) if order == "tf" else (2, 8, 9)
    layers = r.layers
    model = r.models.Sequential()
    model.add(layers.Convolution2D(3, 3, 2, border_mode="same", input_shape=shape))
    model.add(layers.advanced_activations.LeakyReLU(0.2))
    model.add(layers.MaxPooling2D((2, 3)))
    model.add(layers.ZeroPadding2D((1, 2)))
    model.add(
        layers.AtrousConvolution2D(4, 2, 2, atrous_rate=(2, 2), activation="relu", bias=False)
    )
    model.add(layers.BatchNormalization(axis=-1 if order == "tf" else 1))
    model.add(layers.Convolution2D(5, 2, 1, subsample=(2, 2), dim_ordering=order))
    model.add(layers.Flatten())
    model.add(layers.Dense(6, activation="softmax"))
    compiled = {
        "optimizer": r.optimizer("RMSprop", 0.001),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    }
    labels = np.arange(BATCH, dtype="float32")[:, None]
    inputs = [floats(BATCH, *shape)]
    return Case(model, inputs, [labels], compiled, batch_statistics=True, dim_ordering=order)


def cnn_last(r):
    return cnn(r, "tf")


def cnn_first(r):
    return cnn(r, "th")


def conv1d(r):
    """One dimension: plain and dilated windows, pooling, cropping."""
    layers = r.layers
    model = r.models.Sequential()
    model.add(
        layers.Convolution1D(4, 3, border_mode="same", activation="tanh", input_shape=(12, 3))
    )
    model.add(layers.AveragePooling1D(2))
    model.add(layers.UpSampling1D(3))
    model.add(layers.Cropping1D((1, 2)))
    model.add(layers.AtrousConvolution1D(6, 2, atrous_rate=3))
    model.add(layers.Convolution1D(5, 4, subsample_length=2))
    model.add(layers.GlobalMaxPooling1D())
    model.add(layers.Dense(2, activation="sigmoid"))
    compiled = {"optimizer": r.optimizer("SGD", 0.1), "loss": "binary_crossentropy"}
    return Case(model, [floats(BATCH, 12, 3)], [classes(BATCH, 2)], compiled)


def conv3d(r):
    """Three dimensions."""
    r.keras.backend.set_image_dim_ordering("tf")
    model = r.models.Sequential()
    model.add(r.layers.Convolution3D(3, 2, 3, 1, border_mode="same", input_shape=(4, 5, 6, 2)))
    model.add(r.layers.MaxPooling3D((1, 2, 3)))
    model.add(r.layers.GlobalAveragePooling3D())
    return Case(model, [floats(BATCH, 4, 5, 6, 2)])


def text(r):
    """Indices of words, their mean, one probability."""
    model = r.models.Sequential()
    model.add(r.layers.Embedding(11, 4, input_length=7))
    model.add(r.layers.GlobalAveragePooling1D())
    model.add(r.layers.Dense(6, activation="relu"))
    model.add(r.layers.Dense(1, activation="sigmoid"))
    words = (np.arange(BATCH * 7).reshape(BATCH, 7) * 5 % 11).astype("int32")
    compiled = {
        "optimizer": r.optimizer("Adam", 0.01),
        "loss": "binary_crossentropy",
        "metrics": ["accuracy"],
    }
    targets = [(np.arange(BATCH) % 2).astype("float32")[:, None]]
    return Case(model, [words], targets, compiled)


def two_by_two(r):
    """Two inputs, two outputs, a shared layer, ``merge``: losses and metrics by name."""
    left, right = r.layers.Input((4,), name="left"), r.layers.Input((6,), name="right")
    shared = r.layers.Dense(5, activation="tanh", name="shared")
    near = shared(r.layers.Dense(3, name="near")(left))
    far = shared(r.layers.Dense(3, name="far")(right))
    both = r.layers.merge([near, far], mode="concat", name="both")
    product = r.layers.merge([near, far], mode="mul", name="product")
    first = r.layers.Dense(2, name="first")(both)
    second = r.layers.Dense(3, activation="softmax", name="second")(product)
    model = r.models.Model(input=[left, right], output=[first, second], name="two")
    compiled = {
        "optimizer": r.optimizer("SGD", 0.05, momentum=0.5),
        "loss": {"first": "mse", "second": "categorical_crossentropy"},
        "loss_weights": {"first": 0.5, "second": 2.0},
        "metrics": {"first": "mae", "second": "accuracy"},
    }
    inputs = [floats(BATCH, 4), floats(BATCH, 6)]
    return Case(model, inputs, [floats(BATCH, 2), classes(BATCH, 3)], compiled)


def merges(r):
    """Every mode of ``merge`` but ``"cos"``, whose numbers are wrong in Keras 1.2.2."""
    merge = r.layers.merge
    a, b = r.layers.Input((3, 4)), r.layers.Input((3, 4))
    made = [merge([a, b], mode=mode) for mode in ("sum", "mul", "ave", "max")]
    made += [
        merge([a, b], mode="concat", concat_axis=1),
        merge([a, b], mode="dot", dot_axes=2),
        merge([a, b], mode="dot", dot_axes=(1, 1)),
    ]
    inputs = [floats(BATCH, 3, 4), floats(BATCH + 1, 3, 4)[1:]]
    return Case(r.models.Model([a, b], made), inputs)


def merge_sequential(r):
    """A Sequential whose first layer is a ``Merge`` of two others."""
    left, right = r.models.Sequential(), r.models.Sequential()
    left.add(r.layers.Dense(3, activation="tanh", input_dim=4))
    right.add(r.layers.Dense(5, input_dim=6))
    model = r.models.Sequential()
    model.add(r.layers.Merge([left, right], mode="concat"))
    model.add(r.layers.Dense(2))
    compiled = {"optimizer": r.optimizer("SGD", 0.05, momentum=0.5), "loss": "mse"}
    inputs = [floats(BATCH, 4), floats(BATCH, 6)]
    return Case(model, inputs, [floats(BATCH, 2)], compiled)


def nested(r):
    """Models in a model: a Sequential, a Model that is called twice, layers that stand still."""
    inner = r.models.Sequential(name="inner")
    inner.add(r.layers.Dense(5, input_dim=4, name="inner_dense", trainable=False))
    inner.add(r.layers.BatchNormalization(name="inner_norm"))
    x = r.layers.Input((5,), name="deep_input")
    y = r.layers.Dense(3, activation="tanh", name="deep_dense")(x)
    deep = r.models.Model(x, r.layers.Dense(5, name="deep_out")(y), name="deep")
    start = r.layers.Input((4,), name="start")
    once = deep(inner(start))
    twice = deep(once)
    both = r.layers.merge([once, twice], mode="sum", name="sum")
    model = r.models.Model(start, r.layers.Dense(2, name="end")(both), name="outer")
    compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse"}
    targets = [floats(BATCH, 2)]
    return Case(model, [floats(BATCH, 4)], targets, compiled, batch_statistics=True)


def nested_sequential(r):
    """A Sequential in a Sequential, and a Model in it."""
    first = r.models.Sequential()
    first.add(r.layers.Dense(6, activation="relu", input_dim=4))
    first.add(r.layers.Dense(5))
    x = r.layers.Input((5,))
    second = r.models.Model(x, r.layers.Dense(3, activation="tanh")(x))
    model = r.models.Sequential()
    for layer in (first, second, r.layers.Dense(2)):
        model.add(layer)
    return Case(model, [floats(BATCH, 4)])


def around(r, layer, **facts):
    """A layer between two Dense."""
    model = r.models.Sequential()
    for one in (r.layers.Dense(6, input_dim=4), layer, r.layers.Dense(3)):
        model.add(one)
    return Case(model, [floats(BATCH, 4)], **facts)


def lambda_named(r):
    """A Lambda of a user's function: the loader is given ``halve``."""
    layer = r.layers.Lambda(table.without_path(table.halve), output_shape=(6,), name="halved")
    return around(r, layer, functions={"halved": "halve"})


def lambda_python(r):
    """A Lambda of a Python lambda, whose code is in the file: never to be run from there."""
    function = eval(compile("lambda x, by: x * x + by", "model.py", "eval"))
    layer = r.layers.Lambda(function, arguments={"by": 3.0}, name="squares")
    return around(r, layer, functions={"squares": "square_plus"})


def custom_layer(r):
    """A layer class of the user's own: inputs times weights times a factor."""
    case = around(r, r.Scale(1.5, name="scaled"), classes=["Scale"])
    case.compiled = {"optimizer": r.optimizer("Adam", 0.01), "loss": "mse"}
    case.targets, case.trains_on = [floats(BATCH, 3)], True
    return case


def highway(r):
    """A layer of Keras 1 that later releases have no more."""
    return around(r, r.layers.Highway(activation="tanh", name="road"))


def custom_loss(r):
    """A loss of the user's own: without it a warning, and the model."""
    case = around(r, r.layers.Activation("tanh"), losses=["off_by_tenth"])
    case.compiled = {"optimizer": r.optimizer("RMSprop", 0.01), "loss": table.off_by_tenth}
    case.targets, case.trains_on = [floats(BATCH, 3)], True
    return case


def penalties(r):
    """Regularizers and constraints, and an optimizer that clips."""
    k = r.keras
    model = r.models.Sequential()
    model.add(
        r.layers.Dense(
            6,
            activation="tanh",
            init="he_normal",
            W_regularizer=k.regularizers.l2(0.05),
            b_regularizer=k.regularizers.l1l2(0.01, 0.02),
            W_constraint=k.constraints.maxnorm(2.0),
            b_constraint=k.constraints.nonneg(),
            input_dim=4,
        )
    )
    model.add(
        r.layers.Dense(
            5,
            init="glorot_normal",
            activity_regularizer=k.regularizers.activity_l1(0.01),
            W_constraint=k.constraints.unitnorm(axis=1),
        )
    )
    model.add(
        r.layers.Dense(3, init="lecun_uniform", W_constraint=k.constraints.MinMaxNorm(0.5, 1.5))
    )
    compiled = {"optimizer": r.optimizer("Adam", 0.01, clipnorm=0.5), "loss": "mae"}
    targets = [floats(BATCH, 3)]
    return Case(model, [floats(BATCH, 4)], targets, compiled, activity_regularizer=True)


def reshapes(r):
    """Layers that move axes, and the activations with arguments or weights."""
    r.keras.backend.set_image_dim_ordering("tf")
    layers, advanced = r.layers, r.layers.advanced_activations
    model = r.models.Sequential()
    for layer in (
        layers.RepeatVector(4, input_shape=(6,)),
        layers.Permute((2, 1)),
        layers.Reshape((4, 3, 2)),
        layers.UpSampling2D((2, 1)),
        layers.Cropping2D(((1, 2), (0, 1))),
        advanced.PReLU(),
        layers.SpatialDropout2D(0.3),
        layers.AveragePooling2D((2, 1), strides=(1, 1), border_mode="same"),
        advanced.ELU(0.7),
        advanced.ThresholdedReLU(0.1),
        layers.GlobalAveragePooling2D(),
        layers.ActivityRegularization(l1=0.1),
    ):
        model.add(layer)
    return Case(model, [floats(BATCH, 6)])


def temporal(r):
    """One loss for each step of time, weighted."""
    model = r.models.Sequential()
    model.add(r.layers.Dense(5, activation="tanh", input_shape=(4, 3)))
    model.add(r.layers.Dense(2))
    compiled = {
        "optimizer": r.optimizer("SGD", 0.1),
        "loss": "mse",
        "sample_weight_mode": "temporal",
    }
    weights = np.abs(floats(BATCH, 4))
    inputs, targets = [floats(BATCH, 4, 3)], [floats(BATCH, 4, 2)]
    return Case(model, inputs, targets, compiled, sample_weight=weights)


def old_dense(r):
    """MaxoutDense, Highway, SReLU and ParametricSoftplus: what only Keras 1 has."""
    model = r.models.Sequential()
    model.add(r.layers.MaxoutDense(6, nb_feature=3, input_dim=4))
    model.add(r.layers.Highway(activation="relu"))
    model.add(r.layers.advanced_activations.SReLU())
    model.add(r.layers.MaxoutDense(5, bias=False))
    model.add(r.layers.advanced_activations.ParametricSoftplus(alpha_init=0.5))
    model.add(r.layers.Dense(3))
    compiled = {"optimizer": r.optimizer("SGD", 0.05, momentum=0.5), "loss": "mse"}
    return Case(model, [floats(BATCH, 4)], [floats(BATCH, 3)], compiled)


def places(size, channels, order):
    """A shape with the batch first, for a ``dim_ordering``."""
    return (None, *size, channels) if order == "tf" else (None, channels, *size)


def deconvolutions(r, order):
    """Deconvolution2D of a stated shape, LocallyConnected2D."""
    r.keras.backend.set_image_dim_ordering(order)
    layers = r.layers
    model = r.models.Sequential()
    model.add(
        layers.Deconvolution2D(
            *(3, 3, 3, places((5, 7), 3, order)),
            border_mode="same",
            subsample=(2, 2),
            activation="tanh",
            input_shape=places((3, 4), 2, order)[1:],
        )
    )
    model.add(layers.Deconvolution2D(2, 2, 3, places((6, 9), 2, order), bias=False))
    model.add(layers.LocallyConnected2D(3, 3, 2, subsample=(2, 3)))
    model.add(layers.Flatten())
    model.add(layers.Dense(3))
    return Case(model, [floats(BATCH, *places((3, 4), 2, order)[1:])], dim_ordering=order)


def deconvolutions_last(r):
    return deconvolutions(r, "tf")


def deconvolutions_first(r):
    return deconvolutions(r, "th")


def separable(r):
    """SeparableConvolution2D, which runs on TensorFlow alone, and LocallyConnected1D."""
    r.keras.backend.set_image_dim_ordering("tf")
    model = r.models.Sequential()
    model.add(
        r.layers.SeparableConvolution2D(
            4, 3, 2, depth_multiplier=2, border_mode="same", input_shape=(5, 6, 3)
        )
    )
    model.add(r.layers.SeparableConvolution2D(3, 2, 2, bias=False, activation="relu"))
    model.add(r.layers.Reshape((20, 3)))
    model.add(r.layers.LocallyConnected1D(2, 3, subsample_length=2))
    return Case(model, [floats(BATCH, 5, 6, 3)])


def optimizer_case(name):
    """A builder of a small model that is trained by one optimizer."""

    def build(r):
        model = r.models.Sequential()
        model.add(r.layers.Dense(3, activation="tanh", input_dim=2))
        model.add(r.layers.Dense(1))
        compiled = {"optimizer": r.optimizer(name, 0.01), "loss": "mse"}
        return Case(model, [floats(BATCH, 2)], [floats(BATCH, 1)], compiled)

    return build


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
        two_by_two,
        merges,
        merge_sequential,
        nested,
        nested_sequential,
        lambda_named,
        lambda_python,
        custom_layer,
        highway,
        old_dense,
        deconvolutions_last,
        deconvolutions_first,
        separable,
        custom_loss,
        penalties,
        reshapes,
        temporal,
    )
}
MODELS.update({"optimizer_" + name.lower(): optimizer_case(name) for name in ("Adagrad", "Nadam")})
