"""What users call beside models and layers: files, seeds, names of their own, sequences.

A name is imported when it is first used, so that ``import lamina`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.backend.session import clear_session
    from lamina.registry import (
        CustomObjectScope,
        custom_object_scope,
        get_custom_objects,
        get_registered_name,
        get_registered_object,
        register_keras_serializable,
    )
    from lamina.seeds import set_random_seed
    from lamina.utils import arrays as np_utils
    from lamina.utils.arrays import normalize, to_categorical
    from lamina.utils.files import get_file, hash_file, validate_file
    from lamina.utils.sequence import (
        GeneratorEnqueuer,
        OrderedEnqueuer,
        PyDataset,
        Sequence,
        SequenceEnqueuer,
    )

__all__ = [
    "CustomObjectScope",
    "GeneratorEnqueuer",
    "OrderedEnqueuer",
    "PyDataset",
    "Sequence",
    "SequenceEnqueuer",
    "clear_session",
    "custom_object_scope",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "hash_file",
    "normalize",
    "np_utils",
    "register_keras_serializable",
    "set_random_seed",
    "to_categorical",
    "validate_file",
]

_HOMES = {
    "lamina.backend.session": "clear_session",
    "lamina.utils.arrays": "normalize to_categorical",
    "lamina.registry": (
        "CustomObjectScope custom_object_scope get_custom_objects get_registered_name "
        "get_registered_object register_keras_serializable"
    ),
    "lamina.seeds": "set_random_seed",
    "lamina.utils.files": "get_file hash_file validate_file",
    "lamina.utils.sequence": (
        "GeneratorEnqueuer OrderedEnqueuer PyDataset Sequence SequenceEnqueuer"
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "np_utils":  # the module that to_categorical was in before Keras 2.3
        return import_module("lamina.utils.arrays")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'lamina.utils' has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
