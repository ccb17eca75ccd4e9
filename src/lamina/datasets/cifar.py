"""What cifar10 and cifar100 share: batches of 32x32 pictures in closed pickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamina import config
from lamina.datasets.pickles import read_pickle
from lamina.utils.files import get_file


def folder(name: str, inner: str, origin: str, file_hash: str) -> Path:
    """The folder with the batches, fetched and unpacked if it is not there.

    Args:
        name: what Keras 3 calls the folder in its cache.
        inner: the folder in the archive; Keras 2 has it in its cache directly.
        origin: address of the archive.
        file_hash: sha256 of the archive.
    """
    older = config.keras_home() / "datasets" / inner
    if older.is_dir():
        return older
    return Path(get_file(name, origin, file_hash=file_hash, extract=True)) / inner


def read_batch(path: Path, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """The pictures and the labels of one batch.

    Args:
        path: the file.
        labels: the name under which it keeps the labels.

    Returns:
        Bytes of the shapes ``(n, 3, 32, 32)`` and ``(n, 1)``.

    Raises:
        FileNotFoundError: the folder lacks this file.
        ValueError: the file holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Delete the folder {path.parent}, and it is fetched again."
        )
    found = read_pickle(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no dictionary of pictures and labels.")
    entries = {key if isinstance(key, str) else key.decode(): found[key] for key in found}
    pixels, classes = entries.get("data"), entries.get(labels)
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.shape[1:] != (3072,)
    ):
        raise ValueError(f"{path} holds no bytes of the shape (n, 3072) under 'data'.")
    if not isinstance(classes, list | np.ndarray) or len(classes) != len(pixels):
        raise ValueError(f"{path} holds no {len(pixels)} labels under {labels!r}.")
    return pixels.reshape(-1, 3, 32, 32), np.array(classes, np.uint8).reshape(-1, 1)


def arranged(pictures: np.ndarray) -> np.ndarray:
    """The pictures with their channels where ``keras.json`` says."""
    if config.image_data_format() == "channels_first":
        return pictures
    return pictures.transpose(0, 2, 3, 1)
