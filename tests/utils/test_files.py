"""Fetching and unpacking: from local addresses, into a folder of the test."""

import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lamina.utils.files import get_file, hash_file, validate_file

DATA = b"some data\n" * 30000
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def there(tmp_path):
    """A file to fetch."""
    path = tmp_path / "there" / "data.bin"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def fetch(there, cache, fname="data.bin", **options):
    return get_file(fname, there.as_uri(), cache_dir=cache, **options)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_file_is_fetched_once(there, cache, capsys):
    path = fetch(there, cache)
    assert path == str(cache / "datasets" / "data.bin")
    assert (cache / "datasets" / "data.bin").read_bytes() == DATA
    assert "Downloading data.bin" in capsys.readouterr().out
    there.unlink()
    assert fetch(there, cache) == path
    assert capsys.readouterr().out == ""


def test_name_comes_from_the_address(there, cache):
    assert get_file(origin=there.as_uri(), cache_dir=cache, cache_subdir="a/b") == str(
        cache / "a" / "b" / "data.bin"
    )


def test_cache_is_where_keras_home_says(there, cache, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(cache))
    assert get_file("x", there.as_uri()) == str(cache / "datasets" / "x")


def test_force_download_fetches_again(there, cache):
    fetch(there, cache)
    there.write_bytes(b"new")
    fetch(there, cache)
    assert (cache / "datasets" / "data.bin").read_bytes() == DATA
    fetch(there, cache, force_download=True)
    assert (cache / "datasets" / "data.bin").read_bytes() == b"new"


@pytest.mark.parametrize(
    "options",
    [
        {"file_hash": SHA256},
        {"file_hash": SHA256.upper()},
        {"file_hash": MD5},
        {"md5_hash": MD5},
        {"file_hash": SHA256, "hash_algorithm": "sha256"},
        {"file_hash": ("0" * 32, SHA256)},
    ],
)
def test_right_checksums_are_accepted(there, cache, options):
    fetch(there, cache, **options)


@pytest.mark.parametrize("digits", [32, 64])
def test_wrong_checksum_keeps_nothing(there, cache, digits):
    with pytest.raises(ValueError, match=r"It was not kept"):
        fetch(there, cache, file_hash="0" * digits)
    assert files(cache) == []


def test_damaged_file_is_fetched_again(there, cache, capsys):
    path = cache / "datasets" / "data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA[:-1])
    fetch(there, cache, file_hash=SHA256)
    assert path.read_bytes() == DATA
    assert "its checksum is not" in capsys.readouterr().out


def test_damaged_file_stays_when_there_is_no_network(there, cache):
    path = cache / "datasets" / "data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA[:-1])
    there.unlink()
    with pytest.raises(FileNotFoundError):
        fetch(there, cache, file_hash=SHA256)
    assert path.read_bytes() == DATA[:-1]
    assert files(cache) == ["data.bin"]


def test_offline_message_says_what_to_put_where(there, cache):
    there.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        fetch(there, cache, file_hash=SHA256)
    for part in ("data.bin", there.as_uri(), str(cache / "datasets" / "data.bin"), SHA256):
        assert part in str(caught.value)
    assert files(cache) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origin": None}, "origin must be the address"),
        ({"origin": "http://127.0.0.1/"}, "fname is needed"),
        ({"file_hash": "12"}, "file_hash must be 32"),
        ({"file_hash": MD5, "hash_algorithm": "sha256"}, "file_hash must be 32"),
        ({"file_hash": MD5, "hash_algorithm": "crc"}, "hash_algorithm must be"),
    ],
)
def test_wrong_arguments_are_named(cache, options, message):
    with pytest.raises(ValueError, match=message):
        get_file(**({"origin": "http://127.0.0.1/a", "cache_dir": cache} | options))


class Answers(BaseHTTPRequestHandler):
    """``/whole`` is complete, ``/cut`` ends early, everything else is missing."""

    def do_GET(self):
        if self.path not in ("/whole", "/cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA if self.path == "/whole" else DATA[:1000])

    def log_message(self, format, *args):
        pass


@pytest.fixture
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_over_http(address, cache):
    with open(get_file("a", f"{address}/whole", cache_dir=cache), "rb") as file:
        assert file.read() == DATA


@pytest.mark.parametrize(
    ("path", "message"), [("cut", r"after 1000 of 300000 bytes"), ("none", r"404")]
)
def test_broken_answers_keep_nothing(address, cache, path, message):
    with pytest.raises(FileNotFoundError, match=message):
        get_file("a", f"{address}/{path}", cache_dir=cache)
    assert files(cache) == []


def tar(path, members):
    """A tar file; a member is (name, bytes) or a ready TarInfo."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


MEMBERS = [("pets/cat.txt", b"meow"), ("pets/old/dog.txt", b"woof")]


@pytest.mark.parametrize(
    ("fname", "kept", "unpacked"),
    [
        ("pets", "pets_archive", "pets"),
        ("pets.tar.gz", "pets.tar.gz", "pets_extracted"),
        (None, "pets.tgz_archive", "pets.tgz"),
    ],
)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_extract_uses_the_folders_of_keras_3(tmp_path, cache, fname, kept, unpacked, pack):
    source = pack(tmp_path / "pets.tgz", MEMBERS)
    path = fetch(source, cache, fname, extract=True)
    assert path == str(cache / "datasets" / unpacked)
    assert (cache / "datasets" / unpacked / "pets" / "old" / "dog.txt").read_bytes() == b"woof"
    assert files(cache) == sorted(["cat.txt", "dog.txt", kept])


def test_untar_uses_the_folders_of_keras_2(tmp_path, cache):
    source = tar(tmp_path / "a.tgz", MEMBERS)
    path = fetch(source, cache, "pets", untar=True)
    assert path == str(cache / "datasets" / "pets")
    assert (cache / "datasets" / "pets" / "cat.txt").read_bytes() == b"meow"
    assert files(cache) == ["cat.txt", "dog.txt", "pets.tar.gz"]


def test_untar_needs_the_folder_it_names(tmp_path, cache):
    with pytest.raises(ValueError, match="holds no folder 'birds'"):
        fetch(tar(tmp_path / "a.tgz", MEMBERS), cache, "birds", untar=True)


@pytest.mark.parametrize("archive_is_kept", [True, False])
def test_unpacked_folder_is_used_again(tmp_path, cache, archive_is_kept):
    source = tar(tmp_path / "pets.tgz", MEMBERS)
    folder = cache / "datasets" / "pets"
    fetch(source, cache, "pets", extract=True)
    (folder / "mine.txt").write_text("kept")
    source.unlink()
    if not archive_is_kept:
        (cache / "datasets" / "pets_archive").unlink()
    assert fetch(source, cache, "pets", extract=True) == str(folder)
    assert (folder / "mine.txt").exists()


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "members",
    [
        [("../out.txt", b"x")],
        [("/out.txt", b"x")],
        [("a/../../out.txt", b"x")],
        [("..\\out.txt", b"x")],
        [("C:/out.txt", b"x")],
        [("fine.txt", b"x"), ("../out.txt", b"x")],
    ],
)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_members_outside_are_refused_and_nothing_is_unpacked(tmp_path, cache, members, pack):
    source = pack(tmp_path / "a.bin", members)
    with pytest.raises(ValueError, match=r"would lie outside"):
        fetch(source, cache, "pets", extract=True)
    assert files(cache) == ["pets_archive"]
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.parametrize(
    "members",
    [
        [link("away", "/etc"), ("away/passwd", b"x")],
        [link("near", "cat.txt")],
        [link("hard", "/etc/passwd", tarfile.LNKTYPE)],
        [link("pipe", "", tarfile.FIFOTYPE)],
    ],
)
def test_links_and_devices_are_refused(tmp_path, cache, members):
    with pytest.raises(ValueError, match=r"is a link or a device"):
        fetch(tar(tmp_path / "a.tar", members), cache, "pets", extract=True)
    assert files(cache) == ["pets_archive"]


def test_no_archive_is_said(there, cache):
    with pytest.raises(ValueError, match=r"is no archive of the format 'auto'"):
        fetch(there, cache, extract=True)


def test_unknown_archive_format_is_said(there, cache):
    with pytest.raises(ValueError, match=r"archive_format must be .* got 'rar'"):
        fetch(there, cache, extract=True, archive_format="rar")


def test_checksums_are_those_of_hashlib(there):
    assert hash_file(there) == SHA256
    assert hash_file(there, "md5") == MD5
    assert validate_file(there, MD5)
    assert not validate_file(there, "0" * 64)
    with pytest.raises(ValueError, match="algorithm must be"):
        hash_file(there, "sha1")
