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
    stored: bool = False,
) -> Any:
    """Compile a pure function, for each set of shapes and static arguments once.

    Args:
        function: pure function of arrays.
        donate: positions of the arguments whose memory the results may take over.
        static: positions of the arguments that are part of the program.
        sums: whether sums are compiled as fast as can be; not for predictions with convolutions.
        stored: whether the executables are found on disk by what was traced. Such a function has no
            static arguments, and is not called while another one is traced.
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
    return Stored(jitted, (tuple(donate), options)) if stored else jitted


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
                gc.enable()

    return cast("Function", run)


class Stored:
    """A compiled function whose executables outlive the process.

    Args:
        jitted: the function, under ``jax.jit``.
        options: what its executables depend on beside what is traced.
    """

    def __init__(self, jitted: Any, options: Any) -> None:
        self._jitted = jitted
        self._options = options
        self._found: dict[Any, Any] = {}
        # Settings of JAX's at the last call, and what was called then.
        self._last: tuple[Any, Any] = None, jitted

    def __call__(self, *args: Any) -> Any:
        settings, run = self._last
        if settings == _observed(jax.config):
            try:
                return run(*args)
            except Exception as error:
                faulty.without_note(error)
                # An executable refuses arguments for which it was not made before it runs.
                if run is self._jitted or not isinstance(error, TypeError | ValueError):
                    raise
        return self._another(args)

    @tidy
    def _another(self, args: tuple[Any, ...]) -> Any:
        """Call the executable for other arguments or settings than those of the last call."""
        settings, run = _observed(jax.config), self._jitted
        if not any(settings[:_SPECIAL]) and programs_on_disk.at_home(args):
            traced = self._jitted.trace(*args)
            key = settings, jax.tree.structure(args), tuple(traced.jaxpr.in_avals)
            if key not in self._found:
                self._found[key] = programs_on_disk.executable(traced, args, self._options)
            if self._last != (settings, self._found[key]):
                run = self._found[key]
            # else it refused these arguments itself, and JAX handles or explains them
        self._last = settings, run
        return run(*args)


_observed = attrgetter(
    "jax_disable_jit",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_default_device",
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
)
"""Settings of JAX's that a program follows while it is called, not only when it is traced."""

_SPECIAL = 4
"""The first of them need ``jax.jit`` itself, if they are set."""


def inner(function: Function) -> Function:
    """Compile a function that others call within their own compiled code.

    XLA takes options only for the whole program, so this one has none.

    Args:
        function: pure function of arrays.
    """
    return cast("Function", jax.jit(function))
