"""The files of real releases in ``tests/golden/files``, and models made for them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from lamina.saving import archive, config, h5_file

WHOLE = ("h5", "keras", "h5.gz")
"""Kinds of files that hold whole models."""

FOLDER = Path(__file__).parents[1] / "golden" / "files"


@cache
def entries() -> tuple[dict[str, Any], ...]:
    """What the index says of each model."""
    return tuple(json.loads((FOLDER / "index.json").read_text("utf-8"))["models"])


def find(release: str, model: str) -> dict[str, Any]:
    """What the index says of one model."""
    return next(e for e in entries() if (e["release"], e["model"]) == (release, model))


def arrays(entry: dict[str, Any], kind: str, ending: str = "") -> list[np.ndarray]:
    """The recorded arrays ``kind_0``, ``kind_1``, ..."""
    with np.load(FOLDER / entry["arrays"]) as found:
        names = takewhile(found.__contains__, (f"{kind}_{n}{ending}" for n in count()))
        return [found[name] for name in names]


def path(entry: dict[str, Any], kind: str, folder: Path) -> Path:
    """The file of a kind; packed ones are unpacked into a folder."""
    if kind in entry["files"]:
        return FOLDER / entry["files"][kind]
    packed = FOLDER / entry["files"][f"{kind}.gz"]
    target = folder / packed.stem
    target.write_bytes(gzip.decompress(packed.read_bytes()))
    return target


def model_of(file: Path, custom_objects: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """The model of a whole-model file, with new weights, and its training config."""
    if file.suffix == ".keras":
        with archive.opened(file) as opened:
            entry = json.loads(opened.read(archive.CONFIG))
        return config.read_model(entry, custom_objects, "3"), entry.get("compile_config")
    with h5_file.opened(file) as root:
        entry = json.loads(root.text("model_config") or "{}")
        training = json.loads(root.text("training_config") or "null")
        version = root.text("keras_version") or "1"
    return config.read_model(entry, custom_objects, version), training


def one(values: list[Any]) -> Any:
    """The value itself where there is only one."""
    return values[0] if len(values) == 1 else values
