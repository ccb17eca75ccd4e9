"""The global seed, and the numbers drawn from it when an object gets no seed of its own.

A seed is drawn when an object is made, never while a model runs: the keys of a run are
folded from the seeds, the layer and the step.
"""

from __future__ import annotations

import random
import threading

import numpy as np

_lock = threading.Lock()
_state: dict[str, int | None] = {"seed": None, "drawn": 0}

LARGEST = 2**31 - 1

FREE = np.uint32(2**31)
"""Set in the seed of a run if no global seed was set when it was drawn."""


def set_random_seed(seed: int) -> None:
    """Make everything that follows reproducible.

    Sets lamina's own seed and those of ``random`` and ``numpy.random``. Layers and initializers
    with a seed of their own give the same numbers in every process without it; once it is set, it
    counts for the layers too.

    Args:
        seed: an int from 0 to 2**32 - 1.

    >>> set_random_seed(7); a = next_seed(); set_random_seed(7); a == next_seed()
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: seed must be an int from 0 to 2**32 - 1, got {seed!r}.")
    random.seed(int(seed))
    np.random.seed(int(seed))
    with _lock:
        _state.update(seed=int(seed), drawn=0)


def next_seed() -> int:
    """Draw a new seed from 0 to `LARGEST`.

    After `set_random_seed` it depends on that seed and on how many were drawn since.
    Before, it comes from ``numpy.random``, so that the ``np.random.seed(1337)`` with which
    scripts have begun since 2015 makes them reproducible here too.
    """
    with _lock:
        seed, drawn = _state["seed"], _state["drawn"]
        if seed is None:
            return int(np.random.randint(LARGEST))
        assert drawn is not None
        _state["drawn"] = drawn + 1
    return int(np.random.SeedSequence([seed, drawn]).generate_state(1)[0]) % LARGEST


def next_run_seed() -> np.uint32:
    """Draw the seed of a run, which tells whether a global seed was set."""
    free = _state["seed"] is None
    seed = np.uint32(next_seed())
    return seed | FREE if free else seed


def restart() -> None:
    """Begin the sequence of seeds anew, if `set_random_seed` was called.

    >>> set_random_seed(7); a = next_seed(); restart(); a == next_seed()
    True
    """
    with _lock:
        _state["drawn"] = 0
