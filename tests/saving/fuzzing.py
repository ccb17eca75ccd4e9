"""What a damaged file may lead to: a clean error, or a load whose values are those of the file."""

from __future__ import annotations

import dis
import io
import json
import random
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from tests.saving import golden, mutations

import lamina
from lamina.models import Sequential
from lamina.saving import (
    archive,
    config,
    inspection,
    limits,
    load_checkpoint,
    load_model,
    save_checkpoint,
)

ROOT = str(Path(lamina.__file__).parent)
SLOW = 20
"""Seconds after which a file is too much work, on a machine that does other things, too."""


class Leak(AssertionError):
    """A damaged file led to something else than a clean error or a correct load."""


@dataclass(frozen=True)
class Kind:
    """One format: a sound file of it, how it is damaged, and how it is read."""

    data: bytes
    mutate: mutations.Mutate
    read: Callable[[Path], str]
    ending: str


def origin(error: BaseException) -> str:
    """Where an error was raised: ``""`` if by a ``raise`` of lamina's."""
    trace: TracebackType | None = error.__traceback__
    if trace is None:
        return "nowhere"
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    place = f"{code.co_filename}:{trace.tb_lineno}"
    if not code.co_filename.startswith(ROOT):
        return place
    names = {one.offset: one.opname for one in dis.get_instructions(code)}
    return "" if names.get(trace.tb_lasti) == "RAISE_VARARGS" else place


def checked(error: BaseException) -> str:
    """The class of a clean error; anything else is a leak."""
    place = origin(error)
    if place or not isinstance(error, ValueError | TypeError | OSError) or not str(error):
        raise Leak(f"{type(error).__name__} from {place or 'lamina'}: {error}") from error
    return type(error).__name__


def arrays_of(data: bytes) -> set[tuple[tuple[int, ...], bytes]]:
    """All arrays of an HDF5 file, read without lamina."""
    found: set[tuple[tuple[int, ...], bytes]] = set()

    def note(_: str, handle: Any) -> None:
        if isinstance(handle, h5py.Dataset) and handle.dtype.kind in "biuf":
            values = np.asarray(handle[()])
            found.add((values.shape, values.astype("float32").tobytes()))

    with h5py.File(io.BytesIO(data), "r") as root:
        root.visititems(note)
    return found


def check_weights(weights: list[np.ndarray], data: bytes) -> None:
    """Each weight is an array of the file."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            data = opened.read(archive.WEIGHTS)
    if weights:
        there = arrays_of(data)
        for value in weights:
            if (value.shape, value.astype("float32").tobytes()) not in there:
                raise Leak(f"a weight of shape {value.shape} is none of the file")


def read_model(path: Path) -> str:
    """Load a whole model, as users do."""
    try:
        model = load_model(path)
    except Exception as error:
        return checked(error)
    if model.count_params():
        check_weights(model.get_weights(), path.read_bytes())
    return "loaded"


@cache
def reader(release: str, name: str) -> Callable[[Path], str]:
    """Loads the weights of a file into a model that is kept."""
    model: Any = golden.model_of(golden.FOLDER / release / name)[0]
    order = np.random.default_rng(0)

    def read(path: Path) -> str:
        before = [order.normal(size=value.shape).astype("f") for value in model.get_weights()]
        model.set_weights(before)
        by_name, skip = order.random(2) < 0.3
        try:
            model.load_weights(path, by_name=bool(by_name), skip_mismatch=bool(skip))
        except Exception as error:
            for old, new in zip(before, model.get_weights(), strict=True):
                if old.tobytes() != new.tobytes():
                    raise Leak("a load that failed changed a weight") from error
            return checked(error)
        if path.suffix == ".h5":
            changed = [
                new
                for old, new in zip(before, model.get_weights(), strict=True)
                if old.tobytes() != new.tobytes()
            ]
            check_weights(changed, path.read_bytes())
        return "loaded"

    return read


def read_json(path: Path) -> str:
    """Make a model from a text."""
    try:
        config.read_json(path.read_bytes())
    except Exception as error:
        return checked(error)
    return "loaded"


def look_into(path: Path) -> None:
    """Tell what is in a file without building it, as ``lamina inspect`` does."""
    try:
        text = "\n".join(inspection.inspect(path).lines())
    except Exception as error:
        checked(error)
    else:
        if not text.replace("\n", "").isprintable():
            raise Leak("the text holds control characters")


def trained() -> Any:
    """A small compiled model; all seeds are fixed."""
    model = Sequential(
        [
            lamina.layers.Dense(3, input_shape=(2,), name="a", kernel_initializer="ones"),
            lamina.layers.Dense(1, name="b", kernel_initializer="ones"),
        ]
    )
    model.compile("adam", "mse")
    return model


@cache
def checkpoint() -> tuple[bytes, list[np.ndarray]]:
    """The bytes of a checkpoint, and the weights in it."""
    model = trained()
    model.fit(np.ones((4, 2), "f"), np.ones((4, 1), "f"), verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = save_checkpoint(model, Path(folder) / "one.h5")
        return path.read_bytes(), model.get_weights()


@cache
def _resumed() -> Any:
    return trained()


def read_checkpoint(path: Path) -> str:
    """Take a state; every array has a checksum, so a load gives what was written."""
    model = _resumed()
    before = [np.full(value.shape, 7, "f") for value in model.get_weights()]
    model.set_weights(before)
    try:
        load_checkpoint(model, path)
    except Exception as error:
        wanted, result = before, checked(error)
    else:
        wanted, result = checkpoint()[1], "loaded"
    for old, new in zip(wanted, model.get_weights(), strict=True):
        if old.tobytes() != new.tobytes():
            raise Leak(f"the weights are not those that they should be ({result})")
    return result


def safetensors() -> bytes:
    """The weights of the recorded model in the other format."""
    model: Any = golden.model_of(golden.FOLDER / "keras2.2.4" / "plain.h5")[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.safetensors"
        model.save_weights(path)
        return path.read_bytes()


def _file(name: str) -> bytes:
    return (golden.FOLDER / name).read_bytes()


WHOLE = (
    *("keras1.2.2/plain.h5", "keras2.2.4/mlp.h5", "keras2.2.4/nested_sequential.h5"),
    *("keras3.15/plain.keras", "keras3.15/mlp.keras", "tf2.15/mlp.h5"),
    "../lookups/keras3.15/numbers.keras",  # vocabularies beside the config
)
WEIGHTS = {
    "keras2.2.4/mlp.weights.h5": ("keras2.2.4", "mlp.h5"),
    "keras3.15/mlp.weights.h5": ("keras3.15", "mlp.keras"),
    "keras2.2.4/nested.weights.h5": ("keras2.2.4", "nested.h5"),
}
TEXTS = ("keras1.2.2/merges.json", "keras2.2.4/two_by_two.json", "keras3.15/text.json")
NAMES = (*WHOLE, *WEIGHTS, *TEXTS, "safetensors", "checkpoint")


@cache
def kind(name: str) -> Kind:
    """The format of that name."""
    if name == "safetensors":
        read = reader("keras2.2.4", "plain.h5")
        return Kind(safetensors(), mutations.of_safetensors, read, ".safetensors")
    if name == "checkpoint":
        return Kind(checkpoint()[0], mutations.of_h5, read_checkpoint, ".h5")
    data = _file(name)
    if name in TEXTS:
        return Kind(data, mutations.of_json, read_json, ".json")
    if name.endswith(".keras"):
        return Kind(data, mutations.of_archive, read_model, ".keras")
    read = reader(*WEIGHTS[name]) if name in WEIGHTS else read_model
    return Kind(data, mutations.of_h5, read, ".h5")


def damaged(name: str, seed: int) -> bytes:
    """The file of that number."""
    one = kind(name)
    return one.mutate(random.Random(f"{name} {seed}"), one.data)


def attempt(name: str, seed: int, folder: Path) -> str:
    """Read the file of that number: ``"loaded"``, or the class of the clean error.

    Raises:
        Leak: anything else came of it.
    """
    one = kind(name)
    path = folder / f"model{one.ending}"
    path.write_bytes(damaged(name, seed))
    bound, limits.WEIGHTS = limits.WEIGHTS, 10**6
    start = time.monotonic()
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            result = one.read(path)
            look_into(path)
    except Leak as leak:
        raise Leak(f"{name} {seed}: {leak}") from leak
    finally:
        limits.WEIGHTS = bound
    for warning in given:
        if warning.category is not UserWarning:
            raise Leak(f"{name} {seed}: {warning.category.__name__}: {warning.message}")
    if time.monotonic() - start > SLOW:
        raise Leak(f"{name} {seed}: {time.monotonic() - start:.0f} seconds")
    return result


def summary(results: dict[str, int]) -> str:
    """How often what came."""
    return json.dumps(dict(sorted(results.items())))
