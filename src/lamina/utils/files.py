"""Files from the network, kept in Keras' cache folder and checked."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from lamina import config

_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_LENGTHS = {32: "md5", 64: "sha256"}


def hash_file(fpath: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """The checksum of a file, in hexadecimal digits.

    Args:
        fpath: the file.
        algorithm: ``"sha256"`` or ``"md5"``.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     hash_file(file.name, "md5")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    if algorithm not in ("sha256", "md5"):
        raise ValueError(f"algorithm must be 'sha256' or 'md5', got {algorithm!r}.")
    with open(fpath, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def validate_file(fpath: str | os.PathLike[str], file_hash: str, algorithm: str = "auto") -> bool:
    """Whether the file has that checksum.

    Args:
        fpath: the file.
        file_hash: its md5 or sha256 in hexadecimal digits.
        algorithm: ``"md5"``, ``"sha256"`` or ``"auto"``, which goes by the length.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     validate_file(file.name, "d41d8cd98f00b204e9800998ecf8427e")
    True
    """
    return hash_file(fpath, _algorithm(file_hash, algorithm)) == file_hash.lower()


def _algorithm(file_hash: str, algorithm: str) -> str:
    if algorithm not in ("auto", "md5", "sha256"):
        raise ValueError(f"hash_algorithm must be 'auto', 'md5' or 'sha256', got {algorithm!r}.")
    by_length = _LENGTHS.get(len(file_hash))
    if by_length is None or algorithm not in ("auto", by_length):
        raise ValueError(
            f"file_hash must be 32 (md5) or 64 (sha256) hexadecimal digits and fit "
            f"hash_algorithm={algorithm!r}, got {file_hash!r}."
        )
    return by_length


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | Sequence[str] | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Sequence[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Fetch a file unless it is in the cache, check it, and say where it is.

    The file appears under its name only when it is complete and its checksum is right.

    Args:
        fname: its name in the cache, by default that in the address; or, with `untar` or
            `extract`, that of the folder to unpack into.
        origin: the address.
        untar: unpack as Keras 1 and 2 do: the archive ``fname.tar.gz`` holds a folder `fname`,
            which is put beside it.
        md5_hash: old name of `file_hash`.
        file_hash: md5 or sha256 of the file, or a list of which one must fit.
        cache_subdir: folder within the cache; an absolute path stands for itself.
        hash_algorithm: ``"md5"``, ``"sha256"`` or ``"auto"``, which goes by the length.
        extract: unpack as Keras 3 does: into a folder `fname`, or ``name_extracted`` for
            ``name.zip``. What was unpacked before is used again.
        archive_format: ``"auto"``, ``"tar"``, ``"zip"``, a list of these, or ``None``.
        cache_dir: the cache, by default ``$KERAS_HOME`` or ``~/.keras``.
        force_download: fetch even what is there.

    Returns:
        The path of the file, or of the folder that was unpacked.

    Raises:
        FileNotFoundError: the file is not in the cache and cannot be fetched.
        ValueError: a wrong argument, a wrong checksum, or an archive that is none or that
            would write outside of its folder.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = pathlib.Path(folder, "there.txt")
    ...     _ = source.write_text("hello")
    ...     copy = get_file("here.txt", source.as_uri(), cache_dir=folder, cache_subdir="")
    ...     pathlib.Path(copy).read_text()
    Downloading here.txt from file:///...
    'hello'
    """
    origin, name = _names(fname, origin)
    hashes = _hashes(md5_hash if file_hash is None else file_hash, hash_algorithm)
    folder = Path(cache_dir or config.keras_home()).expanduser() / cache_subdir
    target, unpacked = _places(folder, name, fname is not None, untar, extract)
    fetched = force_download or not _present(target, hashes)
    if unpacked is not None and unpacked.is_dir() and not force_download and not target.exists():
        return str(unpacked)
    if fetched:
        download(origin, target, hashes)
    if unpacked is None:
        return str(target)
    if fetched or not unpacked.is_dir():
        _unpack(target, unpacked, untar, archive_format)
    return str(unpacked)


def _names(fname: str | os.PathLike[str] | None, origin: str | None) -> tuple[str, str]:
    from urllib.parse import urlsplit

    if not isinstance(origin, str) or not origin:
        raise ValueError(f"get_file: origin must be the address of the file, got {origin!r}.")
    name = os.fspath(fname) if fname else Path(urlsplit(origin).path).name
    if not name or name in (".", "..") or name.endswith(("/", os.sep)):
        raise ValueError(f"get_file: fname is needed, as {origin!r} does not end in a file's name.")
    return origin, name


def _hashes(given: str | Sequence[str] | None, algorithm: str) -> tuple[str, ...]:
    hashes = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    for one in hashes:
        _algorithm(one, algorithm)
    return hashes


def _places(
    folder: Path, name: str, named: bool, untar: bool, extract: bool
) -> tuple[Path, Path | None]:
    """Where the file goes, and the folder to unpack into, as in the releases of Keras."""
    if untar:
        stem = name.removesuffix(".tar.gz") or name
        return folder / f"{stem}.tar.gz", folder / stem
    if not extract:
        return folder / name, None
    if named and "." in Path(name).name:
        stem = name[: name.index(".", len(name) - len(Path(name).name))]
        return folder / name, folder / f"{stem}_extracted"
    return folder / f"{name}_archive", folder / name


def _present(target: Path, hashes: tuple[str, ...]) -> bool:
    if not target.is_file():
        return False
    if not hashes or any(validate_file(target, one) for one in hashes):
        return True
    print(f"{target} is there, but its checksum is not {' or '.join(hashes)}.")
    return False


def _unpack(
    target: Path, unpacked: Path, untar: bool, archive_format: str | Sequence[str] | None
) -> None:
    from lamina.utils.archives import unpack

    if not untar:
        done = unpack(target, unpacked, archive_format)
    else:
        with tempfile.TemporaryDirectory(prefix=".untar-", dir=target.parent) as beside:
            done = unpack(target, Path(beside) / "all", "tar")
            found = Path(beside) / "all" / unpacked.name
            if done and not found.is_dir():
                raise ValueError(
                    f"{target} holds no folder {unpacked.name!r}, which untar=True looks for; "
                    "give fname the name of the folder in the archive, or use extract=True."
                )
            if done and not unpacked.exists():
                os.replace(found, unpacked)
    if not done:
        raise ValueError(f"{target} is no archive of the format {archive_format!r}.")


def download(origin: str, target: Path, hashes: Sequence[str] = ()) -> None:
    """Fetch a file, check it, and only then put it in its place.

    Args:
        origin: the address.
        target: where the file goes; a file that is there is replaced.
        hashes: checksums of which one must fit, if there are any.

    Raises:
        FileNotFoundError: no answer from there; the message says what to put where.
        ValueError: another checksum.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Downloading {target.name} from {origin}")
    handle, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as sink:
            _fetch(origin, sink, target, hashes)
        if hashes and not any(validate_file(partial, one) for one in hashes):
            raise ValueError(
                f"What came from {origin} has the sha256 {hash_file(partial)}, expected "
                f"{' or '.join(hashes)}. It was not kept."
            )
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)


def _fetch(origin: str, sink: IO[bytes], target: Path, hashes: Sequence[str]) -> None:
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(origin, timeout=_TIMEOUT) as source:
            expected = int(source.headers.get("Content-Length") or 0)
            got = _copy(source, sink, expected)
    except (OSError, HTTPException, ValueError) as error:
        checksum = f", checksum {' or '.join(hashes)}" if hashes else ""
        raise FileNotFoundError(
            f"{target.name} is not in {target.parent} and could not be fetched ({error}). "
            f"Fetch {origin} where there is a network and save it as {target}{checksum}."
        ) from error
    if got < expected:
        raise FileNotFoundError(
            f"The connection to {origin} ended after {got} of {expected} bytes. Try again, or "
            f"save the file as {target}."
        )


def _copy(source: IO[bytes], sink: IO[bytes], expected: int) -> int:
    """Copy in pieces; on a terminal, say how far it has come."""
    live = sys.stdout.isatty() and expected > 0
    got, shown = 0, -1
    while piece := source.read(_CHUNK):
        sink.write(piece)
        got += len(piece)
        percent = 100 * got // expected if live else -1
        if percent > shown:
            print(f"\r  {percent:3d}% of {expected / 1e6:.1f} MB", end="", flush=True)
            shown = percent
    if live:
        print()
    return got
