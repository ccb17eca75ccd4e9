"""Writing a file so that a crash leaves the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its place only when the block ends well.

    The bytes go to a temporary file in the same folder. At the end it is flushed to the disk,
    gets the name of the target, and the folder is flushed. After an error nothing has changed.

    Args:
        path: the target; a link is followed, so that the file it names is replaced.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: the target is there and `overwrite` is False.
        FileNotFoundError: there is no such folder.
        IsADirectoryError: the target is a folder.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "weights.bin")
    ...     with replacing(target) as file:
    ...         _ = file.write(b"abc")
    ...     target.read_bytes()
    b'abc'
    """
    target = checked_target(path, overwrite)
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        _publish(name, target, overwrite)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _flush_folder(target.parent)


def checked_target(path: str | os.PathLike[str], overwrite: bool = True) -> Path:
    """The file to write, once it is known that it may be written.

    Args:
        path: where the caller wants the file.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: the target is there and `overwrite` is False.
        FileNotFoundError: there is no such folder.
        IsADirectoryError: the target is a folder.
    """
    target = Path(os.path.realpath(os.path.expanduser(os.fspath(path))))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name a file in it.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"{target} cannot be written, as there is no folder {target.parent}. Make it first."
        )
    if not overwrite and target.exists():
        raise _exists(target)
    return target


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(
        f"{target} is there already and overwrite=False. Pass overwrite=True or another name."
    )


def _publish(name: str, target: Path, overwrite: bool) -> None:
    """Give the temporary file the name of the target, in one step."""
    if overwrite:
        os.replace(name, target)
        return
    try:
        os.link(name, target)  # fails where os.replace would overwrite
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # no hard links on this file system
        if target.exists():
            raise _exists(target) from None
        os.replace(name, target)
        return
    os.unlink(name)


def _mode(target: Path) -> int:
    """Permissions of the file that is replaced, else those of any new file."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o666 & ~_mask()


def _mask() -> int:
    """The mask of permissions of this process, found without changing it where that works."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system opens folders
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
