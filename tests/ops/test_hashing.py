"""Hashes of texts against the authors' own vectors, and what real TensorFlow gave."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamina.ops import hashing

CASES = json.loads((Path(__file__).parents[1] / "golden/lookups/keras3.15.json").read_text())

# Outputs for the key 00 01 ... 0f and the texts "", 00, 00 01, ... of the paper's reference code.
KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
SIP = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
    63: 0x958A324CEB064572,
}


@pytest.mark.parametrize("length", SIP)
def test_sip_hash_of_the_paper(length):
    assert hashing.siphash24([bytes(range(length))], KEY).tolist() == [SIP[length]]


def test_python_computes_the_same_sip_hash():
    """The plain reading of the paper, one word at a time with Python's integers."""

    def turned(x, by):
        return ((x << by) | (x >> (64 - by))) & (2**64 - 1)

    def rounds(v, count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) % 2**64
            v[1] = turned(v[1], 13) ^ v[0]
            v[0] = turned(v[0], 32)
            v[2] = (v[2] + v[3]) % 2**64
            v[3] = turned(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) % 2**64
            v[3] = turned(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) % 2**64
            v[1] = turned(v[1], 17) ^ v[2]
            v[2] = turned(v[2], 32)

    def plain(text, key):
        names = (b"somepseu", b"dorandom", b"lygenera", b"tedbytes")
        v = [int.from_bytes(n, "big") ^ key[i % 2] for i, n in enumerate(names)]
        whole = text + bytes(7 - len(text) % 8) + bytes([len(text) % 256])
        for at in range(0, len(whole), 8):
            word = int.from_bytes(whole[at : at + 8], "little")
            v[3] ^= word
            rounds(v, 2)
            v[0] ^= word
        v[2] ^= 0xFF
        rounds(v, 4)
        return v[0] ^ v[1] ^ v[2] ^ v[3]

    noise = np.random.default_rng(3)
    texts = [noise.bytes(length) for length in (0, 3, 8, 21, 64, 300)]
    key = (2**64 - 5, 12345678901234567)
    assert hashing.siphash24(texts, key).tolist() == [plain(text, key) for text in texts]


def fingerprints():
    """Hash modulo 1000 of texts of all lengths, as TensorFlow gave them."""
    rows = [c for c in CASES if c["class"] == "Hashing" and c["arguments"] == {"num_bins": 1000}]
    return next(c for c in rows if isinstance(c["inputs"][0], str))


def test_fingerprints_of_all_lengths():
    case = fingerprints()
    texts = np.array(case["inputs"], object)
    assert {len(text) for text in texts} >= {0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 128, 129}
    assert hashing.text_bins(texts, 1000).tolist() == case["output"]


def test_order_and_shape_of_the_texts_do_not_matter():
    case = fingerprints()
    pairs = np.array(case["inputs"][:16], object).reshape(2, 8)[:, ::-1]
    wanted = np.array(case["output"][:16]).reshape(2, 8)[:, ::-1]
    assert hashing.text_bins(pairs, 1000).tolist() == wanted.tolist()


def test_nothing_has_no_hash():
    assert hashing.text_bins(np.zeros((0, 3), object), 5).shape == (0, 3)
    assert hashing.number_bins(np.zeros((2, 0), int), 5).shape == (2, 0)
