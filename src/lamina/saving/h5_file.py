"""The one reader of HDF5: a tree of groups and arrays of which each part was checked first.

A file is walked when it is opened, before any array is read. What Keras never writes and what
could reach out of the file is refused: links other than hard ones, storage outside of the file,
virtual arrays, filters that would be loaded from libraries, references, compound types.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from lamina.saving import h5_checks
from lamina.saving.h5_checks import refused
from lamina.saving.h5_texts import Texts

MAX_DEPTH = 64
MAX_OBJECTS = 500_000

Source = str | os.PathLike[str] | IO[bytes]


class Dataset:
    """An array in a file; only `read` touches its values.

    Args:
        handle: the array of ``h5py``, checked.
        place: file and path in it, for messages.
    """

    def __init__(self, handle: Any, place: str) -> None:
        self._handle = handle
        self.place = place
        self.shape: tuple[int, ...] = h5_checks.shape_of(handle, place)
        self.dtype = h5_checks.dtype_of(handle, place)
        with _reported(place):
            h5_checks.check_written(handle, self.shape, self.dtype, place)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object))

    def read(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The values.

        Args:
            shape: what the caller expects; nothing is read if the array has another shape.

        Raises:
            ValueError: another shape, no numbers, or bytes that cannot be decoded.
        """
        if shape is not None and self.shape != tuple(shape):
            raise refused(self.place, f"has shape {self.shape}, expected {tuple(shape)}")
        if self.dtype.kind not in "biuf" and self.dtype.name != "bfloat16":
            raise refused(self.place, f"holds {self.dtype} and no numbers")
        h5_checks.check_storage(self._handle, self.shape, self.dtype, self.place)
        with _reported(self.place):
            found = self._handle[()]
        return np.asarray(found).view(self.dtype).reshape(self.shape)

    def __repr__(self) -> str:
        return f"<Dataset {self.place} shape={self.shape} dtype={self.dtype.name}>"


class Group:
    """A group in a file: members by name, and attributes.

    Args:
        handle: the group of ``h5py``.
        place: file and path in it, for messages.
        members: what is in it.
        file_size: bytes of the file.
        texts: reads texts of any length.
    """

    def __init__(
        self,
        handle: Any,
        place: str,
        members: dict[str, Group | Dataset],
        file_size: int,
        texts: Texts,
    ) -> None:
        self._handle = handle
        self.place = place
        self.members = members
        self._file_size = file_size
        self._texts = texts

    def find(self, path: str) -> Group | Dataset | None:
        """What is at a path like ``"layers/dense/vars/0"``, or ``None``."""
        found: Group | Dataset | None = self
        for part in path.split("/"):
            if part:
                found = found.members.get(part) if isinstance(found, Group) else None
        return found

    def group(self, path: str) -> Group:
        """The group at a path.

        Raises:
            ValueError: there is none.
        """
        found = self.find(path)
        if not isinstance(found, Group):
            raise refused(self.place, f"has no group {path!r}")
        return found

    def dataset(self, path: str) -> Dataset:
        """The array at a path.

        Raises:
            ValueError: there is none.
        """
        found = self.find(path)
        if not isinstance(found, Dataset):
            raise refused(self.place, f"has no array {path!r}")
        return found

    def __contains__(self, path: str) -> bool:
        return self.find(path) is not None

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        """Paths and arrays, those of the groups below too."""
        for name, member in self.members.items():
            if isinstance(member, Dataset):
                yield name, member
            else:
                yield from ((f"{name}/{path}", found) for path, found in member.datasets())

    def attribute_names(self) -> list[str]:
        """Names of the attributes."""
        with _reported(self.place):
            return [str(name) for name in self._handle.attrs]

    def attribute(self, name: str) -> Any:
        """An attribute: a text, a number, a list of these, or ``None`` if there is none.

        Raises:
            ValueError: it is of another type or longer than the file.
        """
        with _reported(self.place):
            if name not in self._handle.attrs:
                return None
            return h5_checks.attribute(self._handle, name, self.place, self._file_size, self._texts)

    def text(self, name: str) -> str | None:
        """An attribute that is a text, or ``None`` if there is none."""
        value = self.attribute(name)
        if value is not None and not isinstance(value, str):
            raise refused(self.place, f"has an attribute {name!r} that is no text")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts, put together if it was split into ``name0``, ``name1``, ...

        Raises:
            ValueError: there is no such list.
        """
        found = self.attribute(name)
        if found is None:
            parts, number = [], 0
            while (part := self.attribute(f"{name}{number}")) is not None:
                parts.append(part)
                number += 1
            if not parts:
                raise refused(self.place, f"has no attribute {name!r}")
            found = [text for part in parts for text in h5_checks.listed(part)]
        texts = h5_checks.listed(found)
        if not all(isinstance(text, str) for text in texts):
            raise refused(self.place, f"has an attribute {name!r} that is no list of names")
        return texts

    def has_texts(self, name: str) -> bool:
        """Whether there is such a list, whole or split."""
        return {name, f"{name}0"} & set(self.attribute_names()) != set()

    def __repr__(self) -> str:
        return f"<Group {self.place} {list(self.members)[:6]}>"


@contextlib.contextmanager
def opened(source: Source, name: str | None = None) -> Iterator[Group]:
    """Open an HDF5 file for reading and check all of its structure.

    Args:
        source: a path, or an open binary file that can be sought (also a member of an archive).
        name: how messages call it, by default its path.

    Yields:
        The root group.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
        ValueError: it is empty, cut off, no HDF5, or holds what is refused.

    >>> import io, h5py
    >>> buffer = io.BytesIO()
    >>> with h5py.File(buffer, "w") as file:
    ...     file["layers/dense/vars/0"] = np.ones((2, 3))
    >>> with opened(buffer, "example") as root:
    ...     root.dataset("layers/dense/vars/0").shape
    (2, 3)
    """
    import h5py

    label = name or _label(source)
    size = _checked_start(source, label)
    with contextlib.ExitStack() as stack:
        where: Any = source if hasattr(source, "read") else os.path.expanduser(os.fspath(source))  # type: ignore[arg-type]
        try:
            file = stack.enter_context(h5py.File(where, "r"))
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ValueError(
                f"{label} is an HDF5 file that is damaged or cut off ({_first_line(error)})."
            ) from error
        with _reported(label):
            raw = source if hasattr(source, "read") else stack.enter_context(open(where, "rb"))
            root = _Walk(label, size, Texts(_reader(raw), size)).group(file, "", 0)
        yield root


def _reader(file: Any) -> Callable[[int, int], bytes]:
    def read_at(place: int, length: int) -> bytes:
        file.seek(place)
        return file.read(length)

    return read_at


def is_h5(source: Source) -> bool:
    """Whether the bytes begin like an HDF5 file.

    Args:
        source: a path, or an open binary file.
    """
    return _start(source).startswith(h5_checks.SIGNATURE)


def _label(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", "the file"))


def _start(source: Source) -> bytes:
    if isinstance(source, str | os.PathLike):
        with open(os.path.expanduser(os.fspath(source)), "rb") as file:
            return file.read(8)
    place = source.tell()
    source.seek(0)
    found = source.read(8)
    source.seek(place)
    return found


def _checked_start(source: Source, label: str) -> int:
    """Size of the file, once it begins like HDF5."""
    start = _start(source)
    if not start:
        raise ValueError(f"{label} is empty.")
    if not start.startswith(h5_checks.SIGNATURE):
        raise ValueError(f"{label} is no HDF5 file; it begins with {h5_checks.kind_of(start)}.")
    if isinstance(source, str | os.PathLike):
        return os.stat(os.path.expanduser(os.fspath(source))).st_size
    place = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(place)
    return size


@contextlib.contextmanager
def _reported(place: str) -> Iterator[None]:
    """Turn the errors of the library into one that names the place."""
    try:
        yield
    except h5_checks.RefusedError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{place} is damaged or cut off ({_first_line(error)}).") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class _Walk:
    """One way through the file: each object is checked and counted."""

    def __init__(self, label: str, size: int, texts: Texts) -> None:
        self.label = label
        self.size = size
        self.texts = texts
        self.count = 0
        self.seen: set[int] = set()

    def group(self, handle: Any, path: str, depth: int) -> Group:
        place = f"{self.label}: {path or '/'}"
        address = h5_checks.address(handle)
        if address in self.seen:
            raise refused(place, "is a group that is reached in two ways")
        self.seen.add(address)
        if depth > MAX_DEPTH:
            raise refused(place, f"lies more than {MAX_DEPTH} groups deep")
        members = {}
        for name in h5_checks.names(handle, place):
            self.count += 1
            if self.count > MAX_OBJECTS:
                raise refused(self.label, f"has more than {MAX_OBJECTS} groups and arrays")
            if not h5_checks.is_other_name(handle, name, place):
                members[name] = self.member(handle, name, f"{path}/{name}", depth)
        return Group(handle, place, members, self.size, self.texts)

    def member(self, parent: Any, name: str, path: str, depth: int) -> Group | Dataset:
        import h5py

        place = f"{self.label}: {path}"
        h5_checks.check_link(parent, name, place)
        handle = parent[name]
        if isinstance(handle, h5py.Group):
            return self.group(handle, path, depth + 1)
        if not isinstance(handle, h5py.Dataset):
            raise refused(place, "is neither a group nor an array")
        h5_checks.check_creation(handle, place)
        return Dataset(handle, place)
