"""What counts as an array, and the one place where dtypes of data change.

Floats wider than ``floatx`` become ``floatx``, 64-bit ints become 32-bit ones unless JAX's 64-bit
types are on, weights become floats, and everything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config
from lamina.core.policy import NARROW, check_range
from lamina.training.data.lists import from_plain, is_plain
from lamina.training.data.rows import LazyRows, SparseRows
from lamina.typing import Nested


def is_array(value: Any) -> bool:
    """Whether a value is one array, or a scalar or text that is mistaken for one."""
    if isinstance(value, np.ndarray | np.generic | jax.Array | Number | str | bytes):
        return True
    if isinstance(value, LazyRows | SparseRows) or is_sparse(value) or is_lazy(value):
        return True
    return any(hasattr(value, name) for name in ("to_numpy", "__array__", "numpy", "tocsr"))


def is_arrays(value: Any) -> bool:
    """Whether a value is data that is there as a whole, in whatever structure."""
    return isinstance(value, list | tuple | Mapping) or is_array(value)


def is_bcoo(value: Any) -> bool:
    """Whether it is a ``BCOO``; without importing the module that has the class."""
    return type(value).__name__ == "BCOO" and hasattr(value, "nse")


def is_sparse(value: Any) -> bool:
    """Whether it is sparse: of ``scipy.sparse``, a ``BCOO``, or our rows of one."""
    return isinstance(value, SparseRows) or is_bcoo(value) or hasattr(value, "tocsr")


def is_lazy(value: Any) -> bool:
    """Whether it is an array in a file, such as a data set of h5py."""
    if not all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__", "__len__")):
        return False
    if isinstance(value, np.ndarray | jax.Array) or hasattr(value, "on_epoch_end"):
        return False
    return not hasattr(value, "__array__") or type(value).__module__.split(".")[0] in _FILES


_FILES = ("h5py", "zarr")


def as_arrays(value: Nested, name: str, *, none: bool = False) -> Nested:
    """Turn what a user passed into arrays, in the structure that it has.

    Args:
        value: an array, a list of numbers, or arrays in lists, tuples and dicts.
        name: what the messages call it, such as ``fit: x``.
        none: whether entries may be ``None``.

    Raises:
        ValueError: it is empty, ragged, a scalar, or holds something that is no number.
        TypeError: it is nothing that can be read as an array.

    >>> as_arrays({"a": [1, 2], "b": (np.ones(2),)}, "fit: x")
    {'a': array([1, 2]), 'b': [array([1., 1.])]}
    """
    if isinstance(value, Mapping):
        if not value:
            raise ValueError(f"{name} is an empty dict; there are no rows to work on.")
        return {key: _entry(item, f"{name}[{key!r}]", none) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if is_plain(value) and not (none and None in value):
            return _checked(from_plain(value, name), name)
        return [_entry(item, f"{name}[{i}]", none) for i, item in enumerate(value)]
    return _checked(_as_array(value, name), name)


def _entry(value: Any, name: str, none: bool) -> Nested:
    if value is None and none:
        return None
    if value is None:
        raise ValueError(f"{name} is None; an array is expected.")
    return as_arrays(value, name, none=none)


def _as_array(value: Any, name: str) -> Any:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} is a masked array with masked entries; fill them first.")
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if isinstance(value, jax.Array | LazyRows | SparseRows):
        return value
    if is_sparse(value):
        return _sparse(value, name)
    if is_lazy(value):
        return LazyRows(value, 0, value.shape[0]) if len(value.shape) else np.asarray(value[()])
    if hasattr(value, "to_numpy"):
        return _from_table(value, name)
    return _from_foreign(value, name)


def _from_foreign(value: Any, name: str) -> np.ndarray:
    if isinstance(value, Number | np.generic | str | bytes):
        return np.asarray(value)
    if hasattr(value, "detach"):  # a tensor of PyTorch, wherever it lives
        value = value.detach().cpu()
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy())
    if hasattr(value, "__array__"):
        return np.asarray(value)
    raise TypeError(
        f"{name} must be an array, a list of numbers, or arrays in lists and dicts, got "
        f"{type(value).__name__}."
    )


def _sparse(value: Any, name: str) -> SparseRows:
    if not is_bcoo(value):
        if len(value.shape) != 2:
            raise ValueError(f"{name} is sparse of shape {value.shape}; two axes are expected.")
        return SparseRows.from_scipy(value)
    if value.n_batch or value.n_dense:
        raise ValueError(
            f"{name} is a BCOO with {value.n_batch} batch and {value.n_dense} dense axes; all "
            "axes must be sparse, as BCOO.fromdense makes them."
        )
    return SparseRows.from_bcoo(value)


def _from_table(value: Any, name: str) -> np.ndarray:
    """Rows of a pandas (or alike) table, column or index."""
    if not hasattr(value, "columns"):
        return _column(value, name)
    labels = list(value.columns)
    if not labels:
        raise ValueError(f"{name} is a table without columns.")
    array = value.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    pick = value.iloc.__getitem__ if hasattr(value, "iloc") else None
    columns = [
        _column(pick((slice(None), i)) if pick else value[label], f"{name}: column {label!r}")
        for i, label in enumerate(labels)
    ]
    return np.stack([column.astype(config.floatx()) for column in columns], axis=1)


def _column(value: Any, name: str) -> np.ndarray:
    array = value.to_numpy()
    if array.dtype.kind == "O" and getattr(value.dtype, "kind", "O") in "biuf":
        array = value.to_numpy(dtype="float64", na_value=np.nan)  # numbers, some missing
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} holds {value.dtype}, not numbers. Encode it as numbers or drop it."
        )
    return array


def _checked(array: Any, name: str) -> Any:
    if not (jnp.issubdtype(array.dtype, np.number) or array.dtype == bool):
        _refuse(array, name)
    if jnp.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(
            f"{name} holds complex numbers ({array.dtype}); pass real and imaginary parts."
        )
    if not array.shape:
        raise ValueError(f"{name} is a scalar; an array with one row per sample is expected.")
    if array.shape[0] == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(array.shape)}.")
    return array


def _refuse(array: Any, name: str) -> None:
    if array.dtype.kind in "US":
        raise ValueError(f"{name} holds strings; map them to ints first.")
    if array.dtype.kind == "O" and isinstance(array, np.ndarray):
        kinds = sorted({type(item).__name__ for item in array.reshape(-1)[:1000]})
        raise ValueError(
            f"{name} has dtype object (it holds {', '.join(kinds)}); numbers are expected. Rows "
            "of unequal length must be padded first."
        )
    raise ValueError(f"{name} has dtype {array.dtype}; numbers are expected.")


def target_dtype(dtype: Any, *, weight: bool = False) -> np.dtype:
    """Dtype that data of the given one has in a model.

    >>> [str(target_dtype(d)) for d in ("float64", "int64", "uint8", "float16")]
    ['float32', 'int32', 'uint8', 'float16']
    """
    dtype = np.dtype(dtype)
    floating = jnp.issubdtype(dtype, np.floating)
    if (floating and dtype.itemsize >= 8) or (weight and not floating):
        return jnp.dtype(config.floatx())
    native = dtype.newbyteorder("=") if dtype.kind in "iuf" else dtype
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        return NARROW.get(native, native)
    return native


def converted(array: Any, name: str, *, weight: bool = False) -> Any:
    """The array with the dtype of `target_dtype`; itself if it has it already.

    Raises:
        ValueError: a value does not fit.
    """
    if isinstance(array, SparseRows):
        return array.with_values(converted(array.values, name, weight=weight))
    target = target_dtype(array.dtype, weight=weight)
    if array.dtype == target:
        return array
    if isinstance(array, jax.Array):
        return array.astype(target)
    if target in NARROW.values() and array.dtype.kind in "iu":
        check_range(array, target, name)
    try:
        with np.errstate(over="raise"):
            return array.astype(target)
    except FloatingPointError:
        raise ValueError(
            f"{name} holds numbers beyond the range of {target}; scale the data, or set "
            "floatx to 'float64'."
        ) from None
