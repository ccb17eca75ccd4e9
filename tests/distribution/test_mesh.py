"""Devices by name, meshes, and what may be set."""

import re
from typing import Any

import jax
import pytest

from lamina import distribution
from lamina.distribution import DataParallel, DeviceMesh


def test_devices_have_the_names_of_keras():
    assert distribution.list_devices() == ["cpu:0", "cpu:1", "cpu:2", "cpu:3"]
    assert distribution.list_devices("CPU") == distribution.list_devices()
    assert distribution.get_device_count("cpu") == 4


def test_a_type_without_devices_has_none():
    assert distribution.list_devices("tpu") == []
    assert distribution.get_device_count("tpu") == 0


def test_a_mesh_takes_devices_by_name_and_as_they_are():
    mesh = DeviceMesh((2, 1), ["rows", "other"], ["cpu:3", jax.devices()[1]])
    assert mesh.devices.tolist() == [["cpu:3"], ["cpu:1"]]
    assert mesh.backend_mesh.axis_names == ("rows", "other")
    assert [device.id for device in mesh.backend_mesh.devices.ravel()] == [3, 1]


def test_batches_are_split_along_the_first_axis_of_a_mesh():
    parallel = DataParallel(DeviceMesh((2, 2), ["rows", "other"]))
    assert parallel.batch_dim_name == "rows"
    assert parallel._placement.count == 2


def test_all_devices_are_taken_by_default():
    assert DataParallel().device_mesh.devices.tolist() == distribution.list_devices()
    assert DataParallel().batch_dim_name == "batch"


def test_scopes_lie_in_each_other():
    outer, inner = DataParallel(), DataParallel(devices=["cpu:2"])
    with outer.scope():
        with inner.scope():
            assert distribution.distribution() is inner
        assert distribution.distribution() is outer
    assert distribution.distribution() is None


def test_an_error_ends_a_scope():
    with pytest.raises(ZeroDivisionError), DataParallel().scope():
        _ = 1 / 0
    assert distribution.distribution() is None


def mesh(*args: Any) -> Any:
    return lambda: DeviceMesh(*args)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (mesh((3,), ["a"]), ValueError, "shape (3,) has 3 places, but there are 4 devices"),
        (mesh((2,), ["a", "b"]), ValueError, "one entry for each axis"),
        (mesh((2, 2), ["a", "a"]), ValueError, "each axis a name of its own"),
        (mesh((0,), ["a"], []), ValueError, "positive ints, got (0,)"),
        (mesh((1,), "a"), TypeError, "axis_names must be a list of names, got 'a'"),
        (mesh((2,), ["a"], ["cpu:0", "cpu:0"]), ValueError, "one place only, got cpu:0, cpu:0"),
        (mesh((1,), ["a"], ["cpu:9"]), ValueError, "no device 'cpu:9'; there are cpu:0, cpu:1"),
        (lambda: distribution.list_devices("cpuu"), ValueError, "got 'cpuu'. Did you mean 'cpu'?"),
        (lambda: DataParallel(devices="cpu:0"), ValueError, "such as ['cpu:0'], got 'cpu:0'"),
        (lambda: DataParallel(devices=[]), ValueError, "must be a list of devices"),
        (lambda: DataParallel(["cpu:0"]), TypeError, "write DataParallel(devices=[...])"),  # pyright: ignore
        (lambda: DataParallel(DeviceMesh((4,), ["a"]), ["cpu:0"]), ValueError, "not both"),
        (lambda: distribution.set_distribution(4), TypeError, "a DataParallel or None, got 4"),  # pyright: ignore
    ],
)
def test_wrong_arguments_are_told(wrong: Any, kind: Any, message: str):
    with pytest.raises(kind, match=re.escape(message)):
        wrong()
