"""A reader of old data files that hold pickles, which runs nothing.

The archives of imdb and reuters keep lists of numbers in a pickle, those of cifar a
dictionary of arrays. This reader knows the few instructions that such values need. The
names that a pickle may give are looked up in a table of five; nothing is imported and no
function of a file's choice is called. Everything else is refused.

Source of the instructions: the documentation of Python's ``pickletools``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

_NUMBERS = re.compile(rb"(?:K.|M..|J....)+", re.DOTALL)
_NUMBER = re.compile(rb"K.|M..|J....", re.DOTALL)
_DTYPE = re.compile(r"O[48]?|b1|[iu][1248]|f[248]")


class RefusedPickle(ValueError):
    """A pickle that holds more than lists, dictionaries, numbers, text and arrays."""


class _Array:
    """An array that is being described by the pickle."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None


class _Dtype:
    def __init__(self, code: str) -> None:
        self.code = code
        self.order = ""


class _Numbers(dict[bytes, int]):
    """What each encoded number means; they repeat a lot."""

    def __missing__(self, token: bytes) -> int:
        value = int.from_bytes(token[1:], "little", signed=token[:1] == b"J")
        self[token] = value
        return value


class _Reader:
    """The stack machine of pickle, with the instructions in `_STEPS` alone."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.numbers = _Numbers()

    def read(self) -> Any:
        """The value that the pickle describes."""
        while (code := self.take(1)) != b".":
            if code in b"KMJ":
                self.read_numbers()
            elif (step := _STEPS.get(code)) is not None:
                step(self)
            else:
                self.refuse(f"the instruction {code!r} at byte {self.at - 1}")
        if len(self.stack) != 1 or self.marks:
            self.refuse("an end before its value is complete")
        return self.stack.pop()

    def read_numbers(self) -> None:
        """All numbers that follow each other; there are millions in a row."""
        found = _NUMBERS.match(self.data, self.at - 1)
        if found is None:
            self.refuse("a number that is cut off")
        self.at = found.end()
        self.stack.extend(map(self.numbers.__getitem__, _NUMBER.findall(found[0])))

    def refuse(self, what: str) -> NoReturn:
        raise RefusedPickle(
            f"The file holds {what}; only lists, dictionaries, numbers, text and arrays are "
            "read. It is damaged, or not the data set."
        )

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            self.refuse("an end in the middle of an instruction")
        self.at += count
        return piece

    def integer(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def sized(self, form: str) -> bytes:
        return self.take(self.integer(form))

    def line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            self.refuse("a name that does not end")
        piece = self.data[self.at : end]
        self.at = end + 1
        return piece.decode("ascii", "replace")

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            self.refuse("an instruction without its value")
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def popped_to_mark(self) -> list[Any]:
        if not self.marks:
            self.refuse("the end of a list without its beginning")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def recall(self, index: int) -> None:
        if index not in self.memo:
            self.refuse(f"a reference to value {index}, which is not there")
        self.stack.append(self.memo[index])

    def append(self, values: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            self.refuse("an append to something that is no list")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.top()
        keys = values[::2]
        if type(target) is not dict or len(values) % 2 or not all(map(_is_key, keys)):
            self.refuse("an entry of something that is no dictionary with names as keys")
        target.update(zip(keys, values[1::2], strict=True))

    def named(self, module: Any, name: Any) -> None:
        key = (module, name)
        if not (type(module) is str and type(name) is str) or key not in _NAMES:
            self.refuse(f"the name {module}.{name}")
        self.stack.append(_NAMES[key])

    def tuple_of(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def reduce(self) -> None:
        arguments, made = self.pop(), self.pop()
        if type(arguments) is not tuple or made not in (_new_array, _new_dtype, _encoded):
            self.refuse("a call")
        self.stack.append(made(self, arguments))

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if type(target) is _Dtype:
            _set_order(self, target, state)
        elif type(target) is _Array and target.value is None:
            target.value = _array(self, state)
        else:
            self.refuse("a state of something that is no array")


def _is_key(key: Any) -> bool:
    return type(key) in (bytes, str)


def _new_array(reader: _Reader, arguments: tuple[Any, ...]) -> _Array:
    if len(arguments) != 3 or arguments[0] is not _Array:
        reader.refuse("an array of an unknown class")
    return _Array()


def _new_dtype(reader: _Reader, arguments: tuple[Any, ...]) -> _Dtype:
    code = arguments[0] if arguments else None
    text = code.decode("latin1") if type(code) is bytes else code
    if type(text) is not str or _DTYPE.fullmatch(text) is None:
        reader.refuse(f"an array of {text!r}")
    return _Dtype(text)


def _encoded(reader: _Reader, arguments: tuple[Any, ...]) -> bytes:
    """Bytes that Python 3 wrote for Python 2: text, and the codec that gives the bytes."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        reader.refuse("text in a codec other than latin1")
    try:
        return arguments[0].encode("latin1")
    except UnicodeEncodeError:
        reader.refuse("text that is not latin1")


def _set_order(reader: _Reader, dtype: _Dtype, state: Any) -> None:
    match state:
        case (3, bytes() | str() as order, None, None, None, int(), int(), int()):
            text = order.decode("latin1") if isinstance(order, bytes) else order
            if text in ("<", ">", "|", "="):
                dtype.order = text
                return
    reader.refuse("an array with fields")


def _array(reader: _Reader, state: Any) -> np.ndarray:
    match state:
        case (1, tuple() as shape, _Dtype() as dtype, bool() | 0 | 1 as fortran, contents):
            pass
        case _:
            reader.refuse("an array in an unknown form")
    if not all(type(size) is int and size >= 0 for size in shape):
        reader.refuse(f"an array of the shape {shape!r}")
    if dtype.code.startswith("O"):
        return _object_array(reader, shape, contents)
    code = np.dtype(dtype.order + dtype.code)
    count = 1
    for size in shape:
        count *= size
    if type(contents) is not bytes or len(contents) != count * code.itemsize:
        reader.refuse(f"an array whose contents do not fill its shape {shape!r}")
    values = np.frombuffer(contents, code).reshape(shape, order="F" if fortran else "C")
    return values.astype(code.newbyteorder("native"))


def _object_array(reader: _Reader, shape: tuple[int, ...], contents: Any) -> np.ndarray:
    if type(contents) is not list or shape != (len(contents),):
        reader.refuse("an array of objects that is not one list")
    values = np.empty(len(contents), dtype=object)
    for index, row in enumerate(contents):
        if type(row) is not list or not set(map(type, row)) <= {int}:
            reader.refuse("an array of something else than lists of integers")
        values[index] = row
    return values


def _plain(reader: _Reader, value: Any, depth: int = 0) -> Any:
    """The value with its arrays in place, and nothing unfinished inside."""
    if type(value) is _Array and value.value is not None:
        return value.value
    if type(value) is dict and depth == 0:
        return {key: _plain(reader, entry, 1) for key, entry in value.items()}
    if type(value) is list and set(map(type, value)) <= {int, float, bool, str, bytes}:
        return value
    if type(value) not in (int, float, bool, str, bytes, type(None)):
        kind = type(value).__name__.strip("_")
        reader.refuse(f"a {kind} where numbers, text or an array belong")
    return value


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _new_dtype,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("_codecs", "encode"): _encoded,
}


def _remember(reader: _Reader, index: int) -> None:
    reader.memo[index] = reader.top()


def _from_stack(reader: _Reader) -> None:
    name, module = reader.pop(), reader.pop()
    reader.named(module, name)


def _text(reader: _Reader, form: str) -> str:
    try:
        return reader.sized(form).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        reader.refuse("text that is not UTF-8")


def _long(reader: _Reader) -> int:
    return int.from_bytes(reader.sized("<B"), "little", signed=True)


def _pushes(value: Callable[[_Reader], Any]) -> Callable[[_Reader], None]:
    def step(reader: _Reader) -> None:
        reader.stack.append(value(reader))

    return step


_STEPS: dict[bytes, Callable[[_Reader], Any]] = {
    b"\x80": lambda reader: reader.take(1),  # PROTO
    b"\x95": lambda reader: reader.take(8),  # FRAME
    b"(": lambda reader: reader.marks.append(len(reader.stack)),  # MARK
    b"N": _pushes(lambda _: None),
    b"\x88": _pushes(lambda _: True),
    b"\x89": _pushes(lambda _: False),
    b"G": _pushes(lambda reader: struct.unpack(">d", reader.take(8))[0]),
    b"\x8a": _pushes(_long),
    b"U": _pushes(lambda reader: reader.sized("<B")),
    b"T": _pushes(lambda reader: reader.sized("<I")),
    b"C": _pushes(lambda reader: reader.sized("<B")),
    b"B": _pushes(lambda reader: reader.sized("<I")),
    b"\x8e": _pushes(lambda reader: reader.sized("<Q")),
    b"\x8c": _pushes(lambda reader: _text(reader, "<B")),
    b"X": _pushes(lambda reader: _text(reader, "<I")),
    b"]": _pushes(lambda _: []),
    b"}": _pushes(lambda _: {}),
    b")": _pushes(lambda _: ()),
    b"\x85": lambda reader: reader.tuple_of(1),
    b"\x86": lambda reader: reader.tuple_of(2),
    b"\x87": lambda reader: reader.tuple_of(3),
    b"t": _pushes(lambda reader: tuple(reader.popped_to_mark())),
    b"a": lambda reader: reader.append([reader.pop()]),
    b"e": lambda reader: reader.append(reader.popped_to_mark()),
    b"s": lambda reader: reader.set_items([*reversed([reader.pop(), reader.pop()])]),
    b"u": lambda reader: reader.set_items(reader.popped_to_mark()),
    b"q": lambda reader: _remember(reader, reader.integer("<B")),
    b"r": lambda reader: _remember(reader, reader.integer("<I")),
    b"\x94": lambda reader: _remember(reader, len(reader.memo)),
    b"h": lambda reader: reader.recall(reader.integer("<B")),
    b"j": lambda reader: reader.recall(reader.integer("<I")),
    b"c": lambda reader: reader.named(reader.line(), reader.line()),
    b"\x93": _from_stack,
    b"R": lambda reader: reader.reduce(),
    b"b": lambda reader: reader.build(),
}


def read_pickle(data: bytes) -> Any:
    """The array, list or dictionary that a pickle describes.

    Args:
        data: the pickle, of protocol 2 to 5.

    Returns:
        An array (of numbers, or of lists of integers), a list, or a dictionary of these
        whose keys are text or bytes.

    Raises:
        RefusedPickle: it holds anything else, or is cut off.

    >>> import pickle
    >>> read_pickle(pickle.dumps({"labels": [3, 1]}))
    {'labels': [3, 1]}
    >>> read_pickle(pickle.dumps(print))  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    RefusedPickle: The file holds the name builtins.print; ...
    """
    reader = _Reader(data)
    return _plain(reader, reader.read())
