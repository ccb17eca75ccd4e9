"""Mixed precision: compute in 16 bits, keep the weights in 32.

`set_global_policy` says in which dtype the layers compute that are made from then on. Under
``mixed_float16`` `compile` wraps the optimizer in a `LossScaleOptimizer`, because small gradients
would be 0 in float16; ``mixed_bfloat16`` needs none. Micikevicius and others (2018).

>>> from lamina import layers
>>> set_global_policy("mixed_bfloat16")
>>> layer = layers.Dense(3)
>>> layer.compute_dtype, layer.variable_dtype
('bfloat16', 'float32')
>>> set_global_policy("float32")
"""

from __future__ import annotations

from lamina.core import policy as policies
from lamina.core.policy import DTypePolicy
from lamina.mixed_precision import experimental
from lamina.optimizers.loss_scale import LossScaleOptimizer

Policy = DTypePolicy


def global_policy() -> DTypePolicy:
    """The policy of layers that name no dtype: that of ``floatx`` unless one was set.

    >>> global_policy().name
    'float32'
    """
    return policies.dtype_policy()


def set_global_policy(policy: str | DTypePolicy | None) -> None:
    """Set the policy of layers made from now on.

    Args:
        policy: a policy, or a name such as ``mixed_float16``, ``mixed_bfloat16`` or ``float32``;
            ``None`` for that of ``floatx``, whatever that is when a layer is made.

    Raises:
        ValueError: there is no such dtype or policy.

    >>> set_global_policy("mixed_float16")
    >>> global_policy()
    <DTypePolicy 'mixed_float16'>
    >>> set_global_policy(None)
    """
    policies.set_dtype_policy(policy)


dtype_policy = global_policy
set_dtype_policy = set_global_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "experimental",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
