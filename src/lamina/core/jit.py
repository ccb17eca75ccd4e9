"""The one place that calls ``jax.jit``: compiler options, donation, cache."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import cache, wraps
from operator import attrgetter
from typing import Any, TypeVar, cast

import jax
import jax.lib

from lamina import config
from lamina.core import cache as programs_on_disk
from lamina.core import faulty, memory

Function = TypeVar("Function", bound=Callable[..., Any])

# Here, because what computes imports this file, and JAX has started no threads yet.
memory.keep()

# YNNPACK doubles the speed of matrix products on a CPU, and sums 2 to 15 times as fast as XLA's own
# loops, but most convolutions alone take it 1.5 to 4 times as long as Eigen. Where nothing is
# trained, sums would draw the convolutions before them in.
_FUSIONS = "xla_cpu_experimental_ynn_fusion_type"
_PRODUCTS = {_FUSIONS: "LIBRARY_FUSION_TYPE_DOT"}
_PRODUCTS_AND_SUMS = {_FUSIONS: "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}

_KNOWN = ("0.10.0", "0.10.1", "0.10.2")
"""Versions of jaxlib that take the options; with others that is tried, by compiling something."""


@cache
def compiler_options(sums: bool = True) -> dict[str, Any] | None:
    """Options for XLA on this platform, or ``None`` where XLA does not know them.

    Args:
        sums: whether sums go to YNNPACK too, and not only products.
    """
    if jax.default_backend() != "cpu":
        return None
    options = _PRODUCTS_AND_SUMS if sums else _PRODUCTS
    if jax.lib.__version__ in _KNOWN:  # type: ignore[attr-defined]
        return options
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0).compile()
    except Exception:  # whatever an XLA without the option raises: go without
        return None
    return options


def compile(
    function: Callable[..., Any],
    donate: Sequence[int] = (),
    static: Sequence[int] = (),
    sums: bool = True,
    stored: int | None = None,
) -> Any:
    """Compile a pure function, for each set of shapes and static arguments once.

    Args:
        function: pure function of arrays.
        donate: positions of the arguments whose memory the results may take over.
        static: positions of the arguments that are part of the program.
        sums: whether sums are compiled as fast as can be; not for predictions with convolutions.
        stored: the executables are to be found on disk by what was traced, and arguments from this
            place on are arrays whose shapes and dtypes may change from call to call. Such a
            function has no static arguments, and is not called while another one is traced.
    """
    setting = config.compile_cache()
    if programs_on_disk.applied != [setting]:
        programs_on_disk.apply(setting)
    options = compiler_options(sums)
    jitted = jax.jit(
        function,
        donate_argnums=tuple(donate),
        static_argnums=tuple(static),
        compiler_options=options,
    )
    return jitted if stored is None else Stored(jitted, stored, (tuple(donate), options))


def tidy(function: Function) -> Function:
    """Take JAX's note on its frames from the errors of a function that traces or runs a program.

    Python's garbage collector waits until the function is done. Tracing makes many objects that
    stay, and to look through all there are in between, those of JAX included, takes up to a fifth
    of the time of a first ``fit`` whose programs are on disk.

    Args:
        function: function or method.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        except Exception as error:
            faulty.without_note(error)
            raise
        finally:
            if collects:
                put_off_first_look()
                gc.enable()

    return cast("Function", run)


@cache
def put_off_first_look() -> None:
    """Count all objects as old, once: none as new since Python's garbage collector looked last.

    Its first look through all there is is due when the first program was traced: most of what there
    is came with the imports. To wait for it takes a twentieth of a first ``fit`` whose programs are
    on disk, and it finds nothing, for modules stay. It comes when as much again was made.
    """
    if not gc.get_freeze_count():  # what somebody froze stays so
        gc.freeze()
        gc.unfreeze()


class Stored:
    """A compiled function whose executables outlive the process.

    Args:
        jitted: the function, under ``jax.jit``.
        first: place of the first argument whose shapes and dtypes change from call to call.
        options: what its executables depend on beside what is traced.
    """

    def __init__(self, jitted: Any, first: int, options: Any) -> None:
        self._jitted = jitted
        self._first = first
        self._options = options
        self._found: dict[Any, Any] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args[self._first :])
        shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
        key = _observed(jax.config), structure, tuple(shapes)
        run = self._found.get(key)
        if run is None:
            return self._begin(key, args)
        try:
            return run(*args)
        except Exception as error:
            faulty.without_note(error)
            # An executable refuses, before it runs, arguments for which it was not made.
            if run is self._jitted or not isinstance(error, TypeError | ValueError):
                raise
        return self._jitted(*args)

    @tidy
    def _begin(self, key: Any, args: tuple[Any, ...]) -> Any:
        """Find the executable for arguments, and call it."""
        run = self._jitted
        if not any(key[0][:_SPECIAL]) and programs_on_disk.at_home(args):
            run = programs_on_disk.executable(run.trace(*args), args, self._options)
        self._found[key] = run
        return run(*args)


_observed = attrgetter(
    "jax_disable_jit",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_default_device",
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_threefry_partitionable",
    "jax_random_seed_offset",
    "jax_softmax_custom_jvp",
    "jax_debug_key_reuse",
)
"""Settings of JAX's that are looked at in each call; others count while a function is traced."""

_SPECIAL = 4
"""The first of them need ``jax.jit`` itself, if they are set."""


def inner(function: Function) -> Function:
    """Compile a function that others call within their own compiled code.

    XLA takes options only for the whole program, so this one has none.

    Args:
        function: pure function of arrays.
    """
    return cast("Function", jax.jit(function))
