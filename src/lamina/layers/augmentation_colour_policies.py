"""Images that are changed by layers drawn at random: `RandAugment` and `AugMix`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax

from lamina import registry
from lamina.layers import augmentation_colour_filters as filters
from lamina.layers import augmentation_projecting as projecting
from lamina.layers import checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds
from lamina.layers.augmentation_colour import (
    BYTES,
    Coloured,
    Factor,
    RandomBrightness,
    RandomContrast,
)
from lamina.layers.augmentation_colour_ranks import AutoContrast, Equalization
from lamina.layers.augmentation_projecting import Interpolation
from lamina.ops import random
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array

Change = Callable[[Augmentation, Any, Drawn], Any]


class Choosing(Coloured):
    """A layer that holds layers, of which it draws some for each batch.

    Args:
        factor: how strongly they change images, from 0 to 1.
        value_range: the lowest and the highest value of a pixel.
        interpolation: how values between pixels come about.
        seed: see `Augmentation`.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float],
        interpolation: Interpolation,
        seed: int | None,
        data_format: DataFormat | None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0.0)
        self.interpolation = checks.one_of(interpolation, Interpolation, "interpolation", self)
        self._choices: list[Augmentation] = []

    def _moving(self) -> list[Augmentation]:
        both = {"interpolation": self.interpolation}
        return [
            self._made(projecting.RandomShear, self.factor, self.factor, **both),
            self._made(projecting.RandomTranslation, self.factor, self.factor, **both),
            self._made(projecting.RandomRotation, self.factor, **both),
        ]

    def _colouring(self) -> list[Augmentation]:
        kinds = (
            RandomBrightness,
            filters.RandomColorDegeneration,
            RandomContrast,
            filters.RandomSharpness,
        )
        return [self._made(kind, self.factor, value_range=self.value_range) for kind in kinds]

    def _ranking(self) -> list[Augmentation]:
        ends = {"value_range": self.value_range}
        bits = (1, max(1, int(8 * self.factor[1])))
        return [
            self._made(filters.RandomPosterization, bits, **ends),
            self._made(filters.Solarization, self.factor, self.factor, **ends),
            self._made(AutoContrast, **ends),
            self._made(Equalization, **ends),
        ]

    def _made(self, kind: Any, *args: Any, **options: Any) -> Augmentation:
        name = f"{self.name}_{kind.__name__.lower()}"
        return kind(*args, name=name, data_format="channels_last", **options)

    def _applied(self, change: Change, value: Any, choice: Array, key: Array, shape: Any) -> Any:
        """What one of the layers, or none of them for the number behind, makes of a value."""

        def branch(layer: Augmentation) -> Callable[..., Any]:
            return lambda value, key: change(layer, value, layer.draw(key, shape))

        branches = [branch(layer) for layer in self._choices]
        return lax.switch(choice, [*branches, lambda value, key: value], value, key)


@registry.register("layer")
class RandAugment(Choosing):
    """Change images by some layers drawn at random, one after the other, in training.

    For each batch the layers are drawn anew, for each image how strongly they act. They are
    `RandomShear`, `RandomTranslation`, `RandomRotation`, `RandomBrightness`,
    `RandomColorDegeneration`, `RandomContrast`, `RandomSharpness`, `RandomPosterization`,
    `Solarization`, `AutoContrast` and `Equalization`. Segmentation masks and boxes are moved as
    the images are. Cubuk and others (2020), "RandAugment: Practical Automated Data Augmentation
    with a Reduced Search Space".

    Args:
        value_range: the lowest and the highest value of a pixel.
        num_ops: how many layers act.
        factor: how strongly they change images, from 0 to 1: two limits, or one number `f` for
            ``(0, f)``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> RandAugment(num_ops=1)(jnp.ones((2, 4, 5, 3)), training=True).shape
    (2, 4, 5, 3)
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        num_ops: int = 2,
        factor: Factor = 0.5,
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(factor, value_range, interpolation, seed, data_format, **options)
        self.num_ops = checks.positive(num_ops, "num_ops", self)
        self._choices = [*self._moving(), *self._colouring(), *self._ranking()]

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second = jax.random.split(key)
        choices = random.randint(first, (self.num_ops,), 0, len(self._choices))
        return {"steps": (choices, jax.random.split(second, self.num_ops)), "shape": shape}

    def _through(self, change: Change, value: Any, drawn: Drawn) -> Any:
        """A value after all steps."""

        def step(value: Any, one: Any) -> Any:
            choice, key = one
            return self._applied(change, value, choice, key, drawn["shape"]), None

        return lax.scan(step, value, drawn["steps"])[0]

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self._through(_images, self.coloured(images), drawn)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self._through(_masks, masks, drawn)

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        def moved(layer: Augmentation, given: Any, drawn: Drawn) -> Any:
            return layer.change_boxes(given, drawn, size)

        return self._through(moved, found, drawn)


@registry.register("layer")
class AugMix(Choosing):
    """Mix images with what several chains of random layers make of them, in training.

    Each chain has up to `chain_depth` layers, drawn for each batch. The results of the chains are
    mixed with the weights of a Dirichlet distribution, and that with the images with a weight of a
    beta distribution. The layers are those of `RandAugment`. Labels, segmentation masks and boxes
    stay as they are. Hendrycks and others (2020), "AugMix: A Simple Data Processing Method to
    Improve Robustness and Uncertainty".

    Args:
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        num_chains: how many chains there are.
        chain_depth: how many layers a chain has at most.
        factor: how strongly they change images, from 0 to 1: two limits, or one number `f` for
            ``(0, f)``.
        alpha: parameter of both distributions, above 0.
        all_ops: whether there are `RandomBrightness`, `RandomColorDegeneration`, `RandomContrast`
            and `RandomSharpness` among the layers.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> AugMix(num_chains=2, chain_depth=1)(jnp.ones((2, 4, 5, 3)), training=True).shape
    (2, 4, 5, 3)
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Factor = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(factor, value_range, interpolation, seed, data_format, **options)
        self.num_chains = checks.positive(num_chains, "num_chains", self)
        self.chain_depth = checks.positive(chain_depth, "chain_depth", self)
        if not checks.is_number(alpha) or alpha <= 0:
            raise ValueError(f"{self}: alpha must be a number above 0, got {alpha!r}.")
        self.alpha = float(alpha)
        self.all_ops = checks.flag(all_ops, "all_ops", self)
        self._choices = [*self._moving(), *self._ranking()]
        if self.all_ops:
            self._choices += self._colouring()

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        sizes = (self.num_chains, self.chain_depth)
        first, second, third = jax.random.split(key, 3)
        # One number more than there are layers: a place of a chain may stay empty.
        choices = random.randint(first, sizes, 0, len(self._choices) + 1)
        keys = jax.random.split(second, sizes)
        # Quotients of numbers of gamma distributions have the two distributions.
        parts = random.gamma(third, (self.num_chains + 2,), self.alpha)
        weights, pair = (
            part / jnp.maximum(jnp.sum(part), 1e-30) for part in (parts[2:], parts[:2])
        )
        return {
            "chains": (weights, (choices, keys)),
            "share": pair[:1].reshape(1, 1, 1, 1),
            "shape": shape,
        }

    def change(self, images: Array, drawn: Drawn) -> Array:
        images = self.coloured(images)

        def step(value: Array, one: Any) -> Any:
            choice, key = one
            return self._applied(_images, value, choice, key, drawn["shape"]), None

        def chain(total: Array, one: Any) -> Any:
            weight, steps = one
            return total + weight.astype(total.dtype) * lax.scan(step, images, steps)[0], None

        mixed, _ = lax.scan(chain, jnp.zeros_like(images), drawn["chains"])
        share = jnp.broadcast_to(drawn["share"].astype(images.dtype), images.shape)
        return self.clipped(share * images + (1 - share) * mixed)


def _images(layer: Augmentation, value: Any, drawn: Drawn) -> Any:
    return layer.change(value, drawn)


def _masks(layer: Augmentation, value: Any, drawn: Drawn) -> Any:
    return layer.change_masks(value, drawn)
