"""The table that ``model.summary()`` prints."""

import numpy as np
import pytest

from lamina.layers import Add, Dense, Dropout, Input
from lamina.models import Model, Sequential


def lines_of(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return lines


def row(lines, name):
    """The cells of the line that begins with a name."""
    (line,) = [line for line in lines if line.strip("| ").startswith(f"{name} (")]
    return [cell.strip() for cell in line.strip().split("  ") if cell.strip()]


@pytest.fixture
def graph():
    a = Input(shape=(3,), name="a")
    shared = Dense(3, name="shared")
    inner = Sequential([Dense(5, input_shape=(3,), name="deep"), Dropout(0.5)], name="inner")
    total = Add(name="total")([shared(a), shared(shared(a))])
    return Model(a, inner(total), name="graph")


def test_each_line_goes_to_print_fn_once():
    model = Sequential(
        [Dense(40, input_shape=(30,), name="first"), Dense(2, name="last")], name="m"
    )
    lines = lines_of(model)
    assert lines[0] == 'Model: "m"'
    assert row(lines, "first")[1:] == ["(None, 40)", "1,240"]
    assert not any("\n" in line for line in lines)
    assert "Connected" not in "".join(lines)
    assert "Total params: 1,322 (5.16 KB)" in lines
    assert "Trainable params: 1,322 (5.16 KB)" in lines
    assert "Non-trainable params: 0 (0.00 B)" in lines


def test_it_prints_by_default(capsys):
    Sequential([Dense(2, input_shape=(3,))]).summary()
    assert "Total params: 8" in capsys.readouterr().out


def test_graphs_say_what_is_connected(graph):
    lines = lines_of(graph, line_length=100)
    text = "\n".join(lines)
    assert "Connected to" in text
    assert all(word in text for word in ("a[0][0]", "shared[0][0]", "shared[2][0]", "total[0][0]"))
    assert row(lines, "shared")[2].strip() == "12"
    assert "Total params: 32 (128.00 B)" in lines
    assert "deep" not in text


def test_models_inside_are_opened(graph):
    lines = lines_of(graph, expand_nested=True, line_length=100)
    assert [cell.strip() for cell in row(lines, "deep")[-3:]] == [
        "(None, 5)",
        "20",
        "deep_input[0][0]",
    ]
    assert any(line.strip().startswith("|  deep (Dense)") for line in lines)


def test_what_training_changes(graph):
    graph.get_layer("shared").trainable = False
    lines = lines_of(graph, show_trainable=True, line_length=110)
    assert row(lines, "shared")[-1].strip() == "N"
    assert row(lines, "inner")[-1].strip() == "Y"
    assert row(lines, "total")[-1].strip() == "-"
    assert "Trainable params: 20 (80.00 B)" in lines
    assert "Non-trainable params: 12 (48.00 B)" in lines


def test_before_it_is_built():
    lines = lines_of(Sequential([Dense(2, name="first"), Dense(3, name="last")], name="m"))
    assert [cell.strip() for cell in row(lines, "first")[1:]] == ["?", "?"]
    assert any("Not built yet: m, first, last" in line and "input_shape" in line for line in lines)


def test_subclasses_before_and_after():
    class Net(Model):
        def __init__(self):
            super().__init__(name="net")
            self.parts = [Dense(4, name="first"), Dense(2, name="last")]

        def call(self, inputs):  # type: ignore[override]
            return self.parts[1](self.parts[0](inputs))

    model = Net()
    assert row(lines_of(model), "last")[1].strip() == "?"
    model(np.ones((7, 3), "f"))
    assert [cell.strip() for cell in row(lines_of(model), "last")[1:]] == ["(None, 2)", "10"]
    assert "Total params: 26 (104.00 B)" in lines_of(model)


def test_a_range_of_layers():
    model = Sequential([Dense(n, name=f"d{n}") for n in (2, 3, 4, 5)])
    text = "\n".join(lines_of(model, layer_range=["d3", "d4"])[:8])
    assert [name in text for name in ("d2 ", "d3 ", "d4 ", "d5 ")] == [False, True, True, False]
    with pytest.raises(ValueError, match="layer_range names 'dd', but there is no such"):
        lines_of(model, layer_range=["d2", "dd"])
    with pytest.raises(ValueError, match="the names of the first and the last layer"):
        lines_of(model, layer_range=["d2"])


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_width_is_kept(graph, width):
    lines = lines_of(graph, line_length=width)
    assert max(len(line) for line in lines if "params" not in line) == width
    assert lines[1] == "_" * width


def test_a_bad_width():
    with pytest.raises(ValueError, match="line_length must be at least 20, got 3"):
        lines_of(Sequential(), line_length=3)
