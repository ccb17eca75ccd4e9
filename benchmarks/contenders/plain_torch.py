"""Plain PyTorch: eager, images in channels_last, a loop by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import workloads
from torch import nn
from torch.nn import functional
from workloads import Layer, Workload

ACTIVATIONS = {"relu": functional.relu, "linear": lambda x: x, None: lambda x: x}
# The last activation is part of the loss; predictions get it apart.
ACTIVATIONS |= {"softmax": lambda x: x, "sigmoid": lambda x: x}
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


class Contender:
    """One model and its loop."""

    def __init__(self, name: str) -> None:
        del name

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def build(
        self, work: Workload, x: np.ndarray, y: np.ndarray, weights: dict[str, list[np.ndarray]]
    ) -> None:
        model = Chain(work.layers, "layer", weights)
        for size in FORMATS.values():
            model = model.to(memory_format=size) if fits(model, size) else model
        self._model = model
        self._work = work
        samples = torch.from_numpy(x) if x.flags.writeable else torch.from_numpy(np.array(x))
        # Channels to the front; in memory they stay where they are, but for sequences.
        self._x = channels_first(samples) if samples.ndim > 3 else samples
        self._y = torch.from_numpy(y).to(torch.float32 if work.classes == 1 else torch.int64)
        self._optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7)

    def fit(self, rows: int, epochs: int, shuffle: bool) -> tuple[float, float]:
        self._model.train()
        logs = (0.0, 0.0)
        for _ in range(epochs):
            order = torch.randperm(rows) if shuffle else torch.arange(rows)
            total, right = torch.zeros(()), torch.zeros(())
            for places in order.split(self._work.batch):
                loss, correct = self._step(self._x[places], self._y[places])
                total += loss * len(places)
                right += correct
            logs = total.item() / rows, right.item() / rows
        return logs

    def _step(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self._optimizer.zero_grad()
        logits = self._model(x)
        if self._work.classes == 1:
            logits = logits[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logits, y)
            right = (logits > 0) == (y > 0.5)
        else:
            loss = functional.cross_entropy(logits, y)
            right = logits.argmax(1) == y
        loss.backward()
        self._optimizer.step()
        return loss.detach(), right.sum()

    def predict(self, rows: int) -> np.ndarray:
        self._model.eval()
        with torch.inference_mode():
            batches = self._x[:rows].split(self._work.batch)
            outputs = torch.cat([self._probabilities(self._model(batch)) for batch in batches])
        return outputs.numpy()

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid() if self._work.classes == 1 else logits.softmax(1)

    def call(self) -> None:
        self._model.eval()
        with torch.inference_mode():
            self._probabilities(self._model(self._x[:1]))


class Chain(nn.Module):
    """Layers one after the other, with the weights that are given."""

    def __init__(
        self, layers: Sequence[Layer], prefix: str, weights: dict[str, list[np.ndarray]]
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        for name, kind, options in workloads.named(layers, prefix):
            if kind == "Residual":
                self.steps.append(Residual(name, options, weights))
            else:
                values = [torch.from_numpy(value) for value in weights.get(name, [])]
                self.steps.append(module(kind, options, values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_floating_point() and x.ndim == 3 and self._is_sequence():
            x = channels_first(x).contiguous()
        for step in self.steps:
            x = step(x)
        return x

    def _is_sequence(self) -> bool:
        return isinstance(self.steps[0], Convolution)


class Residual(nn.Module):
    """``relu(body(x) + shortcut(x))``."""

    def __init__(
        self, name: str, options: dict[str, Any], weights: dict[str, list[np.ndarray]]
    ) -> None:
        super().__init__()
        self.body = Chain(options["body"], f"{name}_body", weights)
        self.shortcut = Chain(options["shortcut"], f"{name}_shortcut", weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class Convolution(nn.Module):
    """A convolution and its activation."""

    def __init__(self, rank: int, options: dict[str, Any], values: list[torch.Tensor]) -> None:
        super().__init__()
        kernel, bias = values
        dilation = options.get("dilation_rate", 1)
        padding = options.get("padding", "valid")
        self.before = (kernel.shape[0] - 1) * dilation if padding == "causal" else 0
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
        self.conv = kind(
            kernel.shape[-2],
            kernel.shape[-1],
            kernel.shape[0],
            padding="same" if padding == "same" else 0,
            dilation=dilation,
        )
        self.activation = ACTIVATIONS[options.get("activation")]
        with torch.no_grad():
            self.conv.weight.copy_(kernel.permute(-1, -2, *range(rank)))
            self.conv.bias.copy_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.before:
            x = functional.pad(x, (self.before, 0))
        return self.activation(self.conv(x))


class Dense(nn.Module):
    """A matrix, a bias, and an activation."""

    def __init__(self, options: dict[str, Any], values: list[torch.Tensor]) -> None:
        super().__init__()
        kernel, bias = values
        self.linear = nn.Linear(*kernel.shape)
        self.activation = ACTIVATIONS[options["activation"]]
        with torch.no_grad():
            self.linear.weight.copy_(kernel.T)
            self.linear.bias.copy_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.linear(x))


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Lookup(nn.Module):
    """Rows of a table, with the channels to the front."""

    def __init__(self, values: list[torch.Tensor]) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(values[0].clone(), freeze=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return channels_first(self.table(x))


def module(kind: str, options: dict[str, Any], values: list[torch.Tensor]) -> nn.Module:
    """A layer as a module."""
    if kind.startswith("Conv"):
        return Convolution(int(kind[4]), options, values)
    if kind == "Dense":
        return Dense(options, values)
    if kind == "Embedding":
        return Lookup(values)
    if kind == "BatchNormalization":
        return normalization(values)
    if kind == "Dropout":
        return nn.Dropout(options["rate"])
    if kind.startswith("MaxPooling"):
        pools = nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d
        return pools[int(kind[10]) - 1](options["pool_size"])
    functions = {
        "Flatten": flat,
        "GlobalMaxPooling": lambda x: x.flatten(2).amax(2),
        "GlobalAveragePooling": lambda x: x.mean(tuple(range(2, x.ndim))),
        "Activation": ACTIVATIONS.get(options.get("activation")),
    }
    return Function(functions[kind if kind in functions else kind[:-2]])


def normalization(values: list[torch.Tensor]) -> nn.Module:
    """Batch normalization with the numbers of Keras."""
    norm = nn.BatchNorm2d(len(values[0]), eps=1e-3, momentum=0.01)
    names = "weight", "bias", "running_mean", "running_var"
    norm.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
    return norm


def channels_first(x: torch.Tensor) -> torch.Tensor:
    """Move the last axis behind the batch: a view."""
    return x.permute(0, -1, *range(1, x.ndim - 1))


def flat(x: torch.Tensor) -> torch.Tensor:
    """One axis a sample, channels last: of images in channels_last a view."""
    return x.permute(0, *range(2, x.ndim), 1).flatten(1) if x.ndim > 3 else x.flatten(1)


def fits(model: nn.Module, size: torch.memory_format) -> bool:
    """Whether the model has kernels that a memory format is for."""
    return any(FORMATS.get(weight.ndim) is size for weight in model.parameters())
