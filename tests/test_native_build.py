"""The library of kernels: how it is compiled, what the wheel holds, when it is compiled anew."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from lamina.ops import library as kernels

ROOT = Path(__file__).parents[1]
SOURCES = {path.name for path in (ROOT / "src/lamina/native").glob("*.[ch]")}


LEFT_OUT = os.environ.get("LAMINA_NATIVE") == "0"


def test_tests_run_with_the_library():
    # All tests of layers that convolve are tests of the kernels, too; else they would prove less.
    assert kernels.fewest() == (0 if LEFT_OUT else 4)


def load():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hatch_build = load()


@pytest.fixture(autouse=True)
def _surroundings_without_choices(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("LAMINA_NATIVE", raising=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The files of the source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    archive = next(SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    with tarfile.open(archive) as file:
        # Before Python 3.11.4 there are no filters.
        file.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        file.extractall(folder)
    return Path(archive.removesuffix(".tar.gz"))


def build(tree, folder):
    return Path(next(WheelBuilder(str(tree)).build(directory=str(folder), versions=["standard"])))


def metadata(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("/WHEEL"))
        return file.read(name).decode().splitlines()


def native(wheel):
    with zipfile.ZipFile(wheel) as file:
        return [name for name in file.namelist() if name.startswith("lamina/native/")]


def test_source_distribution_can_compile(tree):
    assert {path.name for path in (tree / "src/lamina/native").iterdir()} >= SOURCES
    assert not list((tree / "src/lamina/native").glob("kernels*"))
    assert (tree / "hatch_build.py").is_file()


def test_wheel_holds_the_library_for_any_python(tree, tmp_path):
    if hatch_build.compiler() == hatch_build.ZIG:
        pytest.skip("no C compiler")
    wheel = build(tree, tmp_path)
    library = f"lamina/native/{hatch_build.LIBRARY}"
    assert [name for name in native(wheel) if not name.endswith(".py")] == [library]
    lines = metadata(wheel)
    assert "Root-Is-Purelib: false" in lines
    (tag,) = (line for line in lines if line.startswith("Tag: "))
    assert tag.startswith("Tag: py3-none-")
    assert "any" not in tag
    with zipfile.ZipFile(wheel) as file:
        assert ctypes.CDLL(file.extract(library, tmp_path))


def test_library_can_be_left_out(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_NATIVE", "0")
    monkeypatch.setenv("CC", "false")
    wheel = build(tree, tmp_path)
    assert [name for name in native(wheel) if not name.endswith(".py")] == []
    assert {"Root-Is-Purelib: true", "Tag: py3-none-any"} <= set(metadata(wheel))


@pytest.mark.parametrize("name", ["false", "no-such-compiler"])
def test_failure_shows_the_command_and_the_ways_out(tree, tmp_path, monkeypatch, name):
    monkeypatch.setenv("CC", f"{name} --option")
    with pytest.raises(RuntimeError, match=rf"(?s){name} --option .*-std=c11 .*\.c") as error:
        build(tree, tmp_path)
    assert "CC=clang" in str(error.value)
    assert "LAMINA_NATIVE=0" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_failure_shows_what_the_compiler_said(tmp_path):
    with pytest.raises(RuntimeError, match="what was wrong"):
        hatch_build.run(["sh", "-c", "echo what was wrong >&2; exit 1"], str(tmp_path))


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_failure_leaves_the_old_library(tmp_path, monkeypatch):
    program(
        tmp_path / "cc",
        'for last; do :; done; echo part >"$last"; case "$*" in *-shared*) exit 1;; esac',
    )
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    library = tmp_path / "native" / hatch_build.LIBRARY
    library.parent.mkdir()
    library.write_text("old")
    with pytest.raises(RuntimeError, match="-shared"):
        hatch_build.compile_library(ROOT / "src/lamina/native", library)
    assert list(library.parent.iterdir()) == [library]
    assert library.read_text() == "old"


def needed():
    """What pip installs before it builds."""
    return WheelBuilder(str(ROOT)).config.dependencies


def test_broken_compiler_is_passed_over(tmp_path, monkeypatch):
    program(tmp_path / "cc", "exit 1")
    program(tmp_path / "gcc", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hatch_build.compiler() == ["gcc", *hatch_build.PORTABLE]
    assert "ziglang" not in needed()


def test_compiler_is_asked_for_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hatch_build.compiler() == hatch_build.ZIG
    assert "ziglang" in needed()
    monkeypatch.setenv("LAMINA_NATIVE", "0")
    assert "ziglang" not in needed()


def test_named_compiler_may_have_options(monkeypatch):
    monkeypatch.setenv("CC", "ccache 'my cc'")
    assert hatch_build.compiler() == ["ccache", "my cc", *hatch_build.PORTABLE]


@pytest.mark.parametrize("command", [["cc", *hatch_build.PORTABLE], hatch_build.ZIG])
def test_only_wide_rows_need_more_than_the_architecture(tmp_path, monkeypatch, command):
    commands = []

    def run(command, folder):
        commands.append(command)
        Path(command[-1]).touch()

    monkeypatch.setattr(hatch_build, "run", run)
    monkeypatch.setattr(hatch_build, "compiler", lambda: command)
    hatch_build.compile_library(ROOT / "src/lamina/native", tmp_path / "library")
    once = sum(name.endswith(".c") for name in SOURCES) - len(hatch_build.VECTORS)
    assert len(commands) == len(hatch_build.WIDTHS) * len(hatch_build.VECTORS) + once + 1  # link
    for words in commands:
        assert words[: len(command)] == command
        assert not {"-march=native", "-ffast-math"} & set(words)
        wide = any(word.startswith("-DWIDTH=") for word in words) and hatch_build.X86
        assert any(word.startswith("-mavx") for word in words) == wide
        assert any(word.startswith("-mavx512") for word in words) == ("-DWIDTH=16" in words)


@pytest.fixture
def installed(tmp_path):
    """A tree with ``scripts/setup`` and its environment, whose Python installs nothing."""
    names = ["pyproject.toml", "hatch_build.py", *(f"src/lamina/native/{name}" for name in SOURCES)]
    for name in [*names, "scripts/setup", "src/lamina/native/kernels.so"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1, 1))
    shutil.copy(ROOT / "scripts/setup", tmp_path / "scripts/setup")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    program(tmp_path / ".venv/bin/python", "exit 0")
    (tmp_path / ".venv/.lamina-test").touch()
    return tmp_path


def installs(tree, **environment):
    done = subprocess.run(
        [str(tree / "scripts/setup"), "test"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return "Installing lamina[test]" in done.stdout


def test_nothing_is_installed_twice(installed):
    assert not installs(installed)


@pytest.mark.parametrize(
    "name",
    ["pyproject.toml", "hatch_build.py", *(f"src/lamina/native/{s}" for s in sorted(SOURCES))],
)
def test_change_is_installed(installed, name):
    os.utime(installed / ".venv/.lamina-test", (2, 2))
    (installed / name).touch()
    assert installs(installed)
    assert not installs(installed)


def test_missing_library_is_installed_where_it_is_wanted(installed):
    (installed / "src/lamina/native/kernels.so").unlink()
    assert not installs(installed, LAMINA_NATIVE="0")
    assert installs(installed)
