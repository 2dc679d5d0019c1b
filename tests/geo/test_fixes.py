"""Fixes come in any order, twice, made up or coarse; they leave the queue in the order of their times."""

from typing import Any

import pytest

from geo import Distrust, Fix, FixParams
from geo.fixes import FixQueue, pack_sample, unpack_sample
from tests.geo.fixes_made import START_S, fix

PARAMS = FixParams(lateness_s=5)


def taken(queue: FixQueue) -> list[int]:
    found = []
    while queue.first_s is not None and queue.first_s <= queue.due_s(PARAMS):
        found.append(queue.take().time_s - START_S)
    return found


def put(queue: FixQueue, *at_s: int) -> list[Distrust | None]:
    return [queue.put(fix(each, 0.0), PARAMS) for each in at_s]


def test_fixes_leave_in_order_of_time_once_they_have_waited() -> None:
    queue = FixQueue()
    assert put(queue, 10, 13, 11, 12) == [None] * 4
    assert taken(queue) == []
    put(queue, 17)
    assert taken(queue) == [10, 11, 12]


def test_a_fix_may_be_less_than_the_bound_older_than_the_newest() -> None:
    queue = FixQueue()
    put(queue, 10, 15)
    assert taken(queue) == [10]
    assert put(queue, 11, 10, 9) == [None, Distrust.LATE, Distrust.LATE]


def test_without_a_bound_nothing_waits_and_what_is_older_is_late() -> None:
    params, queue = FixParams(lateness_s=0), FixQueue()
    assert queue.put(fix(10, 0.0), params) is None
    assert queue.due_s(params) == START_S + 10
    queue.take()
    assert queue.put(fix(10, 0.0), params) is Distrust.LATE


def test_a_fix_that_waits_already_is_a_duplicate() -> None:
    assert put(FixQueue(), 10, 12, 10) == [None, None, Distrust.DUPLICATE]


@pytest.mark.parametrize(("accuracy_m", "refused"), [(None, False), (1_000.0, False), (1_001.0, True)])
def test_a_fix_that_is_too_coarse_is_refused(accuracy_m: float | None, refused: bool) -> None:
    assert FixQueue().put(fix(0, 0.0, accuracy_m=accuracy_m), PARAMS) is (
        Distrust.COARSE if refused else None
    )


def test_a_mocked_fix_is_refused_and_makes_no_other_one_late() -> None:
    queue = FixQueue()
    assert queue.put(fix(900, 0.0, mocked=True), PARAMS) is Distrust.MOCKED
    assert put(queue, 10) == [None]


def test_no_accuracy_is_assumed_and_too_good_a_one_is_not_believed() -> None:
    queue = FixQueue()
    queue.put(fix(0, 0.0, accuracy_m=None), PARAMS)
    queue.put(fix(1, 0.0, accuracy_m=0.1), PARAMS)
    assert [queue.take().accuracy_m, queue.take().accuracy_m] == [20.0, 5.0]


def test_of_too_many_that_wait_the_oldest_goes_on() -> None:
    params, queue = FixParams(lateness_s=3_600, max_waiting=3), FixQueue()
    for at_s in range(5):
        queue.put(fix(at_s, 0.0), params)
    assert queue.due_s(params) == START_S + 1


def test_samples_and_queues_are_what_was_packed() -> None:
    queue = FixQueue()
    others: list[dict[str, Any]] = [{}, {"speed_mps": 1.25, "heading_deg": 359.99}, {"device": "phone"}]
    for number, more in enumerate(others):
        queue.put(fix(number, 3.0, -4.0, 12.34, **more), PARAMS)
    again, end = FixQueue.unpack(b"xx" + queue.pack() + b"yy", 2)
    assert (again.pack(), end) == (queue.pack(), 2 + len(queue.pack()))
    for _ in range(3):
        sample = queue.take()
        assert unpack_sample(pack_sample(sample), 0) == sample == again.take()
    assert queue.pack() == again.pack()


def test_positions_are_kept_to_the_centimetre() -> None:
    queue, there = FixQueue(), fix(0, 123.456, 7.89)
    queue.put(there, PARAMS)
    sample = queue.take()
    assert sample.lat == pytest.approx(there.position.lat, abs=1e-7)
    assert sample.lon == pytest.approx(there.position.lon, abs=1e-7)


@pytest.mark.parametrize("wrong", [{"lateness_s": -1}, {"lateness_s": 3_601}, {"max_waiting": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"is out of range; allowed: "):
        FixParams(**wrong)


def test_a_fix_has_defaults() -> None:
    assert Fix(fix(0, 0.0).position, 1)[2:] == (None, None, False, "")
