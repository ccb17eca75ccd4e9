"""`EinsumDense`: a product with weights along any axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import jax.numpy as jnp

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.kernel import KernelLayer
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class Terms(NamedTuple):
    """The letters of the axes of an equation, without an ellipsis, and where that stands."""

    inputs: str
    kernel: str
    outputs: str
    left: bool
    right: bool


@registry.register("layer")
class EinsumDense(KernelLayer):
    """Multiply the input by weights as an equation of letters says.

    ``"ab,bc->ac"`` is `Dense`, ``"abc,cd->abd"`` `Dense` for each step, ``"abc,cde->abde"`` a
    product with two new axes. An ellipsis stands for any axes at the beginning or the end of input
    and output.

    Args:
        equation: ``"input,kernel->output"``, a letter for each axis: ``"ab,bc->ac"``,
            ``"...b,bc->...c"`` or ``"ab...,bc->ac..."``.
        output_shape: shape of the output without the batch and without the axes of the ellipsis;
            ``None`` for axes of unknown size that the input has, too.
        activation: function applied last, or its name.
        bias_axes: letters of the axes of the output along which a learned bias differs, such as
            ``"c"``; ``None`` for no bias.
        kernel_initializer: first values of the kernel; those whose scale depends on the numbers of
            inputs and outputs take them from the equation.
        bias_initializer: first values of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        activity_regularizer: penalty on the output, divided by the batch size.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: the equation is of another form, or it does not fit `output_shape`, `bias_axes`
            or the input.

    >>> layer = EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")
    >>> layer.compute_output_shape((None, 7, 3))
    (None, 7, 5)
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: activations.Like = None,
        bias_axes: str | None = None,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        *,
        activity_regularizer: regularizers.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            activation,
            bias_axes is not None,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **options,
        )
        self.equation = equation
        self.terms = _terms(equation, self)
        self.partial_output_shape = _sizes(output_shape, self)
        if len(self.partial_output_shape) + (not self.terms.left) != len(self.terms.outputs):
            raise ValueError(
                f"{self}: output_shape must have a size for each axis of the output in "
                f"{equation!r} but the batch and the ellipsis, got {output_shape!r}."
            )
        wrong = bias_axes is not None and (
            not isinstance(bias_axes, str)
            or not bias_axes
            or not set(bias_axes) <= set(self.terms.outputs)
        )
        if wrong:
            raise ValueError(
                f"{self}: bias_axes must be letters of the output {self.terms.outputs!r}, "
                f"got {bias_axes!r}."
            )
        self.bias_axes = bias_axes

    def _output(self, input_shape: Shape) -> Shape:
        """The shape of the output."""
        terms = self.terms
        more = len(input_shape) - len(terms.inputs)
        if more < (1 if terms.left else 0) or (more and not (terms.left or terms.right)):
            raise ValueError(
                f"{self}: the equation {self.equation!r} does not fit an input of shape "
                f"{input_shape}."
            )
        if terms.left:
            shape = (*input_shape[:more], *self.partial_output_shape)
        else:
            end = input_shape[len(terms.inputs) :]
            shape = (input_shape[0], *self.partial_output_shape, *end)
        return self._completed(input_shape, shape)

    def _completed(self, input_shape: Shape, shape: Shape) -> Shape:
        """The shape of the output, with sizes that only the input knows."""
        found = list(shape)
        inside = _places(self.terms, self.terms.inputs, len(input_shape))
        outside = _places(self.terms, self.terms.outputs, len(shape))
        for letter in outside.keys() & inside.keys():
            own, given = found[outside[letter]], input_shape[inside[letter]]
            if own is None:
                found[outside[letter]] = given
            elif given is not None and own != given:
                raise ValueError(
                    f"{self}: output_shape says {own} for the axis {letter!r} of "
                    f"{self.equation!r}, but the input has shape {input_shape}."
                )
        return tuple(found)

    def build(self, input_shape: Shape) -> None:
        terms, output = self.terms, self._output(input_shape)
        inside = _places(terms, terms.inputs, len(input_shape))
        outside = _places(terms, terms.outputs, len(output))
        sizes = {letter: input_shape[place] for letter, place in inside.items()}
        sizes |= {letter: output[place] for letter, place in outside.items()}
        shape = tuple(self._known(letter, sizes[letter]) for letter in terms.kernel)
        made = [place for place, letter in enumerate(terms.kernel) if letter in terms.outputs]
        taken = [place for place, letter in enumerate(terms.kernel) if letter not in terms.outputs]
        self.kernel = self.add_weight(
            "kernel", shape, initializer=_scaled(self.kernel_initializer, taken, made)
        )
        self.bias = None
        if self.bias_axes is not None:
            begin = min(terms.outputs.index(letter) for letter in self.bias_axes)
            bias = [
                self._known(letter, sizes[letter]) if letter in self.bias_axes else 1
                for letter in terms.outputs[begin:]
            ]
            after = 0 if terms.left else len(output) - len(terms.outputs)
            self.bias = self.add_weight("bias", (*bias, *(1,) * after))
        known = {inside[letter]: sizes[letter] for letter in terms.kernel if letter in inside}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=known)

    def _known(self, letter: str, size: int | None) -> int:
        if size is None:
            raise ValueError(
                f"{self}: the size of the axis {letter!r} of {self.equation!r} must be known, "
                "because weights depend on it. State it in output_shape, or in the Input."
            )
        return size

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._output(tuple(input_shape))

    def call(self, inputs: Array) -> Array:
        dtype = self.dtype_policy.compute_dtype
        kernel = self.kernel.value.astype(dtype)
        outputs = jnp.einsum(self.equation, inputs.astype(dtype), kernel)
        if self.bias is not None:
            bias = self.bias.value.astype(dtype)
            bias = bias.reshape((1,) * (outputs.ndim - bias.ndim) + bias.shape)
            outputs = outputs + jnp.broadcast_to(bias, outputs.shape)
        return self.activation(outputs)

    def get_config(self) -> Config:
        return super().get_config() | {"output_shape": self.partial_output_shape}


def _terms(equation: Any, layer: Any) -> Terms:
    """The parts of an equation."""
    found = None
    if isinstance(equation, str):
        pattern = r"(\.{3})?([a-zA-Z]+)(\.{3})?,([a-zA-Z]+)->(\.{3})?([a-zA-Z]+)(\.{3})?"
        found = re.fullmatch(pattern, equation.replace(" ", ""))
    forms = "'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...'"
    if found is None or (found[1], found[3]) != (found[5], found[7]) or (found[1] and found[3]):
        raise ValueError(f"{layer}: equation must have the form {forms}, got {equation!r}.")
    terms = Terms(found[2], found[4], found[6], bool(found[1]), bool(found[3]))
    if any(len(set(part)) < len(part) for part in terms[:3]):
        raise ValueError(f"{layer}: equation must have each letter once a part, got {equation!r}.")
    strange = set(terms.kernel) - set(terms.inputs + terms.outputs)
    strange |= set(terms.outputs) - set(terms.inputs + terms.kernel)
    if strange:
        raise ValueError(
            f"{layer}: the letters of the kernel must be in the input or the output, and those of "
            f"the output in the input or the kernel; {', '.join(sorted(strange))!r} of "
            f"{equation!r} is in one part alone."
        )
    return terms


def _sizes(value: Any, layer: Any) -> tuple[int | None, ...]:
    """Sizes of the axes of the output, from one int or several, ``None`` for unknown ones."""
    sizes = (value,) if checks.is_int(value) else value
    good = isinstance(sizes, list | tuple) and all(
        size is None or (checks.is_int(size) and size > 0) for size in sizes
    )
    if not good:
        raise ValueError(
            f"{layer}: output_shape must be a positive int, or a tuple of them and None, "
            f"got {value!r}."
        )
    return tuple(None if size is None else int(size) for size in sizes)


def _places(terms: Terms, letters: str, rank: int) -> dict[str, int]:
    """Where the letters of the input or the output stand in a shape."""
    first = rank - len(letters) if terms.left else 0
    return {letter: place for place, letter in enumerate(letters, first)}


def _scaled(initializer: Any, inputs: list[int], outputs: list[int]) -> Any:
    """An initializer that knows which axes are inputs, and which outputs."""
    if not isinstance(initializer, initializers.VarianceScaling):
        return initializer
    if initializer.input_axes is not None and initializer.output_axes is not None:
        return initializer
    axes = {"input_axes": inputs, "output_axes": outputs}
    return type(initializer).from_config(initializer.get_config() | axes)
