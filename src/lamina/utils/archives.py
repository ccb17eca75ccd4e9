"""Unpacking tar and zip files, all or nothing, without ever leaving the folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

Unpack = Callable[[Path, Path], None]


def unpack(archive: Path, folder: Path, archive_format: str | Sequence[str] | None) -> bool:
    """Unpack an archive into a folder that becomes visible only when it is complete.

    A folder of that name that was there before is replaced.

    Args:
        archive: the tar (also compressed) or zip file.
        folder: the folder to make.
        archive_format: ``"auto"``, ``"tar"``, ``"zip"``, a list of these, or ``None``.

    Returns:
        Whether the file is an archive of one of these formats.

    Raises:
        ValueError: an unknown format, or a member that would lie outside of the folder or is
            no plain file or folder. Nothing is written then.
    """
    reader = _reader(archive, archive_format)
    if reader is None:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        reader(archive, fresh)
        fresh.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return True


def _reader(archive: Path, archive_format: str | Sequence[str] | None) -> Unpack | None:
    if archive_format is None:
        return None
    wanted = ["tar", "zip"] if archive_format == "auto" else archive_format
    for name in [wanted] if isinstance(wanted, str) else wanted:
        if name not in ("tar", "zip"):
            raise ValueError(
                "archive_format must be 'auto', 'tar', 'zip', a list of these or None, "
                f"got {name!r}."
            )
        if name == "tar" and tarfile.is_tarfile(archive):
            return _unpack_tar
        if name == "zip" and zipfile.is_zipfile(archive):
            return _unpack_zip
    return None


def _inside(name: str, folder: Path, archive: Path) -> Path:
    """The path of a member, once its name is known to stay inside."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise ValueError(f"{archive}: the member {name!r} would lie outside of {folder.name}.")
    return folder.joinpath(*path.parts)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
        for member in members:
            _inside(member.name, folder, archive)
            if not (member.isreg() or member.isdir()):
                raise ValueError(
                    f"{archive}: the member {member.name!r} is a link or a device; "
                    "only plain files and folders are unpacked."
                )
        for member in members:
            target = _inside(member.name, folder, archive)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                _write(opened.extractfile(member), target)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            _inside(member.filename, folder, archive)
        for member in members:
            target = _inside(member.filename, folder, archive)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                # A link in a zip is a file that holds a path; as a plain file it is harmless.
                with opened.open(member) as source:
                    _write(source, target)


def _write(source: IO[bytes] | None, target: Path) -> None:
    if source is None:
        raise ValueError(f"{target.name} has no contents in the archive.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as sink:
        shutil.copyfileobj(source, sink)
