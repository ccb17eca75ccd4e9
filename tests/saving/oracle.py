"""Other implementations that open the files which lamina writes: Keras 3.15 and ``tf_keras``.

They live in an environment of their own, which ``scripts/oracles`` makes; without it the test that
asks is skipped. One process each is started when it is first asked, and serves all later calls.

    from tests.saving.oracle import run_oracle

    found = run_oracle("keras3", "predict", file=path, inputs=[x])
    found["prediction_0"]

    found = run_oracle("tf_keras", '''
        model = keras.models.load_model(file)
        result["rate"] = float(model.optimizer.learning_rate)
        result["kernel"] = model.layers[0].get_weights()[0]
    ''', file=path)
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("oracle_worker.py")

SECONDS = 120
"""How long an oracle may take for one script."""

Which = Literal["keras3", "tf_keras"]
"""Keras 3.15 on JAX, or ``tf_keras`` 2.21: what ``tf.keras`` was."""

SCRIPTS: dict[str, str] = {
    "predict": """
        model = keras.models.load_model(file, custom_objects, compile=False, **unsafe)
        predictions = model.predict(one(inputs), verbose=0)
        result.update(numbered("prediction", several(predictions)))
        result.update(numbered("weight", model.get_weights()))
    """,
    "train": """
        model = keras.models.load_model(file, custom_objects, **unsafe)
        for count in range(steps):
            if hasattr(model, "reset_metrics"):
                model.reset_metrics()
            losses = model.train_on_batch(one(inputs), one(targets))
            result[f"loss_{count + 1}"] = float(np.ravel(losses)[0])
        result.update(numbered("weight", model.get_weights()))
        result["optimizer"] = type(model.optimizer).__name__
    """,
    "weights": """
        model = keras.models.model_from_json(open(config).read(), custom_objects)
        model.load_weights(file)
        result.update(numbered("prediction", several(model.predict(one(inputs), verbose=0))))
        result.update(numbered("weight", model.get_weights()))
    """,
    "save": """
        model = keras.models.model_from_json(open(config).read(), custom_objects)
        if weights:
            model.set_weights(weights)
        model.save(file)
        result.update(numbered("prediction", several(model.predict(one(inputs), verbose=0))))
    """,
}
"""Scripts that `run_oracle` knows by name, and what they take:

`predict`: `file`, `inputs`. `train`: `file`, `inputs`, `targets`, `steps`. `weights`: `config` (a
JSON file), `file`, `inputs`. `save`: `config`, `file` to write, `inputs`, `weights` (a list).
"""


def python() -> Path:
    """The interpreter of the environment; the test is skipped where there is none."""
    folder = ROOT / os.environ.get("ORACLES", ".venv-oracles")
    if not (folder / ".lamina-oracles").exists():
        pytest.skip(f"needs Keras 3 and tf_keras, which scripts/oracles installs into {folder}")
    return folder / "bin" / "python"


def run_oracle(which: Which, script: str, **arguments: Any) -> dict[str, Any]:
    """Run a script in Keras 3 or ``tf_keras``, and give what it put into ``result``.

    Args:
        which: ``"keras3"`` or ``"tf_keras"``.
        script: name of one of `SCRIPTS`, or lines of Python. They see ``keras``, ``np``, the
            `arguments` under their names, and ``result``, a dictionary to fill with arrays, or
            with whatever JSON can hold.
        **arguments: paths, arrays, lists of arrays, and whatever JSON can hold.

    Raises:
        AssertionError: the script raised; the message is the oracle's traceback.
    """
    with tempfile.TemporaryDirectory() as folder:
        arrays = {}
        plain = {}
        for name, value in arguments.items():
            if isinstance(value, np.ndarray):
                arrays[name] = value
            elif isinstance(value, list) and value and all(hasattr(v, "__array__") for v in value):
                arrays |= {f"{name}/{i}": np.asarray(v) for i, v in enumerate(value)}
            else:
                plain[name] = os.fspath(value) if isinstance(value, os.PathLike) else value
        source, target = Path(folder) / "arguments.npz", Path(folder) / "result.npz"
        np.savez(source, **arrays)  # pyright: ignore[reportArgumentType]
        order = {"arrays": str(source), "result": str(target), "plain": plain}
        answer = _worker(which, python()).ask(order | {"script": SCRIPTS.get(script, script)})
        if "error" in answer:
            raise AssertionError(f"{which} could not:\n{answer['error']}")
        with np.load(target) as found:
            return answer["plain"] | {name: found[name] for name in found.files}


class _Worker:
    """One process of an oracle: a line of JSON in, a line of JSON out."""

    def __init__(self, which: Which, interpreter: Path) -> None:
        backend = "jax" if which == "keras3" else "tensorflow"
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        home = str(Path(interpreter).parent.parent / "keras-home")  # Keras writes a file there
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - see stop
        self.process = subprocess.Popen(
            [interpreter, "-I", WORKER, "keras" if which == "keras3" else "tf_keras"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | quiet | {"KERAS_BACKEND": backend, "KERAS_HOME": home},
        )
        atexit.register(self.stop)

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        late = threading.Timer(SECONDS, self.process.kill)  # some configs send tf_keras in circles
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line:
            _worker.cache_clear()
            self.errors.seek(0)
            raise AssertionError(
                f"The oracle ended, or took over {SECONDS} s:\n{self.errors.read()[-3000:]}"
            )
        return json.loads(line)

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@cache
def _worker(which: Which, interpreter: Path) -> _Worker:
    return _Worker(which, interpreter)
