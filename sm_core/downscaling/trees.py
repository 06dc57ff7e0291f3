"""LightGBM's trees evaluated faster than by LightGBM, to the same bit."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numba import njit
from numpy.typing import NDArray

from sm_core.errors import ModelIntegrityError

MOST_LEAVES = 32
ZERO = np.float32(1e-35)
"""Values no larger than this are 0 to LightGBM."""
BLOCK = 1024
"""Rows taken together; a block's columns stay in the processor's cache."""
_DE_BRUIJN = np.uint32(0x077CB531)
_BIT = np.zeros(32, np.uint8)
_BIT[[(int(_DE_BRUIJN) << bit & 0xFFFFFFFF) >> 27 for bit in range(32)]] = range(32)


@dataclass(frozen=True)
class Trees:
    """A booster for regression with trees of at most 32 leaves, whose features are numbers and always known.

    The leaves of a tree are bits from left to right; a split whose answer is "right" takes the bits of its left side
    away, and the lowest bit that all splits leave is the leaf. Splits can thus be asked in any order, for many rows
    at a time [1]. Values are added tree by tree in float64, as LightGBM does.

    Attributes
    ----------
    feature, threshold, kept
        Of all trees' splits, one after the other; ``kept`` are the bits that remain when the answer is "right".
        The threshold is the largest float32 that goes left.
    value
        Of all trees' leaves, from left to right.
    first_split, first_leaf
        Of each tree and, at the end, how many there are.
    features
        How many features a row has.

    References
    ----------
    .. [1] Lucchese et al. (2015), QuickScorer: a fast algorithm to rank documents with additive ensembles of
       regression trees, doi:10.1145/2766462.2767733
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    kept: NDArray[np.uint32]
    value: NDArray[np.float64]
    first_split: NDArray[np.int64]
    first_leaf: NDArray[np.int64]
    features: int

    @classmethod
    def of(cls, booster: lgb.Booster) -> Trees:
        """Unpack a booster's text.

        Raises
        ------
        ModelIntegrityError   SM502, categorical splits, linear leaves, averaged trees, several outputs or more than
        32 leaves.
        """
        head, *parts = booster.model_to_string().split("end of trees")[0].split("\nTree=")
        trees = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in parts]
        unusual = [tree for tree in trees if tree["num_cat"] != "0" or tree.get("is_linear", "0") != "0"
                   or int(tree["num_leaves"]) > MOST_LEAVES]
        if unusual or "average_output" in head.splitlines() or "num_tree_per_iteration=1" not in head.splitlines():
            raise ModelIntegrityError("the booster is not one of plain, small regression trees", unusual=len(unusual))
        unpacked = [_unpack(tree) for tree in trees]
        splits = [len(kept) for _, _, kept, _ in unpacked]
        leaves = [len(value) for _, _, _, value in unpacked]
        feature, threshold, kept, value = (np.concatenate(arrays) for arrays in zip(*unpacked, strict=True))
        return cls(feature, threshold, kept, value, np.cumsum([0, *splits]), np.cumsum([0, *leaves]),
                   booster.num_feature())

    def predict(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the booster's own ``predict`` returns, bit by bit. (rows,)

        Parameters
        ----------
        columns
            All values known. (features, rows)

        Raises
        ------
        ValueError   a value is not finite, or there are not as many features as the booster has.
        """
        if columns.ndim != 2 or len(columns) != self.features or not np.isfinite(columns).all():
            raise ValueError(f"trees of {self.features} features cannot take {columns.shape} or unknown values")
        total = np.zeros(columns.shape[1])
        exact = np.where(np.abs(columns) <= ZERO, np.float32(0), columns)
        _add(exact, self.feature, self.threshold, self.kept, self.value, self.first_split, self.first_leaf, _BIT, total)
        return total


def _unpack(
    tree: dict[str, str]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.uint32], NDArray[np.float64]]:
    left, right = ([int(word) for word in tree.get(f"{side}_child", "").split()] for side in ("left", "right"))
    order: list[int] = []
    kept = np.zeros(len(left), np.uint32)

    def visit(node: int) -> None:
        if node < 0:
            order.append(-1 - node)
            return
        first = len(order)
        visit(left[node])
        kept[node] = 0xFFFFFFFF ^ (2 ** len(order) - 2**first)
        visit(right[node])

    visit(0 if left else -1)
    value = np.array(tree["leaf_value"].split(), np.float64)[order]
    feature = np.array(tree.get("split_feature", "").split(), np.int32)
    return feature, _floats_down(tree.get("threshold", "")), kept, value


def _floats_down(words: str) -> NDArray[np.float32]:
    threshold = np.array(words.split(), np.float64)
    nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


@njit(error_model="numpy")
def _add(
    columns: NDArray[np.float32], feature: NDArray[np.int32], threshold: NDArray[np.float32],
    kept: NDArray[np.uint32], value: NDArray[np.float64], first_split: NDArray[np.int64],
    first_leaf: NDArray[np.int64], bit: NDArray[np.uint8], total: NDArray[np.float64],
) -> None:
    rows = columns.shape[1]
    alive = np.empty(BLOCK, np.uint32)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        sums = total[start:start + size]
        for tree in range(len(first_split) - 1):
            alive[:size] = np.uint32(0xFFFFFFFF)
            for split in range(first_split[tree], first_split[tree + 1]):
                column, limit, right = columns[feature[split], start:start + size], threshold[split], kept[split]
                for row in range(size):
                    alive[row] &= np.uint32(0xFFFFFFFF) if column[row] <= limit else right
            leaves = value[first_leaf[tree]:first_leaf[tree + 1]]
            for row in range(size):
                lowest = alive[row] & (~alive[row] + np.uint32(1))
                sums[row] += leaves[bit[np.uint32(lowest * _DE_BRUIJN) >> np.uint32(27)]]
