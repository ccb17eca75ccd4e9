"""The checks of single parts of an HDF5 file, each made before the part is used."""

from __future__ import annotations

import zlib
from typing import Any

import jax.numpy as jnp
import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_NAMES = 1 << 16
OTHER_NAME = "_layer_checkpoint_dependencies"
"""What ``tf.keras`` calls the group ``layers``; files that it is to read have both names."""

_SPARE = 1 << 20  # bytes that a chunk may have beyond its array
_LARGE = 1 << 26  # bytes from which on an array may not be packed more than
_TIMES = 100  # times

_STARTS = {
    b"PK\x03\x04": "the bytes of a zip archive (a .keras file?)",
    b"PK\x05\x06": "the bytes of an empty zip archive",
    b"\x80": "the bytes of a pickle, which lamina never reads",
    b"\x93NUMPY": "the bytes of a .npy file",
    b"\x1f\x8b": "the bytes of a gzip file; unpack it first",
    b"{": "text; a JSON config holds no arrays",
    b"<": "text that looks like a web page",
}


class RefusedError(ValueError):
    """A file holds something that is never read."""


def refused(place: str, what: str) -> RefusedError:
    """The error for a place in a file.

    Args:
        place: file and path in it.
        what: what is wrong there.

    >>> refused("model.h5: /dense", "has no array 'kernel'")
    RefusedError("model.h5: /dense has no array 'kernel'.")
    """
    return RefusedError(f"{place} {what}.")


def kind_of(start: bytes) -> str:
    """What the first bytes of a file look like.

    >>> kind_of(b"{}")
    'text; a JSON config holds no arrays'
    """
    for known, text in _STARTS.items():
        if start.startswith(known):
            return text
    return f"the bytes {start[:8]!r}"


def address(handle: Any) -> int:
    """Where in the file an object begins."""
    from h5py import h5o  # type: ignore[attr-defined]

    return int(h5o.get_info(handle.id).addr)


def names(group: Any, place: str) -> list[str]:
    """Names of the members of a group."""
    found = []
    for raw in list(group.id):
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise refused(place, f"has a member whose name is no text, {raw!r}") from None
        if name in (".", "..") or "/" in name or "\0" in name:
            raise refused(place, f"has a member of the name {name!r}")
        found.append(name)
    return found


def is_other_name(group: Any, name: str, place: str) -> bool:
    """Whether a member is the group ``layers`` beside it once more, under `tf.keras`' name.

    Args:
        group: of ``h5py``.
        name: of the member.
        place: file and path of the group.

    Raises:
        RefusedError: one of both is no hard link.
    """
    import h5py

    if name != OTHER_NAME or "layers" not in names(group, place):
        return False
    for one in (name, "layers"):
        check_link(group, one, f"{place.rstrip('/')}/{one}")
    found = group[name], group["layers"]
    if not all(isinstance(one, h5py.Group) for one in found):
        return False
    return address(found[0]) == address(found[1])


def check_link(group: Any, name: str, place: str) -> None:
    """Refuse all links but hard ones.

    Raises:
        RefusedError: a soft link, an external link, or one of the user's own kind.
    """
    from h5py import h5l  # type: ignore[attr-defined]

    kind = group.id.links.get_info(name.encode("utf-8")).type
    if kind != h5l.TYPE_HARD:
        kinds = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}
        raise refused(
            place,
            f"is {kinds.get(kind, 'a link of an unknown kind')}; only what lies in the file itself "
            "is read",
        )


def check_creation(dataset: Any, place: str) -> None:
    """Refuse arrays outside of the file, virtual ones, and filters of other libraries.

    Raises:
        RefusedError: it is one of these.
    """
    import h5py

    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        raise refused(place, "is a virtual array; only what lies in the file itself is read")
    if properties.get_external_count():
        raise refused(place, "has its values in another file; only what lies in the file is read")
    known = {
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_LZF,
    }
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    for code in filters:
        if code not in known:
            raise refused(
                place, f"is compressed by the filter {code}; only gzip, lzf and shuffle are read"
            )
    if len(set(filters)) != len(filters):
        raise refused(place, "is compressed twice by the same filter")


def shape_of(dataset: Any, place: str) -> tuple[int, ...]:
    """Shape of an array whose creation was checked.

    Raises:
        RefusedError: it has none.
    """
    shape = dataset.shape
    if shape is None:
        raise refused(place, "is an array without a shape")
    return tuple(int(size) for size in shape)


def dtype_of(dataset: Any, place: str) -> np.dtype:
    """Dtype of an array: of numbers, flags or texts.

    Raises:
        RefusedError: another dtype.
    """
    import h5py

    kind = dataset.id.get_type()
    if isinstance(kind, h5py.h5t.TypeOpaqueID):
        if kind.get_size() != 2:
            raise refused(place, f"holds {kind.get_size()} bytes of no known type for each element")
        return np.dtype(jnp.bfloat16)  # as Keras 3 stores it
    plain = (
        h5py.h5t.TypeIntegerID,
        h5py.h5t.TypeFloatID,
        h5py.h5t.TypeStringID,
        h5py.h5t.TypeEnumID,
    )
    if not isinstance(kind, plain):
        raise refused(place, f"holds {_called(kind)}; only numbers, flags and texts are read")
    dtype = np.dtype(dataset.dtype)
    if isinstance(kind, h5py.h5t.TypeEnumID) and dtype != np.dtype(bool):
        raise refused(place, "holds an enumeration; only numbers, flags and texts are read")
    return dtype


def _called(kind: Any) -> str:
    names = {"Reference": "references", "Compound": "records", "Vlen": "lists", "Array": "arrays"}
    stem = type(kind).__name__.removeprefix("Type").removesuffix("ID")
    return names.get(stem, f"values of the type {stem}")


def check_written(dataset: Any, shape: tuple[int, ...], dtype: np.dtype, place: str) -> None:
    """Refuse arrays whose values are not in the file: HDF5 makes up what was never written.

    Such an array takes no room there and any amount of memory, like one that is compressed without
    measure; so this is asked before anybody counts on its shape.

    Raises:
        RefusedError: values were never written, or they are that well compressed.
    """
    import h5py

    if dtype.kind not in "biuf" and dtype.name != "bfloat16":
        return
    total = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if not total:
        return
    stored = int(dataset.id.get_storage_size())
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.CHUNKED:
        sizes = zip(shape, properties.get_chunk(), strict=True)
        wanted = int(np.prod([-(-size // max(part, 1)) for size, part in sizes], dtype=object))
        whole = int(dataset.id.get_num_chunks()) == wanted
    else:
        whole = stored >= total
    if not whole:
        raise refused(place, f"has shape {shape}, but not all of its values were ever written")
    if total > _LARGE and total > stored * _TIMES:
        raise refused(place, f"unpacks from {stored} to {total} bytes, more than {_TIMES} times")


def check_storage(dataset: Any, shape: tuple[int, ...], dtype: np.dtype, place: str) -> None:
    """Refuse chunks that are, or unpack to, more than the array can hold.

    Raises:
        RefusedError: they are, or the bytes cannot be unpacked.
    """
    import h5py

    properties = dataset.id.get_create_plist()
    total = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if properties.get_layout() != h5py.h5d.CHUNKED:
        return
    chunk = int(np.prod(properties.get_chunk(), dtype=object)) * dtype.itemsize
    if chunk > total + _SPARE:
        raise refused(place, f"has chunks of {chunk} bytes for an array of {total} bytes")
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    if h5py.h5z.FILTER_DEFLATE in filters:
        after = filters[filters.index(h5py.h5z.FILTER_DEFLATE) + 1 :]
        if any(code != h5py.h5z.FILTER_FLETCHER32 for code in after):
            raise refused(place, "is compressed by filters in an order that is not read")
        _check_inflated(dataset, chunk, filters.index(h5py.h5z.FILTER_DEFLATE), len(after), place)


def _check_inflated(dataset: Any, chunk: int, place_of: int, sums: int, place: str) -> None:
    """Unpack each chunk in small pieces, keeping none, to see that it is no bomb."""
    for number in range(dataset.id.get_num_chunks()):
        found = dataset.id.get_chunk_info(number)
        if found.size > chunk + chunk // 100 + 4096:
            raise refused(place, f"has {found.size} stored bytes for a chunk of {chunk} bytes")
        if found.filter_mask >> place_of & 1:
            continue
        raw = dataset.id.read_direct_chunk(found.chunk_offset)[1]
        stream, length = zlib.decompressobj(), 0
        piece: bytes = raw[: len(raw) - 4 * sums]
        try:
            while piece and not stream.eof:
                length += len(stream.decompress(piece, 1 << 20))
                piece = stream.unconsumed_tail
                if length > chunk + 4:
                    raise refused(place, f"has a chunk that unpacks to more than {chunk} bytes")
        except zlib.error as error:
            raise refused(place, f"cannot be unpacked ({error})") from error


def attribute(handle: Any, name: str, place: str, file_size: int, texts: Any) -> Any:
    """The value of an attribute: a text, a number, or a list of these.

    Args:
        handle: the group of ``h5py``.
        name: of the attribute.
        place: names the group in messages.
        file_size: bytes of the file.
        texts: reads texts of any length.

    Raises:
        RefusedError: another type, more than one axis, or more than the file can hold.
    """
    import h5py

    found = handle.attrs.get_id(name)
    kind, shape = found.get_type(), found.get_space().shape
    plain = (h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID, h5py.h5t.TypeStringID)
    flag = isinstance(kind, h5py.h5t.TypeEnumID) and found.dtype == np.dtype(bool)
    if not (isinstance(kind, plain) or flag) or shape is None:
        raise refused(place, f"has an attribute {name!r} of {_called(kind)}")
    count = int(np.prod(shape, dtype=object))
    if len(shape) > 1 or count > MAX_NAMES or count * kind.get_size() > file_size:
        raise refused(place, f"has an attribute {name!r} of shape {shape}, more than is read")
    if count == 0:
        return []
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        found = texts.attribute(address(handle), name, count, place)
        return found if shape else found[0]
    value = handle.attrs[name]
    return _plain(value, f"{place} attribute {name!r}")


def listed(value: Any) -> list[Any]:
    """A list, of one entry if the value is none."""
    return value if isinstance(value, list) else [value]


def _plain(value: Any, place: str) -> Any:
    """Texts and numbers of Python, whatever the library made of them."""
    if isinstance(value, np.ndarray):
        return [_plain(entry, place) for entry in value.tolist()]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refused(place, "is no text in UTF-8") from error
    if isinstance(value, np.generic):
        return _plain(value.item(), place)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise refused(place, "is no text in UTF-8")
    return value
