"""The reader of HDF5 reads what Keras writes and refuses what could reach out of the file."""

import gzip
import io
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.saving import h5_checks, h5_file
from lamina.saving.h5_writing import LIMIT, put_array, put_text, put_texts, written


def file_of(fill: Callable[[Any], Any]) -> io.BytesIO:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        fill(root)
    return buffer


def noise(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "bool"])
def test_numbers_come_back(dtype: str) -> None:
    values = (noise(3, 4) * 50).astype(dtype)
    with h5_file.opened(file_of(lambda root: put_array(root, "a/b/0", values))) as root:
        found = root.dataset("a/b/0")
        assert (found.shape, found.dtype) == ((3, 4), np.dtype(dtype))
        read = found.read((3, 4))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


def test_bfloat16_comes_back_as_keras_3_stores_it() -> None:
    values = np.asarray(noise(2, 5), jnp.bfloat16)
    with h5_file.opened(file_of(lambda root: put_array(root, "x", values))) as root:
        read = root.dataset("x").read((2, 5))
    assert read.dtype == jnp.bfloat16
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("shape", [(1,), (70, 90)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip", "shuffle": True},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"fletcher32": True},
        {"chunks": True, "maxshape": None},
    ],
    ids=["plain", "gzip", "summed", "lzf", "fletcher", "chunks"],
)
def test_filters_of_the_library_itself_are_read(
    shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    values = noise(*shape)
    options = options | ({"maxshape": (None,) * len(shape)} if "maxshape" in options else {})
    buffer = file_of(lambda root: root.create_dataset("x", data=values, **options))
    with h5_file.opened(buffer) as root:
        np.testing.assert_array_equal(root.dataset("x").read(shape), values)


@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_scalars_and_empty_arrays_are_read(shape: tuple[int, ...]) -> None:
    values = noise(*shape)
    with h5_file.opened(file_of(lambda root: put_array(root, "x", values))) as root:
        np.testing.assert_array_equal(root.dataset("x").read(shape), values)


def test_texts_and_numbers_in_attributes() -> None:
    def fill(root: Any) -> None:
        root.attrs["bytes"] = np.array([b"one", b"three"])
        root.attrs["words"] = ["äö", "b"]
        root.attrs["scalar"] = b"2.2.4"
        root.attrs["text"] = "2.15.0"
        root.attrs["number"] = 3
        root.attrs["none"] = np.zeros(0)

    with h5_file.opened(file_of(fill)) as root:
        assert root.texts("bytes") == ["one", "three"]
        assert root.texts("words") == ["äö", "b"]
        assert (root.text("scalar"), root.text("text")) == ("2.2.4", "2.15.0")
        assert root.attribute("number") == 3
        assert root.texts("none") == []
        assert root.attribute("missing") is None
        with pytest.raises(ValueError, match=r"attribute 'number' that is no text"):
            root.text("number")
        with pytest.raises(ValueError, match=r"has no attribute 'missing'"):
            root.texts("missing")


def test_long_lists_are_split_as_keras_splits_them() -> None:
    names = [f"layer_with_a_long_name_{number:060d}" for number in range(3000)]
    buffer = io.BytesIO()
    with written(buffer) as root:
        put_texts(root, "layer_names", names)
        put_texts(root, "short", ["a"])
        put_texts(root, "empty", [])
    with h5py.File(buffer, "r") as root:
        parts = [name for name in root.attrs if name.startswith("layer_names")]
        assert sorted(parts) == [f"layer_names{number}" for number in range(len(parts))]
        assert len(parts) > 1
        assert max(np.asarray(root.attrs[name]).nbytes for name in parts) <= LIMIT
    with h5_file.opened(buffer) as root:
        assert root.texts("layer_names") == names
        assert (root.texts("short"), root.texts("empty")) == (["a"], [])


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("count", [1, 7])
def test_texts_are_those_that_the_library_reads(libver: str, count: int) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as root:
        group = root.create_group("a")
        for number in range(count):
            group.attrs[f"t{number}"] = f"text {number} äß" * (number * 400 + 1)
            group.attrs[f"l{number}"] = [f"{number}", "", "two words"] if number < 1 else "x"
    with h5_file.opened(buffer, "f") as root:
        if libver == "latest" and count > 4:  # many attributes lie in a heap of another kind
            with pytest.raises(ValueError, match="stored in a way that is not read"):
                root.group("a").text("t0")
            return
        assert root.group("a").attribute("l0") == ["0", "", "two words"]
        for number in range(count):
            text = f"text {number} äß" * (number * 400 + 1)
            assert root.group("a").text(f"t{number}") == text


def damaged(change: Callable[[bytearray, int], None]) -> io.BytesIO:
    """A file whose heap of texts was changed behind its mark."""

    def fill(root: Any) -> None:
        root.attrs["names"] = ["one", "two"]

    content = bytearray(file_of(fill).getvalue())
    change(content, content.index(b"GCOL"))
    return io.BytesIO(bytes(content))


def endless(content: bytearray, heap: int) -> None:
    content[heap + 24 : heap + 32] = bytes([0xF0] + [0xFF] * 7)  # a size that leads back


def long(content: bytearray, heap: int) -> None:
    content[heap + 24 : heap + 32] = (1 << 40).to_bytes(8, "little")


def without_size(content: bytearray, heap: int) -> None:
    content[heap + 8 : heap + 16] = bytes(8)


@pytest.mark.parametrize("change", [endless, long, without_size], ids=lambda one: one.__name__)
def test_a_damaged_heap_of_texts_ends(change: Callable[[bytearray, int], None]) -> None:
    with h5_file.opened(damaged(change), "f") as root, pytest.raises(ValueError, match=r"^f: /"):
        root.texts("names")


def test_one_text_that_is_meant_many_times_is_refused() -> None:
    texts = ["x" * 5000, *(f"{number:04d}" for number in range(60))]
    buffer = file_of(lambda root: root.attrs.create("names", texts, dtype=h5py.string_dtype()))
    content = buffer.getvalue()
    at = content.index(struct.pack("<I", 5000))
    long, short = content[at : at + 16], content[at + 16 : at + 16 * 61]
    assert [short[place] for place in range(0, 960, 16)] == [4] * 60
    buffer = io.BytesIO(content.replace(short, long * 60))
    message = "has an attribute 'names' that is longer than what is read"
    with h5_file.opened(buffer, "f") as root, pytest.raises(ValueError, match=message):
        root.texts("names")


def test_a_text_of_any_length_and_a_name_that_is_too_long() -> None:
    buffer = io.BytesIO()
    with written(buffer) as root:
        put_text(root, "model_config", "x" * 300_000)
        with pytest.raises(ValueError, match=r"has 64513 bytes; HDF5 files hold names of at most"):
            put_texts(root, "names", ["n" * (LIMIT + 1)])
    with h5_file.opened(buffer) as root:
        assert root.text("model_config") == "x" * 300_000


# What is refused, with a part of the message. Each must be refused when the file is opened.


def soft(root: Any) -> None:
    root["real"] = noise(2)
    root["link"] = h5py.SoftLink("/real")


def external(root: Any) -> None:
    root["a/link"] = h5py.ExternalLink("/etc/passwd", "/")


def outside(root: Any) -> None:
    root.create_dataset("x", (8,), "uint8", external=[("/etc/passwd", 0, 8)])


def virtual(root: Any) -> None:
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    root.create_virtual_dataset("x", layout)


def virtual_endless(root: Any) -> None:
    layout = h5py.VirtualLayout((4,), "float32", maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = h5py.VirtualSource("other.h5", "x", (4,), maxshape=(None,))[
        : h5py.h5s.UNLIMITED
    ]
    root.create_virtual_dataset("x", layout)


def reference(root: Any) -> None:
    root["real"] = noise(2)
    root.create_dataset("x", data=[root["real"].ref], dtype=h5py.ref_dtype)


def record(root: Any) -> None:
    root["x"] = np.zeros(2, [("a", "i4"), ("b", "f4")])


def ragged(root: Any) -> None:
    root.create_dataset("x", (2,), h5py.vlen_dtype(np.float32))


def complex_numbers(root: Any) -> None:
    root["x"] = np.zeros(2, "complex64")


def named_type(root: Any) -> None:
    root["kind"] = np.dtype("float32")


def opaque(root: Any) -> None:
    root["x"] = np.zeros(2, "V7")


def enumeration(root: Any) -> None:
    root.create_dataset("x", (2,), h5py.enum_dtype({"a": 1, "b": 7}, "i4"))


def foreign_filter(root: Any) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space, kind = h5py.h5s.create_simple((4,)), h5py.h5t.NATIVE_FLOAT
    h5py.h5d.create(root.id, b"x", kind, space, properties)


def scale_offset(root: Any) -> None:
    root.create_dataset("x", data=np.arange(9), chunks=(9,), scaleoffset=True)


def loop(root: Any) -> None:
    root["a/b/c"] = root["/"]


def twice(root: Any) -> None:
    root.create_group("a")
    root["b"] = root["a"]


def foreign_second_name(root: Any) -> None:
    root.create_group("layers")
    root["other/_layer_checkpoint_dependencies"] = root["layers"]
    root.create_group("other/layers")


def second_name_above(root: Any) -> None:
    root.create_group("layers")
    root["_layer_checkpoint_dependencies"] = root["/"]


def soft_second_name(root: Any) -> None:
    root.create_group("layers")
    root["_layer_checkpoint_dependencies"] = h5py.SoftLink("/layers")


def soft_layers(root: Any) -> None:
    root.create_group("_layer_checkpoint_dependencies")
    root["layers"] = h5py.SoftLink("/_layer_checkpoint_dependencies")


def deep(root: Any) -> None:
    root.create_group("/".join("d" * (h5_file.MAX_DEPTH + 2)))


def null(root: Any) -> None:
    root["x"] = h5py.Empty("f")


REFUSED: dict[Callable[[Any], None], str] = {
    soft: "/link is a soft link",
    external: "/a/link is an external link",
    outside: "/x has its values in another file",
    virtual: "/x is a virtual array",
    virtual_endless: "/x is a virtual array",
    reference: "/x holds references",
    record: "/x holds records",
    ragged: "/x holds lists",
    complex_numbers: "/x holds",
    named_type: "/kind is neither a group nor an array",
    opaque: "/x holds 7 bytes of no known type",
    enumeration: "/x holds an enumeration",
    foreign_filter: "/x is compressed by the filter 32015",
    scale_offset: "/x is compressed by the filter 6",
    loop: "is a group that is reached in two ways",
    twice: "is a group that is reached in two ways",
    foreign_second_name: "is a group that is reached in two ways",
    second_name_above: "is a group that is reached in two ways",
    soft_second_name: "/_layer_checkpoint_dependencies is a soft link",
    soft_layers: "/layers is a soft link",
    deep: "lies more than 64 groups deep",
    null: "/x is an array without a shape",
}


@pytest.mark.parametrize("fill", REFUSED, ids=lambda fill: fill.__name__)
def test_what_could_reach_out_is_refused_on_opening(fill: Callable[[Any], None]) -> None:
    buffer = file_of(fill)
    with pytest.raises(ValueError, match=REFUSED[fill]), h5_file.opened(buffer, "bad.h5"):
        pass


def test_the_second_name_of_layers_is_not_followed() -> None:
    def fill(root: Any) -> None:
        root.create_group("layers/dense/layers")
        for group in (root, root["layers/dense"]):
            group["_layer_checkpoint_dependencies"] = group["layers"]

    with h5_file.opened(file_of(fill)) as root:
        assert list(root.members) == ["layers"]
        dense = root.find("layers/dense")
        assert isinstance(dense, h5_file.Group)
        assert list(dense.members) == ["layers"]
    with h5_file.opened(file_of(lambda root: root.create_group(h5_checks.OTHER_NAME))) as root:
        assert list(root.members) == [h5_checks.OTHER_NAME]  # tf.keras 2.12 has only this one


def test_too_many_objects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h5_file, "MAX_OBJECTS", 20)
    buffer = file_of(lambda root: [root.create_group(f"g{n}") for n in range(21)])
    with pytest.raises(ValueError, match="has more than 20 groups"), h5_file.opened(buffer):
        pass


def bad_attributes(root: Any) -> None:
    root.attrs["two"] = np.zeros((2, 2))
    root.attrs["ref"] = root.ref
    root.attrs["record"] = np.zeros((), [("a", "i4")])
    root.attrs["bytes"] = np.array([b"\xff\xfe"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two", r"shape \(2, 2\), more than is read"),
        ("ref", "attribute 'ref' of references"),
        ("record", "attribute 'record' of records"),
        ("bytes", "is no text in UTF-8"),
    ],
)
def test_odd_attributes_are_refused(name: str, message: str) -> None:
    with (
        h5_file.opened(file_of(bad_attributes), "bad.h5") as root,
        pytest.raises(ValueError, match=message),
    ):
        root.attribute(name)


def test_a_declared_shape_allocates_nothing() -> None:
    shape = (1 << 20, 1 << 20)
    buffer = file_of(lambda root: root.create_dataset("x", shape, "f4", chunks=(1024, 1024)))
    tracemalloc.start()
    message = r"huge.h5: /x has shape \(1048576, 1048576\), but not all of its values were ever"
    with pytest.raises(ValueError, match=message), h5_file.opened(buffer, "huge.h5"):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_another_shape_is_not_read() -> None:
    buffer = file_of(lambda root: root.create_dataset("x", data=np.ones((5, 2), "f4")))
    with (
        h5_file.opened(buffer, "a.h5") as root,
        pytest.raises(ValueError, match=r"a.h5: /x has shape \(5, 2\), expected \(3, 4\)"),
    ):
        root.dataset("x").read((3, 4))


def bomb(inner: bytes, size: int) -> io.BytesIO:
    """A chunk of `size` floats whose stored bytes unpack to something else."""

    def fill(root: Any) -> None:
        made = root.create_dataset("x", (size,), "f4", chunks=(size,), compression="gzip")
        made.id.write_direct_chunk((0,), zlib.compress(inner, 9))

    return file_of(fill)


def test_a_chunk_that_unpacks_to_more_than_it_holds_is_refused() -> None:
    buffer = bomb(bytes(200_000_000), 16)
    tracemalloc.start()
    with h5_file.opened(buffer, "bomb.h5") as root:
        message = r"bomb.h5: /x has .* stored bytes|unpacks to more than 64 bytes"
        with pytest.raises(ValueError, match=message):
            root.dataset("x").read((16,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_chunk_of_the_right_stored_size_that_unpacks_to_more_is_refused() -> None:
    with (
        h5_file.opened(bomb(bytes(2_000_000), 1024), "bomb.h5") as root,
        pytest.raises(ValueError, match=r"unpacks to more than 4096 bytes"),
    ):
        root.dataset("x").read((1024,))


def test_bytes_that_are_no_gzip_are_refused() -> None:
    def fill(root: Any) -> None:
        made = root.create_dataset("x", (16,), "f4", chunks=(16,), compression="gzip")
        made.id.write_direct_chunk((0,), b"\xff" * 30)

    with (
        h5_file.opened(file_of(fill), "bad.h5") as root,
        pytest.raises(ValueError, match=r"bad.h5: /x cannot be unpacked"),
    ):
        root.dataset("x").read((16,))


def test_chunks_far_larger_than_their_array_are_refused() -> None:
    def fill(root: Any) -> None:
        made = root.create_dataset(
            "x", (2,), "f4", chunks=(1 << 28,), maxshape=(None,), compression="gzip"
        )
        made.id.write_direct_chunk((0,), zlib.compress(b""))

    with (
        h5_file.opened(file_of(fill), "bad.h5") as root,
        pytest.raises(ValueError, match=r"has chunks of 1073741824 bytes for an array of 8"),
    ):
        root.dataset("x").read((2,))


def test_texts_are_no_weights() -> None:
    with (
        h5_file.opened(file_of(lambda root: root.create_dataset("x", data=["a"]))) as root,
        pytest.raises(ValueError, match=r"and no numbers"),
    ):
        root.dataset("x").read((1,))


def test_members_that_are_not_there_are_named() -> None:
    with h5_file.opened(file_of(lambda root: root.create_dataset("a/x", data=1.0)), "f") as root:
        assert "a/x" in root
        assert "a/y" not in root
        with pytest.raises(ValueError, match="f: / has no array 'a/y'"):
            root.dataset("a/y")
        with pytest.raises(ValueError, match="f: / has no group 'a/x'"):
            root.group("a/x")


# Files that are none.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(60), r"begins with the bytes of a zip archive \(a .keras file\?\)"),
        (b"\x80\x04\x95" + bytes(60), "the bytes of a pickle, which lamina never reads"),
        (b'{"class_name": 1}', "text; a JSON config holds no arrays"),
        (gzip.compress(b"x", mtime=0), "the bytes of a gzip file; unpack it first"),
        (b"<!DOCTYPE html>", "looks like a web page"),
        (b"\x89HDF\r\n\x1a\n", "damaged or cut off"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "damaged or cut off"),
        (b"random", "begins with the bytes b'random'"),
    ],
)
def test_what_is_no_hdf5_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.h5 .*{message}"), h5_file.opened(path):
        pass


def read_all(path: Path) -> None:
    with h5_file.opened(path) as root:
        root.texts("layer_names")
        for _, found in root.datasets():
            found.read()


def test_a_file_cut_off_anywhere_ends_in_a_value_error(tmp_path: Path) -> None:
    def fill(root: Any) -> None:
        put_texts(root, "layer_names", ["a", "b"])
        for name in "ab":
            put_array(root, f"{name}/kernel:0", noise(30, 40))

    whole = file_of(fill).getvalue()
    path = tmp_path / "cut.h5"
    for length in [*range(1, 3000, 97), *range(3000, len(whole), 911)]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.h5"):
            read_all(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), h5_file.opened(tmp_path / "none.h5"):
        pass
    with pytest.raises(IsADirectoryError), h5_file.opened(tmp_path):
        pass


def test_the_file_is_never_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(file_of(lambda root: put_array(root, "x", noise(5))).getvalue())
    path.chmod(0o444)
    before = (path.read_bytes(), os.stat(path).st_mtime_ns)
    with h5_file.opened(path) as root:
        root.dataset("x").read((5,))
    assert (path.read_bytes(), os.stat(path).st_mtime_ns) == before
    assert h5_file.is_h5(path)
    assert h5_checks.kind_of(b"\x00abc").startswith("the bytes b'")
