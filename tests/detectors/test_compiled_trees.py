"""Compiled trees against River, the oracle."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from river.anomaly import HalfSpaceTrees

from detectors.compiled_trees import CompiledTrees

SIZE, WINDOW = 5, 64


def trained(seed: int, learned: int = 3 * WINDOW) -> HalfSpaceTrees:
    chance, trees = Random(seed), HalfSpaceTrees(n_trees=7, height=6, window_size=WINDOW, seed=seed)
    for _ in range(learned):
        learn(trees, tuple(chance.betavariate(2, 5) for _ in range(SIZE)))
    return trees


def learn(trees: HalfSpaceTrees, x: tuple[float, ...]) -> None:
    trees.learn_one(dict(enumerate(x)))  # type: ignore[no-untyped-call]  # River has no types here


def score(trees: HalfSpaceTrees, x: tuple[float, ...]) -> float:
    return float(trees.score_one(dict(enumerate(x))))  # type: ignore[no-untyped-call]  # as above


TREES = {seed: trained(seed) for seed in range(3)}


@given(
    st.sampled_from(sorted(TREES)),
    st.lists(st.floats(0, 1), min_size=SIZE, max_size=SIZE),
)
def test_score_is_that_of_river_to_the_last_bit(seed: int, numbers: list[float]) -> None:
    trees = TREES[seed]
    assert CompiledTrees(trees, SIZE).score(tuple(numbers)) == score(trees, tuple(numbers))


def test_values_on_a_split_go_the_way_they_go_in_river() -> None:
    trees = TREES[0]
    compiled = CompiledTrees(trees, SIZE)
    for tree in trees.trees:
        numbers = [0.3] * SIZE
        numbers[tree.feature] = tree.threshold
        assert compiled.score(tuple(numbers)) == score(trees, tuple(numbers))


def test_masses_of_a_new_window_count_after_a_refresh() -> None:
    trees = trained(9)
    compiled, x = CompiledTrees(trees, SIZE), (0.9,) * SIZE
    for _ in range(WINDOW):
        learn(trees, x)
    assert compiled.score(x) != score(trees, x)
    compiled.refresh()
    assert compiled.score(x) == score(trees, x)
