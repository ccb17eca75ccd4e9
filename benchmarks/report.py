"""Tables and a chart from the figures of the peers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import limits
from workloads import WORKLOADS

TITLES = {
    "lamina": "lamina",
    "keras-jax": "Keras on JAX",
    "keras-tensorflow": "Keras on TensorFlow",
    "keras-torch": "Keras on PyTorch",
    "torch": "PyTorch",
    "floor": "JAX by hand",
}
COLOURS = {
    "keras-jax": "#4c72b0",
    "keras-tensorflow": "#dd8452",
    "keras-torch": "#c44e52",
    "torch": "#937860",
    "floor": "#8c8c8c",
}
MEASURES = {
    "train": "Training step in `fit`, ms",
    "predict": "Step of `predict`, ms",
    "one": "`predict` of one sample, us",
    "call": "`model(x)` of one sample, us",
    "first": "Building and first `fit` of four batches, s",
    "second": "The same in a second process, s",
    "memory": "Most memory, MB",
}

Found = dict[str, dict[str, dict[str, Any]]]


def least(figures: dict[str, Any], measure: str) -> float | None:
    """A figure, or the least of its rounds."""
    value = figures.get(measure)
    return min(value) if isinstance(value, list) else value


def line(name: str, figures: dict[str, dict[str, Any]]) -> str:
    """One line on a model that has just been measured."""
    parts = []
    for contender, ones in figures.items():
        taken = least(ones, "train")
        text = "failed" if taken is None else f"{taken:.4g} ms"
        parts.append(
            f"{contender} {text}" + (f" ({ones['differs']})" if ones.get("differs") else "")
        )
    return f"{name}: " + ", ".join(parts)


def markdown(found: Found, rows: list[dict[str, Any]]) -> str:
    """All figures and ratios as tables."""
    names = [name for name in TITLES if any(name in figures for figures in found.values())]
    parts = [table(found, names, measure) for measure in MEASURES]
    parts.append(section("Ratios and their limits", list(bounded(rows))))
    wrong = [
        f"- {model}, {TITLES[name]}: {figures['differs']}"
        for model, all_figures in found.items()
        for name, figures in all_figures.items()
        if figures.get("differs")
    ]
    missed = [f"- {sentence}" for sentence in limits.missed(rows)]
    parts.append(section("Limits that were missed", missed or ["None."]))
    parts.append(section("Numbers that differ from lamina's", wrong or ["None."]))
    return "\n".join(parts)


def bounded(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of a table of the ratios that have a limit."""
    yield cells(["", "beside", "ratio", "median", "limit", ""])
    yield cells(["---", "---", "---:", "---:", "---:", "---"])
    for row in rows:
        if row["limit"] is not None:
            ratios = [f"{row[key]:.3f}" for key in ("ratio", "median_ratio")]
            other = TITLES.get(row["details"].get("other"), "")
            note = "missed" if limits.missed([row]) else ""
            yield cells([row["name"], other, *ratios, f"{row['limit']:g}", note])


def section(title: str, lines: list[str]) -> str:
    return "\n".join([f"### {title}", "", *lines, ""])


def table(found: Found, names: list[str], measure: str) -> str:
    """One measurement: models down, contenders across, and lamina's ratio to the best peer."""
    shown = [name for name in names if any(measure in f.get(name, {}) for f in found.values())]
    peers = [name for name in shown if name in limits.PEERS]
    header = ["", *(TITLES[name] for name in shown), *(["lamina / best peer"] if peers else [])]
    lines = [cells(header), cells(["---", *["---:"] * (len(header) - 1)])]
    for model, figures in found.items():
        values = [least(figures.get(name, {}), measure) for name in shown]
        row = [WORKLOADS[model].about, *map(number, values)]
        if peers:
            others = [value for name in peers if (value := least(figures.get(name, {}), measure))]
            ours = least(figures.get("lamina", {}), measure)
            row.append("" if not others or ours is None else f"**{ours / min(others):.2f}**")
        lines.append(cells(row))
    return section(MEASURES[measure], lines)


def cells(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def chart(found: Found, path: Path) -> None:
    """Times of a training step as multiples of lamina's, one group of bars a model."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    models = [name for name in found if least(found[name].get("lamina", {}), "train")]
    names = [name for name in COLOURS if any(name in found[model] for model in models)]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.5 * len(models)), layout="constrained")
    height = 0.8 / max(len(names), 1)
    for place, name in enumerate(names):
        theirs = [least(found[model].get(name, {}), "train") for model in models]
        ours = [least(found[model]["lamina"], "train") for model in models]
        # Bars begin at lamina; there is none for a contender that failed.
        beyond = [(a or b) / b - 1 for a, b in zip(theirs, ours, strict=True) if b]
        heights = [row - 0.4 + (place + 0.5) * height for row in range(len(models))]
        axes.barh(heights, beyond, height, left=1, label=TITLES[name], color=COLOURS[name])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(models)), [WORKLOADS[model].about for model in models])
    axes.invert_yaxis()
    axes.set_xlabel("time of a training step, lamina = 1")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(names), fontsize="small", frameon=False)
    figure.savefig(path)
    pyplot.close(figure)
