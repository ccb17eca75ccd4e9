"""The examples run on data that comes with the package, and learn something from it."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.slow


def example(name):
    """The example's module."""
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "data", "epochs", "least"),
    [
        ("image_classification", "digits", 4, 0.85),
        ("text_classification", "builtin", 6, 0.9),
        ("subclassing", "digits", 3, 0.85),
    ],
)
def test_example_learns(name, data, epochs, least, capsys):
    accuracy = example(name).main(["--data", data, "--epochs", str(epochs)])
    assert accuracy > least
    assert capsys.readouterr().err == ""


def test_functional_api_learns_both_outputs():
    results = example("functional_api").main(["--data", "digits", "--epochs", "5"])
    assert results["digit_accuracy"] > 0.85
    assert results["same_accuracy"] > 0.7


def test_image_classification_says_what_it_sees(capsys):
    example("image_classification").main(["--data", "digits", "--epochs", "1"])
    output = capsys.readouterr().out
    for part in ("Test accuracy:", "It is read as:", "The second alone:"):
        assert part in output


def test_made_up_sentences_are_padded_behind():
    module = example("text_classification")
    rows = module.numbered(["the film is warm", "odd film"], ["film", "is", "the", "warm"])
    assert rows == [[1, 5, 3, 4, 6], [1, 2, 3]]
    assert module.padded(rows, 4).tolist() == [[5, 3, 4, 6], [1, 2, 3, 0]]


def test_pairs_of_images_say_whether_their_digits_are_the_same():
    import numpy as np

    labels = np.repeat(np.arange(10), 7)
    images = labels[:, None] * np.ones(3)
    inputs, targets = example("functional_api").paired(images, labels, seed=0)
    equal = inputs["first"][:, 0] == inputs["second"][:, 0]
    np.testing.assert_array_equal(targets["same"][:, 0], equal)
    assert 0.5 <= equal.mean() < 0.75
