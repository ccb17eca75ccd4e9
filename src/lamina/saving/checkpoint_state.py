"""The state of a training by names: taking it from a model, comparing it, giving it back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import jit
from lamina.core.readers import readers
from lamina.core.variable import Variable
from lamina.core.weights import structure
from lamina.random import SeedGenerator
from lamina.typing import Config

MOST_NAMED = 6
"""Differences that a message lists."""


class Arrays:
    """The arrays of a compiled model's training, by name.

    They are the weights, the state of the optimizer and its learning rates, the sums of the
    metrics, the variables of the user's that losses and metrics read, and the counters of steps.

    Args:
        model: a model that is compiled and built.
        measured: whether there are sums of metrics: not before the first batch.

    Attributes:
        values: the arrays as they are now, by name.
    """

    def __init__(self, model: Any, measured: bool) -> None:
        self.model = model
        self.measured = measured
        self.optimizer = model._compilation.optimizer
        self._variables: dict[str, Variable] = {}
        self._leaves: dict[str, int] = {}
        taken: set[Variable] = set()
        for group, variables in self._groups():
            for variable in variables:
                if variable not in taken:
                    taken.add(variable)
                    self._variables[self._free(f"{group}/{variable.path}")] = variable
        leaves, self._structure = jax.tree.flatten(self.optimizer.state)
        for place, name in enumerate(_leaf_names(self.optimizer)):
            self._leaves[self._free(f"optimizer/{name}")] = place
        self.values: dict[str, Any] = {name: v._value for name, v in self._variables.items()}
        self.values |= {name: leaves[place] for name, place in self._leaves.items()}
        self.values |= {"random/seed": model._seed, "random/step": model._step}

    def _groups(self) -> Iterable[tuple[str, Iterable[Variable]]]:
        compilation, steps = self.model._compilation, self.model._steps
        yield "weights", self.model.weights
        yield "optimizer", rates(self.optimizer)
        yield "loss_weights", compilation.loss_weight_variables
        if steps is not None and self.measured:
            yield "metrics", compilation.metric_variables
            yield "variables", steps.further

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._variables or free in self._leaves:
            number += 1
            free = f"{name}#{number}"
        return free

    def fitting(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Stored arrays under the names of this model, once all of them fit it.

        Numbers that lamina gave to names (``dense_1``) may differ.

        Raises:
            ValueError: names, shapes or dtypes differ; the message says which.
        """
        if set(found) != set(self.values) and _plain(found) == _plain(self.values):
            found = dict(zip(self.values, found.values(), strict=True))
        problems = [
            *(f"{name} is missing in the file" for name in self.values if name not in found),
            *(f"the model has no {name}" for name in found if name not in self.values),
        ]
        for name, value in self.values.items():
            if name in found:
                own, other = (value.shape, value.dtype), (found[name].shape, found[name].dtype)
                if own != other:
                    problems.append(
                        f"{name} is {_kind(*own)} in the model and {_kind(*other)} in the file"
                    )
        if problems:
            raise ValueError(_summary(problems))
        return dict(found)

    def assign(self, new: Mapping[str, np.ndarray]) -> None:
        """Give the model these arrays, which `fitting` returned."""
        placed = {name: _placed(value, self.values[name]) for name, value in new.items()}
        with readers.lock:
            for name, variable in self._variables.items():
                variable._value = placed[name]
                variable.exposed = True
            if self._leaves:
                leaves = [placed[name] for name in self._leaves]
                self.optimizer.state = jax.tree.unflatten(self._structure, leaves)
            vars(self.model).update(_seed=placed["random/seed"], _step=placed["random/step"])


def _placed(value: np.ndarray, old: Any) -> Any:
    """An array on the device, spread over several as the old one is."""
    sharding = getattr(old, "sharding", None)
    if sharding is not None and len(sharding.device_set) > 1:
        return jax.device_put(value, sharding)
    return jnp.array(value)


def _summary(problems: Sequence[str]) -> str:
    more = len(problems) - MOST_NAMED
    listed = "; ".join(problems[:MOST_NAMED])
    return listed + (f"; and {more} more" if more > 0 else "") + "."


def _kind(shape: Any, dtype: Any) -> str:
    return f"{dtype.name}{list(shape)}"


def _plain(names: Iterable[str]) -> list[str]:
    """Names without the numbers that tell layers of one kind apart."""
    return [re.sub(r"_\d+", "", name) for name in names]


def rates(optimizer: Any) -> list[Variable]:
    """The learning rates of an optimizer and of those in it, if they are variables."""
    inner = list(getattr(optimizer, "optimizers", ()))
    inner += [one for one in [getattr(optimizer, "inner_optimizer", None)] if one is not None]
    if inner:
        return [rate for one in inner for rate in rates(one)]
    rate = getattr(optimizer, "_learning_rate", None)
    return [rate] if isinstance(rate, Variable) else []


def _leaf_names(optimizer: Any) -> list[str]:
    """A name for each leaf of the state: that in Keras' files, else its path."""
    if optimizer.state is None:
        return []
    paths, form = jax.tree_util.tree_flatten_with_path(optimizer.state)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths]
    for name, place in optimizer._order(jax.tree.unflatten(form, list(range(len(names))))):
        if isinstance(place, int):
            names[place] = name
    return names


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies on the device, which no step takes over; nothing is waited for."""
    return dict(zip(values, _copier()(list(values.values())), strict=True))


@cache
def _copier() -> Any:
    return jit.compile(lambda arrays: [jnp.array(array, copy=True) for array in arrays])


# ---- what is no array ---------------------------------------------------------------------


def seeds(model: Any) -> list[Any]:
    """Name, seed and number of draws of each `SeedGenerator` that a layer holds."""
    return [[name, held.seed, held._drawn] for name, held in _generators(model)]


def _generators(model: Any) -> Iterator[tuple[str, SeedGenerator]]:
    for layer in model.all_layers():
        for name, value in vars(layer).items():
            if isinstance(value, SeedGenerator):
                yield f"{layer.name}.{name}", value


def set_seeds(model: Any, found: Sequence[Any]) -> None:
    """Give the generators these seeds; compiled code that holds others is forgotten.

    Raises:
        ValueError: the layers hold others.
    """
    now = seeds(model)
    if _plain(entry[0] for entry in now) != _plain(str(entry[0]) for entry in found):
        raise ValueError(
            f"the generators of seeds are {[entry[0] for entry in now]} in the model and "
            f"{[entry[0] for entry in found]} in the file."
        )
    for (_, held), (_, seed, drawn) in zip(_generators(model), found, strict=True):
        held.seed, held._drawn = int(seed), int(drawn)
    if [entry[1] for entry in now] != [entry[1] for entry in found]:
        structure[0] += 1
        model._forget_steps()


def shapes_of(batch: Any) -> Config | None:
    """The structure and shapes of a batch as JSON; ``None`` if there is none, or it is sparse."""
    try:
        return None if batch is None else {"batch": _described(batch)}
    except TypeError:
        return None


def _described(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _described(part) for key, part in value.items()}}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_described(part) for part in value]}
    if not isinstance(value, jax.ShapeDtypeStruct):
        raise TypeError(f"{type(value).__name__} is no plain array")
    return {"shape": list(value.shape), "dtype": value.dtype.name}


def batch_like(found: Any) -> Any:
    """Arrays of zeros, without memory of their own, in the structure that `shapes_of` wrote."""
    if found is None:
        return None
    if "dict" in found:
        return {key: batch_like(part) for key, part in found["dict"].items()}
    for kind in (list, tuple):
        if kind.__name__ in found:
            return kind(batch_like(part) for part in found[kind.__name__])
    zero = np.zeros((), jnp.dtype(found["dtype"]))
    return np.broadcast_to(zero, tuple(int(size) for size in found["shape"]))
