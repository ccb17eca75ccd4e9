"""Compiled programs on disk, so that a second process need not compile them again.

JAX's persistent cache is switched on when lamina first compiles, in the user's cache folder, unless
the user has set JAX's cache up or switched lamina's off. The folder is the user's own, for one kind
of processor each; nothing but XLA's programs is in it, and it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import threading
from pathlib import Path
from typing import Any

import jax

from lamina import config

SHORTEST = 0.02
"""Seconds of compilation from which on a program is worth a file."""


def apply(setting: config.CompileCache) -> None:
    """Bring JAX's cache to a setting, if it is another one than the last.

    Args:
        setting: folder and limit, from `lamina.config`.
    """
    if applied != [setting]:
        applied[:] = [setting]
        _use(setting)


applied: list[config.CompileCache] = []
"""The setting that JAX's cache was brought to last."""


def _use(setting: config.CompileCache) -> None:
    """Point JAX at the folder of a setting, unless the user set JAX's own cache up."""
    ours = _now("jax_compilation_cache_dir") in (None, *_set_by_us)
    if not ours or not _now("jax_enable_compilation_cache"):
        return
    if not setting.on:
        _point_at(None)
        return
    folder = (setting.folder or default_folder()) / _processor()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        # A home that cannot be written to has no cache; all works as without.
        return
    if not os.access(folder, os.W_OK):
        return
    _point_at(folder)
    if _now("jax_persistent_cache_min_compile_time_secs") == 1.0:  # JAX's default
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    threading.Thread(target=trim, args=(folder.parent, setting.limit), daemon=True).start()


def _now(name: str) -> Any:
    """A setting of JAX's."""
    return getattr(jax.config, name)


_set_by_us: list[str] = []


def _point_at(folder: Path | None) -> None:
    """Set the folder in JAX, which reads the setting only once unless it is told."""
    before = _now("jax_compilation_cache_dir")
    now = None if folder is None else str(folder)
    if now == before:
        return
    jax.config.update("jax_compilation_cache_dir", now)
    _set_by_us[:] = [] if now is None else [now]
    if before is not None:
        from jax.experimental.compilation_cache import compilation_cache

        compilation_cache.reset_cache()


def default_folder() -> Path:
    """``lamina`` in the folder for caches of this system's users."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lamina"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "lamina" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamina"


def _processor() -> str:
    """A name for processors that run the same programs."""
    found = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    # The first of each: all cores are alike in what they can do.
    found += [line for line in lines if line.startswith(("flags", "Features"))][:1]
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    return f"{platform.machine() or 'machine'}-{digest[:12]}"


def trim(folder: Path, limit: int) -> None:
    """Delete the files that were not used for longest until a folder fits its limit.

    Args:
        folder: all files in it count.
        limit: bytes; a fifth less is kept, so that not each run has to delete.
    """
    files = []
    for path in folder.rglob("*-cache"):
        try:
            status = path.stat()
        except OSError:  # another process was faster
            continue
        files.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    total = sum(size for _, size, _ in files)
    if total <= limit:
        return
    for _, size, path in sorted(files):
        path.unlink(missing_ok=True)
        total -= size
        if total <= limit * 0.8:
            return
