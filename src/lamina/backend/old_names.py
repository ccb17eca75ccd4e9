"""Argument names of Keras 1 on functions of ``K``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina import config
from lamina.typing import DataFormat

_ORDERINGS = {"tf": "channels_last", "th": "channels_first", "default": None}
_DROPPED = ("image_shape", "filter_shape", "volume_shape")


def renamed(**names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function take old argument names.

    Args:
        names: old name = today's name. ``border_mode`` and ``dim_ordering`` are understood
            without being listed where the function has ``padding`` and ``data_format``; shapes
            that Keras 1 took as hints are dropped.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        table = {"border_mode": "padding", "dim_ordering": "data_format", **names}

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in [name for name in kwargs if name in table]:
                if table[old] in kwargs:
                    raise TypeError(
                        f"K.{function.__name__}: {old} and {table[old]} are the same argument; "
                        "give one of them."
                    )
                value = kwargs.pop(old)
                kwargs[table[old]] = (
                    _ORDERINGS.get(value, value) if old == "dim_ordering" else value
                )
            for name in _DROPPED:
                kwargs.pop(name, None)
            return function(*args, **kwargs)

        return call

    return decorate


def normalize_data_format(value: str | None) -> DataFormat:
    """The stated data format, or that of the settings for None.

    Raises:
        ValueError: it is neither ``channels_last`` nor ``channels_first``.

    >>> normalize_data_format("Channels_First")
    'channels_first'
    """
    if value is None:
        return config.image_data_format()
    folded = _ORDERINGS.get(value, value) if isinstance(value, str) else value
    folded = folded.lower() if isinstance(folded, str) else folded
    if folded == "channels_last":
        return "channels_last"
    if folded == "channels_first":
        return "channels_first"
    raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {value!r}.")
