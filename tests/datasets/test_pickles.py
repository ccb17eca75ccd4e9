"""The closed reader against Python's own pickle, and files that want to run something."""

import contextlib
import io
import os
import pickle
import pickletools

import numpy as np
import pytest

from lamina.datasets.pickles import RefusedPickle, read_pickle


class Runs:
    """A class whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


def ragged(*rows):
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_lists_of_numbers_of_all_sizes_come_back(protocol):
    rows = ragged([1, 255, 256, 65535, 65536, 2**31 - 1, -1, -(2**31)], [], [40], list(range(3000)))
    found = read_pickle(pickle.dumps(rows, protocol=protocol))
    assert found.dtype == object
    assert list(found) == list(rows)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("code", ["uint8", "int64", ">i4", "float32", "bool"])
def test_arrays_of_numbers_come_back(protocol, code):
    values = np.random.default_rng(0).integers(0, 2, (3, 5)).astype(code) * np.array(3, code)
    found = read_pickle(pickle.dumps(values, protocol=protocol))
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype.newbyteorder("=")


def test_column_order_is_kept():
    values = np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4))
    np.testing.assert_array_equal(read_pickle(pickle.dumps(values, protocol=4)), values)


def test_dictionary_as_python_2_wrote_it():
    """The opcodes of the cifar files: text as U and T strings, the array's name of old NumPy."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07(cnumpy\nndarray\nq\x08K\x00\x85U\x01btR"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T\x06\x00\x00\x00\x01\x02\x03KMJtb"
    )
    data = b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\x09eU\x04dataq\x04" + array + b"u."
    expected = pickle.loads(data, encoding="bytes")
    found = read_pickle(data)
    assert found[b"labels"] == expected[b"labels"] == [6, 9]
    np.testing.assert_array_equal(found[b"data"], expected[b"data"])


def test_shared_lists_and_large_memos():
    row = [5, 6]
    rows = [row, *([index] for index in range(300)), row]
    found = read_pickle(pickle.dumps(ragged(*rows), protocol=2))
    assert found[0] == found[301] == [5, 6]
    assert found[300] == [299]


HOSTILE = {
    "a shell": pickle.dumps(Runs(os.system, "echo no")),
    "eval": pickle.dumps(Runs(eval, "1 + 1")),
    "protocol 0": pickle.dumps(Runs(os.system, "echo no"), protocol=0),
    "getattr": pickle.dumps(Runs(getattr, "text", "upper")),
    "inside a list": pickle.dumps([Runs(print, "no")]),
    "inside an array": pickle.dumps(ragged([Runs(print, "no")])),
    "numpy's loader": b"\x80\x02cnumpy\nload\n(U\x06a.npzt R.",
    "another codec": b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zlibtR.",
    "a function alone": b"\x80\x02cnumpy\ndtype\n.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x09ndarray.x\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "an instance": b"\x80\x02(cnumpy\ndtype\no.",
    "new object": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "persistent id": b"\x80\x02K\x01Q.",
    "object address": pickle.dumps(ragged([1], [2])).replace(b"O8", b"u8"),
    "datetime": pickle.dumps(np.zeros(2, "M8[s]")),
    "fields": pickle.dumps(np.zeros(2, [("a", "i4")])),
    "itself": b"\x80\x02]q\x00h\x00a.",
    "nested": pickle.dumps(ragged([[1]])),
    "a set": pickle.dumps({1, 2}),
    "unhashable key": b"\x80\x02}]K\x01s.",
    "state for a list": b"\x80\x02]}b.",
    "an unfinished array": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR."
    ),
    "a mark too few": b"\x80\x02]K\x01e.",
    "a mark too many": b"\x80\x02(K\x01.",
    "pops through a mark": b"\x80\x02]K\x01(ae.",
    "two values": b"\x80\x02K\x01K\x02.",
    "nothing": b"",
    "no memo": b"\x80\x02h\x07.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_everything_else_is_refused(name, capfd):
    with pytest.raises(RefusedPickle):
        read_pickle(HOSTILE[name])
    assert capfd.readouterr().out == ""


def test_array_that_claims_another_size_is_refused():
    data = pickle.dumps(np.arange(4, dtype=np.uint8), protocol=2)
    assert data.count(b"K\x04\x85") == 1
    with pytest.raises(RefusedPickle, match="do not fill its shape"):
        read_pickle(data.replace(b"K\x04\x85", b"K\x7f\x85"))


def test_any_cut_is_refused():
    data = pickle.dumps(ragged([1, 2000, 70000], [3]), protocol=4)
    for end in range(len(data)):
        with pytest.raises(RefusedPickle):
            read_pickle(data[:end])


def test_damage_never_raises_anything_else():
    data = bytearray(pickle.dumps({"a": np.arange(3), "b": [1, 2000, 70000]}, protocol=3))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 2):
            broken[at] = rng.integers(0, 256)
        with contextlib.suppress(RefusedPickle):
            read_pickle(bytes(broken))


def test_instructions_are_few_and_known():
    from lamina.datasets import pickles

    known = {opcode.code.encode("latin1") for opcode in pickletools.opcodes}
    runs = {
        opcode.code.encode("latin1")
        for opcode in pickletools.opcodes
        if opcode.name
        in (
            "INST",
            "OBJ",
            "NEWOBJ",
            "NEWOBJ_EX",
            "EXT1",
            "EXT2",
            "EXT4",
            "PERSID",
            "BINPERSID",
        )
    }
    assert set(pickles._STEPS) < known
    assert not runs & set(pickles._STEPS)


def test_many_numbers_are_read_like_pickle_reads_them():
    rng = np.random.default_rng(1)
    rows = ragged(*([int(word) for word in rng.zipf(1.3, 50) % 80000] for _ in range(400)))
    stream = io.BytesIO(pickle.dumps(rows, protocol=3))
    assert list(read_pickle(stream.getvalue())) == list(pickle.load(stream))
