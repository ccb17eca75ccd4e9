"""Draw the pictures of the pages of the layers as SVG, from what the layers compute.

python tools/draw_layer_pictures.py          # into docs/layers/pictures
python tools/draw_layer_pictures.py FOLDER   # elsewhere, to compare

Words in the pictures are code, so that they serve all languages.
"""

import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import jax.numpy as jnp
import numpy as np

from lamina import seeds
from lamina.layers import (
    ELU,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Cropping2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    LeakyReLU,
    MaxPooling2D,
    ReLU,
    SpatialDropout1D,
    ThresholdedReLU,
    UpSampling2D,
    ZeroPadding2D,
)

FOLDER = Path(__file__).parent.parent / "docs" / "layers" / "pictures"
CELL = 28
INK, GREY, PALE, BLUE, RED = "#1f2933", "#9aa5b1", "#f0f2f5", "#2b6cb0", "#c53030"
TINTS = (
    "#cfe3f7", "#fde3c8", "#d8f0d2", "#e6dbf5", "#fbd9dd",
    "#d5f0ee", "#f7efc1", "#e3e0d8", "#dbe1ff",
)  # fmt: skip


class Picture:
    """An SVG that grows with what is drawn into it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []
        self.width = self.height = 0.0

    def _add(self, part: str, right: float, bottom: float) -> None:
        self.parts.append(part)
        self.width, self.height = max(self.width, right), max(self.height, bottom)

    def cell(self, x: float, y: float, text: Any = "", **look: Any) -> None:
        """A square with a word in it."""
        fill, ink = look.get("fill", "white"), look.get("ink", INK)
        dash = ' stroke-dasharray="3 3"' if look.get("dashed") else ""
        thick = look.get("thick", 1)
        edge = RED if thick > 1 else GREY
        self._add(
            f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" fill="{fill}" '
            f'stroke="{edge}" stroke-width="{thick}"{dash}/>',
            x + CELL,
            y + CELL,
        )
        if text != "":
            self.text(x + CELL / 2, y + CELL / 2 + 4, text, ink=ink, middle=True)

    def text(self, x: float, y: float, text: Any, ink: str = INK, middle: bool = False) -> None:
        anchor = ' text-anchor="middle"' if middle else ""
        right = x + 7.3 * len(str(text)) / (2 if middle else 1)
        self._add(
            f'<text x="{x:g}" y="{y:g}" fill="{ink}"{anchor}>{escape(str(text))}</text>',
            right,
            y + 4,
        )

    def line(self, points: Sequence[tuple[float, float]], ink: str = INK, thick: float = 1) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._add(
            f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="{thick:g}"/>',
            max(x for x, _ in points),
            max(y for _, y in points),
        )

    def arrow(self, x: float, y: float) -> None:
        self.line([(x, y), (x + 24, y)])
        self.line([(x + 18, y - 5), (x + 24, y), (x + 18, y + 5)])

    def circle(self, x: float, y: float, fill: str, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="3 3"' if dashed else ""
        self._add(
            f'<circle cx="{x:g}" cy="{y:g}" r="9" fill="{fill}" stroke="{INK}"{dash}/>',
            x + 9,
            y + 9,
        )

    def grid(self, x: float, y: float, values: Any, fills: Any = None) -> tuple[float, float]:
        """Cells of a matrix; the place to the right of its middle."""
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                fill = "white" if fills is None else fills[i][j]
                self.cell(x + CELL * j, y + CELL * i, value, fill=fill)
        return x + CELL * len(values[0]), y + CELL * len(values) / 2

    def svg(self) -> str:
        width, height = int(self.width + 16), int(self.height + 16)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="monospace" font-size="12">'
        )
        ground = f'<rect width="{width}" height="{height}" fill="white"/>'
        return "\n".join(
            [head, f"<title>{escape(self.title)}</title>", ground, *self.parts, "</svg>\n"]
        )


def number(value: Any) -> str:
    return f"{float(value):.3g}"


def seen(layer: Callable[[Any], Any], *sizes: int) -> np.ndarray:
    """Which cells of the input each cell of the output depends on: two flat axes."""
    cells = math.prod(sizes)
    outputs = layer(jnp.eye(cells).reshape(cells, *sizes, 1))  # one cell is 1 in each sample
    return np.asarray(outputs).reshape(cells, -1).T != 0


def pooling() -> Picture:
    """Windows of 2 by 2 on 5 by 5 cells, coloured, and what they give."""
    picture = Picture("MaxPooling2D and AveragePooling2D, padding valid and same")
    rows, columns = np.indices((5, 5))
    values = (3 * rows * rows + 7 * columns + 5 * rows * columns) % 5 * 2
    for row, kind in enumerate((MaxPooling2D, AveragePooling2D)):
        for column, padding in enumerate(("valid", "same")):
            x, y = 16 + column * 360, 16 + row * 220
            picture.text(x, y + 8, f'{kind.__name__}(2, padding="{padding}")')
            cells = seen(AveragePooling2D(2, padding=padding), 5, 5)
            owner = np.where(cells.any(0), cells.argmax(0), -1).reshape(5, 5)
            fills = [[TINTS[one] if one >= 0 else PALE for one in line] for line in owner]
            y += 20
            if padding == "same":
                for place in range(6):
                    picture.cell(x + 5 * CELL, y + place * CELL, dashed=True)
                    picture.cell(x + place * CELL, y + 5 * CELL, dashed=True)
            picture.grid(x, y, values, fills)
            picture.arrow(x + 6 * CELL + 10, y + 2.5 * CELL)
            array = jnp.asarray(values, "float32")[None, :, :, None]
            found = kind(2, padding=padding)(array)[0, :, :, 0]
            size = len(found)
            tints = np.asarray(TINTS)[: size * size].reshape(size, size)
            top = y + (2.5 - size / 2) * CELL
            picture.grid(
                x + 7 * CELL + 24, top, [[number(v) for v in line] for line in found], tints
            )
    return picture


def dilation() -> Picture:
    """The input cells that the output cell in the middle sees."""
    picture = Picture("Conv2D with dilation_rate 1, 2 and 3")
    for place, rate in enumerate((1, 2, 3)):
        x = 16 + place * (9 * CELL + 24)
        picture.text(x, 24, f"Conv2D(1, 3, dilation_rate={rate})")
        layer = Conv2D(1, 3, padding="same", dilation_rate=rate, kernel_initializer="ones")
        cells = seen(layer, 9, 9)[40].reshape(9, 9)
        picture.grid(x, 36, np.full((9, 9), ""), np.where(cells, TINTS[0], "white"))
        picture.cell(x + 4 * CELL, 36 + 4 * CELL, fill="none", thick=3)
    return picture


def causal() -> Picture:
    """Lines from the inputs of a sequence to the outputs that see them."""
    picture = Picture("Conv1D with padding valid, same and causal")
    cases: Any = (("valid", 1, 0, 1), ("same", 1, 1, 0), ("causal", 1, 2, 0), ("causal", 2, 4, 0))
    for place, (padding, rate, zeros, shift) in enumerate(cases):
        x, y = 16 + place % 2 * 430, 16 + place // 2 * 150
        more = f", dilation_rate={rate}" if rate > 1 else ""
        picture.text(x, y + 8, f'Conv1D(1, 3, padding="{padding}"{more})')
        layer = Conv1D(1, 3, padding=padding, dilation_rate=rate, kernel_initializer="ones")
        lines(picture, x + 4 * 32 + 12, y + 40, seen(layer, 7), shift)
        for one in range(zeros):
            picture.circle(x + (3 - one) * 32 + 12, y + 110, "white", dashed=True)
        if padding == "same":
            picture.circle(x + 11 * 32 + 12, y + 110, "white", dashed=True)
    return picture


def lines(picture: Picture, x: float, y: float, cells: np.ndarray, shift: int) -> None:
    """Outputs above, inputs below, and what joins them; one output stands out."""
    chosen = 4 - shift
    order = [one for one in range(len(cells)) if one != chosen] + [chosen]
    for out in order:
        ink, thick = (BLUE, 2.5) if out == chosen else (GREY, 1)
        for place in np.flatnonzero(cells[out]):
            picture.line([(x + 32 * (out + shift), y), (x + 32 * place, y + 70)], ink, thick)
    for out in range(len(cells)):
        picture.circle(x + 32 * (out + shift), y, BLUE if out == chosen else TINTS[1])
    for place in range(cells.shape[1]):
        picture.circle(x + 32 * place, y + 70, BLUE if cells[chosen, place] else TINTS[0])


def dropout() -> Picture:
    """What is dropped at the same time: single values, features, steps."""
    picture = Picture("Dropout, SpatialDropout1D and noise_shape")
    cases = {
        "Dropout(0.5)": Dropout(0.5, seed=1),
        "SpatialDropout1D(0.5)": SpatialDropout1D(0.5, seed=1),
        "Dropout(0.5, (None, None, 1))": Dropout(0.5, (None, None, 1), seed=1),
    }
    for place, (told, layer) in enumerate(cases.items()):
        x = 66 + place * (8 * CELL + 40)
        picture.text(x, 24, told)
        seeds.set_random_seed(11)
        values = layer(jnp.ones((1, 6, 8)), training=True)[0]
        fills = np.where(np.asarray(values) == 0, GREY, TINTS[0])
        picture.grid(x, 36, [[number(v) for v in row] for row in values], fills)
        picture.text(x, 36 + 6 * CELL + 18, "features →")
    picture.text(12, 36 + 3 * CELL, "steps ↓")
    return picture


def mask() -> Picture:
    """The mask of an Embedding on its way through layers."""
    picture = Picture("A mask on its way through layers")
    indices = jnp.array([[3, 7, 2, 0, 0]])
    told = [
        ("Embedding(10, 4, mask_zero=True)", Embedding(10, 4, mask_zero=True)),
        ("Dropout(0.5)", Dropout(0.5)),
        ("Dense(4)", Dense(4)),
        ("GlobalAveragePooling1D()", GlobalAveragePooling1D()),
    ]
    x, y = 290, 16
    picture.text(16, y + 19, "[3, 7, 2, 0, 0]")
    picture.grid(x, y, np.asarray(indices))
    values, current, kept = indices, None, None
    for name, layer in told:
        y += 52
        picture.text(16, y + 19, name)
        picture.line([(x + 2.5 * CELL, y - 22), (x + 2.5 * CELL, y - 4)])
        picture.line(
            [(x + 2.5 * CELL - 4, y - 10), (x + 2.5 * CELL, y - 4), (x + 2.5 * CELL + 4, y - 10)]
        )
        current, values = layer.compute_mask(values, current), layer(values)
        if current is None:
            picture.text(x + 2.5 * CELL, y + 19, "mask: None", middle=True)
            continue
        marks = [["✓" if one else "✗" for one in current[0]]]
        picture.grid(x, y, marks, [[TINTS[2] if one else TINTS[4] for one in current[0]]])
        kept = current
    try:
        Flatten().compute_mask(jnp.ones((1, 5, 4)), kept)
    except TypeError:
        picture.line([(x + 5 * CELL + 8, y - 38), (x + 5 * CELL + 60, y - 38)])
        picture.text(x + 5 * CELL + 68, y - 34, "Flatten(): TypeError", ink=RED)
    return picture


def activations() -> Picture:
    """Curves from -3 to 3."""
    picture = Picture("Activations")
    cases = {
        "ReLU()": ReLU(),
        "ReLU(max_value=2)": ReLU(max_value=2),
        "ReLU(2, 0.25, 1)": ReLU(2, 0.25, 1),
        "LeakyReLU()": LeakyReLU(),
        "ELU()": ELU(),
        "ThresholdedReLU()": ThresholdedReLU(),
    }
    points = np.linspace(-3, 3, 241, dtype="float32")
    for place, (told, layer) in enumerate(cases.items()):
        x, y = 16 + place % 3 * 216, 16 + place // 3 * 190
        picture.text(x, y + 8, told)
        left, top = x + 95, y + 20 + 85
        picture.line([(left - 84, top), (left + 84, top)], GREY)
        picture.line([(left, top - 84), (left, top + 56)], GREY)
        for tick in (-2, -1, 1, 2):
            picture.line([(left + 28 * tick, top - 3), (left + 28 * tick, top + 3)], GREY)
            picture.line([(left - 3, top - 28 * tick), (left + 3, top - 28 * tick)], GREY)
        heights = np.asarray(layer(points[None]))[0]
        curve = [(left + 28 * a, top - 28 * b) for a, b in zip(points, heights, strict=True)]
        for part in pieces(curve):
            picture.line(part, BLUE, 2)
    return picture


def pieces(curve: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """A curve cut where it jumps."""
    found = [[curve[0]]]
    for before, point in pairwise(curve):
        if abs(point[1] - before[1]) > 8:
            found.append([])
        found[-1].append(point)
    return found


def resizing() -> Picture:
    """Zero padding, cropping and upsampling of 2 by 3 cells."""
    picture = Picture("ZeroPadding2D, Cropping2D, UpSampling2D")
    values = jnp.array([16.0, 48.0, 32.0, 64.0, 96.0, 80.0]).reshape(1, 2, 3, 1)
    cases = {
        "ZeroPadding2D(1)": ZeroPadding2D(1),
        "Cropping2D(((0, 1), (1, 0)))": Cropping2D(((0, 1), (1, 0))),
        "UpSampling2D(2)": UpSampling2D(2),
        'UpSampling2D(2, interpolation="bilinear")': UpSampling2D(2, interpolation="bilinear"),
    }
    tints = {float(one): TINTS[place] for place, one in enumerate(values.ravel())}
    for place, (told, layer) in enumerate(cases.items()):
        x, y = 16 + place % 2 * 360, 16 + place // 2 * 160
        picture.text(x, y + 8, told)
        for left, shown in ((x, values), (x + 3 * CELL + 48, layer(values))):
            cells = np.asarray(shown)[0, :, :, 0]
            known = {} if cells.shape == (4, 6) and "bilinear" in told else tints
            fills = [[known.get(float(one), "white") for one in row] for row in cells]
            top = y + 20 + (4 - len(cells)) / 2 * CELL
            picture.grid(left, top, [[number(v) for v in row] for row in cells], fills)
        picture.arrow(x + 3 * CELL + 12, y + 20 + 2 * CELL)
    return picture


def drawn() -> dict[str, str]:
    """All pictures: name and SVG."""
    made = (pooling, dilation, causal, dropout, mask, activations, resizing)
    return {one.__name__: one().svg() for one in made}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn().items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf8")


if __name__ == "__main__":
    main()
