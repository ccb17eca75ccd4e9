"""Write the pages of the layers, in English and Chinese, from docstrings and texts.

    python tools/make_layer_docs.py          # into docs/layers
    python tools/make_layer_docs.py FOLDER   # elsewhere, to compare

What docstrings do not hold stands in docs/layers/texts: pages.toml (order, formulas, shapes,
examples, notes, in English) and zh.toml, which has each English text, of docstrings too, in
Chinese. A text without a translation is an error, so a changed docstring is not forgotten.
"""

import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp

from lamina import layers
from lamina.core import dialects

DOCS = Path(__file__).parent.parent / "docs" / "layers"
LANGUAGES = ("en", "zh")
COLON = {"en": ": ", "zh": "\N{FULLWIDTH COLON}"}
WIDTH = 100

LABELS = {
    "Formula": "公式",
    "Arguments": "参数",
    "Shapes": "形状",
    "Weights": "权重",
    "Masks": "掩码",
    "Errors": "错误",
    "Example": "示例",
    "Notes": "说明",
    "Picture": "图示",
    "Names": "别名",
    "Layers": "网络层",
    "layer": "网络层",
    "input": "输入",
    "output": "输出",
    "page": "页面",
    "layers": "网络层",
}
"""Headings and the heads of tables."""

PASSES = "A mask passes through unchanged."
ENDS = "The output has no mask."
REFUSES = "Not supported: a mask that comes in is a `TypeError`."
OPTIONS = "what every layer takes, see `Layer`."
OLD = "Names of older or newer releases, accepted as well:"
ALSO = "The same layer or its function:"
IMPORTS = "The examples of this page need these names:"
ABOUT = [
    "Every layer, with its arguments, formula, shapes, errors and an example. The examples run as tests, and the pages are written by `tools/make_layer_docs.py` from the docstrings and the texts in `texts`; the pictures are drawn by `tools/draw_layer_pictures.py` from what the layers compute.",  # noqa: E501
    "Names of arguments of all releases are accepted; each layer lists them. A name that no release has is an error that suggests the nearest one.",  # noqa: E501
]

Say = Callable[[str], str]


class Doc(NamedTuple):
    """The parts of a docstring."""

    text: list[str]
    arguments: dict[str, str]
    errors: list[str]
    example: str


class Texts:
    """English texts in a language; remembers what is missing and what was used."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.missing: list[str] = []
        self.used: set[str] = set()
        path = DOCS / "texts" / f"{language}.toml"
        self.table: dict[str, str] = {}
        if language != "en":
            entries = tomllib.loads(path.read_text(encoding="utf8"))["text"]
            self.table = {joined(entry["en"]): entry["zh"] for entry in entries}
            self.table |= LABELS

    def __call__(self, text: str) -> str:
        text = joined(text)
        if self.language == "en":
            return text
        self.used.add(text)
        if text not in self.table:
            self.missing.append(text)
        return self.table.get(text, text)

    def problems(self) -> list[str]:
        unused = self.table.keys() - self.used - LABELS.keys() if self.table else set()
        missing = [f"no text for {text!r}" for text in dict.fromkeys(self.missing)]
        return missing + [f"not used: {text!r}" for text in sorted(unused)]


def joined(text: str) -> str:
    """A paragraph on one line, as Markdown."""
    return re.sub(r"\s+", " ", text).strip().replace("``", "`")


def parsed(cls: Any) -> Doc:
    """The parts of a Google-style docstring."""
    text = inspect.cleandoc(vars(cls).get("__doc__") or "" if inspect.isclass(cls) else cls.__doc__)
    text, _, example = text.partition("\n>>> ")
    parts = re.split(r"^(Args|Raises|Returns):$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    paragraphs = [without_hint(p) for p in parts[0].split("\n\n")]
    return Doc(
        [p for p in paragraphs if p],
        dict(entries(sections.get("Args", ""))),
        [f"`{kind}`: {why}" for kind, why in entries(sections.get("Raises", ""))],
        f">>> {example.strip()}" if example else "",
    )


def without_hint(text: str) -> str:
    """A paragraph without the sentence that points to the base that tells the arguments."""
    text = joined(text)
    text = re.sub(r"[;,] arguments are (those of|as in) `\w+`\.", ".", text)
    text = re.sub(r"Arguments are those of `\w+`; (\w)", lambda found: found[1].upper(), text)
    return re.sub(r"Arguments are those of `\w+`\.\s*", "", text).strip()


def entries(section: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the entries of a section."""
    for entry in re.split(r"\n(?=\S)", textwrap.dedent(section.strip("\n"))):
        if entry.strip():
            name, _, told = entry.partition(":")
            yield name, joined(told)


class Told:
    """What docstrings and texts tell of one layer."""

    def __init__(self, name: str, more: dict[str, Any]) -> None:
        self.name, self.more = name, more
        self.thing = getattr(layers, name)
        bases = self.thing.__mro__ if inspect.isclass(self.thing) else (self.thing,)
        docs = [parsed(base) for base in bases if base is not object and base.__doc__]
        self.doc = docs[0]
        self.errors = more.get("errors") or next((doc.errors for doc in docs if doc.errors), [])
        function = self.thing.__init__ if inspect.isclass(self.thing) else self.thing
        found = list(inspect.signature(function).parameters.values())
        found = found[1:] if inspect.isclass(self.thing) else found
        self.parameters = [p for p in found if not p.name.startswith("_")]
        told = {k: v for doc in reversed(docs) for k, v in doc.arguments.items()}
        if function is layers.Layer.__init__ and name != "Layer":
            self.parameters, told = self.parameters[-1:], {"options": OPTIONS}
        self.arguments = {p.name: told.get(p.name) for p in self.parameters}

    def signature(self) -> str:
        """The call with its defaults, broken into lines if it is long."""
        shown, only_names = [], False
        for p in self.parameters:
            if p.kind is p.KEYWORD_ONLY and not only_names:
                shown.append("*")
                only_names = True
            stars = "**" if p.kind is p.VAR_KEYWORD else ""
            default = "" if p.default is p.empty else f"={p.default!r}"
            shown.append(f"{stars}{p.name}{default}".replace("'", '"'))
        line = f"{self.name}({', '.join(shown)})"
        if len(line) <= WIDTH:
            return line
        filled = textwrap.fill(", ".join(shown), WIDTH - 4, break_long_words=False)
        return f"{self.name}(\n{textwrap.indent(filled, '    ')},\n)"

    def rows(self) -> list[tuple[str, Any]]:
        """Calls and the shapes of their inputs."""
        lines = str(self.more.get("shapes", "")).strip().splitlines()
        pairs = [line.split(" <- ") for line in lines]
        return [(call.replace("'", '"'), eval(shape)) for call, shape in pairs]

    def built(self, call: str, shape: Any) -> tuple[Any, Any]:
        """A layer that was called on inputs of a shape, and the shape that came out."""
        layer = eval(call, vars(layers).copy())
        several = isinstance(shape, list)
        inputs = [layers.Input(batch_shape=one) for one in (shape if several else [shape])]
        return layer, layer(inputs if several else inputs[0]).shape

    def mask(self) -> str:
        """What happens to a mask: what was stated, or what the layer does with one."""
        if "mask" in self.more or not self.rows():
            return self.more.get("mask", "")
        call, shape = self.rows()[0]
        sizes = [2 if size is None else size for size in shape]
        mask = jnp.ones(sizes[:2], bool)
        try:
            found = eval(call, vars(layers).copy()).compute_mask(jnp.ones(sizes), mask)
        except TypeError:
            return REFUSES
        return ENDS if found is None else PASSES

    def old_names(self) -> dict[str, str]:
        """Arguments of other releases, and what they are called here."""
        own = dialects.parameters(self.thing) if inspect.isclass(self.thing) else ()
        found = {
            ", ".join(old): new
            for old, new in dialects.JOINED.items()
            if new in own and len(old) == getattr(self.thing, "rank", 0)
        }
        for old, news in dialects.RENAMED.items():
            new = next((new for new in news if new in own), None)
            if new is not None and old not in own:
                found[old] = new
        return found


def section(told: Told, say: Say, language: str) -> Iterator[str]:
    """The blocks of a layer's section."""
    more = told.more
    yield f"## {told.name}"
    yield from (say(text) for text in more.get("summary", told.doc.text))
    yield f"```py\n{told.signature()}\n```"
    if "formula" in more:
        yield f"### {say('Formula')}"
        yield f"```math\n{more['formula'].strip()}\n```"
    yield f"### {say('Arguments')}"
    yield "\n".join(arguments(told, say, language))
    yield from names(told, say, language)
    yield from shapes(told, say, language)
    if told.mask():
        yield f"### {say('Masks')}"
        yield say(told.mask())
    if told.errors:
        yield f"### {say('Errors')}"
        yield "\n".join(f"- {say(text)}" for text in told.errors)
    example = "\n".join(
        part.strip() for part in (told.doc.example, more.get("example", "")) if part
    )
    if example:
        yield f"### {say('Example')}"
        yield f"```python\n{example}\n```"
    if "picture" in more:
        yield f"### {say('Picture')}"
        yield f"![{told.name}](../pictures/{more['picture']}.svg)"
    if "notes" in more:
        yield f"### {say('Notes')}"
        yield "\n".join(f"- {say(text)}" for text in more["notes"])


def arguments(told: Told, say: Say, language: str) -> Iterator[str]:
    """A list of the arguments."""
    for p in told.parameters:
        text = told.arguments[p.name]
        if text is None:
            raise ValueError(f"{told.name}: no docstring tells of the argument {p.name!r}.")
        stars = "**" if p.kind is p.VAR_KEYWORD else ""
        shown = say(text).replace("`Layer`", "[`Layer`](base.md#layer)")
        yield f"- `{stars}{p.name}`{COLON[language]}{shown}"


def names(told: Told, say: Say, language: str) -> Iterator[str]:
    """Other names of the layer and of its arguments."""
    also, old = told.more.get("also", []), told.old_names()
    if not also and not old:
        return
    comma, gap = (", ", " ") if language == "en" else ("、", "")
    yield f"### {say('Names')}"
    if also:
        yield f"{say(ALSO)}{gap}{comma.join(f'`{name}`' for name in also)}"
    if old:
        pairs = (f"`{before}` → `{today}`" for before, today in old.items())
        yield f"{say(OLD)}{gap}{comma.join(pairs)}"


def shapes(told: Told, say: Say, language: str) -> Iterator[str]:
    """Tables of shapes and of weights, from layers that were built."""
    rows = told.rows()
    if not rows:
        return
    yield f"### {say('Shapes')}"
    lines = [f"| {say('layer')} | {say('input')} | {say('output')} |", "|---|---|---|"]
    weights = []
    for call, shape in rows:
        layer, output = told.built(call, shape)
        shown = ", ".join(map(str, shape)) if isinstance(shape, list) else shape
        lines.append(f"| `{call}` | `{shown}` | `{output}` |")
        found = ", ".join(f"`{weight.name}` `{weight.shape}`" for weight in layer.weights)
        weights += [f"- `{call}`{COLON[language]}{found}"] if found else []
    yield "\n".join(lines)
    if weights:
        yield f"### {say('Weights')}"
        yield "\n".join(dict.fromkeys(weights))


def page(entry: dict[str, Any], texts: dict[str, Any], say: Say, language: str) -> str:
    """The text of a page."""
    other, word = ("zh", "中文") if language == "en" else ("en", "English")
    index = "README.md" if language == "en" else "README.zh.md"
    own = entry["layers"] + aliases(entry, texts)
    needed = own if "Input" in own else [*own, "Input"]
    names = "\n".join(f"...     {name}," for name in needed)
    setup = f">>> import jax.numpy as jnp\n>>> import lamina\n>>> import numpy as np\n>>> from lamina.layers import (\n{names}\n... )"  # noqa: E501
    blocks = [
        f"# {say(entry['title'])}",
        f"[{word}](../{other}/{entry['name']}.md) · [{say('Layers')}](../{index})",
        *(say(text) for text in entry["intro"]),
        " · ".join(f"[{name}](#{name.lower()})" for name in entry["layers"]),
        say(IMPORTS),
        f"```python\n{setup}\n```",
    ]
    for name in entry["layers"]:
        blocks += section(Told(name, texts["layer"].get(name, {})), say, language)
    return "\n\n".join(blocks) + "\n"


def aliases(entry: dict[str, Any], texts: dict[str, Any]) -> list[str]:
    """Further public names of the layers of a page."""
    told = (texts["layer"].get(name, {}) for name in entry["layers"])
    return [name for more in told for name in more.get("also", [])]


def index(texts: dict[str, Any], say: Say, language: str) -> str:
    """The page that leads to the others."""
    other, word = ("README.zh.md", "中文") if language == "en" else ("README.md", "English")
    lines = [f"| {say('page')} | {say('layers')} |", "|---|---|"]
    for entry in texts["page"]:
        path = f"{language}/{entry['name']}.md"
        comma = ", " if language == "en" else "、"
        listed = comma.join(f"[{name}]({path}#{name.lower()})" for name in entry["layers"])
        lines.append(f"| [{say(entry['title'])}]({path}) | {listed} |")
    blocks = [f"# {say('Layers')}", f"[{word}]({other})", *map(say, ABOUT), "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def made() -> dict[str, str]:
    """All pages: path below docs/layers, and text.

    Raises:
        ValueError: a text has no translation, or a translation is of no text.
    """
    texts = tomllib.loads((DOCS / "texts" / "pages.toml").read_text(encoding="utf8"))
    pages, problems = {}, []
    for language in LANGUAGES:
        say = Texts(language)
        pages["README.md" if language == "en" else f"README.{language}.md"] = index(
            texts, say, language
        )
        for entry in texts["page"]:
            pages[f"{language}/{entry['name']}.md"] = page(entry, texts, say, language)
        problems += say.problems()
    if problems:
        raise ValueError("docs/layers/texts/zh.toml:\n" + "\n".join(problems))
    return pages


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for path, text in made().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf8")


if __name__ == "__main__":
    main()
