"""`DataParallel`, and setting it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from lamina.core.weights import structure
from lamina.distribution.current import current
from lamina.distribution.mesh import DeviceMesh, found, list_devices
from lamina.distribution.placement import Placement


class DataParallel:
    """Split each batch over devices; every device has all weights.

    While it is set, ``fit``, ``evaluate``, ``predict``, ``train_on_batch``, ``test_on_batch`` and
    ``predict_on_batch`` give each device an equal part of the rows. The numbers are those of one
    device up to rounding: losses, metrics and the statistics of batch normalization are taken over
    the whole batch, and dropout drops the same. Weights, optimizer and metrics lie on all devices
    meanwhile, and on one again afterwards.

    A batch whose rows cannot be shared out evenly, such as a smaller last one, is computed as a
    whole by every device. Where all batches would be like that ``fit``, ``evaluate`` and
    ``predict`` refuse the batch size.

    Args:
        device_mesh: a mesh; batches are split along its first axis.
        devices: instead of a mesh, names as of `list_devices`; all devices by default.
        auto_shard_dataset: accepted as in Keras 3, where it counts for several processes.

    Raises:
        TypeError: `device_mesh` is no `DeviceMesh`.
        ValueError: both were given, or a device does not exist.

    >>> import numpy as np
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> with DataParallel(devices=["cpu:0"]).scope():
    ...     history = model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=4, verbose=0)
    >>> model.get_weights()[1].round(4)
    array([0.0388], dtype=float32)
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Sequence[Any] | None = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        if device_mesh is not None and not isinstance(device_mesh, DeviceMesh):
            raise TypeError(
                f"DataParallel: device_mesh must be a DeviceMesh, got {device_mesh!r}. To name "
                "devices, write DataParallel(devices=[...])."
            )
        if device_mesh is not None and devices is not None:
            raise ValueError("DataParallel: give device_mesh or devices, not both.")
        if devices is not None and (isinstance(devices, str) or not len(devices)):
            raise ValueError(
                f"DataParallel: devices must be a list of devices, such as {list_devices()[:1]}, "
                f"got {devices!r}."
            )
        if device_mesh is None:
            listed = jax.devices() if devices is None else [found(one) for one in devices]
            device_mesh = DeviceMesh((len(listed),), ["batch"], listed)
        self.device_mesh = device_mesh
        self.auto_shard_dataset = auto_shard_dataset
        self._placement = Placement(device_mesh.backend_mesh, self.batch_dim_name)

    @property
    def batch_dim_name(self) -> str:
        """The axis of the mesh along which batches are split."""
        return self.device_mesh.axis_names[0]

    @contextmanager
    def scope(self) -> Iterator[DataParallel]:
        """Have it set within a ``with`` block; what was set before comes back at its end.

        >>> with DataParallel(devices=["cpu:0"]).scope() as parallel:
        ...     distribution() is parallel
        True
        >>> distribution()
        """
        before = current.distribution
        set_distribution(self)
        try:
            yield self
        finally:
            set_distribution(before)

    def __repr__(self) -> str:
        return f"<DataParallel device_mesh={self.device_mesh}>"


def distribution() -> DataParallel | None:
    """The distribution that is set, or ``None``.

    >>> distribution()
    """
    return current.distribution


def set_distribution(value: DataParallel | None) -> None:
    """Set how models are distributed, for the whole process; ``None`` for not at all.

    Args:
        value: a `DataParallel`, or ``None``.

    Raises:
        TypeError: anything else.

    >>> set_distribution(DataParallel(devices=["cpu:0"]))
    >>> distribution()
    <DataParallel device_mesh=<DeviceMesh shape=(1,), axis_names=['batch']>>
    >>> set_distribution(None)
    """
    if value is not None and not isinstance(value, DataParallel):
        raise TypeError(
            f"set_distribution: value must be a DataParallel or None, got {value!r}. For all "
            "devices, write set_distribution(DataParallel())."
        )
    before = current.placement
    placement = None if value is None else value._placement
    current.distribution, current.placement = value, placement
    if placement is not before:
        structure[0] += 1  # the steps that models have prepared are those of the former one
        if before is not None:
            before.leave()
