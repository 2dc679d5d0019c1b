"""The population: calibration without labels."""

import struct
from array import array
from itertools import pairwise
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.population import BINS, HALF_LIFE_S, NORMS, RAW_BINS, Population

START_S = 1_700_000_000
SILENT = (("amount", 0.0), ("joint", 0.0))


def said(surprise: float) -> tuple[tuple[str, float], ...]:
    return (("amount", surprise), SILENT[1])


def observe(
    population: Population, time_s: int, surprises: tuple[tuple[str, float], ...], raw_score: float
) -> None:
    population.see(time_s)
    population.observe(surprises, raw_score)


def test_a_cold_population_believes_a_surprise_as_it_is() -> None:
    assert abs(Population().calibrated("amount", 3.0) - 3.0) < 1e-9


def test_a_detector_that_often_cries_counts_little() -> None:
    population = Population()
    for number in range(5_000):
        observe(population, START_S + number, said(3.0 if number % 2 else 0.0), 0.0)
    assert population.calibrated("amount", 3.0) < 0.5
    assert population.calibrated("joint", 3.0) > 3.0


def test_calibrated_surprise_rises_with_the_surprise() -> None:
    population = Population()
    for number in range(3_000):
        observe(population, START_S + number, said(-log10((number % 997 + 0.5) / 997)), 0.0)
    calibrated = [population.calibrated("amount", step / 20) for step in range(1, 121)]
    assert calibrated == sorted(calibrated)
    assert abs(population.calibrated("amount", 1.0) - 1.0) < 0.05
    assert abs(population.calibrated("amount", 2.0) - 2.0) < 0.2


def test_tail_of_the_raw_score_is_the_share_of_payments_as_high() -> None:
    population = Population()
    for number in range(20_000):
        observe(population, START_S + number, SILENT, (number % 1_000) / 100.0)
    assert abs(population.tail(5.0) - 0.5) < 0.02
    assert abs(population.tail(9.9) - 0.01) < 0.002
    assert population.tail(0.0) == 1.0


def test_tail_falls_smoothly_and_stays_above_zero() -> None:
    population = Population()
    for number in range(2_000):
        observe(population, START_S + number, SILENT, (number * 7919 % 2_000) / 250.0)
    tails = [population.tail(step / 37) for step in range(900)]
    assert all(a >= b > 0.0 for a, b in pairwise(tails))
    assert max(a - b for a, b in pairwise(tails[1:])) < 0.02  # a score of 0 is a step of its own


def test_clipped_surprises_are_counted_as_a_whole() -> None:
    population = Population()
    for number in range(1_000):
        observe(population, START_S + number, said(6.0), 40.0)
    assert population.calibrated("amount", 6.0) < 0.1
    assert population.tail(40.0) > 0.9


def test_old_surprises_fade_with_event_time() -> None:
    population = Population()
    for number in range(1_000):
        observe(population, START_S + number, said(3.0), 0.0)
    before = population.calibrated("amount", 3.0)
    for day in range(8 * HALF_LIFE_S // 86_400):
        observe(population, START_S + day * 86_400, SILENT, 0.0)
    for number in range(1_000):
        observe(population, START_S + 8 * HALF_LIFE_S + number, SILENT, 0.0)
    assert population.calibrated("amount", 3.0) > before + 1.5


def test_one_event_from_a_far_future_wipes_nothing_out() -> None:
    population = Population()
    for number in range(1_000):
        observe(population, START_S + number, said(3.0), 0.0)
    before = population.calibrated("amount", 3.0)
    observe(population, 4_000_000_000, SILENT, 0.0)
    assert abs(population.calibrated("amount", 3.0) - before) < 0.1


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 6), st.floats(0, 60)), max_size=60))
def test_packed_and_unpacked_population_goes_on_the_same(seen: list[tuple[int, float, float]]) -> None:
    population = Population()
    for time_s, surprise, raw in seen:
        observe(population, time_s, said(surprise), raw)
    again = Population.unpack(population.pack())
    assert again.pack() == population.pack()
    for one in (population, again):
        observe(one, START_S, said(2.0), 3.0)
    assert again.pack() == population.pack()
    assert again.tail(2.0) == population.tail(2.0)


def test_packed_population_is_small() -> None:
    population = Population()
    observe(population, START_S, tuple((f"detector_{number}", 3.0) for number in range(12)), 2.0)
    assert len(population.pack()) < 6_500


def test_state_of_the_first_version_is_read() -> None:
    bins = array("d", bytes(8 * (12 * BINS + RAW_BINS)))
    bins[3 * BINS + 10], bins[3 * BINS + 30] = 7.0, 3.0  # the fourth detector was the burst
    bins[12 * BINS + 20] = 10.0
    header = struct.pack("<BBHIdd", 1, 12, NORMS, START_S, 1.0, 1_000.0)
    population = Population.unpack(header + array("d", Population().norms).tobytes() + bins.tobytes())
    at_least_ten = -log10((10.0 + 100.0 * 10.0**-1.5) / 1_100.0)
    assert population.calibrated("burst", 1.5) == pytest.approx(at_least_ten)
    assert population.calibrated("pace", 1.5) > at_least_ten
    assert population.tail(2.0) > 0.009
    assert Population.unpack(population.pack()).pack() == population.pack()
