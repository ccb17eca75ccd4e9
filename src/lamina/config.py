"""The settings of a session: one record, read from ``keras.json`` at the start.

The file is looked for in ``$KERAS_HOME`` and then in ``~/.keras``. Environment variables
and files of other programs are never written here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from lamina.typing import DataFormat

FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass
class Settings:
    """What ``keras.json`` can say.

    Attributes:
        floatx: dtype of weights and computations unless a layer says otherwise.
        epsilon: small number that keeps logarithms and quotients finite.
        image_data_format: where images keep their channels.
        traceback_filtering: kept for code that sets it; lamina's errors are short anyway.
    """

    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: DataFormat = "channels_last"
    traceback_filtering: bool = True


@dataclass(frozen=True)
class CompileCache:
    """Where compiled programs are kept from one process to the next.

    Attributes:
        on: whether they are kept at all.
        folder: where; ``None`` for ``lamina`` in the user's folder for caches.
        limit: bytes that all of them may take; those that were not used for longest go first.
    """

    on: bool = True
    folder: Path | None = None
    limit: int = 2**30


_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}


def keras_home() -> Path:
    """Folder of ``keras.json`` and of downloaded data sets."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _read(path: Path) -> Settings:
    found = Settings()
    if not path.is_file():
        return found
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as JSON ({error}); correct it or delete it."
        ) from None
    if not isinstance(stored, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(stored).__name__}.")
    found.floatx = _checked_floatx(stored.get("floatx", found.floatx))
    found.epsilon = _checked_epsilon(stored.get("epsilon", found.epsilon))
    ordering = str(stored.get("image_dim_ordering"))
    stated = stored.get("image_data_format", _ORDERINGS.get(ordering, found.image_data_format))
    found.image_data_format = _checked_format(stated)
    return found


def _checked_floatx(value: object) -> str:
    if value not in FLOATS:
        raise ValueError(f"floatx must be one of {', '.join(FLOATS)}, got {value!r}.")
    return str(value)


def _checked_epsilon(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"epsilon must be a number between 0 and 1, got {value!r}.")
    return float(value)


def _checked_format(value: object) -> DataFormat:
    if value not in get_args(DataFormat):
        raise ValueError(
            f"image_data_format must be 'channels_last' or 'channels_first', got {value!r}."
        )
    return cast("DataFormat", value)


settings = _read(keras_home() / "keras.json")


def floatx() -> str:
    """Dtype of weights and computations unless a layer says otherwise.

    >>> floatx()
    'float32'
    """
    return settings.floatx


def set_floatx(value: str) -> None:
    """Set the default dtype: ``float16``, ``bfloat16``, ``float32`` or ``float64``.

    ``float64`` also switches on JAX's 64-bit types, for the whole process.

    >>> set_floatx("bfloat16")
    >>> floatx()
    'bfloat16'
    >>> set_floatx("float32")
    """
    settings.floatx = _checked_floatx(value)
    if value == "float64":
        import jax

        jax.config.update("jax_enable_x64", True)


def epsilon() -> float:
    """Small number that keeps logarithms and quotients finite.

    >>> epsilon()
    1e-07
    """
    return settings.epsilon


def set_epsilon(value: float) -> None:
    """Set the number that `epsilon` returns.

    >>> before = epsilon()
    >>> set_epsilon(1e-5)
    >>> epsilon()
    1e-05
    >>> set_epsilon(before)
    """
    settings.epsilon = _checked_epsilon(value)


def image_data_format() -> DataFormat:
    """Where images keep their channels: ``channels_last`` or ``channels_first``.

    >>> image_data_format()
    'channels_last'
    """
    return settings.image_data_format


def set_image_data_format(data_format: DataFormat) -> None:
    """Set the format that `image_data_format` returns.

    >>> set_image_data_format("channels_first")
    >>> image_data_format()
    'channels_first'
    >>> set_image_data_format("channels_last")
    """
    settings.image_data_format = _checked_format(data_format)


def is_traceback_filtering_enabled() -> bool:
    """Whether tracebacks are asked to be short (lamina's always are)."""
    return settings.traceback_filtering


def enable_traceback_filtering() -> None:
    """Accepted for code that calls it; lamina's own tracebacks are short."""
    settings.traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Accepted for code that calls it; lamina's own tracebacks are short."""
    settings.traceback_filtering = False


def compile_cache() -> CompileCache:
    """Where compiled programs are kept from one process to the next.

    >>> compile_cache().limit
    1073741824
    """
    return _compile_cache[0]


def set_compile_cache(
    on: bool = True, folder: str | os.PathLike[str] | None = None, limit: int = 2**30
) -> None:
    """Choose whether and where compiled programs are kept from one process to the next.

    The environment variable ``LAMINA_CACHE`` says the same: ``off``, or a folder. If JAX's own
    persistent cache was set up (``JAX_COMPILATION_CACHE_DIR``), that one is used and this is not.
    The files are machine code that is run: nobody else may have the right to write to the folder.

    Args:
        on: whether they are kept at all.
        folder: where; by default ``lamina`` in the user's folder for caches.
        limit: bytes that all of them may take; those that were not used for longest go first.

    Raises:
        TypeError: `on` is no flag, or `folder` no path.
        ValueError: the limit is not positive, or `folder` is a file.

    >>> before = compile_cache()
    >>> set_compile_cache(False)
    >>> compile_cache().on
    False
    >>> set_compile_cache(before.on, before.folder, before.limit)
    """
    if not isinstance(on, bool):
        raise TypeError(
            f"set_compile_cache: on must be True or False, got {on!r}; a folder is folder=."
        )
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"set_compile_cache: folder must be a path or None, got {folder!r}.")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        raise ValueError(
            f"set_compile_cache: limit must be a positive int of bytes, got {limit!r}."
        )
    place = None if folder is None else Path(folder).expanduser().absolute()
    if place is not None and place.exists() and not place.is_dir():
        raise ValueError(
            f"set_compile_cache: folder must be a folder, or not exist; {place} is a file."
        )
    _compile_cache[:] = [CompileCache(on, place, limit)]


def _compile_cache_of(value: str | None) -> CompileCache:
    """What the environment variable says."""
    if not value:
        return CompileCache()
    if value.lower() in ("off", "0", "no", "false"):
        return CompileCache(on=False)
    return CompileCache(folder=Path(value).expanduser().absolute())


_compile_cache = [_compile_cache_of(os.environ.get("LAMINA_CACHE"))]

if settings.floatx == "float64":
    set_floatx("float64")
