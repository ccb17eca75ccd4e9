"""What is promised around the code: files, versions, commands."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import lamina

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
READMES = ["README.md", "README.zh.md"]


def test_version_is_the_same_everywhere():
    assert lamina.__version__ == PROJECT["project"]["version"]


def test_types_are_shipped():
    assert (ROOT / "src/lamina/py.typed").is_file()


@pytest.mark.parametrize("path", PROJECT["project"]["license-files"])
def test_licence_files_are_there(path):
    assert (ROOT / path).stat().st_size > 500


def test_data_file_is_beside_its_licence():
    folder = ROOT / "src/lamina/datasets/data"
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE-digits.txt", "digits.npz"]
    licence = (folder / "LICENSE-digits.txt").read_text(encoding="utf-8")
    for part in ("CC BY 4.0", "10.24432/C50P49", "Alpaydin", "Kaynak"):
        assert part in licence


def test_few_packages_are_needed():
    names = {re.split(r"[<>=~\[ ]", text)[0] for text in PROJECT["project"]["dependencies"]}
    assert names == {"jax", "numpy", "optax", "h5py", "rich"}


def targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))


@pytest.mark.parametrize("readme", READMES)
def test_readme_names_only_make_targets_that_exist(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)", text, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets()


@pytest.mark.parametrize("readme", READMES)
def test_readme_links_point_to_files(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_both_readmes_have_the_same_code():
    first, second = (
        re.findall(r"```(?:python|sh)\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.S)
        for name in READMES
    )
    without = [re.sub(r" *#.*", "", code) for code in first]
    assert without == [re.sub(r" *#.*", "", code) for code in second]


@pytest.mark.slow
def test_readme_code_runs(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scope: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(code, "README.md", "exec"), scope)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["setup", "check", "test", "bench", "oracles"])
def test_scripts_can_be_run(name):
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["sh", "-n", str(path)], check=True)


def test_old_python_is_refused_with_a_way_out(tmp_path):
    result = subprocess.run(
        [str(ROOT / "scripts/setup"), "test"],
        env={"PATH": os.environ["PATH"], "VENV": str(tmp_path / "v"), "PYTHON": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "lamina needs Python 3.11 or later; tried: false" in result.stderr
    assert not (tmp_path / "v").exists()
