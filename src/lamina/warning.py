"""Warnings that point at the user's line, however deep in the package they are given."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

import jax

_OWN = tuple(
    os.path.dirname(os.path.abspath(file)) + os.sep for file in (__file__, str(jax.__file__))
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the innermost line that is neither lamina's nor JAX's.

    Args:
        message: who, what, and the way out.
        category: class of the warning.

    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always")
    ...     warn("Dense: this is an example.")
    >>> found[0].filename == __file__, str(found[0].message)
    (False, 'Dense: this is an example.')
    """
    frame = _outside(sys._getframe(1))
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=names.get("__name__", "<unknown>"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def _outside(first: FrameType) -> FrameType:
    """The innermost frame of a user; the first one if there is none, as in a thread."""
    frame: FrameType | None = first
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OWN):
            return frame
        frame = frame.f_back
    return first
