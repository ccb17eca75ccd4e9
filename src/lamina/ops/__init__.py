"""The mathematics: pure functions of arrays and plain values, one module a topic.

Nothing in the modules knows layers, models or settings. Import the one that is needed:
``from lamina.ops import conv`` or ``from lamina.ops.linear import dot_last``.

For users the package has the functions of ``keras.ops`` too: ``ops.matmul(x, y)`` takes arrays,
variables and symbolic tensors. They live in `lamina.backend.keras3`, which is imported at the
first use of one. The modules ``conv``, ``shape`` and ``norm`` can be called as the functions of
these names. Those of the modules ``keras.ops.image``, ``linalg``, ``nn`` and ``numpy`` are in
`lamina.ops.image` and so on.

>>> import lamina.ops as ops
>>> ops.matmul(ops.ones((2, 3)), ops.ones((3, 4))).shape
(2, 4)
>>> ops.image.resize(ops.ones((4, 6, 3)), (2, 3)).shape
(2, 3, 3)
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lamina.ops import conv, norm, shape


class _Callable(ModuleType):
    """A module that has the name of a function, and does what that function does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from lamina.backend import keras3

        return keras3.find(self.__name__.rpartition(".")[2])(*args, **kwargs)


def _group(module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a module with the functions of one of ``keras.ops``."""

    def find(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module 'lamina.ops.{module}' has no attribute {name!r}")
        from lamina.backend import keras3

        return keras3.find(name, module)

    def names() -> list[str]:
        from lamina.backend import keras3

        return sorted(keras3.group(module))

    return find, names


_GROUPS = ("image", "linalg", "nn", "numpy")
_modules = frozenset(found.name for found in pkgutil.iter_modules(__path__))

for _module in (conv, norm, shape):
    sys.modules[_module.__name__].__class__ = _Callable


def __getattr__(name: str) -> Any:
    """The function of ``keras.ops`` with this name."""
    if name in _GROUPS:
        return importlib.import_module(f"lamina.ops.{name}")
    if name.startswith("_") or name in _modules:
        raise AttributeError(f"module 'lamina.ops' has no attribute {name!r}")
    from lamina.backend import keras3

    return keras3.find(name)


def __dir__() -> list[str]:
    from lamina.backend import keras3

    return sorted({*globals(), *_GROUPS, *keras3.table()})
