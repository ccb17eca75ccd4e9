"""Configs of recurrent layers: what older releases left open, or did otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.typing import Config

RENAMED = {"CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM", "TimeDistributedDense": "Dense"}
"""Classes of older releases whose arguments are those of another one today."""

_UNITS = ("SimpleRNN", "GRU", "LSTM", "ConvLSTM2D", "RNN")


def completed(name: str, config: Mapping[str, Any], dialect: int, old: bool) -> Config:
    """The config of a recurrent layer or a wrapper, with the defaults of its release.

    Args:
        name: class of the layer.
        config: its config.
        dialect: 1, 2 or 3.
        old: whether the release is from before ``tf.keras``: its outputs at masked steps are
            those before in `Bidirectional` too.

    >>> completed("GRU", {"units": 3, "activation": "tanh"}, 2, False)["reset_after"]
    False
    """
    found = dict(config)
    # Configs of the layers of CuDNN say nothing of activations: CuDNN has one way only.
    plain = dialect < 3 and "activation" in found
    if plain and name in ("GRU", "GRUCell"):
        found.setdefault("reset_after", False)
    gated = ("GRU", "GRUCell", "LSTM", "LSTMCell", "ConvLSTM2D", "ConvLSTM2DCell")
    stated = "recurrent_activation" in found or "inner_activation" in found
    if plain and old and name in gated and not stated:
        found["recurrent_activation"] = "hard_sigmoid"
    if name == "Bidirectional" and old:
        found["layer"] = _repeating(found.get("layer"))
    if name == "TimeDistributed" and dialect == 1:
        found.pop("input_dtype", None)
    return found


def _repeating(entry: Any) -> Any:
    """The entry of a layer that repeats its output at masked steps."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if (
        not isinstance(config, Mapping)
        or RENAMED.get(entry["class_name"], entry["class_name"]) not in _UNITS
    ):
        return entry
    return {**entry, "config": {"zero_output_for_mask": False, **config}}
