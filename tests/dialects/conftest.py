"""Scripts of other years, run with lamina under the names that they import."""

import contextlib
import io
import sys
import types
from pathlib import Path

import jax
import pytest

import lamina

FOLDER = Path(__file__).parent
HOMES = {
    "backend": "backend",
    "callbacks": "callbacks",
    "constraints": "constraints",
    "datasets": "datasets",
    "initializers": "initializers",
    "layers": "layers",
    "layers.advanced_activations": "layers",
    "layers.convolutional": "layers",
    "layers.core": "layers",
    "layers.normalization": "layers",
    "losses": "losses",
    "metrics": "metrics",
    "models": "models",
    "optimizers": "optimizers",
    "regularizers": "regularizers",
    "utils": "utils",
    "utils.np_utils": "utils",
}


@contextlib.contextmanager
def aliased():
    """``keras`` and ``tensorflow.keras`` are lamina."""
    tensorflow = types.ModuleType("tensorflow")
    setattr(tensorflow, "keras", lamina)  # noqa: B010
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorflow", tensorflow)
        for root in ("keras", "tensorflow.keras"):
            patch.setitem(sys.modules, root, lamina)
            for name, home in HOMES.items():
                patch.setitem(sys.modules, f"{root}.{name}", getattr(lamina, home))
        yield


@pytest.fixture(scope="module")
def run():
    """Run a script; gives its names, and as `printed` what it printed."""

    def script(name):
        lamina.utils.set_random_seed(0)
        table = {"__name__": "__main__"}
        text = (FOLDER / f"{name}.py.txt").read_text(encoding="utf8")
        printed = io.StringIO()
        # What users write runs under the settings that JAX has by itself.
        with (
            aliased(),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            contextlib.redirect_stdout(printed),
        ):
            exec(compile(text, f"{name}.py", "exec"), table)
        return types.SimpleNamespace(**table, printed=printed.getvalue())

    return script
