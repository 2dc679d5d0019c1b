"""When a place is open, from the text that OpenStreetMap uses; what can't be understood for sure is refused.

What is understood stands in :mod:`geo.hours_text`. Two things are settled here:

* Hours that go past midnight belong to the day on which they begin: what another rule says of the next day
  doesn't cut them short.
* No calendar of public holidays is kept: which days are holidays differs from region to region and changes by
  law. What a text says of them is set aside, and :attr:`OpeningHours.says_holidays` tells that it does.

Where clocks are changed, hours begin and end the first time that the clock shows them or is past them: a bar
that closes at 02:30 closes once, also in the night that has 02:30 twice, or not at all.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import compress
from typing import Final

from geo.hours_text import DAY_MIN, SLOTS, OpeningHoursError, Rule, Span, read_rules
from geo.local_time import first_instant, latest_shown

__all__ = ["OpeningHours", "OpeningHoursError"]

_Week = tuple[tuple[Span, ...], ...]

_DAY: Final = timedelta(days=1)
_MIDNIGHT: Final = time()
_PERIOD_DAYS: Final = 9
"""A week and what lies around it: later nothing new comes, unless there are dates."""
_LONGEST_DAYS: Final = 13 * 366
"""A date falls on each weekday within so many days, also around the year 2100."""
_ALL_YEAR: Final = bytes(SLOTS)
_KEPT: Final = 4_096


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When a place is open. Made by :meth:`parse`; equal when the texts are.

    Examples
    --------
    >>> from datetime import UTC
    >>> hours = OpeningHours.parse("Mo-Fr 09:00-18:00; Fr 09:00-21:00; PH off")
    >>> friday = datetime(2026, 7, 3, 18, 30, tzinfo=UTC)
    >>> hours.is_open(friday, "Europe/Brussels"), hours.says_holidays
    (True, True)
    >>> hours.opens_or_closes_after(friday, "Europe/Brussels")
    datetime.datetime(2026, 7, 3, 19, 0, tzinfo=datetime.timezone.utc)
    """

    text: str
    says_holidays: bool = field(compare=False)
    """Whether the text has other hours for public holidays: then the answer may not hold on one of them."""
    _weeks: tuple[_Week, ...] = field(compare=False, repr=False)
    _week_of_slot: bytes = field(compare=False, repr=False)

    @staticmethod
    def parse(text: str) -> "OpeningHours":
        """The opening hours that a text says.

        Raises
        ------
        OpeningHoursError
            When it can't be understood for sure; the message says why and what is allowed.
        """
        return _parse(text)

    def is_open(self, at: datetime, zone: str) -> bool:
        """Whether the place, which has the time of an IANA ``zone``, is open at the UTC instant ``at``.

        Raises
        ------
        ValueError
            When ``zone`` is unknown, or ``at`` says no time zone itself.
        """
        return self._is_open(latest_shown(at, zone))

    def opens_or_closes_after(self, at: datetime, zone: str) -> datetime | None:
        """The first instant after ``at`` at which it is no longer as it is then; None if that never comes.

        Raises
        ------
        ValueError
            As :meth:`is_open`.
        """
        local: datetime | None = latest_shown(at, zone)
        assert local is not None
        before = self._is_open(local)
        while (local := self._next_edge(local)) is not None:
            then = first_instant(local, zone)
            # Hours may lie in a gap that clocks leap over.
            if self._is_open(latest_shown(then, zone)) != before:
                return then
        return None

    def _is_open(self, local: datetime) -> bool:
        day, minute = local.date(), local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self._spans(day)) or any(
            minute + DAY_MIN < end for _, end in self._spans(day - _DAY)
        )

    def _next_edge(self, after: datetime) -> datetime | None:
        """The first time on the clock, later than ``after``, at which it is no longer as just before."""
        is_open = self._is_open(after)
        day, minute = after.date(), after.hour * 60 + after.minute
        for _ in range(_PERIOD_DAYS if len(self._weeks) == 1 else _LONGEST_DAYS):
            spans = (*_moved(self._spans(day - _DAY)), *self._spans(day))
            for edge in sorted({0, *(edge for span in spans for edge in span)}):
                open_then = any(start <= edge < end for start, end in spans)
                if minute < edge < DAY_MIN and open_then != is_open:
                    return datetime.combine(day, _MIDNIGHT) + timedelta(minutes=edge)
            day, minute = day + _DAY, -1
        return None

    def _spans(self, day: date) -> tuple[Span, ...]:
        week = self._week_of_slot[day.month * 31 + day.day - 32]
        return self._weeks[week][day.weekday()]


def _moved(spans: tuple[Span, ...]) -> list[Span]:
    """What of a day's hours lies in the next day, in its minutes."""
    return [(start - DAY_MIN, end - DAY_MIN) for start, end in spans if end > DAY_MIN]


@lru_cache(_KEPT)
def _parse(text: str) -> OpeningHours:
    rules = read_rules(text)
    says_holidays = any(rule.holidays for rule in rules)
    if all(rule.dates is None for rule in rules):
        return OpeningHours(text, says_holidays, (_week(rules),), _ALL_YEAR)
    matching = [tuple(_applies(rule, slot) for rule in rules) for slot in range(SLOTS)]
    kinds = list(dict.fromkeys(matching))
    weeks = tuple(_week(list(compress(rules, kind))) for kind in kinds)
    return OpeningHours(text, says_holidays, weeks, bytes(map(kinds.index, matching)))


def _applies(rule: Rule, slot: int) -> bool:
    return rule.dates is None or slot in rule.dates


def _week(rules: list[Rule]) -> _Week:
    """What the rules say of each weekday together."""
    week: list[tuple[Span, ...]] = [()] * 7
    for rule in rules:
        for day in rule.days:
            week[day] = week[day] + rule.hours if rule.adds and rule.hours else rule.hours
    return tuple(week)
