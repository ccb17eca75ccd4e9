"""Signature lines of the notes: names, order and defaults are those of the classes."""

import ast
import inspect

import pytest

from lamina import layers

LINES = [f"a_{n:02}" for n in (2, 4, 7, 8, 12, *range(14, 29), 30, 31)] + [
    f"b_{n:02}" for n in (1, 2, 3, 4, 6, 7, 9, 11, *range(15, 20))
]
TYPOS = {"activtion": "activation", "funtion": "function"}
VALUES = {
    "units": 5,
    "activation": "tanh",
    "rate": 0.25,
    "function": abs,
    "filters": 4,
    "kernel_size": 3,
    "input_dim": 7,
    "output_dim": 3,
    "target_shape": (2, 3),
    "dims": (2, 1),
    "n": 3,
}
LATER = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)


def parsed(text):
    """The class, the names without defaults, and those with them, of a line."""
    call = ast.parse(text.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Attribute)
    required = [argument.id for argument in call.args if isinstance(argument, ast.Name)]
    assert len(required) == len(call.args)
    optional = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    return getattr(layers, call.func.attr), required, optional


def same(ours, stated):
    """Equal, or one number that stands for itself on each axis."""
    if isinstance(stated, tuple) and not isinstance(ours, tuple):
        return all(ours == one for one in stated)
    return ours == stated and isinstance(ours, bool) == isinstance(stated, bool)


@pytest.mark.parametrize("key", LINES)
def test_names_order_and_defaults(key, text_of):
    cls, required, optional = parsed(text_of(key))
    found = list(inspect.signature(cls).parameters.values())
    positional = [p for p in found if p.kind not in LATER]
    names = [TYPOS.get(name, name) for name in (*required, *optional)]
    written = len(names) if key != "a_25" else 0
    assert [p.name for p in positional][:written] == names
    if key != "a_25":  # written without its argument, though the text around describes it
        assert len(positional) == len(names)
    for parameter in positional[: len(required)]:
        assert parameter.default is inspect.Parameter.empty
    for parameter, stated in zip(positional[len(required) :], optional.values(), strict=False):
        assert same(parameter.default, stated), parameter


@pytest.mark.parametrize("key", [key for key in LINES if key not in ("b_01", "b_11")])
def test_line_makes_a_layer(key, execute, text_of):
    cls, required, optional = parsed(text_of(key))
    needed = {name: VALUES[name] for name in required}
    execute(key, **needed)
    by_place = cls(*needed.values(), *optional.values(), name="same")
    by_name = cls(**needed, **optional, name="same")
    assert by_place.get_config() == by_name.get_config()
    for name in (*required, *optional):
        if name not in ("function", "output_shape", "mask", "arguments", "input_length"):
            assert hasattr(by_name, name), name


@pytest.mark.parametrize(
    ("key", "name", "meant"), [("b_01", "activtion", "activation"), ("b_11", "funtion", "function")]
)
def test_typos_of_the_notes_are_named(key, name, meant, execute, text_of):
    cls, required, optional = parsed(text_of(key))
    words = {name: VALUES[meant]} | {other: VALUES[other] for other in required if other != name}
    words |= {other: value for other, value in optional.items() if other != name}
    with pytest.raises(TypeError, match=f"Did you mean '{meant}'") as caught:
        cls(**words)
    assert cls.__name__ in str(caught.value)
    assert name in str(caught.value)


def test_the_line_with_the_typo_fails_as_it_stands(execute):
    with pytest.raises(TypeError, match="Did you mean 'activation'"):
        execute("b_01", units=5)


def test_the_other_typo_is_only_a_name_by_place(execute):
    execute("b_11", funtion=abs)
