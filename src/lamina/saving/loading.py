"""`load_model`: whole models from the files of all releases."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lamina import registry
from lamina.optimizers.missing import MissingOptimizer
from lamina.saving import (
    archive,
    checkpoint_file,
    config,
    legacy_weights,
    limits,
    optimizer_reading,
    randomness,
    reading,
    releases,
    tensors,
    training,
    vocabularies,
)
from lamina.saving.h5_checks import SIGNATURE, kind_of
from lamina.saving.h5_file import Group, opened
from lamina.saving.stored import Found
from lamina.saving.weights import assign, existing
from lamina.warning import warn


@dataclass(frozen=True)
class Whole:
    """A file that holds a whole model, opened.

    Args:
        label: the file, for messages.
        config: its model's config, as JSON says it.
        version: ``keras_version``, if the file says it.
        training: its training config, or ``None``.
        root: the group of the weights.
        asset: gives the bytes of a further member of an archive, or ``None`` if it has none.
    """

    label: str
    config: Any
    version: str | None
    training: Any
    root: Group
    asset: Callable[[str], bytes | None] = lambda name: None

    def numbers(self) -> int:
        """How many numbers the file holds for the weights of the model."""
        aside = ("optimizer/", "optimizer_weights/")
        return sum(d.size for path, d in self.root.datasets() if not path.startswith(aside))


@contextlib.contextmanager
def opened_model(path: str) -> Iterator[Whole]:
    """Open a whole model; what is in the file decides, not its name.

    Args:
        path: a file that is there.

    Yields:
        What is in it, checked but not yet built.

    Raises:
        ValueError: it is damaged, refused, or holds no whole model.
    """
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(SIGNATURE):
        with opened(path) as root:
            yield _of_h5(path, root)
    elif archive.is_archive(start):
        with archive.opened(path) as members:
            text = archive.member(members, archive.CONFIG, path, limits.TEXT).getvalue()
            facts = archive.member(members, archive.METADATA, path, limits.TEXT).getvalue()
            weights = archive.member(members, archive.WEIGHTS, path)
            about = limits.parse(facts, f"{path}: {archive.METADATA}")
            version = about.get("keras_version") if isinstance(about, Mapping) else None
            found = limits.parse(text, f"{path}: {archive.CONFIG}")
            section = found.get("compile_config") if isinstance(found, Mapping) else None
            with opened(weights, f"{path}: {archive.WEIGHTS}") as root:
                asset = archive.assets(members, path, limits.TEXT)
                yield Whole(path, found, version, section, root, asset)
    elif tensors.is_format(start):
        raise ValueError(f"{path} holds weights alone (safetensors). {_OF_WEIGHTS}")
    else:
        kind = f"begins with {kind_of(start)}" if start else "is empty"
        raise ValueError(f"{path} is no model file: it is neither HDF5 nor .keras; it {kind}.")


_OF_WEIGHTS = "Make the model in code or with model_from_json, then call load_weights."


def _of_h5(path: str, root: Group) -> Whole:
    text = root.text("model_config")
    if text is None:
        if legacy_weights.weights_group(root) is not None or "layers" in root:
            raise ValueError(f"{path} holds weights and no model. {_OF_WEIGHTS}")
        hint = checkpoint_file.hint(root)
        raise ValueError(f"{path} is an HDF5 file without a model: no 'model_config'.{hint}")
    section = root.text("training_config")
    try:
        parsed = None if section is None else limits.parse(section, f"{path}: training_config")
    except ValueError as error:
        parsed = {"optimizer_config": str(error)}  # said when the model is compiled
    found = limits.parse(text, f"{path}: model_config")
    return Whole(path, found, root.text("keras_version"), parsed, root)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    **options: Any,
) -> Any:
    """Read a whole model from a file of Keras 1, 2, 3, ``tf.keras`` or lamina.

    What is in the file decides how it is read, not its name. Nothing in it is run: layers,
    functions, losses, metrics and optimizers are found by name among lamina's and yours.

    A loss, metric or optimizer that is not known is a warning, and the model comes without it:
    without its metric; without any loss, so that it does not train on another one, but with its
    optimizer and the state of it; or without its optimizer, so that it evaluates, and `fit` says
    what to do.

    Args:
        filepath: the file: ``.keras`` or HDF5.
        custom_objects: classes and functions of yours by name; the function of a `Lambda` by the
            name of the layer, ``{"lambda_1": function}``.
        compile: whether the model is compiled as it was, with the state of its optimizer.
        safe_mode: accepted for code written for Keras, and without effect: what it permits
            there, running code from a file, lamina never does.
        options: ``options`` of ``tf.keras``, which says nothing here.

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another kind, its config names layers that are
            unknown, or its weights do not fit.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> from lamina.saving import save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Sequential([Dense(3, input_shape=(2,))]), folder + "/model.keras")
    ...     load_model(folder + "/model.keras").output_shape
    (None, 3)
    """
    for name in options:
        if name != "options":
            raise TypeError(f"load_model has no argument {name!r}.")
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(f"load_model: filepath must be a path, got {type(filepath).__name__}.")
    path = existing(filepath)
    with opened_model(path) as whole:
        _check_version(whole)
        model = config.read_model(
            whole.config,
            custom_objects,
            whole.version,
            what=f"load_model({path!r})",
            numbers=whole.numbers(),
        )
        vocabularies.fill(model, whole.root, whole.asset, path)
        found = _filled(model, whole)
        if compile:
            with registry.custom_object_scope(custom_objects or {}):
                training.compile_from(model, whole.training, whole.version, path)
            _restore_optimizer(model, whole, found)
            _restore_randomness(model, whole)
    return model


def _check_version(whole: Whole) -> None:
    if whole.version is not None and releases.is_newer(whole.version):
        warn(
            f"{whole.label} was written by Keras {whole.version}, which is newer than this "
            f"lamina knows; it is read as a file of Keras {releases.NEWEST}."
        )


def _filled(model: Any, whole: Whole) -> Found | None:
    """Give the model its weights."""
    if not hasattr(type(model), "get_layer"):
        raise ValueError(f"{whole.label} holds {model}, which is a layer and no model.")
    if not model.built:
        if whole.numbers():
            raise ValueError(
                f"{whole.label}: {model} has weights in the file, but its config does not say for "
                "which input shape it was built. Make the model in code, call it on data, and use "
                "load_weights."
            )
        return None
    found = reading.in_h5(whole.root, model)
    assign(model, found)
    return found


def _restore_optimizer(model: Any, whole: Whole, found: Found | None) -> None:
    """Give the optimizer its state, so that training goes on; a state that cannot be read warns."""
    optimizer = model.optimizer
    if optimizer is None or found is None or isinstance(optimizer, MissingOptimizer):
        return
    try:
        optimizer.build(model.trainable_weights)
        optimizer_reading.load(optimizer, whole.root, found)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if _unused(whole.root):
            return
        warn(
            f"{whole.label}: the state of the optimizer cannot be read ({error}) It starts anew; "
            "the weights of the model are those of the file."
        )


def _restore_randomness(model: Any, whole: Whole) -> None:
    """Let random draws and the order of rows go on as they would have."""
    if model._compilation is None:
        return
    try:
        randomness.restore(model, whole.root, whole.label)
    except ValueError as error:
        warn(
            f"{whole.label}: what random draws go by cannot be read ({error}) They begin anew; all "
            "else is that of the file."
        )


def _unused(root: Group) -> bool:
    """Whether a file has the state of an optimizer that was never used: scalars, and no step."""
    aside = ("optimizer/", "optimizer_weights/")
    stored = [array for path, array in root.datasets() if path.startswith(aside)]
    return all(array.shape == () for array in stored) and all(
        array.read() == 0 for array in stored if array.dtype.kind in "iu"
    )
