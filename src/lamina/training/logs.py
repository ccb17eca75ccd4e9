"""What callbacks get to read: numbers under old and new names, fetched when they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from lamina.core.dialects import LOGS
from lamina.registry import did_you_mean

_NEWEST = {name: group[0] for group in LOGS for name in group}
_MISSING = object()


@lru_cache(maxsize=1024)
def newest_name(name: str) -> str:
    """The name that the newest releases give to a metric, a setting or an output's metric.

    >>> newest_name("val_acc"), newest_name("decoder_mse"), newest_name("acc_1")
    ('val_accuracy', 'decoder_mean_squared_error', 'accuracy_1')
    """
    number = re.search(r"_\d+$", name)
    stem, tail = (name[: number.start()], number.group()) if number else (name, "")
    parts = stem.split("_")
    for first in range(len(parts)):
        found = _NEWEST.get("_".join(parts[first:]))
        if found is not None:
            return "_".join([*parts[:first], found]) + tail
    return name


class AliasedDict(dict[str, Any]):
    """A dict whose keys are also found under the names of other releases.

    A name that is not a key itself finds the key that means the same, if there is exactly one.
    Iterating and writing know only the real keys.

    >>> history = AliasedDict({"val_accuracy": [0.5, 0.75]})
    >>> history["val_acc"], "val_acc" in history, list(history)
    ([0.5, 0.75], True, ['val_accuracy'])
    """

    __slots__ = ()

    def real_key(self, key: Any) -> Any:
        """The key that `key` stands for; `key` itself when there is none or more than one."""
        if dict.__contains__(self, key) or not isinstance(key, str):
            return key
        wanted = newest_name(key)
        found = [
            name
            for name in super().__iter__()
            if isinstance(name, str) and newest_name(name) == wanted
        ]
        return found[0] if len(found) == 1 else key

    def __getitem__(self, key: str) -> Any:
        real = self.real_key(key)
        if not dict.__contains__(self, real):
            raise KeyError(self._absence(key))
        return dict.__getitem__(self, real)

    def _absence(self, key: object) -> str:
        names = [str(name) for name in super().__iter__()]
        return f"{key!r} is not among {names}.{did_you_mean(str(key), names)}"

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, self.real_key(key))

    def __delitem__(self, key: str) -> None:
        dict.__delitem__(self, self.real_key(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the key, or `default`."""
        real = self.real_key(key)
        return self[real] if dict.__contains__(self, real) else default

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Take the key out and return its value."""
        if key not in self and default is not _MISSING:
            return default
        value = self[key]
        del self[key]
        return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of the key, after entering `default` if there was none."""
        if key not in self:
            self[key] = default
        return self[key]


class Logs(AliasedDict):
    """The numbers of a step or an epoch, left on the device until somebody reads them.

    Reading a key waits for that number alone and keeps it as a Python float; reading all of them
    (``items``, ``values``, ``dict(logs)``, printing) fetches them together. Names of older and
    newer releases are answered to, as in `AliasedDict`.

    Args:
        values: names and numbers: scalars on the device or on the host.
        read: function that returns a mapping of names to numbers, called when the first of
            `names` is read. For numbers that are computed only if they are wanted.
        names: the names that `read` gives, in order; they come after those of `values`.
        aside: what Keras 2 put among the numbers, ``batch`` and ``size``: answered to when asked
            for by name, but not one of the keys.

    >>> import jax.numpy as jnp
    >>> logs = Logs({"loss": jnp.float32(0.5), "accuracy": jnp.float32(0.75)})
    >>> logs["acc"], logs.get("val_loss"), dict(logs)
    (0.75, None, {'loss': 0.5, 'accuracy': 0.75})
    >>> logs = Logs({"loss": 0.5}, aside={"batch": 3, "size": 32})
    >>> logs.get("size"), dict(logs)
    (32, {'loss': 0.5})
    """

    __slots__ = ("_aside", "_reader")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        *,
        read: Callable[[], Mapping[str, Any]] | None = None,
        names: Iterable[str] = (),
        aside: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(values)
        self._reader = read
        self._aside = dict(aside or {})
        if read is not None:
            for name in names:
                dict.__setitem__(self, name, _MISSING)

    def __getitem__(self, key: str) -> Any:
        real = self.real_key(key)
        if real in self._aside and not dict.__contains__(self, real):
            return self._aside[real]
        value = super().__getitem__(real)
        if type(value) is float:
            return value
        if value is _MISSING:
            value = self._read_deferred()[real]
        return self._keep(real, value)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._aside

    def __delitem__(self, key: str) -> None:
        if key in self._aside and not super().__contains__(key):
            del self._aside[key]
        else:
            super().__delitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The number of that name, or `default`."""
        if super().__contains__(key):
            return self[key]
        return self._aside.get(key, default)

    def _read_deferred(self) -> Mapping[str, Any]:
        reader, self._reader = self._reader, None
        numbers = reader() if reader is not None else {}
        for name in dict.__iter__(self):
            if dict.__getitem__(self, name) is _MISSING:
                dict.__setitem__(self, name, numbers[name])
        return numbers

    def _keep(self, key: str, value: Any) -> Any:
        number = on_host(value)
        dict.__setitem__(self, key, number)
        return number

    def _read_all(self) -> None:
        if self._reader is not None:
            self._read_deferred()
        waiting = {key: v for key, v in dict.items(self) if isinstance(v, jax.Array)}
        fetched = jax.device_get(waiting) if waiting else {}
        for key in dict.__iter__(self):
            self._keep(key, fetched[key] if key in fetched else dict.__getitem__(self, key))

    def __iter__(self) -> Iterator[str]:
        # Overridden so that dict(logs) goes through keys and __getitem__.
        return super().__iter__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """The names; nothing is read."""
        return super().keys()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Names and numbers; reads all of them."""
        self._read_all()
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """The numbers; reads all of them."""
        self._read_all()
        return super().values()

    def copy(self) -> Logs:
        """A copy with all numbers read."""
        return Logs(self.items(), aside=self._aside)

    def __eq__(self, other: object) -> bool:
        self._read_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __or__(self, other: Any) -> Any:
        return Logs({**dict(self), **other})

    def __ror__(self, other: Any) -> Any:
        return {**other, **dict(self)}

    def __repr__(self) -> str:
        self._read_all()
        return super().__repr__()

    def __reduce__(self) -> tuple[Any, ...]:
        return Logs, (dict(self),)


def as_logs(logs: Mapping[str, Any] | None) -> Logs:
    """The logs that a hook got, as `Logs`."""
    if isinstance(logs, Logs):
        return logs
    return Logs({} if logs is None else logs)


def on_host(value: Any) -> Any:
    """A scalar array as a Python float, another array as NumPy's; anything else as it is."""
    if isinstance(value, float | int | str) and not isinstance(value, np.generic):
        return value
    if not hasattr(value, "shape"):
        return value
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind not in "OSU" else array
