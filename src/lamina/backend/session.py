"""Phase, names, settings and the session of ``K``."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from lamina import config, seeds
from lamina.core import context, memory, naming
from lamina.core.symbolic import SymbolicTensor

_phase: dict[str, Any] = {"value": None, "tensor": None}


def _now() -> Any:
    call = context.current()
    return jnp.asarray(bool(call is not None and call.training))


def phase_tensor() -> SymbolicTensor:
    """The symbolic learning phase, one object until `clear_session`."""
    from lamina.core.dispatch import Function
    from lamina.core.graph import Node

    if _phase["tensor"] is None:
        tensor = SymbolicTensor((), "bool", "keras_learning_phase")
        Node(Function(_now), (), {}, tensor)
        _phase["tensor"] = tensor
    return _phase["tensor"]


def learning_phase() -> Any:
    """Whether this is training: 1 or 0 within a run, a symbolic scalar outside of one.

    The symbolic scalar may be among the inputs of ``K.function``, which then runs in the phase
    that it is fed; a model that is fitted is in phase 1, one that predicts in phase 0. After
    `set_learning_phase` it is that number outside of runs, and in runs that state no phase.

    >>> learning_phase().name
    'keras_learning_phase'
    """
    call = context.current()
    if call is not None and call.training is not None:
        return int(call.training)
    if _phase["value"] is not None:
        return _phase["value"]
    return phase_tensor() if call is None else 0


def set_learning_phase(value: int | bool) -> None:
    """Set the phase of what is computed outside of ``fit``, ``evaluate`` and ``predict``.

    Raises:
        ValueError: the value is neither 0 nor 1.

    >>> set_learning_phase(1)
    >>> set_learning_phase(0)
    """
    if value not in (0, 1):
        raise ValueError(f"K.set_learning_phase: expected 0 or 1, got {value!r}.")
    _phase["value"] = int(value)


def get_uid(prefix: str = "") -> int:
    """Count up the numbers of a prefix: 1, 2, ...

    >>> reset_uids(); get_uid("dense"), get_uid("dense")
    (1, 2)
    """
    return naming.get_uid(prefix)


def reset_uids() -> None:
    """Start the numbers of all names anew.

    >>> _ = get_uid("example")
    >>> reset_uids()
    >>> get_uid("example")
    1
    """
    naming.reset()


def clear_session(free_memory: bool = True) -> None:
    """Start names, seeds and the learning phase anew.

    Models that exist stay as they are, and so do custom objects. The memory of a model is free
    with the last reference to it; on Linux the process keeps free memory for the next steps.

    Args:
        free_memory: whether to give free memory back to the system.

    >>> _ = get_uid("example")
    >>> clear_session()
    >>> get_uid("example")
    1
    """
    naming.reset()
    seeds.restart()
    _phase.update(value=None, tensor=None)
    if free_memory:
        gc.collect()
        memory.release()


def backend() -> str:
    """Name of the library that computes.

    >>> backend()
    'jax'
    """
    return "jax"


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """A block whose tensors belong together; names are not changed.

    >>> with name_scope("block") as name:
    ...     name
    'block'
    """
    yield name


def get_session() -> None:
    """There is no session: JAX runs by itself. Always None.

    >>> print(get_session())
    None
    """


def set_session(session: Any = None) -> None:
    """Accepted and ignored for None.

    Raises:
        ValueError: a session is given; nothing could run in it.

    >>> set_session(None)
    """
    if session is not None:
        raise ValueError(
            "K.set_session: lamina runs on JAX and has no sessions. Devices and memory are set "
            "by JAX's own settings, such as the variable XLA_PYTHON_CLIENT_MEM_FRACTION."
        )


def manual_variable_initialization(value: bool) -> None:
    """Accepted for False: variables have their first value as soon as they are made.

    Raises:
        ValueError: True is given; there is no variable without a value.

    >>> manual_variable_initialization(False)
    """
    if value:
        raise ValueError(
            "K.manual_variable_initialization: variables always have a value; set the one you "
            "want with K.set_value or model.set_weights."
        )


_legacy = {"weight_ordering": False}


def legacy_weight_ordering() -> bool:
    """What `set_legacy_weight_ordering` was given last, False at first.

    >>> legacy_weight_ordering()
    False
    """
    return _legacy["weight_ordering"]


def set_legacy_weight_ordering(value: bool) -> None:
    """Remember a flag of Keras 1, which has no effect here.

    Keras 1 sorted the weights of a layer by name, as its earliest files held them, while the flag
    was set. Here it is only remembered: weights are always in the order they were made in.

    Raises:
        ValueError: `value` is not True or False.

    >>> set_legacy_weight_ordering(True)
    >>> legacy_weight_ordering()
    True
    >>> set_legacy_weight_ordering(False)
    """
    if value not in (True, False):
        raise ValueError(
            f"K.set_legacy_weight_ordering: value must be True or False, got {value!r}."
        )
    _legacy["weight_ordering"] = bool(value)


def image_dim_ordering() -> str:
    """The image data format as Keras 1 named it: ``tf`` or ``th``.

    >>> image_dim_ordering()
    'tf'
    """
    return "tf" if config.image_data_format() == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set the image data format: ``tf`` (channels last) or ``th`` (channels first).

    Raises:
        ValueError: any other word.

    >>> set_image_dim_ordering("th")
    >>> image_dim_ordering()
    'th'
    >>> set_image_dim_ordering("tf")
    """
    if dim_ordering not in ("tf", "th"):
        raise ValueError(f"K.set_image_dim_ordering: expected 'tf' or 'th', got {dim_ordering!r}.")
    config.set_image_data_format("channels_last" if dim_ordering == "tf" else "channels_first")


def standardize_dtype(dtype: Any = None) -> str:
    """Name of a dtype, ``floatx`` for None.

    >>> standardize_dtype(jnp.int32)
    'int32'
    """
    return config.floatx() if dtype is None else jnp.dtype(dtype).name


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is a float.

    >>> is_float_dtype("bfloat16")
    True
    """
    return bool(jnp.issubdtype(jnp.dtype(dtype), jnp.floating))


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is an integer.

    >>> is_int_dtype("uint8")
    True
    """
    return bool(jnp.issubdtype(jnp.dtype(dtype), jnp.integer))


def result_type(*dtypes: Any) -> str:
    """The dtype that values of the given dtypes have together.

    >>> result_type("int32", "float32")
    'float32'
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.dtype(jnp.result_type(*(jnp.dtype(dtype) for dtype in dtypes))).name
