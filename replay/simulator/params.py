"""What a simulated stream is made from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SimulatorParams:
    """Everything that decides a simulated stream: equal values give equal events.

    Parameters
    ----------
    seed
        Any integer; another seed gives another world.
    users
        How many people there are: 1 up to 10 million.
    start
        The first moment, a midnight in UTC.
    days
        How many days people live. Labels of the last days follow after the end, so that none is missing.
    fraud_rate
        The wanted share of payments that are fraud, 0 up to 0.2. What comes out is near it, not equal.
    report_rate
        The share of frauds that somebody notices and reports.
    fixes_per_day
        Position fixes of a user who shares the location.
    ways
        Whether the phones of those who share their location tell of the last minutes before a counter.
    traders
        The share of users who hold crypto assets.
    tick_interval_s
        The length of a market candle in seconds; 0 leaves out ticks and trades.
    newcomers
        The share of users who appear only after the first day.
    compromises
        How many merchants leak the cards of their customers, per 30 days.
    """

    seed: int
    users: int
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    days: int = 30
    fraud_rate: float = 0.005
    report_rate: float = 0.95
    fixes_per_day: float = 1.5
    ways: bool = False
    traders: float = 0.12
    tick_interval_s: int = 900
    newcomers: float = 0.1
    compromises: float = 1.0

    def __post_init__(self) -> None:
        _check_range("users", self.users, 1, 10_000_000)
        _check_range("days", self.days, 1, 3_660)
        _check_range("fraud_rate", self.fraud_rate, 0.0, 0.2)
        _check_range("report_rate", self.report_rate, 0.0, 1.0)
        _check_range("fixes_per_day", self.fixes_per_day, 0.0, 100.0)
        _check_range("traders", self.traders, 0.0, 1.0)
        _check_range("tick_interval_s", self.tick_interval_s, 0, 86_400)
        _check_range("newcomers", self.newcomers, 0.0, 1.0)
        _check_range("compromises", self.compromises, 0.0, 100.0)
        start = self.start
        if start.tzinfo is None or (start - _EPOCH) % _DAY:
            raise ValueError(f"start: {start.isoformat()} is not allowed; allowed: a midnight in UTC")

    @property
    def first_day(self) -> int:
        """Days from the Unix epoch to the start."""
        return (self.start - _EPOCH).days


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (isfinite(value) and low <= value <= high):
        raise ValueError(f"{name}: {value!r} is out of range; allowed: {low:g}..{high:g}")
