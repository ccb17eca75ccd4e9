"""Models from configs; `lamina.saving.config` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.typing import Config


def model_from_config(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from ``{"class_name": ..., "config": ...}``.

    Args:
        config: as any release of Keras or lamina wrote it.
        custom_objects: classes and functions of yours by name; the function of a `Lambda` by the
            name of the layer.

    Raises:
        ValueError: the config is malformed, or names classes that are unknown.

    >>> dense = {"class_name": "Dense", "config": {"units": 2, "input_shape": (3,)}}
    >>> config = {"class_name": "Sequential", "config": {"layers": [dense]}}
    >>> model_from_config(config).output_shape
    (None, 2)
    """
    if isinstance(config, list):
        raise TypeError(
            "model_from_config takes {'class_name': ..., 'config': ...}, got a list, which is what "
            "get_config of a Sequential of Keras 1 gives: use Sequential.from_config."
        )
    from lamina.saving import config as reader

    return reader.read_model(config, custom_objects)


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from what ``to_json`` of any release gave.

    Args:
        text: the text.
        custom_objects: as for `model_from_config`.

    Raises:
        ValueError: the text is no JSON, or describes no model.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model_from_json(Sequential([Dense(2, input_shape=(3,))]).to_json()).output_shape
    (None, 2)
    """
    from lamina.saving import config as reader

    return reader.read_json(text, custom_objects)


def model_from_yaml(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Refuse: lamina reads JSON, no YAML.

    Raises:
        ValueError: always; the message says what to do.

    >>> model_from_yaml("")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: model_from_yaml: lamina reads no YAML, ...
    """
    raise ValueError(
        "model_from_yaml: lamina reads no YAML, a format whose loaders ran code from files. Write "
        "the model as JSON with to_json() where it was made, and read it with model_from_json; "
        "in a YAML text of your own, yaml.safe_load gives the dict for model_from_config."
    )
