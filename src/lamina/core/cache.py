"""Compiled programs on disk, so that a second process need not compile them again.

JAX's persistent cache is switched on when lamina first compiles, in the user's cache folder, unless
the user has set JAX's cache up or switched lamina's off. The folder is the user's own, for one kind
of processor each; nothing but programs is in it, and it may be deleted at any time.

JAX's cache is asked with the program in XLA's language, and to write that takes a quarter of the
time of a first ``fit`` whose program is on disk. So the executables of steps lie beside it once
more, where they are found by what was traced.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
import threading
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import jax.lib

from lamina import config
from lamina.core import memory, programs
from lamina.ops import library

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


def folder() -> Path | None:
    """Where programs are kept now, if that is a folder of lamina's."""
    on = _set_by_us == [_now("jax_compilation_cache_dir")] and _now("jax_enable_compilation_cache")
    return Path(_set_by_us[0]) if on else None


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


Traced = jax.stages.Traced
Compiled = jax.stages.Compiled


def at_home(args: Any) -> bool:
    """Whether all arrays in a structure are on the first device alone, and that is a CPU."""
    home = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    if jax.default_backend() != "cpu":
        return False
    places = {leaf.sharding for leaf in jax.tree.leaves(args) if isinstance(leaf, jax.Array)}
    return places <= {home}


def executable(traced: Traced, args: tuple[Any, ...], options: Any) -> Compiled:
    """The executable of a traced program: from disk, else compiled now, and then written there.

    Args:
        traced: what ``jax.jit(...).trace`` gives.
        args: what it was traced with; `at_home`.
        options: what else it is compiled with: donated arguments, options for XLA.
    """
    place = _place(traced, args, options)
    found = None if place is None else _load(place, traced, args)
    if found is not None:
        return found
    thread = threading.get_ident()
    before = _compiled[thread]
    lowered = traced.lower()
    made = lowered.compile()
    # Code of others that an executable calls is only there once a program with it was lowered.
    whole = place is not None and not _OTHERS.search(lowered.as_text())
    if place is not None and whole and _compiled[thread] > before:
        _save(place, made)
    needs = made.memory_analysis()
    if needs is not None and needs.temp_size_in_bytes >= _LARGE:
        # What LLVM took lies in pieces, so that the temporaries of steps would come on top of it.
        memory.release()
    return made


_OTHERS = re.compile(rf"custom_call (?!@(?:{'|'.join(library.TARGETS)})\()")
"""Calls of code that is not there as soon as `library` is imported."""

_LARGE = 2**24
"""Bytes of temporaries from which on it pays to look through the heap, which takes milliseconds."""


_compiled: Counter[int] = Counter()
"""How often each thread compiled for JAX's cache what was not found there.

An executable that comes from there lacks what it takes to write it once more.
"""


def _note(event: str, **_: Any) -> None:
    if event == "/jax/compilation_cache/cache_misses":
        _compiled[threading.get_ident()] += 1


jax.monitoring.register_event_listener(_note)


def _place(traced: Traced, args: tuple[Any, ...], options: Any) -> Path | None:
    """The file for a program; ``None`` without a folder or a digest."""
    home = folder()
    flags_in_a_file = os.environ.get("XLA_FLAGS", "-")[:1] != "-"  # which may change
    if home is None or flags_in_a_file or not hasattr(jax.config, "values"):
        return None
    leaves = jax.tree.leaves(args)
    committed = [isinstance(leaf, jax.Array) and leaf.committed for leaf in leaves]
    digest = programs.digest(traced.jaxpr, options, committed, _surroundings())
    return None if digest is None else home / "traced" / f"{digest}-cache"


def _surroundings() -> dict[str, Any]:
    """What a program depends on that no jaxpr says; all of JAX's settings but those of caches."""
    known = sorted(jax.config.values.items())
    settings = {name: str(getattr(jax.config, name, now)) for name, now in known}
    settings = {name: value for name, value in settings.items() if "_cache" not in name}
    flags = {name: value for name, value in os.environ.items() if name.startswith("XLA")}
    versions = sys.version_info[:2], jax.__version__, jax.lib.__version__  # type: ignore[attr-defined]
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    kernels = library.fewest(), library.CONVENTION
    return {**settings, **flags, "versions": versions, "cores": len(cores), "kernels": kernels}


def _load(place: Path, traced: Traced, args: tuple[Any, ...]) -> Compiled | None:
    """The executable in a file; ``None`` if there is none, or it is damaged."""
    try:
        data = place.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data[_HEAD:]).digest() != data[:_HEAD]:
        return None
    from jax.experimental.serialize_executable import deserialize_and_load

    structures = jax.tree.structure((args, {})), jax.tree.structure(traced.out_info)
    devices = jax.devices()[:1]
    try:
        return deserialize_and_load(
            zlib.decompress(data[_HEAD:]), *structures, execution_devices=devices
        )
    except Exception:  # whatever a JAX that writes such files in another way raises: compile it
        return None


_HEAD = hashlib.sha256().digest_size


def _save(place: Path, compiled: Compiled) -> None:
    """Write an executable, at once or not at all."""
    from jax.experimental.serialize_executable import serialize

    try:
        data = zlib.compress(serialize(compiled)[0], 1)
    except Exception:  # whatever a JAX raises that cannot write an executable: it is not kept
        return
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp("-cache", dir=place.parent)
    except OSError:
        return  # no room, or no right to write
    try:
        with open(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(name, place)
    except OSError:  # a full disk, or a folder that was deleted meanwhile
        Path(name).unlink(missing_ok=True)
