"""The pages of the layers: their examples run, nothing is missing, and they are up to date."""

import doctest
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from lamina import layers, seeds

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs" / "layers"
PAGES = sorted(DOCS.glob("*/*.md"))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(path):
    """The Python of a page and the line at which each block begins."""
    text = path.read_text(encoding="utf8")
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, found.start(1)), found[1]


def headings(path, level):
    return re.findall(rf"^{'#' * level} (.+)$", path.read_text(encoding="utf8"), re.MULTILINE)


@pytest.fixture(name="generator", scope="module")
def generator_fixture():
    return tool("make_layer_docs")


# The pages in Chinese have the same examples, which another test holds.
@pytest.mark.parametrize("path", sorted((DOCS / "en").glob("*.md")), ids=lambda path: path.stem)
def test_the_examples_of_a_page_give_what_it_shows(path):
    names, report = {}, []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for line, block in blocks(path):
        test = doctest.DocTestParser().get_doctest(block, names, path.stem, str(path), line)
        assert test.examples, f"{path}:{line}: no example"
        runner.run(test, out=report.append, clear_globs=False)
        names.update(test.globs)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_section_of_a_layer_has_an_example(path, generator):
    word = "Example" if path.parent.name == "en" else generator.LABELS["Example"]
    assert headings(path, 3).count(word) == len(headings(path, 2))


def test_the_pages_are_what_the_generator_makes(generator, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_layer_docs.py", str(tmp_path)])
    generator.main()
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.md")}
    kept = {path.relative_to(DOCS): path.read_bytes() for path in [*DOCS.glob("*.md"), *PAGES]}
    assert made.keys() == kept.keys()
    changed = [str(path) for path in made if made[path] != kept[path]]
    assert not changed, "run: python tools/make_layer_docs.py"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_public_name_is_on_one_page(language):
    texts = tomllib.loads((DOCS / "texts" / "pages.toml").read_text(encoding="utf8"))["layer"]
    found = []
    for path in sorted((DOCS / language).glob("*.md")):
        for name in headings(path, 2):
            also = texts.get(name, {}).get("also", [])
            assert all(f"`{other}`" in path.read_text(encoding="utf8") for other in also)
            found += [name, *also]
    assert sorted(found) == sorted(layers.__all__)


@pytest.mark.parametrize("path", sorted((DOCS / "en").glob("*.md")), ids=lambda path: path.stem)
def test_both_languages_have_the_same_headings(path, generator):
    other = DOCS / "zh" / path.name
    assert headings(path, 2) == headings(other, 2)
    assert [generator.LABELS[word] for word in headings(path, 3)] == headings(other, 3)
    assert [code for _, code in blocks(path)] == [code for _, code in blocks(other)]


@pytest.mark.parametrize("path", [*PAGES, *DOCS.glob("*.md")], ids=lambda path: str(path.name))
def test_links_lead_to_files_and_headings(path):
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf8")):
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.is_file(), target
        if anchor:
            assert anchor in [name.lower() for name in headings(place, 2)], target


def test_a_text_without_translation_is_an_error(generator, monkeypatch):
    monkeypatch.setitem(generator.LABELS, "Formula", "公式")
    monkeypatch.setattr(generator, "PASSES", "A mask goes through.")
    with pytest.raises(ValueError, match=r"no text for 'A mask goes through\.'\nnot used: 'A mask"):
        generator.made()


def test_pictures_are_what_the_layers_compute(monkeypatch):
    for name, value in seeds._state.items():  # drawing sets the global seed
        monkeypatch.setitem(seeds._state, name, value)
    drawn = tool("draw_layer_pictures").drawn()
    kept = {path.stem: path.read_text(encoding="utf8") for path in DOCS.glob("pictures/*.svg")}
    assert drawn.keys() == kept.keys()
    changed = [name for name in drawn if drawn[name] != kept[name]]
    assert not changed, "run: python tools/draw_layer_pictures.py"
