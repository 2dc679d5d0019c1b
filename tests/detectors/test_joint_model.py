"""The joint model."""

from importlib.metadata import version
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.joint_model import CHUNK, SIZE, WINDOW, JointModel, JointModelError

RIVER = version("river").encode()[:6]
HEADER_SIZE = 27  # its last four bytes name the trees


def vectors(count: int, seed: int) -> list[tuple[float, ...]]:
    chance = Random(seed)
    return [tuple(chance.betavariate(2, 5) for _ in range(SIZE)) for _ in range(count)]


def test_scores_are_zero_until_a_first_full_window() -> None:
    model = JointModel()
    seen = vectors(WINDOW, 1)
    for x in seen[:-1]:
        model.learn(x)
    assert model.score(seen[0]) == 0.0
    model.learn(seen[-1])
    assert 0.0 < model.score(seen[0]) < 1.0


def test_vector_outside_the_crowd_scores_higher() -> None:
    model = JointModel()
    for x in vectors(2 * WINDOW, 2):
        model.learn(x)
    assert model.score((0.99,) * SIZE) > max(model.score(x) for x in vectors(50, 3))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2 * WINDOW + 40), st.integers(1, WINDOW + 60), st.lists(st.integers(1, 70), max_size=8))
def test_stored_and_loaded_at_any_point_it_scores_as_if_never_stopped(
    before: int, after: int, commits: list[int]
) -> None:
    stored: dict[str, bytes] = {}
    model, stream = JointModel(), iter(vectors(before + after + 5, before))
    left, steps = before, iter(commits)
    while left:
        for _ in range(step := min(left, next(steps, left))):
            model.learn(next(stream))
        left -= step
        stored.update(model.dirty_parts())
    again = JointModel.load(stored.get)
    for x in stream:
        assert again.score(x) == model.score(x)
        model.learn(x)
        again.learn(x)
    assert again.dirty_parts() == model.dirty_parts()


def test_only_changed_parts_are_written() -> None:
    model = JointModel()
    for x in vectors(CHUNK + 1, 4):
        model.learn(x)
    assert [name for name, _ in model.dirty_parts()] == ["tail/0", "tail/1"]
    model.learn(vectors(1, 5)[0])
    ((name, packed),) = model.dirty_parts()
    assert name == "tail/1"
    assert len(packed) < CHUNK * SIZE * 8
    assert model.dirty_parts() == []


def test_full_window_is_written_as_masses_only() -> None:
    model = JointModel()
    for x in vectors(WINDOW, 6):
        model.learn(x)
    assert [name for name, _ in model.dirty_parts()] == ["base"]


def stored_parts() -> dict[str, bytes]:
    """A model after a full window and three vectors, stored in between."""
    model = JointModel()
    stored: dict[str, bytes] = {}
    for x in vectors(WINDOW, 7):
        model.learn(x)
    stored.update(model.dirty_parts())
    for x in vectors(3, 9):
        model.learn(x)
    stored.update(model.dirty_parts())
    assert sorted(stored) == ["base", "tail/0"]
    return stored


def test_another_library_version_with_the_same_trees_goes_on_with_all_that_was_learned() -> None:
    stored = stored_parts()
    same, other = JointModel.load(stored.get), dict(stored)
    other["base"] = stored["base"].replace(RIVER, b"0.99.9")
    assert other["base"] != stored["base"]
    again = JointModel.load(other.get)
    for x in vectors(WINDOW, 10):
        assert again.score(x) == same.score(x) > 0.0
        same.learn(x)
        again.learn(x)
    assert again.dirty_parts() == same.dirty_parts()


def test_masses_of_other_trees_are_refused_and_never_dropped() -> None:
    stored = stored_parts()
    header = stored["base"][: HEADER_SIZE - 4]
    stored["base"] = header.replace(RIVER, b"0.99.9") + bytes(4) + stored["base"][HEADER_SIZE:]
    with pytest.raises(JointModelError, match=r"stored with River 0\.99\.9, whose trees are not"):
        JointModel.load(stored.get)


def test_first_version_is_read_with_the_library_that_wrote_it_and_else_refused() -> None:
    stored = stored_parts()
    expected = JointModel.load(stored.get)
    stored["base"] = b"\x01" + stored["base"][1 : HEADER_SIZE - 4] + stored["base"][HEADER_SIZE:]
    again = JointModel.load(stored.get)
    assert [again.score(x) for x in vectors(20, 11)] == [expected.score(x) for x in vectors(20, 11)]
    stored["base"] = stored["base"].replace(RIVER, b"0.25.0")
    with pytest.raises(JointModelError, match=r"stored with River 0\.25\.0"):
        JointModel.load(stored.get)
    stored["base"] = b"\x09" + stored["base"][1:]
    with pytest.raises(ValueError, match="joint model: schema version 9"):
        JointModel.load(stored.get)


def test_what_is_not_finite_is_not_learned() -> None:
    model = JointModel()
    model.learn((float("nan"),) * SIZE)
    model.learn((float("inf"),) * SIZE)
    assert model.dirty_parts() == []
