"""Training on several devices: each takes its share of the rows of every batch."""

from lamina.distribution.mesh import DeviceMesh, get_device_count, list_devices
from lamina.distribution.parallel import DataParallel, distribution, set_distribution

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "distribution",
    "get_device_count",
    "list_devices",
    "set_distribution",
]
