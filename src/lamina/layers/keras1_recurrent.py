"""Old names of recurrent layers: those of CuDNN, and ``TimeDistributedDense`` of Keras 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lamina.layers.dense import Dense
from lamina.layers.keras1 import OldName
from lamina.layers.recurrent_layers import GRU, LSTM

_INITIALIZERS = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
_PENALTIES = (
    *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer"),
    *("kernel_constraint", "recurrent_constraint", "bias_constraint"),
    *("return_sequences", "return_state", "stateful"),
)


class OtherName(OldName):
    """Class of a name for today's class, with its arguments in the old order."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            own = vars(cls)
            if "today" not in own:  # a subclass of the user's
                return super().__call__(*args, **kwargs)
            if len(args) > len(own["order"]):
                raise TypeError(
                    f"{cls.__name__} takes {len(own['order'])} arguments without a name at most, "
                    f"got {len(args)}."
                )
            named = dict(zip(own["order"], args, strict=False))
            for name in named:
                if name in kwargs:
                    raise TypeError(f"{cls.__name__}: {name} is given twice.")
            return own["today"](**own["changed"](named | kwargs))


def _as_given(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


class CuDNNLSTM(LSTM, metaclass=OtherName):
    """`LSTM` as Keras 2 called it on a graphics processor.

    Takes those arguments of `LSTM` that CuDNN had, and makes an `LSTM`: it runs anywhere.

    >>> type(CuDNNLSTM(4)).__name__
    'LSTM'
    """

    today = LSTM
    order: ClassVar[tuple[str, ...]] = ("units", *_INITIALIZERS, "unit_forget_bias", *_PENALTIES)
    changed = staticmethod(_as_given)


class CuDNNGRU(GRU, metaclass=OtherName):
    """`GRU` as Keras 2 called it on a graphics processor.

    Takes those arguments of `GRU` that CuDNN had, and makes a `GRU`: it runs anywhere.

    >>> CuDNNGRU(4).reset_after
    True
    """

    today = GRU
    order: ClassVar[tuple[str, ...]] = ("units", *_INITIALIZERS, *_PENALTIES)
    changed = staticmethod(_as_given)


def _of_steps(arguments: dict[str, Any]) -> dict[str, Any]:
    """A size of the inputs means that of each step."""
    if arguments.get("input_dim") is None or "input_shape" in arguments:
        return arguments
    shape = (arguments.pop("input_length", None), arguments.pop("input_dim"))
    return arguments | {"input_shape": shape}


class TimeDistributedDense(Dense, metaclass=OtherName):
    """`Dense` at each time step, as Keras 1 called it: `Dense` does the same.

    >>> layer = TimeDistributedDense(4, input_dim=3, input_length=7)
    >>> type(layer).__name__, layer.batch_input_shape
    ('Dense', (None, 7, 3))
    """

    today = Dense
    order: ClassVar[tuple[str, ...]] = (
        *("output_dim", "init", "activation", "weights", "W_regularizer", "b_regularizer"),
        *("activity_regularizer", "W_constraint", "b_constraint", "bias"),
        *("input_dim", "input_length"),
    )
    changed = staticmethod(_of_steps)
