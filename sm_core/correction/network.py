"""A small fully convolutional network: one pass over any map gives the same values as patch by patch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sm_core.domain import LAYERS


class ResidualBlock(nn.Module):
    """Two convolutions added to what comes in; the map shrinks by twice the kernel's radius on every side."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel)
        self.second = nn.Conv2d(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(nn.functional.gelu(self.first(x)))
        lost = (x.shape[-1] - change.shape[-1]) // 2
        kept = x[..., lost:x.shape[-2] - lost, lost:x.shape[-1] - lost]
        return nn.functional.gelu(kept + change)


def reach(channels: int, blocks: int, kernel: int) -> int:
    """Cells that the body looks at on every side of its own."""
    return (1 + 2 * blocks) * (kernel // 2) if channels else 0


class CorrectionNet(nn.Module):
    """A body that is pre-trained to predict the soil-moisture field, and a head that corrects it.

    Convolutions are not padded: inputs carry a margin of :attr:`radius` cells on every side, unknown ones outside
    the region, so that borders, coasts and gaps are all met in the same way. No layer uses statistics of the batch or
    of the map.

    Parameters
    ----------
    inputs
        Number of input channels: the features and one that says what share of them is known.
    channels
        Width of the body; 0 for none.
    blocks
        Residual blocks in the body.
    kernel
        Width of the convolutions, odd; 1 looks at the cell alone.
    columns
        What the head weighs: see :mod:`sm_core.correction.design`.
    """

    def __init__(self, inputs: int, channels: int, blocks: int, kernel: int, columns: int) -> None:
        super().__init__()
        self.channels = channels
        self.radius = reach(channels, blocks, kernel)
        """Cells that the output of the body is smaller than its input on every side."""
        if channels:
            self.stem = nn.Conv2d(inputs, channels, kernel)
            self.blocks = nn.ModuleList(ResidualBlock(channels, kernel) for _ in range(blocks))
            self.field_head = nn.Conv2d(channels, len(LAYERS), 1)
        self.head = nn.Conv2d(columns, len(LAYERS), 1, bias=False)
        nn.init.zeros_(self.head.weight)

    def hidden(self, x: Tensor) -> Tensor:
        """What the surroundings look like. (n, inputs, h, w) → (n, channels, h', w')"""
        if not self.channels:
            return x[:, :0]
        hidden: Tensor = nn.functional.gelu(self.stem(x))
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def field(self, x: Tensor) -> Tensor:
        """Soil moisture, normalised. (n, inputs, h, w) → (n, layers, h', w')"""
        result: Tensor = self.field_head(self.hidden(x))
        return result

    def correction(self, columns: Tensor) -> Tensor:
        """Correction [m3 m-3]. (n, columns, h, w) → (n, layers, h, w)"""
        result: Tensor = self.head(columns)
        return result


@contextmanager
def reproducible(seed: int, num_threads: int) -> Iterator[None]:
    """Seed torch and set its threads for a while; both are as before afterwards."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(num_threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
