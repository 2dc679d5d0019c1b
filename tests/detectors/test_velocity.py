"""Velocity against brute force: exact while small, within the stated bound when merged."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.velocity import HORIZON_S, MAX_AMOUNT, MAX_EXACT, WINDOWS, Velocity

START_S = 1_700_000_000
events = st.lists(
    st.tuples(st.integers(0, 40 * 86_400), st.integers(0, 10_000_000)), min_size=1, max_size=120
)


def brute(known: list[tuple[int, int]], time_s: int, window_s: int) -> tuple[int, int]:
    inside = [amount for at, amount in known if time_s - window_s < at <= time_s]
    return len(inside), sum(inside)


def fill(pairs: list[tuple[int, int]]) -> tuple[Velocity, list[tuple[int, int]]]:
    """The counters after the pairs, and what they should know: no event 30 days or more behind the newest."""
    velocity, known, newest = Velocity(), [], 0
    for after_s, amount in pairs:
        time_s = START_S + after_s
        velocity.add(time_s, amount)
        if time_s > newest - HORIZON_S:
            known.append((time_s, amount))
        newest = max(newest, time_s)
    return velocity, [pair for pair in known if pair[0] > newest - HORIZON_S]


@given(events, st.integers(0, 41 * 86_400))
def test_counts_and_sums_equal_brute_force_with_late_events(pairs: list[tuple[int, int]], later: int) -> None:
    velocity, known = fill(pairs)
    for time_s in (max(at for at, _ in known), START_S + later):
        counts, sums = velocity.windows(time_s)
        for window_s, count, total in zip(WINDOWS, counts, sums, strict=True):
            expected = brute(known, time_s, window_s)
            assert (velocity.count(time_s, window_s), velocity.total(time_s, window_s)) == expected
            assert (count, total) == (expected[0], expected[1] / 100.0)
        assert velocity.counts(time_s) == counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(300, 1_500), st.sampled_from((1, 60, 5_000, 400_000)))
def test_merged_entries_stay_inside_the_stated_bound(seed: int, events: int, late_by_s: int) -> None:
    chance = Random(seed)
    velocity, known, now = Velocity(), [], START_S
    for _ in range(events):
        now += chance.choice((0, 0, 1, 3, 40, 900, 20_000))
        amount = chance.randint(1, 9)
        time_s = now - chance.randint(0, late_by_s) if chance.random() < 0.2 else now
        velocity.add(time_s, amount)
        known.append((time_s, amount))
    now = max(at for at, _ in known)
    assert len(velocity) <= MAX_EXACT
    for window_s in WINDOWS:
        least = brute(known, now, window_s)
        most = brute(known, now, window_s * 9 // 8 + 1)
        assert least[0] <= velocity.count(now, window_s) <= most[0]
        assert least[1] <= velocity.total(now, window_s) <= most[1]


@given(events)
def test_packed_and_unpacked_counters_are_the_same(pairs: list[tuple[int, int]]) -> None:
    velocity, _ = fill(pairs * 4)
    packed = velocity.pack()
    again, end = Velocity.unpack(packed)
    assert end == len(packed)
    assert again.pack() == packed
    velocity.add(START_S + 41 * 86_400, 5)
    again.add(START_S + 41 * 86_400, 5)
    assert again.pack() == velocity.pack()


def test_busy_merchant_keeps_memory_bounded_and_counts_close() -> None:
    velocity = Velocity()
    for number in range(50_000):
        velocity.add(START_S + number, 100)
    now = START_S + 49_999
    assert len(velocity) <= MAX_EXACT
    assert len(velocity.pack()) < 5_000
    assert 60 <= velocity.count(now, 60) <= 60 * 9 // 8
    assert 3_600 <= velocity.count(now, 3_600) <= 3_600 * 9 // 8


def test_many_events_in_one_second_are_counted_exactly() -> None:
    velocity = Velocity()
    for _ in range(5_000):
        velocity.add(START_S, 1)
    assert velocity.count(START_S, 60) == 5_000
    assert velocity.total(START_S, 60) == 5_000


def test_the_edge_of_a_window_is_open_at_its_beginning() -> None:
    velocity = Velocity()
    velocity.add(START_S, 1)
    assert velocity.count(START_S + 59, 60) == 1
    assert velocity.count(START_S + 60, 60) == 0


def test_largest_amounts_are_summed_without_loss() -> None:
    velocity = Velocity()
    for number in range(200):
        velocity.add(START_S + number, MAX_AMOUNT * 5)
    assert velocity.total(START_S + 199, 3_600) == 200 * MAX_AMOUNT
    velocity.add(START_S + 100, 7)
    assert velocity.total(START_S + 199, 3_600) == 200 * MAX_AMOUNT + 7


def test_sums_stay_exact_when_old_entries_leave_and_totals_outgrow_32_bits() -> None:
    velocity, known = Velocity(), []
    for number in range(300):
        time_s = START_S + number * 86_400
        velocity.add(time_s, 2**31 + number)
        known.append((time_s, 2**31 + number))
        assert velocity.total(time_s, HORIZON_S) == brute(known, time_s, HORIZON_S)[1]
