"""The shard's clock: it follows its events, and no single one leads it astray."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.shard_clock import CONFIRMING, TOLERANCE_S, ShardClock

START_S = 1_700_000_000
YEAR_S = 365 * 86_400


def clock_after(*times_s: int) -> ShardClock:
    clock = ShardClock()
    for time_s in times_s:
        clock.see(time_s)
    return clock


@given(st.lists(st.integers(0, TOLERANCE_S), min_size=1, max_size=50))
def test_ordinary_events_are_followed_exactly(steps: list[int]) -> None:
    clock, now = ShardClock(), START_S
    for step in steps:
        now += step
        assert not clock.is_ahead(now)
        clock.see(now)
        assert clock.now_s == now


def test_late_events_do_not_turn_it_back() -> None:
    assert clock_after(START_S, START_S - 3_600, START_S - 60).now_s == START_S


def test_leaps_between_ordinary_events_change_nothing() -> None:
    clock = clock_after(START_S)
    for number in range(100):
        for _ in range(CONFIRMING - 1):
            assert clock.see(START_S + YEAR_S + number) == 0
        clock.see(START_S + number)
    assert clock.now_s == START_S + 99
    assert clock.is_ahead(START_S + YEAR_S)


def test_silence_of_months_ends_when_the_events_after_it_agree() -> None:
    after = START_S + 90 * 86_400
    clock = clock_after(START_S, *(after + 60 * number for number in range(CONFIRMING)))
    assert clock.now_s == after + 60 * (CONFIRMING - 2)
    assert not clock.is_ahead(after + 60 * CONFIRMING)


def test_one_wrong_time_among_those_that_agree_is_not_taken() -> None:
    after = START_S + 5 * 86_400
    clock = clock_after(START_S, after, after + YEAR_S, *(after + number for number in range(CONFIRMING - 2)))
    assert clock.now_s == after + CONFIRMING - 3


def test_it_returns_when_it_was_led_astray() -> None:
    astray = clock_after(START_S, *[START_S + YEAR_S] * CONFIRMING)
    assert astray.now_s == START_S + YEAR_S
    for _ in range(CONFIRMING):
        astray.see(START_S + 60)
    assert astray.now_s == START_S + 60


def test_a_leap_ages_what_is_known_by_a_day_at_most() -> None:
    clock = clock_after(START_S)
    assert sum(clock.see(START_S + YEAR_S) for _ in range(CONFIRMING)) == TOLERANCE_S


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40), st.lists(st.integers(0, 2**32 - 1), max_size=10))
def test_packed_and_unpacked_it_goes_on_the_same(before: list[int], after: list[int]) -> None:
    clock = clock_after(*before)
    again = ShardClock.unpack(clock.pack())
    assert [clock.see(time_s) for time_s in after] == [again.see(time_s) for time_s in after]
    assert clock.pack() == again.pack()
