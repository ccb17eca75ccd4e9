"""Configs made to harm: each ends in a clear error, and none runs, opens or allocates anything."""

import contextlib
import copy
import inspect
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from lamina import layers, registry
from lamina.models import model_from_config, model_from_json
from lamina.saving import config, limits


def entry(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": arguments}


def stacked(*entries: Any) -> dict[str, Any]:
    return entry("Sequential", layers=list(entries))


DENSE = entry("Dense", units=2, batch_input_shape=[None, 3], name="d")


HARMFUL = frozenset(
    [
        *("marshal.loads", "marshal.load", "pickle.find_class", "import", "ctypes.dlopen"),
        *("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "subprocess.Popen"),
        *("socket.connect", "urllib.Request", "os.remove", "os.rename", "os.mkdir", "os.rmdir"),
    ]
)
_watched: list[list[str]] = []


def _hook(event: str, args: Any) -> None:
    if _watched and (event in HARMFUL or event == "open"):
        _watched[-1].append(f"{event} {args[:1]}")


sys.addaudithook(_hook)


@contextmanager
def watching() -> Iterator[list[str]]:
    """What Python was asked to run, to import or to open within the block."""
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


def harmful(events: list[str]) -> list[str]:
    """The events without the sources that tracebacks and inspection read."""
    return [event for event in events if not (event.startswith("open") and ".py'" in event)]


def every_class() -> list[tuple[str, str]]:
    kinds = ("layer", "initializer", "regularizer", "constraint", "loss", "metric", "optimizer")
    found = {}
    for kind in (*kinds, "schedule"):
        for name in registry.names(kind):
            found.setdefault((kind, registry.exact(kind, name)), name)
    return [(kind, name) for (kind, _), name in found.items()]


def parameters_of(cls: Any) -> list[str]:
    names = [p.name for p in inspect.signature(cls).parameters.values() if p.kind.value in (1, 3)]
    return [name for name in names if name != "self"]


@pytest.mark.parametrize(
    ("kind", "name"), every_class(), ids=[f"{k}-{n}" for k, n in every_class()]
)
def test_no_constructor_opens_what_its_config_names(kind, name, tmp_path):
    """Every argument of every registered class gets a path, one after another and all at once."""
    target = tmp_path / "secret"
    target.write_text("1,2,3")
    cls = registry.exact(kind, name)
    arguments = parameters_of(cls) if inspect.isclass(cls) else []
    trials = [{argument: str(target)} for argument in arguments]
    with watching() as events:
        for given in [*trials, dict.fromkeys(arguments, str(target))]:
            with contextlib.suppress(
                ValueError, TypeError, NotImplementedError, AttributeError, LookupError
            ):
                registry.deserialize(kind, {"class_name": name, "config": given})
    runs = ("os.", "subprocess", "socket", "ctypes")
    assert not [event for event in events if "secret" in event or event.startswith(runs)]
    assert target.read_text() == "1,2,3"


CODE = "4wEAAAAAAAAAAQAAAAIAAABDAAAAcwgAAAB8AGQBFABTACkCTukCAAAA"

RUNS_CODE = {
    "a function of another package": entry(
        "Lambda", name="f", function={"class_name": "function", "config": "system", "module": "os"}
    ),
    "bytecode of Keras 2": entry(
        "Lambda", name="f", function=[CODE, None, None], function_type="lambda"
    ),
    "bytecode of Keras 3": entry(
        "Lambda", name="f", function={"class_name": "__lambda__", "config": {"code": CODE}}
    ),
    "a class by its module": {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": ["touch", "x"]},
        "registered_name": None,
    },
    "a function by its module": {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "function",
    },
    "a name with dots": entry("os.system", command="true"),
    "an attribute of an attribute": entry(
        "Lambda", name="f", function={"class_name": "lamina", "config": "backend.jax.os.system"}
    ),
    "a private function": entry(
        "Lambda", name="f", function={"class_name": "lamina", "config": "backend.__import__"}
    ),
    "a module that wraps code": {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": "gASVJAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU"},
        "registered_name": None,
    },
    "an activation that is a lambda": entry(
        "Dense", units=2, activation={"class_name": "__lambda__", "config": {"code": CODE}}
    ),
    "an initializer by its module": entry(
        "Dense",
        units=2,
        kernel_initializer={"module": "numpy", "class_name": "fromfile", "config": {"file": "x"}},
    ),
    "a layer in the place of an initializer": entry(
        "Dense", units=2, kernel_initializer=entry("Dense", units=3)
    ),
}


@pytest.mark.parametrize("harm", RUNS_CODE.values(), ids=list(RUNS_CODE))
@pytest.mark.parametrize("safe", [True, False])
def test_nothing_is_run_or_imported(harm, safe):
    with watching() as events:
        with pytest.raises(ValueError, match=r"."):
            model_from_config(stacked(DENSE, harm))
        with pytest.raises(ValueError, match=r"."):
            config.deserialize_keras_object(harm, safe_mode=safe)
    assert not harmful(events)


@pytest.mark.parametrize(
    "name",
    ["clear_session", "set_floatx", "set_value", "set_image_data_format", "manual", "print_tensor"],
)
def test_a_lambda_names_no_function_that_changes_settings(name):
    harm = entry("Lambda", name="f", function={"class_name": "lamina", "config": f"backend.{name}"})
    with pytest.raises(ValueError, match="Lambda 'f'"):
        model_from_config(stacked(DENSE, harm))


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(DENSE)
    for _ in range(depth):
        found = stacked(found)
    return found


def test_depth_is_bounded():
    with pytest.raises(ValueError, match="nested too deeply"):
        model_from_config(nested(200))
    with pytest.raises(ValueError, match="nested too deeply"):
        model_from_json("[" * 100_000 + "]" * 100_000)
    ring = stacked(DENSE)
    ring["config"]["layers"].append(ring)
    with pytest.raises(ValueError, match="holds itself"):
        model_from_config(ring)
    assert model_from_config(nested(10)).output_shape == (None, 2)


def test_size_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "VALUES", 1000)
    with pytest.raises(ValueError, match="more than 1000 values"):
        model_from_config(stacked(DENSE, entry("Permute", dims=[1] * 2000)))
    monkeypatch.setattr(limits, "TEXT", 100)
    with pytest.raises(ValueError, match="at most 100 are read"):
        model_from_json(json.dumps(stacked(DENSE)) + " " * 100)
    monkeypatch.setattr(limits, "LAYERS", 1)
    body = {"layers": [DENSE, DENSE], "input_layers": [], "output_layers": []}
    with pytest.raises(ValueError, match="more than 1 layers"):
        model_from_config(entry("Model", **body))


@pytest.mark.parametrize("number", ["1e400", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 5000])
def test_numbers_that_are_none_are_refused(number):
    text = json.dumps(stacked(entry("Dense", units=2, name="d"), entry("Dropout", rate=12321)))
    with pytest.raises(ValueError, match=r"not JSON|must be finite"):
        model_from_json(text.replace("12321", number))


def test_keys_that_stand_twice_are_refused():
    text = json.dumps(stacked(DENSE)).replace('"units": 2', '"units": 2, "units": 3')
    with pytest.raises(ValueError, match="the key 'units' stands twice"):
        model_from_json(text)


@pytest.mark.parametrize(
    "harm",
    [
        entry("Dense", units=10**15, batch_input_shape=[None, 3]),
        entry("Dense", units=10**6, batch_input_shape=[None, 10**6]),
        entry("Embedding", input_dim=10**9, output_dim=10**9, batch_input_shape=[None, 3]),
        entry("Conv2D", filters=9, kernel_size=[10**6] * 2, batch_input_shape=[None, 8, 8, 10**6]),
        entry("PReLU", batch_input_shape=[None, 10**12]),
        entry("BatchNormalization", batch_input_shape=[None, 10**13]),
    ],
)
def test_giant_weights_are_refused_before_they_are_made(harm):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"asks for a weight|kernel_size"):
        model_from_config(stacked(harm))
    assert time.perf_counter() - start < 10


def test_the_numbers_of_the_file_are_the_bound_where_there_is_one():
    units = 2**20
    big = stacked(entry("Dense", units=units, batch_input_shape=[None, 3], name="d"))
    # Twice what the file holds, and 2**20.
    with pytest.raises(ValueError, match=r"shape \(3, 1048576\).*the file holds 250 for all"):
        config.read_model(big, numbers=250)
    with pytest.raises(ValueError, match=r"\(1048576,\), 1048576 numbers, 3145728 after others"):
        config.read_model(big, numbers=3 * units // 2 - 1)
    assert config.read_model(big, numbers=3 * units // 2).count_params() == 4 * units


def graph(*calls: tuple[str, list[Any]], outputs: Any) -> dict[str, Any]:
    start = {"class_name": "InputLayer", "name": "x", "inbound_nodes": []}
    start["config"] = {"batch_input_shape": [None, 3], "name": "x"}
    found = [
        {"class_name": "Add", "name": name, "config": {"name": name}, "inbound_nodes": nodes}
        for name, nodes in calls
    ]
    body = {"name": "m", "layers": [start, *found], "input_layers": [["x", 0, 0]]}
    return {"class_name": "Model", "config": body | {"output_layers": outputs}}


X = ["x", 0, 0, {}]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            graph(
                ("a", [[X, ["b", 0, 0, {}]]]), ("b", [[X, ["a", 0, 0, {}]]]), outputs=[["b", 0, 0]]
            ),
            "circle: a, b",
        ),
        (graph(("a", [[X, ["a", 0, 0, {}]]]), outputs=[["a", 0, 0]]), "circle: a"),
        (graph(("a", [[X, X]]), ("a", [[X, X]]), outputs=[["a", 0, 0]]), "two layers named 'a'"),
        (graph(("a", [[X, ["z", 0, 0, {}]]]), outputs=[["a", 0, 0]]), "'z' that it does not"),
        (graph(("a", [[X, X]]), outputs=[["a", 7, 0]]), "no such call"),
        (graph(("a", [[X, X]]), outputs=[["a", 0, 3]]), "no such call"),
        (graph(("a", [[X, X]]), outputs=[["a", -1, 0]]), "must|cannot be read|no such call"),
        (graph(("a", [[[1, 2, 3]]]), outputs=[["a", 0, 0]]), r"\[layer, call, output\]"),
        (graph(("a", [[]]), outputs=[["a", 0, 0]]), "must be a list of inputs"),
        (graph(("a", [[X, X]]), outputs=None), "cannot be read|must"),
        (stacked(7), "needs a 'class_name'"),
        (stacked({"class_name": ["Dense"]}), "needs a 'class_name'"),
        (entry("Sequential"), "needs 'layers'"),
        (entry("Dense", units={"a": 1}), "units"),
        (entry("Dense", units=2, name=3), "name must be a string"),
        ([], "needs a 'class_name'|list"),
    ],
)
def test_malformed_configs_are_errors(harm, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model_from_config(harm)


def test_long_chains_in_the_worst_order_take_no_square_time():
    names = [f"l{place}" for place in range(600)]
    calls = [
        (name, [[X, [before, 0, 0, {}]]])
        for name, before in zip(names, ["x", *names], strict=False)
    ]
    start = time.perf_counter()
    model = model_from_config(graph(*reversed(calls), outputs=[[names[-1], 0, 0]]))
    assert len(model.layers) == 601
    assert time.perf_counter() - start < 20


def test_a_failed_read_leaves_no_names_behind():
    before = dict(registry.get_custom_objects())
    with pytest.raises(ValueError, match="'Nothing'"):
        model_from_config(stacked(DENSE, entry("Nothing")), {"mine": layers.Dense})
    assert registry.get_custom_objects() == before
    assert registry.find("layer", "mine") is None


def test_arrays_in_configs():
    array = {"class_name": "__numpy__", "config": {"value": [[1, 2, 3]], "dtype": "float32"}}
    made = config.deserialize_keras_object(array)
    np.testing.assert_array_equal(made, np.array([[1, 2, 3]], "f"))
    for harm in ({"value": ["x"]}, {"value": [1], "dtype": "object"}, {"dtype": "float32"}):
        with pytest.raises(ValueError, match="array in the config"):
            config.deserialize_keras_object({"class_name": "__numpy__", "config": harm})
