"""Seeded damage to files: bytes, JSON, HDF5 and archives. The same seed gives the same file."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

Mutate = Callable[[random.Random, bytes], bytes]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 2**31, 2**53, -(2**63), 10**30, 0.5, -0.0, 1e308),
    *("", "x", "..", "/etc/passwd", "os.system", "\0", "ä" * 40, "Dense", "dense", "relu", "None"),
    *([], {}, [None], [[]], [0], [None, 3], [None, None, 3], {"class_name": "Dense"}, [1, 2, 3]),
    *({"class_name": "function", "config": "system", "module": "os"}, {"config": {}}),
    *({"class_name": "__lambda__", "config": {"code": "4wEA"}}, ["x", 0, 0, {}], "__tuple__"),
    {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}},
    {"class_name": "__numpy__", "config": {"value": [1], "dtype": "float32"}},
)
"""Values that are put in the place of others."""


def of_bytes(draw: random.Random, data: bytes) -> bytes:
    """Change, cut, repeat, or remove some bytes."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        place, other = (draw.randrange(len(found) or 1) for _ in range(2))
        length = draw.choice((1, 2, 4, 8, 64, 512))
        end = len(found) if draw.random() < 0.05 else place + length
        new = {
            "one": bytes([draw.randrange(256)]) + found[place + 1 : end],
            "same": bytes([draw.choice((0, 255, 127, 128))]) * length,
            "any": draw.randbytes(length),
            "none": b"",
            "twice": found[place:end] * 2,
            "others": found[other : other + length],
        }
        found[place:end] = new[draw.choice(list(new))]
    return bytes(found)


def _places(value: Any, above: Any = None, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """Where the values of a JSON document stand: container and key of each."""
    if above is not None:
        yield above, key
    if not isinstance(value, dict | list):
        return
    for name, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield from _places(part, value, name)


def of_document(draw: random.Random, document: Any) -> Any:
    """Change the structure of a JSON document in one to three places."""
    root = [copy.deepcopy(document)]
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(root))
        if places:
            _change(draw, *draw.choice(places), draw.choice(places))
    return root[0] if root else {}


def _change(draw: random.Random, above: Any, key: Any, other: tuple[Any, Any]) -> None:
    kind = draw.randrange(8)
    if kind == 0:
        del above[key]
    elif kind == 1:
        above[key] = copy.deepcopy(other[0][other[1]])
    elif kind == 2:
        above[key] = {"class_name": "Dense", "config": above[key]}
    elif kind == 3 and isinstance(above, dict):
        above[draw.choice((*above, "name", "config", "units", "odd"))] = above.pop(key)
    elif kind == 4 and isinstance(above, list):
        above.insert(draw.randrange(len(above) + 1), copy.deepcopy(above[key]))
    else:
        above[key] = copy.deepcopy(draw.choice(ODD))


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def of_json(draw: random.Random, data: bytes) -> bytes:
    """Change a JSON text: mostly its structure, sometimes its letters."""
    if draw.random() < 0.2 or not _is_json(data):
        return of_bytes(draw, data)
    text = json.dumps(of_document(draw, json.loads(data)))
    if draw.random() < 0.05:
        word = draw.choice(("NaN", "Infinity", "-Infinity", "1e999", "[" * 9999, '{"a":' * 3000))
        text = text.replace(draw.choice(("null", "true", "0", "1")), word, 1)
    return text.encode()


def _objects(root: Any) -> list[Any]:
    found = [root]
    root.visititems(lambda _, handle: found.append(handle))
    return found


def _odd_array(draw: random.Random) -> np.ndarray:
    shape = tuple(draw.choice(((), (0,), (1,), (3,), (2, 3), (3, 2), (1, 1, 1), (5, 0, 2))))
    dtype = draw.choice(("float32", "float64", "int64", "uint8", "bool", "complex64", "S5"))
    return np.ones(shape, dtype)


def _attribute(draw: random.Random, handle: Any) -> None:
    """Change one attribute of a group or an array."""
    names = list(handle.attrs)
    if not names:
        return
    name = draw.choice(names)
    value = handle.attrs[name]
    kind = draw.randrange(5)
    del handle.attrs[name]
    if kind == 0:
        return
    if name in ("model_config", "training_config") and kind > 1:
        text = value.decode() if isinstance(value, bytes) else str(value)
        handle.attrs[name] = of_json(draw, text.encode()).decode("utf-8", "replace")[:60000]
    elif kind in (1, 2):
        odd = (
            3,
            -1.5,
            "x",
            b"\xff\xfe",
            np.zeros((2, 2)),
            np.array([b"a", b"b"]),
            "",
            h5py.Empty("f"),
        )
        handle.attrs[name] = draw.choice(odd)
    elif isinstance(value, np.ndarray) and value.ndim == 1 and len(value):
        order = [draw.randrange(len(value)) for _ in range(draw.randrange(len(value) + 2))]
        handle.attrs[name] = value[order] if order else np.zeros(0, "S3")
    else:
        handle.attrs[draw.choice((*names, "odd"))] = value


def _member(draw: random.Random, group: Any) -> None:
    """Change one member of a group: remove, replace, rename, link."""
    names = list(group)
    if not names:
        return
    name = draw.choice(names)
    kind = draw.randrange(9)
    if kind == 0:
        del group[name]
    elif kind in (1, 2, 3):
        del group[name]
        group[name] = _odd_array(draw)
    elif kind == 4:
        group.move(name, name + draw.choice(("_1", "x", ":0", " ")))
    elif kind == 5:
        group["twice"] = group[name]
    elif kind == 6:
        del group[name]
        group.create_group(name)
    elif kind == 7:
        group[f"{name}_soft"] = h5py.SoftLink(draw.choice(("/", group.name, "/nowhere")))
    else:
        group[f"{name}_out"] = h5py.ExternalLink("/etc/hostname", "/")


def of_h5(draw: random.Random, data: bytes) -> bytes:
    """Change attributes, arrays and groups of an HDF5 file, or its bytes."""
    if draw.random() < 0.4:
        return of_bytes(draw, data)
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as root:
        for _ in range(draw.choice((1, 1, 2))):
            handle = draw.choice([root, *_objects(root)])
            group = handle if isinstance(handle, h5py.Group) else handle.parent
            with contextlib.suppress(ValueError, OSError, KeyError, RuntimeError):
                (_attribute if draw.random() < 0.5 else _member)(draw, group)
    return buffer.getvalue()


def of_archive(draw: random.Random, data: bytes) -> bytes:
    """Change the members of an archive, their list, or its bytes."""
    if draw.random() < 0.4:
        return of_bytes(draw, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw.choice(list(members))
    kind = draw.randrange(6)
    rename = {}
    if kind in (0, 1, 2, 3):
        mutate = {"json": of_json, "h5": of_h5}.get(chosen.rpartition(".")[2], of_bytes)
        members[chosen] = mutate(draw, members[chosen])
    elif kind == 4:
        rename[chosen] = draw.choice(("../" + chosen, "/" + chosen, chosen.upper(), "x"))
    else:
        members[chosen] = draw.choice((b"", b"{}", b"[]", draw.randbytes(50), b"\0" * 100_000))
    packed = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(rename.get(name, name), content)
    return buffer.getvalue()


def of_safetensors(draw: random.Random, data: bytes) -> bytes:
    """Change the header of safetensors, or the bytes."""
    if draw.random() < 0.4:
        return of_bytes(draw, data)
    length = int.from_bytes(data[:8], "little")
    header = of_json(draw, data[8 : 8 + length])
    if draw.random() < 0.9:
        length = len(header)
    return length.to_bytes(8, "little") + header + data[8 + int.from_bytes(data[:8], "little") :]
