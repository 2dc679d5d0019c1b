"""Random opening hours against a look at every minute, against another library, and on real texts."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import opening_hours
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import OpeningHours, OpeningHoursError
from geo.local_time import first_instant, latest_shown

DATA = Path(os.environ.get("TAPWATCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = DATA / "osm-poi" / "bay-2017.parquet"
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MINUTE = timedelta(minutes=1)
ZONES = (
    "UTC",
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
)
seeds = st.integers(0, 1 << 32)

Said = tuple[set[int] | None, set[int], list[tuple[int, int]] | None, bool]
"""Months, weekdays, minutes of opening or nothing for off, whether they are added."""


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def around(random: Random, names: tuple[str, ...]) -> tuple[str, set[int]]:
    """A range of names, and which they are."""
    first, count = random.randrange(len(names)), random.randrange(1, len(names))
    chosen = {(first + n) % len(names) for n in range(count)}
    last = names[(first + count - 1) % len(names)]
    return (names[first] if count == 1 else f"{names[first]}-{last}"), chosen


def some_hours(random: Random, past_midnight: bool) -> list[tuple[int, int]]:
    edges = sorted(random.sample(range(0, 1_440, 15), 2 * random.randint(1, 2)))
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    if past_midnight and random.random() < 0.4:
        start = spans[-1][0]
        spans[-1] = (start, start + random.randrange(15, 1_440, 15))
    return spans


def some_rules(random: Random, past_midnight: bool) -> tuple[str, list[Said]]:
    texts, said = "", []
    for number in range(random.randint(1, 4)):
        months, month_text = None, ""
        if random.random() < 0.3:
            month_text, months = around(random, MONTHS)
        day_text, days = around(random, DAYS)
        off = number > 0 and random.random() < 0.2
        spans = None if off else some_hours(random, past_midnight)
        hours = "off" if spans is None else ",".join(f"{clock(a)}-{clock(b)}" for a, b in spans)
        adds = number > 0 and not off and random.random() < 0.3
        between = "" if number == 0 else ", " if adds else random.choice(["; ", ";"])
        texts += between + " ".join(part for part in (month_text, day_text, hours) if part)
        said.append((months, days, spans, adds))
    return texts, said


def open_at(said: list[Said], local: datetime) -> bool:
    """By a look at what was said of the day and of the one before."""
    minute = local.hour * 60 + local.minute
    for back in (0, 1):
        day = local - timedelta(days=back)
        spans: list[tuple[int, int]] = []
        for months, days, hours, adds in said:
            if day.weekday() in days and (months is None or day.month - 1 in months):
                spans = spans + (hours or []) if adds else list(hours or [])
        if any(start <= minute + 1_440 * back < end for start, end in spans):
            return True
    return False


def understood(text: str) -> OpeningHours | None:
    try:
        return OpeningHours.parse(text)
    except OpeningHoursError:
        return None


@settings(max_examples=200)
@given(seeds)
def test_each_minute_is_as_the_rules_say_or_the_text_is_refused(seed: int) -> None:
    random = Random(seed)
    text, said = some_rules(random, past_midnight=True)
    hours = understood(text)
    if hours is None:
        return
    for _ in range(30):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randrange(2 * 366 * 1_440))
        assert hours.is_open(at, "UTC") == open_at(said, at), text


@settings(max_examples=150)
@given(seeds)
def test_the_next_change_is_the_first_minute_that_differs(seed: int) -> None:
    random = Random(seed)
    text, _ = some_rules(random, past_midnight=True)
    hours = understood(text)
    if hours is None:
        return
    zone = random.choice(ZONES)
    at = near_a_change_of_clocks(random, zone)
    change, before = hours.opens_or_closes_after(at, zone), hours.is_open(at, zone)
    end = at + timedelta(days=4) if change is None else min(change, at + timedelta(days=4))
    if end == change:
        assert hours.is_open(end, zone) != before
    minutes = int((end - at) / MINUTE)
    for minute in range(0, minutes, max(1, minutes // 500)):
        assert hours.is_open(at + minute * MINUTE, zone) == before
    assert hours.is_open(end - timedelta(microseconds=1), zone) == before


def near_a_change_of_clocks(random: Random, zone: str) -> datetime:
    rules = ZoneInfo(zone)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(366))
    step = timedelta(hours=1)
    for _ in range(random.choice([0, 8_800])):
        if at.astimezone(rules).utcoffset() != (at + step).astimezone(rules).utcoffset():
            break
        at += step
    return at + timedelta(minutes=random.randrange(-150, 150), seconds=random.randrange(60))


@settings(max_examples=300)
@given(seeds)
def test_clocks_never_go_back_and_every_time_has_a_first_instant(seed: int) -> None:
    random = Random(seed)
    zone = random.choice(ZONES)
    at = near_a_change_of_clocks(random, zone)
    later = at + timedelta(seconds=random.randrange(8_000))
    assert latest_shown(at, zone) <= latest_shown(later, zone)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    first = first_instant(local, zone)
    assert first <= at
    assert latest_shown(first, zone) >= local
    assert latest_shown(first - timedelta(microseconds=1), zone) < local


@settings(max_examples=150)
@given(seeds)
def test_another_library_agrees_where_no_hours_go_past_midnight(seed: int) -> None:
    """It lets the next day's rules cut short what goes past midnight, and we do not."""
    random = Random(seed)
    text, _ = some_rules(random, past_midnight=False)
    hours = understood(text)
    if hours is None:
        return
    other = opening_hours.OpeningHours(text, auto_country=False, auto_timezone=False)
    for _ in range(20):
        at = datetime(2026, 1, 1) + timedelta(minutes=random.randrange(366 * 1_440))  # noqa: DTZ001
        assert hours.is_open(at.replace(tzinfo=UTC), "UTC") == other.is_open(at), text
        change = other.next_change(at)
        ours = hours.opens_or_closes_after(at.replace(tzinfo=UTC), "UTC")
        assert (None if ours is None else ours.replace(tzinfo=None)) == change, text


def test_most_random_texts_are_understood() -> None:
    texts = [some_rules(Random(seed), past_midnight=True)[0] for seed in range(500)]
    assert sum(understood(text) is not None for text in texts) > 250


REFUSED = {
    "10:00 - 1:00", "10am - 2:30pm and 5:00pm - 10:00pm", "10am-3am", "11:00 am - 9:30pm", "11AM to 9PM",
    "11:30am - 11:30pm Mon - Sat 11:30am to 10:30pm Sunday", "4:30am - 11:00pm", "5:00-10:00 PM",
    "6:30 am - 2:00 pm", "7:00 am - 2:30 pm", "7AM-3PM", "Mo-Fr", "Mo-Sa 1130-1400, 1600-2100",
    "Mo-Th 09:00-17:00 Fr 09:00-18:00", "Mon-Sat 09:00-18:00", "Su 9:00 - 13:00", "Su-Sa 10:00 to 23:00",
    "Mo-Th 11:00-15:00, 05:00-22:00; Fr, Sa 11:00-01:00; Su 11:00-21:00", "Su-Sa 10a-9p", "We-Mo",
    "Mon 8:00AM-5:00PM Tues 8:00AM-7:00PM Wed 8:00AM-5:00PM Thurs 8:00AM-6:00PM Fri 8:00AM-5:00PM",
    "Monday - Thursday: 7am - 10pm, Friday: 7am - midnight, Saturday: 8am - midnight, Sunday: 8am - 9pm",
    "Tu-Fr 11:30-14:30; Sa-Su 11:30-15:00; Tu-Th 17:30-21:30; Fr-Sa 17:00-22:00; Su 17:00-21:30",
    "Tu-We 07:00-17:00; Th-Fr 07:00-21:00; Sa 08:00-21:00; Su 08:00-03:00",
    "Tues-Sun 11:00-14:30, 17:00-21:00; closed Monday", "sunrise-sunset",
}  # fmt: skip
"""What of the real texts is refused; all others were read by eye."""


READ_OTHERWISE = {
    # Days with a comma and a space between: it takes the first ones for a rule without hours.
    "Mo-Th, Su 11:00-00:00; Fr, Sa 11:00-01:00",
    "Mo-Th, Su 11:00-22:00; Fr, Sa 11:00-23:00",
    "We, Th 11:30-22:00; Fr, Sa 11:30-22:30; Mo, Su 11:30-21:00",
    # Saturday night, which it cuts short for Sunday's rule.
    "Su-Th 17:00-00:00; Fr-Sa 17:00-02:00",
}
"""What of the real texts means something else to the other library."""
needs_real_texts = pytest.mark.skipif(
    not FILE.is_file(), reason=f"REAL OPENING HOURS ARE NOT READ: no data at {FILE}"
)


def real_texts() -> list[str]:
    return [text for text in pq.read_table(FILE)["opening_hours"].to_pylist() if text]


@pytest.mark.data
@needs_real_texts
def test_of_the_real_texts_those_are_refused_that_nobody_can_be_sure_of() -> None:
    assert len(real_texts()) == 95
    assert {text for text in real_texts() if understood(text) is None} == REFUSED


@pytest.mark.data
@needs_real_texts
def test_the_other_library_agrees_on_the_real_texts_but_for_what_it_gets_wrong() -> None:
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    times = [monday + timedelta(minutes=minute) for minute in range(0, 7 * 1_440, 15)]
    differ = set()
    for text in real_texts():
        hours = understood(text)
        if hours is not None:
            other = opening_hours.OpeningHours(text, auto_country=False, auto_timezone=False)
            same = [hours.is_open(at, "UTC") == other.is_open(at.replace(tzinfo=None)) for at in times]
            differ |= set() if all(same) else {text}
    assert differ == READ_OTHERWISE
