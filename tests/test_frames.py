"""How many Python functions of ours a call and a step cross; see STYLE.md, section 1."""

import collections
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import lamina
from lamina.callbacks import Callback
from lamina.core import masks, pure
from lamina.layers import Conv2D, Dense
from lamina.models import Sequential
from lamina.ops import library, native_conv, native_rows

ROOT = str(Path(lamina.__file__).parent)
INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>"}  # no functions from Python 3.12 on


def is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(ROOT) and code.co_name not in INLINED


class Frames:
    """Counts the functions of lamina that are entered within its block."""

    def __init__(self) -> None:
        self.entered: collections.Counter[CodeType] = collections.Counter()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and is_ours(frame.f_code):
            self.entered[frame.f_code] += 1

    def __enter__(self) -> "Frames":
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    @property
    def count(self) -> int:
        return self.entered.total()

    @property
    def files(self) -> int:
        return len({code.co_filename for code in self.entered})

    def __str__(self) -> str:
        most = self.entered.most_common()
        return "\n".join(f"{n} {c.co_filename[len(ROOT) + 1 :]} {c.co_qualname}" for c, n in most)


def frames_of(work: Callable[[], Any]) -> Frames:
    with Frames() as frames:
        work()
    return frames


def stack() -> list[CodeType]:
    """The functions of lamina that are running, the innermost first."""
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_ours(frame.f_code):
            found.append(frame.f_code)
        frame = frame.f_back
    return found


def within_a_run(layer: Any, x: Any, call: Callable[[Any], Any]) -> None:
    """Call a built layer on a tracer, as a model's step does."""
    layer(x)

    def traced(values: list[Any], x: Any) -> Any:
        return pure.run(call, layer.weights, values, x).result

    jax.make_jaxpr(traced)([variable.value for variable in layer.weights], x)


DOT = native_rows.dot_p if library.fewest() else lax.dot_general_p
CONV = native_conv.conv_p if library.fewest() else lax.conv_general_dilated_p
MORE = 0 if library.fewest() else 2
"""Frames, and files, that it takes to choose one of XLA's forms of a convolution."""

LAYERS = {
    "Conv2D": (lambda: Conv2D(40, 3, name="c"), (2, 8, 9, 6), CONV),
    "Dense": (lambda: Dense(5, name="d"), (2, 8), DOT),
}
each_layer = pytest.mark.parametrize(
    ("make", "shape", "primitive"), LAYERS.values(), ids=list(LAYERS)
)


@each_layer
def test_a_layer_reaches_its_primitive_in_four_hops(
    make: Any, shape: Any, primitive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make()
    reached: list[list[CodeType]] = []
    usual = primitive.bind

    def noted(*args: Any, **params: Any) -> Any:
        reached.append(stack())
        return usual(*args, **params)

    def call(x: Any) -> Any:
        outside = len(stack())
        monkeypatch.setattr(primitive, "bind", noted)
        outputs = layer(x)
        monkeypatch.undo()
        reached[:] = [codes[: len(codes) - outside] for codes in reached]
        return outputs

    within_a_run(layer, np.ones(shape, "f"), call)
    assert len(reached) == 1
    assert len(reached[0]) <= 4, reached
    assert len({code.co_filename for code in reached[0]}) <= 4


@each_layer
def test_a_layer_crosses_few_frames(
    make: Any, shape: Any, primitive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del primitive
    layer = make()
    found: list[Frames] = []
    monkeypatch.setattr(masks, "table", {})  # arrays of other tests may be alive, with masks

    def call(x: Any) -> Any:
        with Frames() as frames:
            outputs = layer(x)
        found.append(frames)
        return outputs

    within_a_run(layer, np.ones(shape, "f"), call)
    # See docs/architecture.md, "Frames and files".
    assert found[0].count <= 20 + MORE, str(found[0])
    assert found[0].files <= 9 + MORE, str(found[0])


def test_a_convolution_of_few_channels_crosses_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "table", {})
    found: list[Frames] = []

    def call(x: Any) -> Any:
        with Frames() as frames:
            outputs = layer(x)
        found.append(frames)
        return outputs

    layer = Conv2D(5, 3, name="few")
    within_a_run(layer, np.ones((2, 8, 9, 3), "f"), call)
    assert found[0].count <= 27 + MORE, str(found[0])
    assert found[0].files <= 9 + MORE, str(found[0])


def small_model() -> Any:
    model = Sequential([Dense(7, activation="relu", input_shape=(5,)), Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 5)).astype("f"), rng.integers(0, 3, count)


def test_a_first_fit_of_two_steps() -> None:
    small_model().fit(*rows(64), verbose=0)  # so that no module is loaded below
    model = small_model()
    x, y = rows(64)
    frames = frames_of(lambda: model.fit(x, y, batch_size=32, verbose=0))
    assert frames.count <= 1_500, str(frames)
    # See docs/architecture.md, "Frames and files".
    assert frames.files <= 69, str(frames)


def of_one_more_step(fit: Callable[[int], Any]) -> Frames:
    """What one more step costs, once everything is compiled."""
    for steps in (5, 6, 5, 6):
        fit(steps)
    fewer, more = (frames_of(lambda n=n: fit(n)) for n in (5, 6))
    more.entered.subtract(fewer.entered)
    return more


def test_one_more_step_on_a_stream() -> None:
    model = small_model()
    batch = tuple(map(jnp.asarray, rows(32)))
    frames = of_one_more_step(
        lambda n: model.fit(itertools.repeat(batch, n), steps_per_epoch=n, verbose=0)
    )
    assert 0 < frames.count <= 30, str(frames)


def test_one_more_step_on_resident_data_is_in_the_compiled_loop() -> None:
    model = small_model()
    x, y = rows(6 * 32)
    frames = of_one_more_step(
        lambda n: model.fit(x[: n * 32], y[: n * 32], batch_size=32, verbose=0)
    )
    assert frames.count <= 1, str(frames)


def test_one_more_step_with_a_callback_for_each() -> None:
    class Each(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    model = small_model()
    x, y = rows(6 * 32)
    frames = of_one_more_step(
        lambda n: model.fit(x[: n * 32], y[: n * 32], batch_size=32, verbose=0, callbacks=[Each()])
    )
    # Of these the hooks themselves are ten: begin and end, under old and new names.
    assert 0 < frames.count <= 30, str(frames)


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh process has loaded after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.slow
def test_import_loads_few_modules() -> None:
    jax_alone = modules_after("import jax, jax.numpy")
    loaded = modules_after("import lamina, jax, jax.numpy") - jax_alone
    assert len(loaded) <= 100, sorted(loaded)


@pytest.mark.slow
def test_no_heavy_package_is_loaded_before_it_is_used() -> None:
    jax_alone = modules_after("import jax, jax.numpy")
    loaded = {name.split(".")[0] for name in modules_after("from lamina import layers, models")}
    heavy = {"optax", "h5py", "rich", "matplotlib", "pandas", "scipy", "multiprocessing"}
    assert loaded & heavy <= {name.split(".")[0] for name in jax_alone}
