"""The one ambient record of a call: training flag, weight values, random key, losses.

`core.pure` is the only place that enters it. Outside of a call there is none, and a variable
stands for its own value.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.seeds import FREE

if TYPE_CHECKING:
    from types import TracebackType

    import jax

    from lamina.core.allowance import Allowance
    from lamina.core.variable import Variable

UNSEEDED = 2**32 - 1
"""Stands for the seed of layers that have none; no seed of a user is as large."""


class Key(NamedTuple):
    """The key of a run from which those of its layers are folded.

    Where no global seed was set, a layer with a seed of its own draws from that seed and the
    step alone, so that they make its numbers the same in every process.

    Attributes:
        main: the key of the run, from its seed (and step).
        seed: the seed of the run; `lamina.seeds.FREE` is set in it if no global seed was.
        step: number of the step, or of calls before this one.
        places: what was folded in since, such as the turn of a loop.
    """

    main: jax.Array
    seed: Any
    step: Any
    places: tuple[Any, ...] = ()

    def of(self, own: int | None) -> jax.Array:
        """The key for a layer's own seed, or for layers that have none."""
        if own is None:
            return self.main
        import jax
        import jax.numpy as jnp

        steady = jax.random.fold_in(jax.random.key(0), self.step)
        for place in self.places:
            steady = jax.random.fold_in(steady, place)
        return jnp.where((jnp.asarray(self.seed, jnp.uint32) & FREE) != 0, steady, self.main)


def key_of_step(seed: Any, step: Any) -> Key:
    """The key of a step of training."""
    import jax

    return Key(jax.random.fold_in(jax.random.key(seed), step), seed, step)


def key_of_call(seed: Any, calls: Any) -> Key:
    """The key of a call, given the number of random calls before it."""
    import jax

    return Key(jax.random.key(seed), seed, calls)


def folded_key(key: Any, place: Any) -> Any:
    """A key for one turn of a loop."""
    import jax

    if isinstance(key, Key):
        return Key(jax.random.fold_in(key.main, place), *key[1:3], (*key.places, place))
    return jax.random.fold_in(key, place)


def _main_of(key: Any, own: int | None) -> jax.Array:
    """The array from which a layer's key is folded; runs may be given a bare key of JAX."""
    return key.of(own) if isinstance(key, Key) else key


class Call:
    """What a pure run of a layer needs to know and collects on its way.

    Attributes:
        training: whether layers behave as in training.
        values: value of each variable during the call; assignments change it.
        key: random key of this call; `next_key` derives those of the layers from it.
        losses: scalars that layers added with ``add_loss`` or an activity regularizer, each with
            its layer; with ``None`` if it came from a function.
        metrics: ``(name, value)`` pairs that layers added with ``add_metric``.
        counted: identities of the layers whose loss functions are among the losses.
        faults: checks of values that failed or not; see `Fault`.
        updated: variables that were assigned to.
        strays: variables that were read and of which the call has no value: their own value is
            a constant of the run.
        unknown: a size that stands for all unknown ones, while shapes are inferred.
        drawn: whether `next_key` was asked for a key.
    """

    __slots__ = (
        "_draws",
        "_token",
        "_trace",
        "counted",
        "drawn",
        "faults",
        "key",
        "losses",
        "metrics",
        "parent",
        "strays",
        "training",
        "unknown",
        "updated",
        "values",
    )

    def __init__(
        self,
        training: bool | None = None,
        values: dict[Variable, Any] | None = None,
        key: jax.Array | Key | None = None,
    ) -> None:
        self.training = training
        self.values: dict[Variable, Any] = {} if values is None else values
        self.key = key
        self.losses: list[tuple[Any, Any]] = []
        self.counted: set[int] = set()
        self.metrics: list[tuple[str, Any]] = []
        self.faults: list[Fault] = []
        self.updated: dict[Variable, None] = {}
        self.strays: dict[Variable, None] = {}
        self.unknown: int | None = None
        self.parent: Call | None = None
        self._draws: dict[int, int] = {}
        self.drawn = False
        self._token: Token[Call | None] | None = None
        self._trace: Any = None

    def next_key(self, seed: int | None) -> jax.Array:
        """A new key for a layer: from the call's key, the layer's seed and a count.

        Layers without a seed share one count. A seed that was drawn for each would be a constant
        of the compiled program, which then were another one in each process, and no cache of
        programs could hold it.

        Raises:
            RuntimeError: the call was made without a key.
        """
        import jax

        if self.key is None:
            raise RuntimeError("A random layer was called in a run that has no random key.")
        self.drawn = True
        number = UNSEEDED if seed is None else seed
        draw = self._draws.get(number, 0)
        self._draws[number] = draw + 1
        return jax.random.fold_in(jax.random.fold_in(_main_of(self.key, seed), number), draw)

    def is_open(self) -> bool:
        """Whether values computed here may be recorded.

        They may not within ``jax.vmap``, ``lax.scan`` and the like that began after the call:
        what a function under them computes must not leave it but as its result.
        """
        return self._trace is None or self._trace == _trace_state()

    def __enter__(self) -> Call:
        self._trace = _trace_state()
        self.parent = _current.get()
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)


def _trace_state() -> Any:
    """What is being traced: equal for two moments of the same trace, and keeps nothing of it."""
    return _look().bind()


@cache
def _look() -> Any:
    """An operation without arguments that JAX never sees: it gives the trace that it came to.

    ``jax.extend.core`` tells the same, but to import it takes a twentieth of a first ``fit`` whose
    programs are on disk: it brings Pallas with it.
    """
    from jax import lax

    look: Any = type(lax.conv_general_dilated_p)("lamina_trace")
    look.def_bind_with_trace(lambda trace, *_: weakref.ref(trace))
    return look


class Fault:
    """A check of values that only running can decide, such as an index in a table.

    The step carries `row` out of the compiled code; `explain` is called with the row's number
    and the offending value if there was one.

    Attributes:
        row: int32 scalar, the first row that failed, or -1.
        value: float scalar, the value found there.
        explain: makes the message of the error from row and value.
    """

    __slots__ = ("explain", "row", "value")

    def __init__(self, row: Any, value: Any, explain: Any) -> None:
        self.row = row
        self.value = value
        self.explain = explain


_current: ContextVar[Call | None] = ContextVar("lamina_call", default=None)


@contextmanager
def outside() -> Iterator[None]:
    """A block that belongs to no run, although one may go on: building a layer."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


allowance: ContextVar[Allowance | None] = ContextVar("lamina_allowance", default=None)
"""What a file that is being read may still ask for; see `lamina.core.allowance`."""

shared_numbers: ContextVar[dict[int, int] | None] = ContextVar("lamina_numbers", default=None)
shared_made: ContextVar[dict[Any, tuple[Any, Any]] | None] = ContextVar("lamina_made", default=None)
"""Layers of configs that are being written and read; see `lamina.core.sharing`."""

current = _current.get
"""The record of the call that is running, or ``None``."""
