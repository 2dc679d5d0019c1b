"""The flow's pace, as the queue goes by it, and how often the fallback had to answer."""

import pytest

from flows.fallback_rate import FallbackRate
from flows.pacing import Pacing


def test_one_stall_hardly_moves_the_estimate() -> None:
    pacing = Pacing()
    for _ in range(200):
        pacing.worked(payments=1, seconds=0.0002)
    pacing.worked(payments=1, seconds=0.5)
    assert pacing.needed_s(100) < 0.05


def test_a_lasting_change_is_followed_within_some_batches() -> None:
    pacing = Pacing()
    for seconds in (0.0002, 0.004):
        for _ in range(60):
            pacing.worked(payments=10, seconds=10 * seconds)
        assert pacing.needed_s(100) == pytest.approx(100 * seconds, rel=0.2)


def test_as_many_payments_fit_as_the_flow_gets_done() -> None:
    pacing = Pacing()
    assert pacing.fitting(0.01, most=64) == 64
    for _ in range(200):
        pacing.worked(payments=1, seconds=0.004)
    assert pacing.fitting(0.01, most=64) == 2
    assert pacing.fitting(0.001, most=64) == 1


def test_the_fallback_share_forgets_after_a_minute() -> None:
    now = 100.0
    rate = FallbackRate(lambda: now)
    for number in range(10):
        rate.count(fallback=number == 0)
    assert rate.share() == pytest.approx(0.1)
    now += 61
    assert rate.share() == 0.0
