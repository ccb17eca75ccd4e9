"""Devices by name, and meshes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from lamina.registry import did_you_mean

KINDS = ("cpu", "gpu", "tpu")


def list_devices(device_type: str | None = None) -> list[str]:
    """Names of the devices of this machine, such as ``"gpu:0"``.

    Args:
        device_type: ``"cpu"``, ``"gpu"`` or ``"tpu"``; by default what JAX computes on.

    Returns:
        One name a device; none where there is no device of that type.

    Raises:
        ValueError: another type.

    >>> "cpu:0" in list_devices("cpu")
    True
    """
    return [name_of(device) for device in _devices(device_type)]


def get_device_count(device_type: str | None = None) -> int:
    """Number of devices that `list_devices` names.

    Args:
        device_type: ``"cpu"``, ``"gpu"`` or ``"tpu"``; by default what JAX computes on.

    >>> get_device_count("cpu") == len(list_devices("cpu"))
    True
    """
    return len(_devices(device_type))


def _devices(device_type: str | None) -> list[Any]:
    if device_type is None:
        return jax.devices()
    kind = device_type.lower() if isinstance(device_type, str) else device_type
    if kind not in KINDS:
        raise ValueError(
            f"device_type must be 'cpu', 'gpu' or 'tpu', got {device_type!r}."
            f"{did_you_mean(str(device_type), list(KINDS))}"
        )
    try:
        return jax.devices(kind)
    except RuntimeError:  # JAX was started without that kind
        return []


def name_of(device: Any) -> str:
    """The name of a device, as `list_devices` gives it."""
    return f"{device.platform}:{device.id}"


def found(device: Any) -> Any:
    """The device that a name stands for.

    Args:
        device: a name, or a device of JAX.

    Raises:
        ValueError: no such device.
    """
    if isinstance(device, jax.Device):
        return device
    kind, _, number = str(device).lower().partition(":")
    there = _devices(kind) if kind in KINDS else []
    for one in there:
        if str(one.id) == number:
            return one
    names = [*map(name_of, there or jax.devices())]
    raise ValueError(
        f"there is no device {device!r}; there are {', '.join(names)}. To try several devices "
        'on a CPU, set XLA_FLAGS="--xla_force_host_platform_device_count=4" before JAX starts.'
    )


class DeviceMesh:
    """Devices in rows and columns, each axis with a name.

    Args:
        shape: sizes of the axes, such as ``(8,)`` or ``(4, 2)``.
        axis_names: a name for each axis.
        devices: names as of `list_devices`, or devices of JAX, as many as the sizes multiply to;
            by default all devices.

    Attributes:
        devices: names of the devices, an array of that shape.

    Raises:
        ValueError: sizes, names and devices do not fit each other, or a device does not exist.

    >>> mesh = DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])
    >>> mesh, mesh.devices.tolist()
    (<DeviceMesh shape=(1, 1), axis_names=['batch', 'model']>, [['cpu:0']])
    """

    def __init__(
        self,
        shape: Sequence[int],
        axis_names: Sequence[str],
        devices: Sequence[Any] | None = None,
    ) -> None:
        self.shape, self.axis_names = _checked_axes(shape, axis_names)
        listed = jax.devices() if devices is None else np.asarray(devices, object).ravel()
        there = [found(device) for device in listed]
        wanted = math.prod(self.shape)
        if len(there) != wanted:
            raise ValueError(
                f"DeviceMesh: shape {self.shape} has {wanted} places, but there are {len(there)} "
                f"devices: {', '.join(map(name_of, there))}. Give as many devices as places."
            )
        _check_devices(there)
        self.devices = np.array([name_of(one) for one in there], object).reshape(self.shape)
        self._mesh = Mesh(np.array(there, object).reshape(self.shape), tuple(self.axis_names))

    @property
    def backend_mesh(self) -> Mesh:
        """The mesh as JAX knows it."""
        return self._mesh

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"


def _checked_axes(
    shape: Sequence[int], axis_names: Sequence[str]
) -> tuple[tuple[int, ...], list[str]]:
    if isinstance(axis_names, str) or not all(isinstance(name, str) for name in axis_names):
        raise TypeError(f"DeviceMesh: axis_names must be a list of names, got {axis_names!r}.")
    sizes, names = tuple(shape), list(axis_names)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"DeviceMesh: shape must hold positive ints, got {shape!r}.")
    if not sizes or len(sizes) != len(names) or len(set(names)) != len(names):
        raise ValueError(
            "DeviceMesh: shape and axis_names must have one entry for each axis, and each axis a "
            f"name of its own; got {shape!r} and {names}."
        )
    return tuple(map(int, sizes)), names


def _check_devices(devices: list[Any]) -> None:
    names = [name_of(device) for device in devices]
    if len(set(names)) != len(names):
        raise ValueError(f"DeviceMesh: a device can have one place only, got {', '.join(names)}.")
    if len({device.platform for device in devices}) > 1:
        raise ValueError(
            f"DeviceMesh: devices must all be of one type, got {', '.join(names)}; list_devices"
            "('gpu') names those of one."
        )
    if any(device.process_index != jax.process_index() for device in devices):
        raise ValueError(
            "DeviceMesh: some of the devices belong to other processes. lamina splits batches over "
            "the devices of one process; take those of jax.local_devices()."
        )
