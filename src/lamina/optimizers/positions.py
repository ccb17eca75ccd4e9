"""Arguments by position, where Keras 2 and Keras 3 have them in different orders."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def two_orders(keras2: str, keras3: str, place: int) -> Callable[[Any], Any]:
    """Let a constructor take its arguments by position in the order of either release.

    The argument at `place` decides: an epsilon (``None``, or above 0 and at most 0.01) means
    Keras 2, anything else Keras 3.

    Args:
        keras2: names in the order of Keras 2.
        keras3: names in the order of Keras 3.
        place: where `keras2` has ``epsilon``.
    """

    def decorate(init: Any) -> Any:
        @functools.wraps(init)
        def ordered(self: Any, *values: Any, **keywords: Any) -> None:
            order = keras2.split()
            if len(values) > place and not _is_epsilon(values[place]):
                order = keras3.split()
            if len(values) > len(order):
                raise TypeError(
                    f"{type(self).__name__} takes {len(order)} arguments by position, "
                    f"got {len(values)}."
                )
            for name, value in zip(order, values, strict=False):
                if name in keywords:
                    raise TypeError(f"{type(self).__name__} got {name!r} twice.")
                keywords[name] = value
            init(self, **keywords)

        return ordered

    return decorate


def _is_epsilon(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 0.01
    )
