"""Opening hours as they are written: the rules that an OpenStreetMap text consists of, or a refusal.

A part of the syntax (https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification), read strictly::

    text   = rule { ";" rule | "," rule }      ";" replaces what was said of a day, "," adds to it
    rule   = "24/7" | [dates] [days] hours | [dates] [days] "off"
    dates  = "Apr" | "Apr-Oct" | "Dec 24" | "Dec 24-26" | "Dec 24-Jan 2", with "," between several
    days   = "Mo" | "Mo-Fr" | "PH", with "," between several
    hours  = "09:00-18:00", with "," between several; past midnight "22:00-02:00" or "22:00-26:00"

What means several things to people, or something else to them than by the letter, is refused: hours of one
digit ("5:00" is often the evening), days without hours ("Mo-Fr", all day and night by the letter), hours that
overlap or are out of order ("11:00-15:00,05:00-22:00"), nights that begin in the morning ("08:00-03:00"; who
means it writes "08:00-27:00"), rules that replace others where they were meant to add to them, or add to them
where they were meant to replace them.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

WEEK: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
DAY_MIN: Final = 1_440
"""Minutes of a day."""
_LONGEST_NIGHT_MIN: Final = 16 * 60
SLOTS: Final = 12 * 31
"""A slot for each day that a month could have."""

Span = tuple[int, int]
"""From a minute of a day to another one, which may be of the day after; the second one is outside."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EXAMPLE: Final = "rules such as 'Mo-Fr 09:00-18:00; Sa 10:00-14:00; Dec 25-26 off; PH off'"

_DAY = f"(?:{'|'.join(WEEK)})"
_MONTH = f"(?:{'|'.join(_MONTHS)})"
_DAYS = rf"(?:PH|{_DAY}(?:-{_DAY})?)"
_DATE = rf"{_MONTH}(?:-{_MONTH}| \d\d?(?:-(?:{_MONTH} )?\d\d?)?)?"
_HOURS = r"\d\d:\d\d-\d\d:\d\d"
_RULE: Final = re.compile(
    rf"(?:(?P<dates>{_DATE}(?:,{_DATE})*)(?: |$))?"
    rf"(?:(?P<days>{_DAYS}(?:,{_DAYS})*)(?: |$))?"
    rf"(?:(?P<hours>24/7|{_HOURS}(?:,{_HOURS})*)(?: |$))?"
    r"(?P<word>off|closed|open)?"
)
_TIGHT: Final = re.compile(r" *([-,;]) *")
_BETWEEN_RULES: Final = re.compile(r"(;|(?<=:\d\d),(?=[A-Z])|(?<=off),|(?<=closed),|(?<=open),)")


class OpeningHoursError(ValueError):
    """A text that can't be understood for sure."""

    def __init__(self, rule: str, why: str) -> None:
        shown = rule if len(rule) <= 40 else f"{rule[:37]}..."
        super().__init__(f"opening_hours: {shown!r} {why}; allowed: {_EXAMPLE}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says.

    Parameters
    ----------
    dates
        The slots of the year that it is about; None for all.
    days
        Weekdays, Monday is 0; none where it is only about public holidays.
    hours
        When it is open, in order; nothing for "off".
    adds
        Whether that comes on top of what earlier rules say of the day.
    holidays
        Whether it names public holidays.
    """

    dates: frozenset[int] | None
    days: frozenset[int]
    hours: tuple[Span, ...]
    adds: bool
    holidays: bool


def read_rules(text: str) -> list[Rule]:
    """The rules of a text.

    Raises
    ------
    OpeningHoursError
        When the text is not of the form above.
    """
    tight = _TIGHT.sub(r"\1", " ".join(text.split(" "))).strip().removesuffix(";")
    parts = _BETWEEN_RULES.split(tight)
    rules: list[Rule] = []
    for part, before in zip(parts[::2], ("", *parts[1::2]), strict=True):
        rule = _read_rule(part, adds=before == ",")
        _refuse_misleading(part, rule, rules)
        rules.append(rule)
    if not any(rule.days for rule in rules):
        raise OpeningHoursError(text, "says nothing of days that are no holidays")
    return rules


def _read_rule(part: str, adds: bool) -> Rule:
    found = _RULE.fullmatch(part)
    if found is None or not part:
        raise OpeningHoursError(part, "can't be read")
    dates, days, hours, word = found.group("dates", "days", "hours", "word")
    off = word in ("off", "closed")
    if off and hours is not None:
        raise OpeningHoursError(part, "closes for hours, not for days")
    if not off and hours is None:
        raise OpeningHoursError(part, "names no hours")
    names = days.split(",") if days else ["Mo-Su"]
    return Rule(
        None if dates is None else frozenset(_slots(part, dates)),
        frozenset(day for name in names if name != "PH" for day in _span_of_days(name)),
        () if off else _read_hours(part, hours),
        adds,
        "PH" in names,
    )


def _span_of_days(name: str) -> list[int]:
    first, _, last = name.partition("-")
    start = WEEK.index(first)
    return [(start + n) % 7 for n in range((WEEK.index(last or first) - start) % 7 + 1)]


def _read_hours(part: str, hours: str) -> tuple[Span, ...]:
    if hours == "24/7":
        if part != hours:
            raise OpeningHoursError(part, "limits what is always open")
        return ((0, DAY_MIN),)
    spans = [_read_span(part, span) for span in hours.split(",")]
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        raise OpeningHoursError(part, "has hours that overlap or are out of order")
    return tuple(spans)


def _read_span(part: str, span: str) -> Span:
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in span.split("-"))
    if int(span[3:5]) > 59 or int(span[9:]) > 59 or start >= DAY_MIN or end > 2 * DAY_MIN:
        raise OpeningHoursError(part, "has an hour that no clock shows")
    if start == end:
        raise OpeningHoursError(part, "ends when it begins; all day is 00:00-24:00")
    if end < start:
        if end and end + DAY_MIN - start > _LONGEST_NIGHT_MIN:
            night = f"{end // 60 + 24}:{end % 60:02}"
            raise OpeningHoursError(part, f"may end in the afternoon; at night it is {night}")
        end += DAY_MIN
    if end - start > DAY_MIN:
        raise OpeningHoursError(part, "has hours that are more than a day")
    return start, end


def _slots(part: str, dates: str) -> list[int]:
    slots: list[int] = []
    for date in dates.split(","):
        first, _, last = date.partition("-")
        month, day = _month_and_day(part, first)
        if last.isdigit():
            last = f"{first[:3]} {last}"
        last_month, last_day = _month_and_day(part, last or first)
        start, end = month * 31 + (day or 1) - 1, last_month * 31 + (last_day or 31) - 1
        if (day is None) != (last_day is None):
            raise OpeningHoursError(part, "goes from a month to a day")
        if last.startswith(first[:3]) and end < start:
            raise OpeningHoursError(part, "ends before it begins")
        slots += [(start + n) % SLOTS for n in range((end - start) % SLOTS + 1)]
    return slots


def _month_and_day(part: str, date: str) -> tuple[int, int | None]:
    month, _, day = date.partition(" ")
    number = _MONTHS.index(month)
    if not day:
        return number, None
    if not 1 <= int(day) <= _MONTH_DAYS[number]:
        raise OpeningHoursError(part, "names a day that not every year has")
    return number, int(day)


def _refuse_misleading(part: str, rule: Rule, before: list[Rule]) -> None:
    """Refuse a rule that was probably meant to add where it replaces, or the other way round."""
    for other in before:
        if rule.adds or not other.days:
            continue
        if other.days <= rule.days and _within(other.dates, rule.dates):
            raise OpeningHoursError(part, "leaves nothing of a rule before it")
    for day in rule.days:
        said = [span for other in before if other.dates == rule.dates for span in _of(other, day)]
        meeting = [(a, b) for a in said for b in rule.hours if a[0] < b[1] and b[0] < a[1]]
        if rule.adds and any(a[0] < b[0] or b[1] < a[1] for a, b in meeting):
            raise OpeningHoursError(part, "adds hours to others that it overlaps: ';' replaces them")
        if not rule.adds and said and rule.hours and not meeting:
            raise OpeningHoursError(part, "replaces hours that it does not touch: ',' adds to them")


def _of(rule: Rule, day: int) -> tuple[Span, ...]:
    return rule.hours if day in rule.days else ()


def _within(dates: frozenset[int] | None, others: frozenset[int] | None) -> bool:
    return others is None or (dates is not None and dates <= others)
