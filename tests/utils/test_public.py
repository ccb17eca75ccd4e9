"""The public names of `lamina.utils`, which are imported when they are used."""

import pytest

from lamina import utils


@pytest.mark.parametrize("name", utils.__all__)
def test_name_is_there_and_listed(name):
    assert getattr(utils, name) is not None
    assert name in dir(utils)


def test_unknown_name_is_named():
    with pytest.raises(AttributeError, match=r"no attribute 'get_fiel'"):
        utils.get_fiel  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
