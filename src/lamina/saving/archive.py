"""Members of a ``.keras`` archive, read in place: nothing is unpacked to the disk."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO

from lamina.saving.h5_checks import refused

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

MAX_MEMBERS = 10_000
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_RATIO = 100  # Keras stores members as they are; weights hardly ever shrink to a tenth
_FREE = 1 << 26  # bytes that a member may have whatever its ratio


def is_archive(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a zip archive.

    Args:
        start: at least four bytes.

    >>> is_archive(b"PK" + bytes([3, 4]))
    True
    """
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def opened(source: str | os.PathLike[str] | IO[bytes], name: str | None = None) -> zipfile.ZipFile:
    """Open an archive and check the list of its members.

    Args:
        source: a path, or an open binary file.
        name: how messages call it, by default its path.

    Raises:
        ValueError: it is damaged, encrypted, or holds what no model holds.
    """
    label = name or str(getattr(source, "name", source))
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, EOFError, struct.error, ValueError, RuntimeError) as error:
        raise ValueError(f"{label} is an archive that is damaged or cut off ({error}).") from error
    try:
        _check(archive, label)
    except BaseException:
        archive.close()
        raise
    return archive


def _check(archive: zipfile.ZipFile, label: str) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise refused(label, f"has more than {MAX_MEMBERS} members")
    seen = set()
    for member in members:
        place = f"{label}: {member.filename!r}"
        if member.filename in seen:
            raise refused(place, "is in the archive twice")
        seen.add(member.filename)
        if member.flag_bits & 1:
            raise refused(place, "is encrypted; lamina reads archives without a password")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise refused(place, "is a link")
        if member.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.filename):
            raise refused(place, "has a name that leads out of the archive")


def member(archive: zipfile.ZipFile, name: str, label: str, limit: int | None = None) -> io.BytesIO:
    """The bytes of a member.

    Args:
        archive: from `opened`.
        name: of the member; it is compared, never used as a path.
        label: how messages call the archive.
        limit: most bytes that it may have, if there is a bound.

    Raises:
        ValueError: there is no such member, it is damaged, or it unpacks to more than it may.
    """
    try:
        found = archive.getinfo(name)
    except KeyError:
        there = ", ".join(repr(one.filename) for one in archive.infolist()[:6]) or "nothing"
        raise refused(label, f"is an archive without {name!r}; in it are {there}") from None
    size, place = found.file_size, f"{label}: {name!r}"
    if found.compress_type not in _PACKED:
        raise refused(place, f"is packed by the method {found.compress_type}, which is not read")
    if limit is not None and size > limit:
        raise refused(place, f"has {size} bytes, more than the {limit} that are read")
    if size > _FREE and size > _RATIO * found.compress_size:
        raise refused(place, f"would unpack from {found.compress_size} to {size} bytes")
    return io.BytesIO(_bytes(archive, found, place))


def assets(archive: zipfile.ZipFile, label: str, limit: int) -> Callable[[str], bytes | None]:
    """A function that gives the bytes of members that an archive may have.

    Args:
        archive: from `opened`; it stays open while the function is used.
        label: how messages call the archive.
        limit: most bytes that all members that are asked for may have together.
    """
    names = set(archive.namelist())
    left = [limit]

    def asset(name: str) -> bytes | None:
        if name not in names:
            return None
        found = member(archive, name, label, left[0]).getvalue()
        left[0] -= len(found)
        return found

    return asset


def _bytes(archive: zipfile.ZipFile, found: zipfile.ZipInfo, place: str) -> bytes:
    errors = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
    errors = (*errors, UnicodeDecodeError, struct.error)
    try:
        with archive.open(found) as stream:
            data = stream.read(found.file_size + 1)
    except errors as error:
        raise ValueError(f"{place} is damaged or cut off ({error}).") from error
    if len(data) != found.file_size:
        raise ValueError(f"{place} has not the size that the archive says.")
    return data
