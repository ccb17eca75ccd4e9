"""Every public name says what it does, with an example."""

import importlib
import inspect

import pytest

MODULES = (
    *("activations", "backend", "callbacks", "constraints", "initializers", "layers", "losses"),
    "distribution",
    *("metrics", "mixed_precision", "models", "optimizers", "regularizers", "utils"),
)

# Names without an example, each with its reason. The list may only get shorter.
EXCEPTIONS: dict[str, str] = {}

PUBLIC = {
    f"{module}.{name}": getattr(importlib.import_module(f"lamina.{module}"), name)
    for module in MODULES
    for name in importlib.import_module(f"lamina.{module}").__all__
}
DESCRIBED = {
    name: found
    for name, found in PUBLIC.items()
    if inspect.isclass(found) or inspect.isroutine(found)
}
MODEL = ("compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch")


def own_docstring(found: object) -> str:
    """The docstring of a class or function itself, not that of its base."""
    return vars(found).get("__doc__") or found.__doc__ or ""


@pytest.mark.parametrize("name", DESCRIBED)
def test_public_names_have_an_example(name: str) -> None:
    assert (">>>" in own_docstring(DESCRIBED[name])) == (name not in EXCEPTIONS)


def test_exceptions_are_public_names() -> None:
    assert set(EXCEPTIONS) <= set(DESCRIBED)


@pytest.mark.parametrize("method", [*MODEL, "fit_generator", "predict_on_batch"])
def test_methods_of_models_have_an_example(method: str) -> None:
    assert ">>>" in own_docstring(getattr(PUBLIC["models.Model"], method))
