"""Files made to harm, one for each published hole of Keras' loaders, and the parts they use.

Each is refused with an error that says why, and while it is read nothing is imported, run, opened
beside the file, or reached. The keys of `HOLES` are those of the table in ``docs/security.md``.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import marshal
import pickle
import re
import stat
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.saving.audit import watching
from tests.saving.fuzzing import origin

from lamina.layers import Dense, Lambda, Layer
from lamina.models import Sequential, load_model, model_from_json
from lamina.saving import archive, deserialize_keras_object, inspection
from lamina.utils import get_file

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


def entry(module: str, kind: str, /, **config: Any) -> dict[str, Any]:
    """An object as Keras 3 writes it."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def function(module: str, name: str) -> dict[str, Any]:
    found = {"module": module, "class_name": "function", "config": name}
    return found | {"registered_name": name}


def calling(module: str, name: str, /, **arguments: Any) -> dict[str, Any]:
    """A Lambda layer that calls a function of any module."""
    made = function(module, name)
    return entry("keras.layers", "Lambda", name="f", function=made, arguments=arguments)


def bytecode(folder: Path) -> str:
    """Code that leaves a file behind if it is ever run."""
    mark = str(folder / "ran")
    code = compile(f"lambda x: open({mark!r}, 'w').close() or x", "<lambda>", "eval")
    return base64.b64encode(marshal.dumps(code.co_consts[0])).decode()


def sound() -> Any:
    return Sequential([Dense(2, input_shape=(3,), name="d")])


def keras(folder: Path, *layers: Any, change: Callable[[Any], Any] | None = None) -> Path:
    """A ``.keras`` file with further layers; `change` gets the group of its weights."""
    sound().save(folder / "sound.keras")
    with zipfile.ZipFile(folder / "sound.keras") as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    config = json.loads(members[archive.CONFIG])
    config["config"]["layers"] += list(layers)
    members[archive.CONFIG] = json.dumps(config).encode()
    if change is not None:
        buffer = io.BytesIO(members[archive.WEIGHTS])
        with h5py.File(buffer, "r+") as root:
            change(root)
        members[archive.WEIGHTS] = buffer.getvalue()
    return packed(folder / "harm.keras", members)


def packed(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def h5(folder: Path, *layers: Any, change: Callable[[Any], Any] | None = None) -> Path:
    """An ``.h5`` file with further layers."""
    path = folder / "harm.h5"
    sound().save(path)
    with h5py.File(path, "r+") as root:
        text: Any = root.attrs["model_config"]
        config = json.loads(text)
        config["config"]["layers"] += list(layers)
        root.attrs["model_config"] = json.dumps(config)
        if change is not None:
            change(root)
    return path


def old_lambda(folder: Path) -> dict[str, Any]:
    code = [bytecode(folder), None, None]
    config = {"name": "f", "function": code, "function_type": "lambda", "arguments": {}}
    return {"class_name": "Lambda", "config": config}


def new_lambda(folder: Path) -> dict[str, Any]:
    code = {"class_name": "__lambda__", "config": {"code": bytecode(folder)}}
    return entry("keras.layers", "Lambda", name="f", function=code)


def yaml(folder: Path) -> Path:
    path = folder / "harm.yaml"
    path.write_text(
        f"class_name: Sequential\nconfig: !!python/object/apply:os.system ['touch {folder}/ran']\n"
    )
    return path


def pickled(folder: Path) -> str:
    class Harm:
        def __reduce__(self) -> Any:
            return open, (str(folder / "ran"), "w")

    return base64.b64encode(pickle.dumps(Harm())).decode()


def tar(folder: Path, *members: tuple[str, bytes, str]) -> Path:
    """An archive with members of any name and kind."""
    path = folder / "harm.tar"
    with tarfile.open(path, "w") as opened:
        for name, kind, target in members:
            one = tarfile.TarInfo(name)
            one.type, one.linkname, one.size = kind, target, 0 if target else 4
            opened.addfile(one, None if target else io.BytesIO(b"ran!"))
    return path


def outside(root: Any) -> None:
    array = root["layers/dense/vars/0"]
    shape, dtype = array.shape, array.dtype
    del root["layers/dense/vars/0"]
    at = [("/etc/passwd", 0, 24)]
    root["layers/dense/vars"].create_dataset("0", shape, dtype, external=at)


def giant(root: Any) -> None:
    del root["layers/dense/vars/0"]
    root["layers/dense/vars"].create_dataset(
        "0", (2**40, 2**20), "float32", chunks=(1, 1024), fillvalue=1
    )


def _load(path: Path) -> None:
    load_model(path)


def _text(path: Path) -> None:
    model_from_json(path.read_text())


def _unpack(path: Path) -> None:
    get_file("x", path.as_uri(), extract=True, cache_dir=path.parent / "cache")


def _single(path: Path) -> None:
    """The ways around the loader that CVE-2026-12481 took."""
    config = json.loads(path.read_text())
    with pytest.raises(ValueError, match="custom_objects"):
        deserialize_keras_object(config)
    Lambda.from_config(config["config"])


def lambda_alone(folder: Path) -> Path:
    path = folder / "harm.json"
    path.write_text(json.dumps(new_lambda(folder)))
    return path


Hole = tuple[Callable[[Path], Path], Callable[[Path], None], str]
REG, LINK = tarfile.REGTYPE, tarfile.SYMTYPE

HOLES: dict[str, Hole] = {
    "CVE-2021-37678": (yaml, _text, "looks like YAML, which is not read"),
    "CVE-2024-3660": (lambda f: h5(f, old_lambda(f)), _load, r"custom_objects=\{'f': "),
    "CVE-2024-55459": (lambda f: tar(f, ("../ran", REG, "")), _unpack, "outside|leads out"),
    "CVE-2025-1550": (
        lambda f: keras(f, entry("subprocess", "Popen", args=["touch", f"{f}/ran"])),
        _load,
        "unknown classes: 'subprocess.Popen'|unknown classes: 'Popen'",
    ),
    "CVE-2025-8747": (
        lambda f: keras(
            f,
            calling("keras.utils", "get_file", origin="http://127.0.0.1:9/x", cache_dir=str(f)),
        ),
        _load,
        r"Lambda 'f'|custom_objects=\{'f': ",
    ),
    "CVE-2025-9905": (lambda f: h5(f, new_lambda(f)), _load, r"custom_objects=\{'f': "),
    "CVE-2025-9906": (
        lambda f: keras(f, calling("keras.config", "enable_unsafe_deserialization"), new_lambda(f)),
        _load,
        r"Lambda 'f'|custom_objects=\{'f': ",
    ),
    "CVE-2025-12058": (
        lambda f: keras(
            f, entry("keras.layers", "StringLookup", name="s", vocabulary=str(f / "secret"))
        ),
        _load,
        "names a file .* No config makes lamina open a file",
    ),
    "CVE-2025-12060": (
        lambda f: tar(f, ("a", LINK, "../.."), ("a/ran", REG, "")),
        _unpack,
        "link",
    ),
    "CVE-2025-12638": (
        lambda f: tar(f, ("d" * 250, LINK, "d" * 200), ("d" * 250 + "/../../../ran", REG, "")),
        _unpack,
        "link|outside|leads out",
    ),
    "CVE-2025-49655": (
        lambda f: keras(f, entry("keras.layers", "TorchModuleWrapper", module=pickled(f))),
        _load,
        "layers that lamina does not have: 'TorchModuleWrapper'",
    ),
    "CVE-2026-0897": (lambda f: keras(f, change=giant), _load, "has shape"),
    "CVE-2026-1462": (
        lambda f: keras(f, entry("keras.layers", "TFSMLayer", name="t", filepath=str(f))),
        _load,
        "layers that lamina does not have: 'TFSMLayer'",
    ),
    "CVE-2026-1669": (lambda f: keras(f, change=outside), _load, "values in another file"),
    "CVE-2026-12481": (lambda_alone, _single, r"Lambda 'f'|custom_objects=\{'f': "),
}


@pytest.mark.parametrize("number", HOLES)
def test_refused(number: str, tmp_path: Path) -> None:
    make, read, message = HOLES[number]
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = make(folder)
    with pytest.raises(ValueError, match=message):
        read(path)  # what Python itself imports or opens the first time
    with watching(path) as events, pytest.raises(ValueError, match=message):
        read(path)
    files = ("open", "os.", "shutil.", "tempfile.") if read is _unpack else ()
    assert [event for event in events if not event.startswith(files)] == []
    assert not [found for found in tmp_path.rglob("*") if found.name == "ran"]


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    with watching() as events:
        (tmp_path / "x").write_text("x")
        eval("1 + 1")
        marshal.loads(marshal.dumps(1))
        pickle.loads(pickle.dumps(Path))
    assert {e.split(maxsplit=1)[0] for e in events} >= {"open", "exec", "compile", "marshal.loads"}


def test_names_of_layers_are_no_paths(tmp_path: Path) -> None:
    """CVE-2026-12479: a layer's name led the writer of assets out of its folder."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("../../ran", "/tmp/ran", "..", "a/../../ran", "a\\..\\ran"):
        path = keras(folder, entry("keras.layers", "Dense", name=name, units=2))
        with contextlib.suppress(ValueError):
            model = load_model(path)
            model.save_weights(folder / "new.weights.h5")
            model.save(folder / "new.h5")
            model.save(folder / "new.keras")
    there = {found.relative_to(tmp_path).parts[:2] for found in tmp_path.rglob("*")}
    assert there == {("a",), ("a", "b")}
    assert not Path("/tmp/ran").exists()


def test_an_array_of_any_size_takes_no_memory(tmp_path: Path) -> None:
    """CVE-2026-12570: as CVE-2026-0897, where the declared array is one that nothing asks for."""
    path = keras(tmp_path, change=lambda root: (giant(root), root.move("layers", "others")))
    for read in (load_model, inspection.inspect, sound().load_weights):
        tracemalloc.start()
        start = time.monotonic()
        with contextlib.suppress(ValueError):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**26
        assert time.monotonic() - start < 20


def test_the_document_names_each_hole_and_its_test() -> None:
    text = DOCUMENT.read_text("utf-8")
    rows = set(re.findall(r"^\| (CVE-\d+-\d+)", text, re.MULTILINE))
    assert rows == {*HOLES, "CVE-2026-12479", "CVE-2026-12570"}
    folder = Path(__file__).parents[1]
    for file, name in re.findall(r"`(?:tests/)?([\w/]+\.py)::(\w+)", text):
        assert f"def {name}(" in (folder / file).read_text("utf-8"), f"{file}::{name}"


@pytest.mark.parametrize("safe", [True, False])
def test_no_argument_switches_it_off(safe: bool, tmp_path: Path) -> None:
    for path in (h5(tmp_path, old_lambda(tmp_path)), keras(tmp_path, new_lambda(tmp_path))):
        with pytest.raises(ValueError, match=r"custom_objects=\{'f': "):
            load_model(path, safe_mode=safe)
    assert not (tmp_path / "ran").exists()


def test_the_callers_function_takes_the_place_of_the_code(tmp_path: Path) -> None:
    path = keras(tmp_path, new_lambda(tmp_path))
    model = load_model(path, custom_objects={"f": lambda x: x * 2})
    assert model.predict(np.ones((1, 3), "f"), verbose=0).shape == (1, 2)
    assert not (tmp_path / "ran").exists()


def test_custom_objects_are_only_those_of_the_caller(tmp_path: Path) -> None:
    """A file cannot hand over names of its own, nor reach one that another call was given."""
    config = entry("mine", "Own", name="o")
    path = keras(tmp_path, config)
    inner = json.loads(zipfile.ZipFile(path).read(archive.CONFIG))
    inner["custom_objects"] = inner["config"]["custom_objects"] = {"Own": "os.system"}
    own = type("Own", (Layer,), {"call": lambda self, x: x})
    assert load_model(path, custom_objects={"Own": own}).output_shape == (None, 2)
    with pytest.raises(ValueError, match="unknown classes: 'Own'"):
        load_model(path)
    with pytest.raises(ValueError, match=r"unknown classes: 'Own'"):
        model_from_json(json.dumps(inner))


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def encrypted(path: Path) -> Path:
    """Every member says that it is encrypted."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 4)
    path.write_bytes(data)
    return path


def linked(path: Path) -> Path:
    """The weights are a symbolic link to another file."""
    members = members_of(path)
    with zipfile.ZipFile(path, "w") as opened:
        one = zipfile.ZipInfo(archive.WEIGHTS)
        one.external_attr = (stat.S_IFLNK | 0o777) << 16
        members.pop(archive.WEIGHTS)
        opened.writestr(one, b"/etc/passwd")
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def twice(path: Path) -> Path:
    members = members_of(path)
    with zipfile.ZipFile(path, "a") as opened, pytest.warns(UserWarning, match="Duplicate"):
        opened.writestr(archive.CONFIG, members[archive.CONFIG])
    return path


def bomb(path: Path) -> Path:
    members = members_of(path) | {archive.WEIGHTS: b"\x89HDF\r\n\x1a\n" + bytes(2**27)}
    return packed(path, members, compression=zipfile.ZIP_DEFLATED)


def long_config(path: Path) -> Path:
    members = members_of(path) | {archive.CONFIG: b" " * (2**26 + 1)}
    return packed(path, members, compression=zipfile.ZIP_DEFLATED)


def crowd(path: Path) -> Path:
    members = members_of(path) | {f"assets/{number}": b"" for number in range(100_000)}
    return packed(path, members)


def lying(path: Path) -> Path:
    """The list of members says another size than what is there."""
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def misnamed(path: Path) -> Path:
    """Where the members stand they say that their names are UTF-8, which these are not."""
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x03\x04")
    while place >= 0:
        data[place + 6 : place + 8] = (0x800).to_bytes(2, "little")
        data[place + 30] = 0xFF
        place = data.find(b"PK\x03\x04", place + 4)
    path.write_bytes(data)
    return path


def packed_by_lzma(path: Path) -> Path:
    return packed(path, members_of(path), compression=zipfile.ZIP_LZMA)


ARCHIVES = {
    "a name that is no text": (misnamed, "damaged or cut off"),
    "another way of packing": (packed_by_lzma, "packed by the method 14, which is not read"),
    "encrypted": (encrypted, "is encrypted"),
    "a symbolic link": (linked, "no HDF5 file|link"),
    "a member twice": (twice, "in the archive twice"),
    "a bomb": (bomb, "would unpack from"),
    "a config beyond bounds": (long_config, "more than the"),
    "a hundred thousand members": (crowd, "more than 10000 members"),
    "sizes that are not so": (lying, "size|damaged"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives(case: str, tmp_path: Path) -> None:
    change, message = ARCHIVES[case]
    path = change(keras(tmp_path))
    for read in (load_model, inspection.inspect, sound().load_weights):
        if read is not load_model and case == "a config beyond bounds":
            continue
        with watching(path) as events, pytest.raises(ValueError, match=message):
            read(path)
        assert [event for event in events if "passwd" in event] == []


@pytest.mark.parametrize("name", ["../ran", "/tmp/ran", "a/../../ran", "a\\..\\ran", "assets/ran"])
def test_members_are_never_written_anywhere(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = packed(folder / "x.keras", members_of(keras(folder)) | {name: b"ran"})
    with watching(path) as events, contextlib.suppress(ValueError):
        load_model(path)
    assert [event for event in events if "ran" in event] == []
    assert not [found for found in tmp_path.rglob("*") if "ran" in found.name]


def test_json_beyond_bounds() -> None:
    start = time.monotonic()
    for text in (
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"class_name": "Dense", "config": ' * 5000 + "1" + "}" * 5000,
        '{"class_name": "Dense", "config": {"units": ' + "9" * 100_000 + "}}",
        '{"class_name": "Dense", "config": {"units": NaN}}',
        '{"class_name": "Dense", "config": {"units": -Infinity}}',
        '{"class_name": "Dense", "class_name": "Lambda", "config": {}}',
    ):
        with pytest.raises(ValueError, match=r"^model_from_json: "):
            model_from_json(text)
    assert time.monotonic() - start < 20


def test_pickles_and_arrays_of_objects_are_no_model_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([Path("x")], object))
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(sound().get_config()))
    model = sound()
    for name in ("x.npz", "x.npy", "x.pkl"):
        for read in (load_model, model.load_weights):
            with (
                watching(tmp_path / name) as events,
                pytest.raises(ValueError, match=r"x\.np|x\.pkl"),
            ):
                read(tmp_path / name)
            assert events == []


HEADERS: dict[str, tuple[Any, str]] = {
    "an object": (
        {"d/kernel": {"dtype": "O", "shape": [3, 2], "data_offsets": [0, 24]}},
        "damaged",
    ),
    "a giant": (
        {"d/kernel": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 24]}},
        "damaged",
    ),
    "beyond the end": (
        {"d/kernel": {"dtype": "F32", "shape": [3, 2], "data_offsets": [2**40, 2**40 + 24]}},
        "damaged",
    ),
    "one in the other": (
        {
            "d/kernel": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]},
            "d/bias": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        },
        "damaged",
    ),
}


@pytest.mark.parametrize("case", HEADERS)
def test_safetensors(case: str, tmp_path: Path) -> None:
    header, message = HEADERS[case]
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(32))
    with pytest.raises(ValueError, match=message):
        sound().load_weights(path)
    with pytest.raises(ValueError, match=message):
        inspection.inspect(path)


@pytest.mark.parametrize(
    "dtype", ["O", "object", "S5", "str", "datetime64", "i4,f4", [["a"]], {"names": ["a"]}]
)
def test_dtypes_that_hold_no_numbers(dtype: Any) -> None:
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "dtype": dtype}}
    config = {"name": "d", "units": 2, "batch_input_shape": [None, 3], "dtype": dtype}
    for one in (first, {"class_name": "Dense", "config": config}):
        text = json.dumps({"class_name": "Sequential", "config": {"layers": [one]}})
        with pytest.raises(ValueError, match=r"dtype") as found:
            model_from_json(text)
        assert origin(found.value) == ""
