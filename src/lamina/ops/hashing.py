"""Hashes of texts, on the host: FarmHash's fingerprint, SipHash-2-4, and bins of them.

JAX has no texts and, by default, no 64-bit integers, so that these functions compute with NumPy.
Texts of one length are hashed together, byte by byte of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995

Words = np.ndarray
"""An array of uint64; sums and products wrap."""


def fingerprint64(texts: Sequence[bytes]) -> Words:
    """FarmHash's ``Fingerprint64``, which never changes, of each text.

    Pike and Alakuijala, FarmHash (2014), ``farmhashna``.

    Args:
        texts: any number of them, of any length.

    Returns:
        An array of uint64.

    >>> [hex(word) for word in fingerprint64([b"", b"lamina"]).tolist()]
    ['0x9ae16a3b2f90404f', '0x1ba9b61a2dad25ee']
    """
    return _by_length(texts, _farm)


def siphash24(texts: Sequence[bytes], key: tuple[int, int]) -> Words:
    """SipHash-2-4 of each text: nobody who does not know the key can choose where it falls.

    Aumasson and Bernstein, *SipHash: a fast short-input PRF* (2012).

    Args:
        texts: any number of them, of any length.
        key: two integers of 64 bits.

    Returns:
        An array of uint64.

    >>> key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    >>> hex(siphash24([bytes(range(15))], key)[0])
    '0xa129ca6149be45e5'
    """
    return _by_length(texts, lambda rows: _sip(rows, key))


def fingerprint_cat64(one: Words, two: Words) -> Words:
    """A fingerprint of two, in this order, as crosses of features in TensorFlow have it.

    Args:
        one: array of uint64.
        two: array of uint64 of the same shape.

    >>> ones = np.ones(1, "uint64")
    >>> hex(fingerprint_cat64(ones, 2 * ones)[0])
    '0xc89a2574412ac8e4'
    """
    mul = np.uint64(_CAT)
    result = (one ^ mul) ^ (_mixed(two * mul) * mul)
    return _mixed(_mixed(result * mul) * mul)


def text_bins(texts: np.ndarray, bins: int, key: tuple[int, int] | None = None) -> np.ndarray:
    """The bin of each text: its hash modulo the number of bins.

    Args:
        texts: array of texts, of any shape.
        bins: how many bins there are.
        key: two integers, for SipHash-2-4; FarmHash's fingerprint without.

    Returns:
        An array of int64 of the same shape.

    >>> text_bins(np.array(["a", "b", "a"]), 1000).tolist()
    [939, 822, 939]
    """
    once, places = np.unique(texts.reshape(-1), return_inverse=True)
    encoded = [str(text).encode() for text in once]
    words = fingerprint64(encoded) if key is None else siphash24(encoded, key)
    return (words % np.uint64(bins)).astype(np.int64)[places].reshape(texts.shape)


def number_bins(numbers: np.ndarray, bins: int, key: tuple[int, int] | None = None) -> np.ndarray:
    """The bin of each whole number: that of the text of its decimal digits.

    Args:
        numbers: array of integers, of any shape.
        bins: how many bins there are.
        key: as for `text_bins`.

    >>> number_bins(np.array([[7], [-7]]), 1000).tolist()
    [[88], [62]]
    """
    return text_bins(np.asarray(numbers).astype("U"), bins, key)


def _by_length(texts: Sequence[bytes], hashed: Callable[[np.ndarray], Words]) -> Words:
    lengths = np.array([len(text) for text in texts], int)
    found = np.zeros(len(texts), np.uint64)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        joined = b"".join(texts[place] for place in places.tolist())
        found[places] = hashed(np.frombuffer(joined, np.uint8).reshape(len(places), length))
    return found


def _word(value: int) -> np.uint64:
    return np.uint64(value & _MASK)


def _fetch(rows: np.ndarray, at: int, size: int = 8) -> Words:
    """The bytes from a place on as one number, the lowest first."""
    return np.ascontiguousarray(rows[:, at : at + size]).view(f"<u{size}")[:, 0].astype(np.uint64)


def _right(words: Words, by: int) -> Words:
    return (words >> np.uint64(by)) | (words << np.uint64(64 - by))


def _mixed(words: Words) -> Words:
    return words ^ (words >> np.uint64(47))


def _pair(u: Words, v: Words, mul: Words | np.uint64) -> Words:
    return _mixed((v ^ _mixed((u ^ v) * mul)) * mul) * mul


def _farm(rows: np.ndarray) -> Words:
    length = rows.shape[1]
    if length > 64:
        return _farm_long(rows)
    if length > 16:
        return _farm_middle(rows)
    mul = _word(_K2 + 2 * length)
    if length >= 8:
        a, b = _fetch(rows, 0) + _word(_K2), _fetch(rows, length - 8)
        return _pair(_right(b, 37) * mul + a, (_right(a, 25) + b) * mul, mul)
    if length >= 4:
        a, b = _fetch(rows, 0, 4), _fetch(rows, length - 4, 4)
        return _pair((a << np.uint64(3)) + _word(length), b, mul)
    if length > 0:
        a, b, c = (rows[:, at].astype(np.uint64) for at in (0, length // 2, length - 1))
        y, z = a + (b << np.uint64(8)), (c << np.uint64(2)) + _word(length)
        return _mixed(y * _word(_K2) ^ z * _word(_K0)) * _word(_K2)
    return np.full(len(rows), _K2, np.uint64)


def _farm_middle(rows: np.ndarray) -> Words:
    """Texts of 17 to 64 bytes."""
    length = rows.shape[1]
    mul, k2 = _word(_K2 + 2 * length), _word(_K2)
    a = _fetch(rows, 0) * (_word(_K1) if length <= 32 else k2)
    b, c = _fetch(rows, 8), _fetch(rows, length - 8) * mul
    y = _right(a + b, 43) + _right(c, 30) + _fetch(rows, length - 16) * k2
    z = _pair(y, a + _right(b + k2, 18) + c, mul)
    if length <= 32:
        return z
    e, f = _fetch(rows, 16) * mul, _fetch(rows, 24)
    g = (y + _fetch(rows, length - 32)) * mul
    h = (z + _fetch(rows, length - 24)) * mul
    return _pair(_right(e + f, 43) + _right(g, 30) + h, e + _right(f + a, 18) + g, mul)


def _farm_long(rows: np.ndarray) -> Words:
    length = rows.shape[1]
    rest = (length - 1) % 64
    last = length - 1 - rest  # where the last whole or broken block begins
    start = 81 * _K1 + 113
    y = np.full(len(rows), start & _MASK, np.uint64)
    z = _mixed(y * _word(_K2) + _word(113)) * _word(_K2)
    x = _fetch(rows, 0) + _word(81 * _K2)
    v = w = (np.zeros_like(x), np.zeros_like(x))
    for at in range(0, last, 64):
        x, y, z, v, w = _block(rows, at, (x, y, z, v, w), _word(_K1), 1)
    mul = _word(_K1) + ((z & _word(0xFF)) << np.uint64(1))
    first = w[0] + _word(rest)
    v = (v[0] + first, v[1])
    w = (first + v[0], w[1])
    x, y, z, v, w = _block(rows, length - 64, (x, y, z, v, w), mul, 9)
    low = _pair(v[0], w[0], mul) + _mixed(y) * _word(_K0) + z
    return _pair(low, _pair(v[1], w[1], mul) + x, mul)


def _block(rows: np.ndarray, at: int, state: tuple, mul: Words | np.uint64, times: int) -> tuple:
    """One block of 64 bytes mixed into the state."""
    x, y, z, v, w = state
    x = _right(x + y + v[0] + _fetch(rows, at + 8), 37) * mul
    y = _right(y + v[1] + _fetch(rows, at + 48), 42) * mul
    x = x ^ (w[1] * _word(times))
    y = y + v[0] * _word(times) + _fetch(rows, at + 40)
    z = _right(z + w[0], 33) * mul
    v = _weak(rows, at, v[1] * mul, x + w[0])
    w = _weak(rows, at + 32, z + w[1], y + _fetch(rows, at + 16))
    return z, y, x, v, w


def _weak(rows: np.ndarray, at: int, a: Words, b: Words) -> tuple[Words, Words]:
    """32 bytes and two words to two words."""
    first, second, third, fourth = (_fetch(rows, at + 8 * place) for place in range(4))
    a = a + first
    b = _right(b + a + fourth, 21)
    total = a + second + third
    return total + fourth, b + _right(total, 44) + a


def _sip(rows: np.ndarray, key: tuple[int, int]) -> Words:
    count, length = rows.shape
    blocks = length // 8 + 1
    padded = np.zeros((count, 8 * blocks), np.uint8)
    padded[:, :length] = rows
    padded[:, -1] = length % 256
    words = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v: list[Words] = [
        np.full(count, (w ^ key[i % 2]) & _MASK, np.uint64) for i, w in enumerate(words)
    ]
    for block in range(blocks):
        word = _fetch(padded, 8 * block)
        v[3] = v[3] ^ word
        v = _sip_round(_sip_round(v))
        v[0] = v[0] ^ word
    v[2] = v[2] ^ _word(0xFF)
    for _ in range(4):
        v = _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_round(v: list[Words]) -> list[Words]:
    a, b, c, d = v
    a, c = a + b, c + d
    b, d = _right(b, 51) ^ a, _right(d, 48) ^ c
    a = _right(a, 32)
    c, a = c + b, a + d
    b, d = _right(b, 47) ^ c, _right(d, 43) ^ a
    return [a, b, _right(c, 32), d]
