"""Draws that repeat."""

from statistics import fmean, median

from hypothesis import given
from hypothesis import strategies as st

from replay.simulator.chance import around, code, pick_by, poisson, seeded, wait, zipf


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_codes_differ_and_hold_no_digits(numbers: list[int]) -> None:
    codes = {code(number) for number in numbers}
    assert len(codes) == len(numbers)
    assert not any(character.isdigit() for one in codes for character in one)


def test_a_generator_depends_on_its_whole_name() -> None:
    names: list[tuple[str | int, ...]] = [("a",), ("b",), ("a", 1), ("a", 2), ("a", "b")]
    assert len({seeded(seed, *name).random() for name in names for seed in (1, 2)}) == 10
    assert seeded(1, "a").random() == seeded(1, "a").random()


def test_draws_have_the_stated_means() -> None:
    chance = seeded(1, "means")
    assert 2.9 < fmean(poisson(chance, 3.0) for _ in range(5_000)) < 3.1
    assert 6.6 < fmean(wait(chance, 7.0) for _ in range(5_000)) < 7.4
    assert 9.5 < median(around(chance, 10.0, 0.5) for _ in range(5_000)) < 10.5


def test_picking_follows_the_weights() -> None:
    chance, weights = seeded(1, "weights"), zipf(3, 1.0)
    picks = [pick_by(chance, "abc", weights) for _ in range(6_000)]
    assert picks.count("a") > 1.7 * picks.count("b") > 1.7 * 1.2 * picks.count("c") > 0


@given(st.integers(1, 50), st.integers())
def test_a_pick_is_always_one_of_the_options(count: int, seed: int) -> None:
    assert pick_by(seeded(seed), range(count), zipf(count, 0.8)) in range(count)
