"""What the tests of models share."""

import numpy as np
import pytest


@pytest.fixture
def x():
    """Four rows of three columns of noise."""
    return np.random.default_rng(0).normal(size=(4, 3)).astype("f")


@pytest.fixture
def y():
    """Four rows of five columns of noise."""
    return np.random.default_rng(1).normal(size=(4, 5)).astype("f")
