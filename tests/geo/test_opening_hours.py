"""Opening hours: what is understood, what is refused, and when clocks are changed."""

from datetime import UTC, datetime, timedelta

import pytest

from geo import OpeningHours, OpeningHoursError
from geo.hours_text import SLOTS, read_rules

ZONE = "Europe/Brussels"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def week_of(text: str, zone: str = "UTC") -> str:
    """The changes of the week of Monday 1 June 2026, as weekday and time each."""
    hours, now, found = OpeningHours.parse(text), at("2026-05-31T23:59:00"), []
    while (change := hours.opens_or_closes_after(now, zone)) and change < at("2026-06-08"):
        now = change
        found.append(f"{now:%a %H:%M}")
    return ", ".join(found)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Mo 09:00-12:00,13:00-18:00", "Mon 09:00, Mon 12:00, Mon 13:00, Mon 18:00"),
        ("Fr-Sa 22:00-02:00; Su off", "Fri 22:00, Sat 02:00, Sat 22:00, Sun 02:00"),
        ("Mo 22:00-26:00", "Mon 22:00, Tue 02:00"),
        ("Mo 06:00-00:00", "Mon 06:00, Tue 00:00"),
        ("Mo 08:00-27:00", "Mon 08:00, Tue 03:00"),
        ("Mo 11:30-02:00", "Mon 11:30, Tue 02:00"),
        ("Mo 10:00-02:00", "Mon 10:00, Tue 02:00"),
        ("Mo-Tu 10:00-12:00, Tu 10:00-14:00", "Mon 10:00, Mon 12:00, Tue 10:00, Tue 14:00"),
        ("Mo 00:00-24:00; Tu 00:00-12:00", "Mon 00:00, Tue 12:00"),
        ("Sa-Mo 10:00-12:00", "Mon 10:00, Mon 12:00, Sat 10:00, Sat 12:00, Sun 10:00, Sun 12:00"),
        ("Mo, We 10:00 - 12:00", "Mon 10:00, Mon 12:00, Wed 10:00, Wed 12:00"),
        ("Mo-Tu 10:00-12:00; Tu off", "Mon 10:00, Mon 12:00"),
        ("Mo-Tu 10:00-12:00; Tu 10:00-14:00", "Mon 10:00, Mon 12:00, Tue 10:00, Tue 14:00"),
        ("Tu 10:00-12:00, Tu 13:00-14:00", "Tue 10:00, Tue 12:00, Tue 13:00, Tue 14:00"),
        ("Mo-Tu 10:00-12:00, Tu off", "Mon 10:00, Mon 12:00"),
        ("24/7; Mo off", "Mon 00:00, Tue 00:00"),
        ("Jun 2-3 10:00-12:00", "Tue 10:00, Tue 12:00, Wed 10:00, Wed 12:00"),
        ("10:00-12:00; Jun 2-Apr 30 off", "Mon 10:00, Mon 12:00"),
        ("Dec-Jun Mo 10:00-12:00", "Mon 10:00, Mon 12:00"),
        ("Mo 10:00-12:00; Jun Mo 14:00-16:00", "Mon 14:00, Mon 16:00"),
        ("Jul-May Mo 10:00-12:00", ""),
        ("Jan 1,Jun 7 10:00-12:00 open;", "Sun 10:00, Sun 12:00"),
        ("PH,Mo 10:00-12:00; PH off", "Mon 10:00, Mon 12:00"),
        ("24/7", ""),
        ("off", ""),
    ],
)  # fmt: skip
def test_a_text_is_read_as_it_is_meant(text: str, changes: str) -> None:
    assert week_of(text) == changes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10am-3am", "can't be read"),
        ("5:00-10:00", "can't be read"),
        ("Mo-Th 09:00-17:00 Fr 09:00-18:00", "can't be read"),
        ("Mon-Sat 09:00-18:00", "can't be read"),
        ("mo-fr 09:00-18:00", "can't be read"),
        ("sunrise-sunset", "can't be read"),
        ("09:00-18:00+", "can't be read"),
        ("SH off", "can't be read"),
        ("Mo[1] 10:00-12:00", "can't be read"),
        ("2026 Mo 10:00-12:00", "can't be read"),
        ("week 1-10 10:00-12:00", "can't be read"),
        ('Mo 10:00-12:00 "ring the bell"', "can't be read"),
        ("Mo 10:00-12:00 || unknown", "can't be read"),
        ("", "can't be read"),
        ("Mo 10:00-12:00;;Tu 10:00-12:00", "can't be read"),
        ("Mo,Dec 24 10:00-12:00", "can't be read"),
        ("Mo\t10:00-12:00", "can't be read"),
        ("Mo-Fr", "'Mo-Fr' names no hours"),
        ("open", "names no hours"),
        ("Mo 12:00-13:00 off", "closes for hours, not for days"),
        ("Mo 24/7", "limits what is always open"),
        ("11:00-15:00, 05:00-22:00", "'11:00-15:00,05:00-22:00' has hours that overlap or are out of order"),
        ("10:00-14:00,12:00-16:00", "overlap or are out of order"),
        ("Mo-Fr 10:00-18:00, Fr 10:00-14:00", "adds hours to others that it overlaps"),
        ("11:00-15:00, 05:00-10:00", "overlap or are out of order"),
        ("Su 08:00-03:00", "may end in the afternoon; at night it is 27:00; allowed"),
        ("Mo-Fr 09:00-18:00, Fr 10:00-14:00", "adds hours to others that it overlaps: ';' replaces them"),
        ("Mo-Fr 09:00-12:00, Fr 10:00-14:00", "adds hours to others that it overlaps"),
        ("10:60-12:00", "no clock shows"),
        ("24:00-26:00", "no clock shows"),
        ("20:00-48:01", "no clock shows"),
        ("10:00-10:00", "ends when it begins"),
        ("10:00-35:00", "more than a day"),
        ("Feb 29 10:00-12:00", "a day that not every year has"),
        ("Jun 31 10:00-12:00", "a day that not every year has"),
        ("Jun 0 10:00-12:00", "a day that not every year has"),
        ("Jun 20-10 10:00-12:00", "ends before it begins"),
        ("Jun-Jul 10 10:00-12:00", "can't be read"),
        ("Jun 10-Jul 10:00-12:00", "can't be read"),
        ("Tu-Fr 11:30-14:30; Tu-Th 17:30-21:30", "'Tu-Th 17:30-21:30' replaces hours that it does not touch"),
        ("Mo 10:00-12:00; Mo-Fr 10:00-18:00", "leaves nothing of a rule before it"),
        ("Dec 24 10:00-12:00; off", "leaves nothing of a rule before it"),
        ("PH off", "says nothing of days that are no holidays"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_for_sure_is_refused(text: str, why: str) -> None:
    with pytest.raises(OpeningHoursError) as caught:
        OpeningHours.parse(text)
    assert why in str(caught.value)
    assert str(caught.value).startswith("opening_hours: ")
    assert "; allowed: rules such as " in str(caught.value)


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(OpeningHoursError) as caught:
        OpeningHours.parse("x" * 250)
    assert len(str(caught.value)) < 200


def test_the_example_in_a_refusal_can_be_read() -> None:
    with pytest.raises(OpeningHoursError) as caught:
        OpeningHours.parse("?")
    OpeningHours.parse(str(caught.value).split("such as ")[1].strip("'"))


def test_public_holidays_are_set_aside_and_told() -> None:
    plain, told = OpeningHours.parse("Mo 10:00-12:00"), OpeningHours.parse("Mo 10:00-12:00; PH off")
    assert (plain.says_holidays, told.says_holidays) == (False, True)
    # Labour Day 2028 is a Monday: nobody here knows.
    assert told.is_open(at("2028-05-01T10:30:00"), "UTC")


def test_days_of_the_year_are_those_of_the_calendar() -> None:
    (rule,) = read_rules("Dec 30-Jan 2 10:00-12:00")
    assert rule.dates == frozenset({SLOTS - 2, SLOTS - 1, 0, 1})
    hours = OpeningHours.parse("Feb 27-28,Mar 1 10:00-12:00")
    days = ("02-26", "02-27", "02-28", "02-29", "03-01", "03-02")
    assert [hours.is_open(at(f"2028-{day}T11:00:00"), "UTC") for day in days] == [0, 1, 1, 0, 1, 0]


def test_a_date_on_a_certain_weekday_is_waited_for() -> None:
    hours = OpeningHours.parse("Feb 28 Mo 10:00-12:00")
    assert hours.opens_or_closes_after(at("2094-01-01"), "UTC") == at("2095-02-28T10:00:00")
    assert hours.opens_or_closes_after(at("2095-02-28T12:00:00"), "UTC") == at("2101-02-28T10:00:00")


# Where clocks are changed: 29 March 2026 leaps from 02:00 to 03:00, 25 October repeats 02:00 to 03:00.


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        # Across the leap, an hour less.
        ("Sa 22:00-05:00", ["28 21:00", "29 03:00"]),
        # Ends within the hour that is left out.
        ("Sa 22:00-02:30", ["28 21:00", "29 01:00"]),
        # Begins within it.
        ("Su 02:30-05:00", ["29 01:00", "29 03:00"]),
        # Wholly within it: it does not come.
        ("Su 02:15-02:45; Mo 10:00-11:00", ["30 08:00", "30 09:00"]),
        # Closes and opens within it: nobody sees it closed.
        ("Sa 22:00-02:15, Su 02:45-05:00", ["28 21:00", "29 03:00"]),
    ],
)
def test_hours_where_clocks_leap(text: str, changes: list[str]) -> None:
    assert changes_in(text, at("2026-03-28"), at("2026-03-31")) == changes


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        # Across both passes, an hour more.
        ("Sa 22:00-05:00", ["24 20:00", "25 04:00"]),
        # Closes at the first 02:30 and stays closed.
        ("Sa 22:00-02:30", ["24 20:00", "25 00:30"]),
        # Opens at the first 02:30 and stays open.
        ("Su 02:30-05:00", ["25 00:30", "25 04:00"]),
        # Once, not twice.
        ("Su 02:15-02:45", ["25 00:15", "25 00:45"]),
        # 03:00 comes once.
        ("Su 01:00-03:00", ["24 23:00", "25 02:00"]),
    ],
)
def test_hours_where_clocks_are_set_back(text: str, changes: list[str]) -> None:
    assert changes_in(text, at("2026-10-24"), at("2026-10-27")) == changes


def changes_in(text: str, now: datetime, end: datetime) -> list[str]:
    """All changes of a time, each of them looked for a minute after the one before."""
    hours, found = OpeningHours.parse(text), []
    while (change := hours.opens_or_closes_after(now, ZONE)) and change < end:
        found.append(f"{change:%d %H:%M}")
        assert hours.is_open(change, ZONE) != hours.is_open(change - timedelta(microseconds=1), ZONE)
        now = change + timedelta(minutes=1)
    return found


@pytest.mark.parametrize("zone", ["Nowhere/None", "", "../UTC"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"time_zone: .* is unknown"):
        OpeningHours.parse("24/7").is_open(at("2026-01-01"), zone)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at: .* has no time zone"):
        OpeningHours.parse("24/7").is_open(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001  (on purpose)
