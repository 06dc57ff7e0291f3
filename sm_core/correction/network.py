"""A small fully convolutional network: one pass over any map gives the same values as patch by patch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sm_core.domain import LAYERS


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to what comes in; the map shrinks by two cells on every side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3)
        self.second = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(nn.functional.gelu(self.first(x)))
        return nn.functional.gelu(x[..., 2:-2, 2:-2] + change)


class CorrectionNet(nn.Module):
    """Shared body with two heads: the soil-moisture field, and its correction at stations.

    Convolutions are not padded: inputs carry a margin of :attr:`radius` cells on every side, unknown ones outside
    the region, so that borders, coasts and gaps are all met in the same way. No layer uses statistics of the batch or
    of the map.

    Parameters
    ----------
    inputs
        Number of input channels: the features and one that says what share of them is known.
    channels
        Width of the body.
    blocks
        Residual blocks in the body.
    own_blocks
        The last blocks that fine-tuning changes; those before it stay as pre-trained.
    """

    def __init__(self, inputs: int, channels: int, blocks: int, own_blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(inputs, channels, 3)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(blocks))
        self.own_blocks = own_blocks
        self.field_head = nn.Conv2d(channels, len(LAYERS), 1)
        self.correction_linear = nn.Conv2d(inputs + len(LAYERS), len(LAYERS), 1)
        self.correction_hidden = nn.Conv2d(channels + len(LAYERS), channels, 1)
        self.correction_head = nn.Conv2d(channels, len(LAYERS), 1)
        self.reset_correction()

    @property
    def radius(self) -> int:
        """Cells that the output is smaller than the input on every side."""
        return 1 + 2 * len(self.blocks)

    @property
    def late_radius(self) -> int:
        """The same of :meth:`late` alone."""
        return 2 * self.own_blocks

    def early(self, x: Tensor) -> Tensor:
        """The part that fine-tuning leaves as it is. (n, inputs, h, w) → (n, channels, h', w')"""
        hidden: Tensor = nn.functional.gelu(self.stem(x))
        for block in self.blocks[: len(self.blocks) - self.own_blocks]:
            hidden = block(hidden)
        return hidden

    def late(self, hidden: Tensor) -> Tensor:
        """The rest of the body. (n, channels, h', w') → (n, channels, h'', w'')"""
        for block in self.blocks[len(self.blocks) - self.own_blocks :]:
            hidden = block(hidden)
        return hidden

    def field(self, x: Tensor) -> Tensor:
        """Soil moisture, normalised. (n, inputs, h, w) → (n, layers, h'', w'')"""
        result: Tensor = self.field_head(self.late(self.early(x)))
        return result

    def correction(self, hidden: Tensor, own: Tensor, fine: Tensor) -> Tensor:
        """Correction, scaled. (n, layers, h'', w'')

        Parameters
        ----------
        hidden
            Output of :meth:`early`: what the surroundings look like. (n, channels, h', w')
        own
            The cells' own inputs. (n, inputs, h'', w'')
        fine
            The normalised field that the correction applies to. (n, layers, h'', w'')
        """
        mixed = nn.functional.gelu(self.correction_hidden(torch.cat([self.late(hidden), fine], dim=1)))
        result: Tensor = self.correction_linear(torch.cat([own, fine], dim=1)) + self.correction_head(mixed)
        return result

    def body_parameters(self) -> list[nn.Parameter]:
        """What fine-tuning changes in the body."""
        return [p for block in self.blocks[len(self.blocks) - self.own_blocks :] for p in block.parameters()]

    def head_parameters(self) -> list[nn.Parameter]:
        """The correction's own layers."""
        parts = (self.correction_linear, self.correction_hidden, self.correction_head)
        return [parameter for part in parts for parameter in part.parameters()]

    def slopes(self) -> Tensor:
        """Sum of squares of the correction's weights, less its constant and what multiplies the field itself."""
        own = self.correction_linear.weight[:, : -len(LAYERS)]
        result: Tensor = own.square().sum() + self.correction_head.weight.square().sum()
        return result

    def reset_correction(self) -> None:
        """Start the correction head from zero: no correction."""
        for parameter in (*self.correction_linear.parameters(), *self.correction_head.parameters()):
            nn.init.zeros_(parameter)


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
