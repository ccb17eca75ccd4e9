"""Large temporaries of a step, kept by the process for the next one (Linux, glibc).

glibc takes every block above some megabytes from the kernel and gives it back when it is freed, so
that each step of a convolutional net touches tens of thousands of fresh pages: a third to a half
of its time on a CPU. Here glibc is asked to keep such blocks, and to have one arena, because the
arenas of XLA's threads hold none larger than 64 MB. What is freed stays with the process up to
`KEPT` bytes; `release` (``K.clear_session``) gives it back.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Any

KEPT = 2**31 - 1
"""Bytes at the end of the heap that stay with the process at most."""

LARGEST = 2**30
"""Blocks of more bytes come from the kernel each time, as without this module."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

THEIRS = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")


def _glibc() -> Any:
    """The C library, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    there = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt"))
    return library if there else None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether nobody chose otherwise: by ``LAMINA_MALLOC=off``, or by settings of their own.

    >>> wanted({}), wanted({"LAMINA_MALLOC": "off"}), wanted({"MALLOC_ARENA_MAX": "2"})
    (True, False, False)
    """
    if environment.get("LAMINA_MALLOC", "").lower() in ("off", "0"):
        return False
    if any(environment.get(name) for name in THEIRS):
        return False
    return "glibc.malloc" not in environment.get("GLIBC_TUNABLES", "")


def keep() -> bool:
    """Ask glibc to keep what large temporaries took; gives whether it does.

    It acts on threads that have not allocated yet, so it comes before JAX starts its own.
    """
    library = _glibc() if wanted(os.environ) else None
    if library is None:
        return False
    set_to = ((_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, KEPT), (_ARENA_MAX, 1))
    return sum(library.mallopt(*pair) for pair in set_to) == len(set_to)


def release() -> None:
    """Give the kernel what is free."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
