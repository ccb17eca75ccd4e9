"""The distribution that is set: one record, as short as can be, since each training reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.distribution.parallel import DataParallel
    from lamina.distribution.placement import Placement


class Current:
    """What is set now.

    Attributes:
        distribution: what `set_distribution` was given.
        placement: where it puts arrays; ``None`` if nothing is set.
    """

    def __init__(self) -> None:
        self.distribution: DataParallel | None = None
        self.placement: Placement | None = None


current = Current()
