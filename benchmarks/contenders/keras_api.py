"""Models through the API of Keras: lamina's, and Keras 3 on each of its backends."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import workloads
from workloads import Layer, Workload


class Contender:
    """One model, trained by its ``fit``.

    Args:
        name: ``lamina``, or ``keras-`` and the name of a backend.
    """

    def __init__(self, name: str) -> None:
        # The backend is in the environment variable KERAS_BACKEND.
        self._backend = name.removeprefix("keras-")
        self._keras: Any = importlib.import_module("lamina" if name == "lamina" else "keras")
        # Parts that are imported at their first use belong to the import, not to the first fit.
        for part in ("Input", "Model", "layers", "optimizers"):
            getattr(self._keras, part)
        self._model: Any = None

    def versions(self) -> dict[str, str]:
        found = {self._keras.__name__: self._keras.__version__}
        if self._backend != "lamina":
            found[self._backend] = importlib.import_module(self._backend).__version__
        return found

    def distribute(self) -> None:
        """Split batches over all devices from now on."""
        distribution = self._keras.distribution
        distribution.set_distribution(distribution.DataParallel())

    def build(
        self, work: Workload, x: np.ndarray, y: np.ndarray, weights: dict[str, list[np.ndarray]]
    ) -> None:
        keras = self._keras
        dtype = "float32" if work.vocabulary is None else "int32"
        inputs = keras.Input(work.shape, dtype=dtype)
        outputs = self._chain(inputs, work.layers, "layer")
        model = keras.Model(inputs, outputs)
        for name, values in weights.items():
            model.get_layer(name).set_weights(values)
        adam = keras.optimizers.Adam(learning_rate=1e-3)
        model.compile(optimizer=adam, loss=work.loss, metrics=["accuracy"])
        self._model, self._x, self._y, self._batch = model, x, y, work.batch
        self._sample = None

    def _chain(self, x: Any, layers: Sequence[Layer], prefix: str) -> Any:
        made = self._keras.layers
        for name, kind, options in workloads.named(layers, prefix):
            if kind == "Residual":
                body = self._chain(x, options["body"], f"{name}_body")
                shortcut = self._chain(x, options["shortcut"], f"{name}_shortcut")
                x = made.Activation("relu")(made.Add()([body, shortcut]))
            else:
                x = getattr(made, kind)(**options, name=name)(x)
        return x

    def _on_device(self, x: np.ndarray) -> Any:
        if self._backend in {"lamina", "jax"}:
            import jax.numpy as jnp

            return jnp.asarray(x)
        return self._keras.ops.convert_to_tensor(x)

    def fit(self, rows: int, epochs: int, shuffle: bool) -> tuple[float, float]:
        history = self._model.fit(
            self._x[:rows],
            self._y[:rows],
            batch_size=self._batch,
            epochs=epochs,
            shuffle=shuffle,
            verbose=0,
        ).history
        return history["loss"][-1], history["accuracy"][-1]

    def fit_some(self, batches: int) -> None:
        self._model.fit(
            self._x, self._y, batch_size=self._batch, steps_per_epoch=batches, verbose=0
        )

    def predict(self, rows: int) -> np.ndarray:
        return self._model.predict(self._x[:rows], batch_size=self._batch, verbose=0)

    def call(self) -> None:
        if self._sample is None:
            self._sample = self._on_device(self._x[:1])
        output = self._model(self._sample)
        if hasattr(output, "block_until_ready"):
            output.block_until_ready()
