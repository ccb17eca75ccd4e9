"""`save_model`: whole models into files that Keras 3 and ``tf.keras`` open too."""

from __future__ import annotations

import datetime
import json
import os
import zipfile
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from lamina.core import sharing
from lamina.registry import did_you_mean
from lamina.saving import (
    archive,
    keras3_weights,
    legacy_weights,
    optimizer_state,
    optimizer_writing,
    randomness,
    shared_writing,
    training_writing,
    writing,
)
from lamina.saving.atomic import checked_target, replacing
from lamina.saving.h5_writing import put_text, written
from lamina.saving.weights import check_built, check_model

if TYPE_CHECKING:
    from lamina.typing import Config

WRITES_AS_3 = "3.15.0"
WRITES_AS_2 = "2.15.0"
"""The releases whose words the files are in."""

_FORMATS = {"keras": "keras", "h5": "h5", "hdf5": "h5"}


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
    **options: Any,
) -> None:
    """Write a whole model into a file: its config, its weights, how it was compiled.

    The file appears under its name when it is complete. Both formats open in Keras 3 and in
    ``tf.keras`` 2. Some parts open in Keras 3 and not in ``tf.keras``: layers and arguments that
    only Keras 3 has; functions in a graph, ``x + 1`` or ``ops.mean(x)``, of which only named ones
    of `lamina.ops` can be written down; in ``.keras`` files also layers that are called on more
    tensors than their first argument holds. Such a ``.keras`` file is in the words of Keras 3, and
    an error in ``tf.keras``. `MultiHeadAttention` opens in Keras 3 from ``.keras`` and in
    ``tf.keras`` from ``.h5`` alone: the latter wants the shapes of the inputs among the arguments,
    the former refuses them. A `Lambda` with a function of `lamina.ops` or of ``K`` loads in lamina
    alone. A layer that stands in several models within the model is one layer again in lamina, and
    in ``tf.keras`` from ``.h5``; elsewhere it becomes several with the same weights, but Keras 3
    refuses an ``.h5`` file where one layer of the model holds it twice.

    A layer that a release does not have is an error there: in both `Highway`, `MaxoutDense`,
    `SReLU` and `ParametricSoftplus`, in Keras 3 also `LocallyConnected1D` and `LocallyConnected2D`.
    From ``.h5`` Keras 3 loads no `Attention` and no `LayerNormalization` over several axes, from
    files of its own neither.

    The activation ``hard_sigmoid`` is not the same in Keras 2 and 3; files keep what this model
    computes, under a name that the other release does not know, or in a form that it refuses.
    From ``.keras`` files ``tf.keras`` takes no state of an optimizer whose learning rate is a
    number, since it does not count the rate among its variables: it says so, and training starts
    anew from the weights. From ``.h5`` files it takes the state.

    Args:
        model: the model; it must be built.
        filepath: the file; its ending says which format it gets.
        overwrite: whether a file that is there may be replaced.
        include_optimizer: whether the file says how the model was compiled, and holds the state of
            the optimizer.
        save_format: ``"keras"`` or ``"h5"``, whatever the ending.
        options: arguments that old code passes and that say nothing here: ``zipped``,
            ``signatures``, ``options``, ``save_traces``.

    Raises:
        ValueError: the model has no weights yet, cannot be written down, or an unknown format.
        FileExistsError: the file is there and `overwrite` is False.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> from lamina.saving import load_model
    >>> model = Sequential([Dense(3, input_shape=(2,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, folder + "/model.h5")
    ...     load_model(folder + "/model.h5").count_params()
    9
    """
    for name in options:
        if name not in ("zipped", "signatures", "options", "save_traces"):
            raise TypeError(f"save_model has no argument {name!r}.")
    check_model(model, "save_model")
    kind = _format(filepath, save_format)
    if not hasattr(type(model), "get_layer"):
        raise TypeError(f"save_model takes a model, got {type(model).__name__}.")
    check_built(model, "save")
    checked_target(filepath, overwrite)
    if kind == "keras":
        config, compiled, shared = _described_3(model, include_optimizer)
        with replacing(filepath, overwrite) as file:
            _write_archive(file, model, config, compiled, shared)
    else:
        config, section = _described_2(model, include_optimizer)
        with replacing(filepath, overwrite) as file:
            _write_h5(file, model, config, section)


def _format(filepath: Any, save_format: str | None) -> str:
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(f"save_model: filepath must be a path, got {type(filepath).__name__}.")
    path = os.fspath(filepath)
    if save_format is not None:
        if save_format in ("tf", "tensorflow"):
            raise ValueError(
                "save_model: a SavedModel of TensorFlow holds code and is not written; pass "
                "save_format='keras' or 'h5'."
            )
        if save_format not in _FORMATS:
            raise ValueError(
                f"save_model: save_format must be 'keras' or 'h5', got {save_format!r}."
                f"{did_you_mean(str(save_format), list(_FORMATS))}"
            )
        return _FORMATS[save_format]
    ending = os.path.splitext(path)[1].lower().removeprefix(".")
    if ending not in _FORMATS:
        raise ValueError(
            f"save_model: {path} must end in .keras, .h5 or .hdf5, which says the format; or pass "
            "save_format='keras' or 'h5'."
        )
    return _FORMATS[ending]


def _text(model: Any, config: Config) -> str:
    try:
        return json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{model}: its config cannot be written as JSON ({error}). What get_config returns "
            "must be numbers, strings, lists and dicts."
        ) from None


def _described_3(model: Any, include_optimizer: bool) -> tuple[str, bool, bool]:
    """The config, whether it says how the model was compiled, whether ``tf.keras`` reads it."""
    write: writing.Keras3 = shared_writing.Shared()
    try:
        with sharing.numbered(model):
            config = write.model(model)
    except shared_writing.OnlyKeras3Error:
        write = writing.Keras3()
        with sharing.numbered(model):
            config = write.model(model)
    section = training_writing.section_3(model, write) if include_optimizer else None
    if section is not None:
        config["compile_config"] = section
    shared = isinstance(write, shared_writing.Shared)
    return _text(model, config), section is not None, shared


def _described_2(model: Any, include_optimizer: bool) -> tuple[str, str | None]:
    with sharing.numbered(model):
        config = writing.Keras2().model(model)
    section = training_writing.section_2(model) if include_optimizer else None
    return _text(model, config), None if section is None else _text(model, section)


def _write_archive(file: IO[bytes], model: Any, config: str, compiled: bool, shared: bool) -> None:
    now = datetime.datetime.now().astimezone()
    facts = {
        "keras_version": WRITES_AS_3,
        "date_saved": now.strftime("%Y-%m-%d@%H:%M:%S"),
    }
    optimizer = _state(model) if compiled else None
    weights = BytesIO()
    with written(weights) as root:
        keras3_weights.write(root, model, optimizer, linked=shared)
        if compiled:
            randomness.write(root, model)
    with zipfile.ZipFile(file, "w") as members:
        members.writestr(archive.METADATA, json.dumps(facts))
        members.writestr(archive.CONFIG, config)
        members.writestr(archive.WEIGHTS, weights.getbuffer())


def _state(model: Any) -> tuple[str, list[Any]] | None:
    optimizer = model.optimizer
    if optimizer.state is None:
        return None
    return optimizer.name, optimizer_state.arrays(optimizer)


def _write_h5(file: IO[bytes], model: Any, config: str, section: str | None) -> None:
    with written(file) as root:
        put_text(root, "model_config", config)
        put_text(root, "keras_version", WRITES_AS_2)
        put_text(root, "backend", "jax")
        if section is not None:
            put_text(root, "training_config", section)
            randomness.write(root, model)
        legacy_weights.write(root.create_group("model_weights"), model)
        if section is not None and model.optimizer.state is not None:
            optimizer_writing.write(root, model.optimizer)
