"""Weights of models into files and back: all of them or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from lamina.core.readers import readers
from lamina.registry import did_you_mean
from lamina.saving.stored import Found, Part
from lamina.warning import warn

if TYPE_CHECKING:
    from lamina.core.layer import Layer
    from lamina.core.variable import Variable


@dataclass
class Loaded:
    """Which layers got weights from a file, and which did not.

    Args:
        loaded: names of the layers that got theirs.
        skipped: names of the layers that did not, each with the reason.
        unused: names in the file that no layer took.
        missing: names of the layers with weights that are not in the file, where it was loaded by
            name; they stay as they are.
    """

    loaded: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def assign(owner: Layer, found: Found, skip_mismatch: bool = False) -> Loaded:
    """Give a model the arrays of a file: all of them, or none if one does not fit.

    All shapes are compared before a value is read, and all values are read before a weight
    changes.

    Args:
        owner: the model, for messages.
        found: what the file has for each layer.
        skip_mismatch: whether layers for which the file has nothing that fits stay as they are.

    Raises:
        ValueError: a layer does not fit; the message says which, which weight, and both shapes.
    """
    result = Loaded(unused=found.unused)
    chosen: list[Part] = []
    for part in found.parts:
        problem = part.problem or _mismatch(part)
        if problem is None:
            chosen.append(part)
            result.loaded.append(part.layer)
        elif skip_mismatch:
            result.skipped[part.layer] = problem
        else:
            raise ValueError(
                f"{owner}: {part.layer} cannot be loaded: {problem}. The model is as it was. "
                "Pass skip_mismatch=True to leave out layers that do not fit."
            )
    pairs = [pair for part in chosen for pair in part.pairs]
    values = [(variable, _fitting(variable, array.read())) for variable, array in pairs]
    _publish(values)
    return result


def _mismatch(part: Part) -> str | None:
    for variable, array in part.pairs:
        if tuple(array.shape) != variable.shape:
            return (
                f"weight {variable.path!r} has shape {variable.shape}, but {array.place} has "
                f"shape {tuple(array.shape)}"
            )
    return None


def _fitting(variable: Variable, values: np.ndarray) -> Any:
    """The values in the dtype of the variable, on the device."""
    if values.shape != variable.shape:
        raise ValueError(f"{variable.path!r}: {values.shape} came for {variable.shape}.")
    return jnp.array(values.astype(variable.dtype, copy=False), copy=True)


def _publish(values: list[tuple[Variable, Any]]) -> None:
    """Set all variables at once; if that is interrupted, put the old values back."""
    with readers.lock:
        old = [(variable, variable.value) for variable, _ in values]
        try:
            for variable, value in values:
                variable.assign(value)
        except BaseException:
            for variable, value in old:
                variable.assign(value)
            raise


def save_weights(
    model: Layer,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    save_format: str | None = None,
) -> None:
    """Write all weights of a model into a file.

    The file appears under its name when it is complete. Its ending says which format it gets:
    ``.weights.h5`` the layout of Keras 3, with the state of the optimizer as there;
    ``.safetensors`` that of safetensors (names are the paths of the weights), all others the
    HDF5 layout of Keras 1 and 2.

    Args:
        model: the model; it must be built.
        filepath: the file.
        overwrite: whether a file that is there may be replaced.
        save_format: ``"h5"``, ``"keras"`` (the layout of ``.weights.h5``) or ``"safetensors"``,
            whatever the ending.

    Raises:
        ValueError: the model has no weights yet, or an unknown format.
        FileExistsError: the file is there and `overwrite` is False.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model = Sequential([Dense(3, input_shape=(2,), name="out")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(model, folder + "/model.weights.h5")
    ...     load_weights(model, folder + "/model.weights.h5").loaded
    ["layer 'out'"]
    """
    from lamina.saving import keras3_weights, legacy_weights, tensors
    from lamina.saving.atomic import replacing
    from lamina.saving.h5_writing import written

    check_model(model, "save_weights")
    layout = _layout(os.fspath(filepath), save_format)
    check_built(model, "save_weights")
    # The lock: another thread that trains publishes no step while the weights are read.
    with replacing(filepath, overwrite) as file, readers.lock:
        if layout == "safetensors":
            tensors.write(file, model)
            return
        with written(file) as root:
            if layout == "keras":
                keras3_weights.write(root, model, _state(model))
            else:
                legacy_weights.write(root, model)


def load_weights(
    model: Layer,
    filepath: str | os.PathLike[str],
    by_name: bool = False,
    skip_mismatch: bool = False,
) -> Loaded:
    """Read the weights of a model from a file that any release of Keras, or lamina, wrote.

    What is in the file decides how it is read, not its name: weights or a whole model, HDF5 of
    Keras 1, 2, 3 and ``tf.keras``, ``.weights.h5``, a ``.keras`` archive, safetensors. All
    shapes are compared first; if one does not fit, the model stays as it is. If the model's
    optimizer has a state already (from a step of training, or ``optimizer.build``), it gets that
    of a ``.weights.h5`` file.

    Args:
        model: the model; it must be built.
        filepath: the file.
        by_name: whether layers get the weights stored under their names, and the others stay as
            they are; by default the order of the layers counts.
        skip_mismatch: whether layers whose shapes are not those of the file stay as they are.

    Returns:
        Which layers were loaded, and which were not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another kind, or a layer does not fit.
    """
    from lamina.saving import reading

    check_model(model, "load_weights")
    path = existing(filepath)
    check_built(model, "load_weights")
    with reading.found(path, model, by_name) as found:
        restore = _restoring(model, found, path) if not (by_name or skip_mismatch) else None
        result = assign(model, found, skip_mismatch)
        if restore is not None:
            restore()
        if by_name:
            result.missing = _missing(model, found)
    if not result.loaded and found.parts + [name for name in found.unused if name]:
        warn(
            f"{model}: load_weights found nothing for any layer in {path}. In the file: "
            f"{_some(found.unused)}."
        )
    elif result.skipped:
        warn(
            f"{model}: load_weights left out {len(result.skipped)} layers: "
            f"{_some([f'{name} ({why})' for name, why in result.skipped.items()])}."
        )
    return result


def _state(model: Any) -> tuple[str, list[np.ndarray]] | None:
    """Name and state of the optimizer of a model, if there is one that Keras knows."""
    from lamina.saving import optimizer_state

    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or optimizer.state is None:
        return None
    if hasattr(optimizer, "gradient_transformation"):  # of optax: no release reads it
        return None
    return optimizer.name, optimizer_state.arrays(optimizer)


def _restoring(model: Any, found: Found, path: str) -> Callable[[], None] | None:
    """What gives the optimizer of a model the state of a file, which is read here already."""
    from lamina.saving import optimizer_reading, optimizer_state

    optimizer = getattr(model, "optimizer", None)
    if not found.state or optimizer is None or optimizer.state is None:
        return None
    try:
        values = optimizer_reading.read_in_order(optimizer, found.state, path)
    except ValueError as error:
        warn(f"{model}: load_weights leaves the optimizer as it is: {error}")
        return None
    return lambda: optimizer_state.fill(optimizer, values)


def _missing(model: Any, found: Found) -> list[str]:
    """The layers of a model for none of whose weights a file has anything."""
    there = {id(variable) for part in found.parts for variable, _ in part.pairs}
    problems = {part.layer for part in found.parts if part.problem}
    layers = [layer for layer in getattr(model, "layers", []) if layer.weights]
    layers = [layer for layer in layers if f"layer {layer.name!r}" not in problems]
    return [one.name for one in layers if not any(id(weight) in there for weight in one.weights)]


def _some(names: list[str]) -> str:
    more = f", and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "nothing") + more


def existing(filepath: str | os.PathLike[str]) -> str:
    """The path of a file, once it is known to be there.

    Args:
        filepath: what the caller gave.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
    """
    path = os.path.expanduser(os.fspath(filepath))
    if os.path.isdir(path):
        hint = " A SavedModel of TensorFlow is code, which lamina does not run."
        raise IsADirectoryError(f"{path} is a folder, not a file.{hint}")
    if os.path.exists(path):
        return path
    if os.path.exists(f"{path}.index"):
        raise FileNotFoundError(
            f"{path} is a checkpoint of TensorFlow ({path}.index), which lamina does not read. "
            "Load it with TensorFlow and save it with save_weights('name.h5')."
        )
    folder, name = os.path.split(path)
    there = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    raise FileNotFoundError(f"There is no file {path}.{did_you_mean(name, there)}")


def check_model(model: Any, method: str) -> None:
    """Refuse what is no model, such as a path in its place.

    Raises:
        TypeError: it is something else.
    """
    if not hasattr(model, "get_weights"):
        raise TypeError(
            f"{method}: the first argument must be the model, got {model!r}: {method}(model, path)."
        )


def check_built(model: Layer, action: str) -> None:
    """Refuse a model that has no weights yet.

    Args:
        model: the model.
        action: what is to be done.

    Raises:
        ValueError: it is not built.
    """
    if not model.built:
        raise ValueError(
            f"{model}: {action} needs weights, and these are made when the input shape is known. "
            "Give the first layer an input_shape, call build(input_shape), or call the model on "
            "data first."
        )


_FORMATS = {"h5": "h5", "hdf5": "h5", "keras": "keras", "weights.h5": "keras"}
_FORMATS |= {"safetensors": "safetensors"}


def _layout(path: str, save_format: str | None) -> str:
    if save_format is not None:
        if save_format in ("tf", "tensorflow"):
            raise ValueError(
                "save_weights: checkpoints of TensorFlow are not written; pass save_format='h5'."
            )
        if save_format not in _FORMATS:
            raise ValueError(
                f"save_weights: save_format must be one of {', '.join(_FORMATS)}, got "
                f"{save_format!r}.{did_you_mean(str(save_format), list(_FORMATS))}"
            )
        return _FORMATS[save_format]
    if path.endswith(".keras"):
        raise ValueError(
            f"save_weights: {path} ends in .keras, which holds whole models; use model.save, or "
            "a name that ends in .weights.h5."
        )
    if path.endswith(".weights.h5"):
        return "keras"
    return "safetensors" if path.endswith(".safetensors") else "h5"


_KNOWN = {"save_weights": ("options",), "load_weights": ("options",)}


def known_options(method: str, options: Mapping[str, Any]) -> None:
    """Refuse arguments that no release had.

    Args:
        method: the method that got them.
        options: its keywords beside its own.

    Raises:
        TypeError: an unknown keyword.

    >>> known_options("load_weights", {"options": None})
    """
    for name in options:
        if name not in _KNOWN[method]:
            raise TypeError(f"{method} has no argument {name!r}.")
