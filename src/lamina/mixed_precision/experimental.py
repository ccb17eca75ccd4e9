"""The names of mixed precision in the early ``tf.keras``: `set_policy` and others.

>>> set_policy("mixed_bfloat16")
>>> global_policy().compute_dtype
'bfloat16'
>>> set_policy("float32")
"""

from __future__ import annotations

from typing import Any

from lamina.core.policy import DTypePolicy
from lamina.core.policy import dtype_policy as global_policy
from lamina.core.policy import set_dtype_policy as set_policy
from lamina.optimizers import loss_scale as scaling


class Policy(DTypePolicy):
    """A policy with a word on loss scaling.

    Args:
        name: as in `DTypePolicy`.
        loss_scale: ``"auto"``, or what that means for the name: ``"dynamic"`` for
            ``mixed_float16``, ``None`` otherwise.

    Raises:
        ValueError: another loss scale.

    >>> Policy("mixed_float16", loss_scale="dynamic").variable_dtype
    'float32'
    """

    def __init__(self, name: str, loss_scale: Any = "auto") -> None:
        super().__init__(name)
        meant = "dynamic" if self.name == "mixed_float16" else None
        if loss_scale not in ("auto", meant):
            raise ValueError(
                f"Policy {self.name!r}: loss_scale must be 'auto' or {meant!r}, got {loss_scale!r}."
                " For another scale wrap the optimizer in LossScaleOptimizer(optimizer, "
                "loss_scale), and compile with auto_scale_loss=False."
            )


def LossScaleOptimizer(
    optimizer: Any, loss_scale: float | str = "dynamic"
) -> scaling.LossScaleOptimizer:
    """An optimizer that scales the loss, with the arguments of the early ``tf.keras``.

    Args:
        optimizer: the optimizer that makes the updates.
        loss_scale: ``"dynamic"``, or a number that stays.

    Raises:
        ValueError: `loss_scale` is neither.

    >>> LossScaleOptimizer("sgd", 128.0).dynamic
    False
    """
    if loss_scale == "dynamic":
        return scaling.LossScaleOptimizer(optimizer)
    if isinstance(loss_scale, str):
        raise ValueError(
            f"LossScaleOptimizer: loss_scale must be 'dynamic' or a number, got {loss_scale!r}."
        )
    return scaling.LossScaleOptimizer(optimizer, initial_scale=loss_scale, dynamic=False)


__all__ = ["LossScaleOptimizer", "Policy", "global_policy", "set_policy"]
