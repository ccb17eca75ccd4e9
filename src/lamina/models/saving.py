"""`Saves`: what a model knows about files; the formats are in `lamina.saving`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from lamina.core.layer import Layer
    from lamina.saving.weights import Loaded


class Saves:
    """The methods of a model that read and write files.

    >>> from lamina.models import Model
    >>> Model.save_weights.__name__
    'save_weights'
    """

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
        **options: Any,
    ) -> None:
        """Write the whole model into a file; see `lamina.saving.save_model`.

        Args:
            filepath: the file; its ending, ``.keras``, ``.h5`` or ``.hdf5``, says the format.
            overwrite: whether a file that is there may be replaced.
            include_optimizer: whether the file says how the model was compiled, and holds the
                state of the optimizer.
            save_format: ``"keras"`` or ``"h5"``, whatever the ending.
            options: arguments that old code passes and that say nothing here.
        """
        from lamina import saving

        saving.save_model(self, filepath, overwrite, include_optimizer, save_format, **options)

    def to_yaml(self, **options: Any) -> str:
        """Refuse: lamina writes JSON, no YAML.

        Raises:
            ValueError: always; the message says what to do.
        """
        raise ValueError(
            "to_yaml: lamina writes no YAML, a format whose loaders ran code from files. Use "
            "to_json() and model_from_json."
        )

    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        save_format: str | None = None,
        **options: Any,
    ) -> None:
        """Write all weights into a file; see `lamina.saving.save_weights`.

        Args:
            filepath: the file; its ending says which format it gets.
            overwrite: whether a file that is there may be replaced.
            save_format: ``"h5"``, ``"keras"`` (the layout of ``.weights.h5``) or
                ``"safetensors"``, whatever the ending.
            options: arguments that old code passes and that say nothing here.
        """
        from lamina.saving import weights

        weights.known_options("save_weights", options)
        weights.save_weights(cast("Layer", self), filepath, overwrite, save_format)

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        by_name: bool = False,
        skip_mismatch: bool = False,
        **options: Any,
    ) -> Loaded:
        """Read weights from a file, all or nothing; see `lamina.saving.load_weights`.

        Args:
            filepath: a file of Keras 1, 2, 3, ``tf.keras`` or lamina, whatever its ending.
            by_name: whether layers get the weights stored under their names, and the others
                stay as they are.
            skip_mismatch: whether layers whose shapes are not those of the file stay as they
                are.
            options: arguments that old code passes and that say nothing here.

        Returns:
            Which layers were loaded, and which were not.
        """
        from lamina.saving import weights

        weights.known_options("load_weights", options)
        return weights.load_weights(cast("Layer", self), filepath, by_name, skip_mismatch)
