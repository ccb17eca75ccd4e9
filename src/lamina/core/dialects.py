"""The one table of old argument names, and the rules that apply it.

Keras 1 and Keras 2 named many arguments otherwise than the documents of Keras 2.2.4 and 3 that
lamina follows. A call is translated before the constructor sees it: an old name is replaced where
the class has the new one and not the old one.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from lamina.typing import LayerOptions
from lamina.warning import warn

RENAMED: dict[str, tuple[str, ...]] = {
    "output_dim": ("units",),
    "nb_filter": ("filters",),
    "filter_length": ("kernel_size",),
    "subsample": ("strides",),
    "subsample_length": ("strides",),
    "border_mode": ("padding",),
    "dim_ordering": ("data_format",),
    "atrous_rate": ("dilation_rate",),
    "init": (
        "kernel_initializer",
        "embeddings_initializer",
        "alpha_initializer",
        "depthwise_initializer",
        "pointwise_initializer",
    ),
    "inner_init": ("recurrent_initializer",),
    "inner_activation": ("recurrent_activation",),
    "forget_bias_init": ("unit_forget_bias",),
    "consume_less": ("implementation",),
    "W_regularizer": ("kernel_regularizer", "embeddings_regularizer"),
    "U_regularizer": ("recurrent_regularizer",),
    "b_regularizer": ("bias_regularizer",),
    "W_constraint": ("kernel_constraint", "embeddings_constraint"),
    "b_constraint": ("bias_constraint",),
    "bias": ("use_bias",),
    "dropout_W": ("dropout",),
    "dropout_U": ("recurrent_dropout",),
    "p": ("rate",),
    "sigma": ("stddev",),
    "pool_length": ("pool_size",),
    "stride": ("strides",),
    "length": ("size",),
    "beta_init": ("beta_initializer",),
    "gamma_init": ("gamma_initializer",),
    "alpha": ("negative_slope",),
    "negative_slope": ("alpha",),
    "input": ("inputs",),
    "output": ("outputs",),
}
"""Old argument to the new ones that it stands for; the class decides which of them it has."""

JOINED: dict[tuple[str, ...], str] = {
    ("nb_row", "nb_col"): "kernel_size",
    ("kernel_dim1", "kernel_dim2", "kernel_dim3"): "kernel_size",
}
"""Old arguments that are one tuple today."""

_SIDES = ("nb_row", "nb_col")
_FIRST = ("init", "activation", "weights", "border_mode")

ORDERS: dict[str, tuple[str, ...]] = {
    "AtrousConvolution1D": (
        *("nb_filter", "filter_length", *_FIRST),
        *("subsample_length", "atrous_rate"),
    ),
    "AtrousConvolution2D": (
        *("nb_filter", *_SIDES, *_FIRST),
        *("subsample", "atrous_rate", "dim_ordering"),
    ),
    "Convolution2D": ("nb_filter", *_SIDES, *_FIRST, "subsample", "dim_ordering"),
    "Convolution3D": (
        *("nb_filter", "kernel_dim1", "kernel_dim2", "kernel_dim3", *_FIRST),
        *("subsample", "dim_ordering"),
    ),
    "Deconvolution2D": (
        *("nb_filter", *_SIDES, "output_shape", *_FIRST),
        *("subsample", "dim_ordering"),
    ),
    "SeparableConvolution2D": (
        *("nb_filter", *_SIDES, *_FIRST),
        *("subsample", "depth_multiplier", "dim_ordering"),
    ),
}
"""Order of the arguments of classes of Keras 1 that gave the sides of a window one by one."""

VALUES: dict[str, dict[Any, Any]] = {
    "dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None},
    "consume_less": {"cpu": 0, "mem": 1, "gpu": 2},
    "forget_bias_init": {"one": True, "ones": True, "zero": False, "zeros": False},
}
"""Old values of an argument to today's."""

GONE: dict[tuple[str, str], str] = {
    ("Embedding", "dropout"): "put a SpatialDropout1D behind the Embedding",
}
"""Class and old argument that no class has any more, and what does the same today."""

IDLE: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"mode": 0},
    "SpatialDropout": {"noise_shape": None},
    "Dense": {"quantization_config": None},
    "RNN": {"time_major": False},
    "Embedding": {"quantization_config": None},
    "EinsumDense": {"quantization_config": None},
    "ConvTranspose": {"groups": 1},
    "DepthwiseConv": {"groups": 1},
    "SeparableConv": {"groups": 1},
}
"""By class or base, arguments of other releases and the value that is always so here."""

ONLY_KERAS_1 = frozenset(
    [
        "nb_filter",
        "nb_row",
        "nb_col",
        "border_mode",
        "subsample",
        "dim_ordering",
        "init",
        "W_regularizer",
        "b_regularizer",
        "W_constraint",
        "b_constraint",
        "bias",
        "atrous_rate",
        "filter_length",
        "subsample_length",
    ]
)

# Training: old keyword of fit, evaluate and their likes, to today's.
METHODS: dict[str, str] = {
    "nb_epoch": "epochs",
    "samples_per_epoch": "steps_per_epoch",
    "nb_val_samples": "validation_steps",
    "val_samples": "steps",
    "max_q_size": "max_queue_size",
    "nb_worker": "workers",
    "pickle_safe": "use_multiprocessing",
}

LOGS = (
    ("accuracy", "acc"),
    ("mean_squared_error", "mse", "MSE"),
    ("mean_absolute_error", "mae", "MAE"),
    ("mean_absolute_percentage_error", "mape", "MAPE"),
    ("mean_squared_logarithmic_error", "msle", "MSLE"),
    ("kl_divergence", "kullback_leibler_divergence", "kld", "KLD"),
    ("log_cosh", "logcosh"),
    ("learning_rate", "lr"),
    ("epochs", "nb_epoch"),
    ("samples", "nb_sample"),
)
"""Names that stand for the same thing in different releases, the newest first.

``cosine_proximity`` is not ``cosine_similarity``: the sign differs.
"""


@cache
def parameters(cls: type) -> tuple[str, ...]:
    """Names of the constructor's own arguments, in order."""
    found = list(inspect.signature(cls.__init__).parameters.values())[1:]
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(parameter.name for parameter in found if parameter.kind not in kinds)


def translate(
    cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a constructor under today's names.

    Raises:
        TypeError: an argument is given under its old and its new name.
    """
    own = parameters(cls)
    kwargs = _without_gone(cls.__name__, kwargs)
    idle = _idle(cls)
    if idle:
        kwargs = _without_idle(idle, kwargs)
    old = [name for name in kwargs if name in RENAMED and name not in own]
    joined = [names for names in JOINED if names[0] in kwargs and names[0] not in own]
    if not old and not joined:
        return args, kwargs
    keras_1 = not ONLY_KERAS_1.isdisjoint(kwargs)
    kwargs = dict(kwargs)
    for names in joined:
        if JOINED[names] in own:
            missing = [name for name in names if name not in kwargs]
            if missing:
                raise TypeError(f"{cls.__name__}: {names[0]} needs {', '.join(missing)} too.")
            _put(cls, kwargs, names[0], JOINED[names], tuple(kwargs.pop(n) for n in names))
    for name in old:
        found = [new for new in RENAMED[name] if new in own]
        value = kwargs.pop(name) if found else None
        table = VALUES.get(name, {})
        value = table.get(value, value) if isinstance(value, str) else value
        for new in found:
            _put(cls, kwargs, name, new, value)
    return (_windows(own, args) if keras_1 else args), kwargs


def _put(cls: type, kwargs: dict[str, Any], old: str, new: str, value: Any) -> None:
    if new in kwargs:
        raise TypeError(f"{cls.__name__}: {old} and {new} are the same argument; give one of them.")
    kwargs[new] = value


def _without_gone(cls: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that no class has any more; each is said."""
    for name in [name for name in kwargs if (cls, name) in GONE]:
        kwargs = {other: value for other, value in kwargs.items() if other != name}
        instead = GONE[cls, name]
        warn(f"{cls}: {name} of Keras 1 is left out, as Keras 2 does; {instead}.")
    return kwargs


@cache
def _idle(cls: type) -> dict[str, Any]:
    """The entries of `IDLE` of a class and its bases."""
    entries = [IDLE.get(base.__name__, {}) for base in cls.__mro__]
    own = parameters(cls)
    return {name: value for entry in entries for name, value in entry.items() if name not in own}


def _without_idle(idle: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that say what is always so here."""

    def says_nothing(name: str, value: Any) -> bool:
        return name in idle and type(value) is type(idle[name]) and value == idle[name]

    return {name: value for name, value in kwargs.items() if not says_nothing(name, value)}


def by_name(name: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional arguments of a class of Keras 1 by their names, if the window's sides lead.

    >>> by_name("Convolution2D", (64, 3, 5))
    ((), {'nb_filter': 64, 'nb_row': 3, 'nb_col': 5})
    """
    order = ORDERS[name]
    end = 1 + next((len(names) for names in JOINED if names[0] in order), 1)
    sides = args[1:end]
    if len(args) < end or not all(isinstance(side, int) for side in sides):
        return args, {}
    return (), dict(zip(order, args, strict=False))


def _windows(own: tuple[str, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Keras 1 gave the sides of a window one by one: ``Convolution2D(64, 3, 3, init=...)``."""
    if own[:2] != ("filters", "kernel_size") or len(args) < 3:
        return args
    sides = args[1:]
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        return args
    return (args[0], tuple(sides))


def misnamed(
    cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], error: TypeError
) -> TypeError | None:
    """The error for a call that lacks an argument because its name is written wrong.

    Or that gives one which only the base class has: the class fills that itself.
    """
    try:
        inspect.signature(cls).bind(*args, **kwargs)
        if "multiple values for argument" in str(error):
            raise TypeError
    except TypeError:
        own = (*parameters(cls), *LayerOptions.__annotations__, "activity_regularizer")
        strange = [name for name in kwargs if name not in own]
        return unknown(cls, strange[0], ()) if strange else None
    return None


def unknown(cls: type, name: str, options: tuple[str, ...]) -> TypeError:
    """The error for an argument that no dialect has."""
    from lamina import registry

    own = [*parameters(cls), *options]
    return TypeError(
        f"{cls.__name__}: unknown argument {name!r}.{registry.did_you_mean(name, own)} "
        f"Its arguments are {', '.join(own)}."
    )
