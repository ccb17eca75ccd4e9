"""Attributes that are texts of any length, read byte by byte.

The library reads them from a heap that a damaged file can turn into an endless loop, or into one
text that is read a thousand times. Here each step goes forward and no length exceeds the file.
The layout is that of the "HDF5 File Format Specification", version 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from lamina.saving.h5_checks import refused

MAX_TEXT = 1 << 28
"""Bytes of all texts of one attribute."""

_ATTRIBUTE, _CONTINUED = 0x0C, 0x10
_MAX_BLOCKS = 10_000


class Texts:
    """Reads texts of variable length out of a file.

    Args:
        read_at: gives so many bytes from a place in the file, fewer at its end.
        size: bytes of the file.
    """

    def __init__(self, read_at: Callable[[int, int], bytes], size: int) -> None:
        self._read_at = read_at
        self._size = size
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        start = read_at(0, 16)
        sizes = start[13:15] if start[8:9] in (b"\0", b"\1") else start[9:11]
        self._usual = sizes == b"\x08\x08"

    def attribute(self, address: int, name: str, count: int, place: str) -> list[str]:
        """The texts of an attribute.

        Args:
            address: where the header of its object begins.
            name: of the attribute.
            count: number of texts.
            place: names the object in messages.

        Raises:
            RefusedError: it is damaged, too long, or stored in a way that is not read.
        """
        if not self._usual:
            raise refused(place, "lies in a file with addresses of an unusual size")
        try:
            data = self._data(address, name.encode("utf-8"), place)
            parts = [struct.unpack_from("<IQI", data, 16 * n) for n in range(count)]
        except struct.error:
            raise refused(place, f"has an attribute {name!r} that is damaged") from None
        if sum(part[0] for part in parts) > min(MAX_TEXT, self._size):
            raise refused(place, f"has an attribute {name!r} that is longer than what is read")
        try:
            return [self._text(*part, place).decode("utf-8") for part in parts]
        except (UnicodeDecodeError, struct.error):
            raise refused(place, f"has an attribute {name!r} that is no text in UTF-8") from None

    def _bytes(self, place: int, length: int) -> bytes:
        if place > self._size or length > self._size:
            raise struct.error("beyond the file")
        found = self._read_at(place, length)
        if len(found) < length:
            raise struct.error("beyond the file")
        return found

    def _text(self, length: int, heap: int, index: int, place: str) -> bytes:
        if not length:
            return b""
        where, size = self._heap(heap).get(index, (0, -1))
        if length > size:
            raise refused(place, "has a text that is not in the heap of the file")
        return self._bytes(where, length).split(b"\0")[0]

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Place and size of each object of a global heap."""
        if address not in self._heaps:
            mark, version, size = struct.unpack("<4sB3xQ", self._bytes(address, 16))
            if mark != b"GCOL" or version != 1 or size > self._size:
                raise struct.error("no heap")
            found, at = {}, address + 16
            while at + 16 <= address + size:
                index, length = struct.unpack("<H6xQ", self._bytes(at, 16))
                if index == 0:
                    break
                found[index] = (at + 16, length)
                at += 16 + (length + 7) // 8 * 8
            self._heaps[address] = found
        return self._heaps[address]

    def _data(self, address: int, name: bytes, place: str) -> bytes:
        """The bytes behind the description of an attribute."""
        for message in self._attributes(address):
            version, flags, names, kind, space = struct.unpack_from("<BBHHH", message)
            at = 9 if version == 3 else 8
            if message[at : at + names].split(b"\0")[0] != name:
                continue
            if version not in (1, 2, 3) or (version > 1 and flags):
                break
            sizes = (names, kind, space)
            if version == 1:
                sizes = tuple((size + 7) // 8 * 8 for size in sizes)
            return message[at + sum(sizes) :]
        raise refused(place, f"has an attribute {name.decode()!r} stored in a way that is not read")

    def _attributes(self, address: int) -> Iterator[bytes]:
        """The messages of an object that describe attributes."""
        new = self._bytes(address, 4) == b"OHDR"
        blocks = [self._first_new(address) if new else self._first_old(address)]
        extra = new and bool(self._bytes(address, 6)[5] & 0x04)
        for number, (start, length) in enumerate(blocks):
            if number > _MAX_BLOCKS:
                raise struct.error("too many blocks")
            for kind, body in _messages(self._bytes(start, length), new, extra):
                if kind == _CONTINUED:
                    where, size = struct.unpack_from("<QQ", body)
                    blocks.append((where + 4, max(size - 8, 0)) if new else (where, size))
                elif kind == _ATTRIBUTE:
                    yield body

    def _first_old(self, address: int) -> tuple[int, int]:
        version, length = struct.unpack("<B7xI", self._bytes(address, 12))
        if version != 1:
            raise struct.error("no header")
        return address + 16, length

    def _first_new(self, address: int) -> tuple[int, int]:
        flags = self._bytes(address, 6)[5]
        at = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        return at + width, int.from_bytes(self._bytes(at, width), "little")


def _messages(block: bytes, new: bool, extra: bool) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each message of a block."""
    head = (4 + 2 * extra) if new else 8
    at = 0
    while at + head <= len(block):
        kind, size = struct.unpack_from("<BH" if new else "<HH", block, at)
        yield kind, block[at + head : at + head + size]
        at += head + size
