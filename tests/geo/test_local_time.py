"""Local time by zone and by the sun."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo import LocalTime, is_zone, local_time, solar_offset_h, solar_time

SUNDAY_NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

instants = st.integers(0, 40_000_000_000).map(
    lambda tenths: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=tenths / 10)
)
zones = st.sampled_from(["Europe/Brussels", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "UTC"])


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", LocalTime(12.0, 6)),
        ("Europe/Brussels", LocalTime(13.0, 6)),
        ("Asia/Kolkata", LocalTime(17.5, 6)),
        ("Pacific/Auckland", LocalTime(1.0, 0)),
        ("America/Argentina/Buenos_Aires", LocalTime(9.0, 6)),
    ],
)
def test_local_time_follows_the_zone(zone: str, expected: LocalTime) -> None:
    assert local_time(SUNDAY_NOON, zone) == expected


def test_summer_time_moves_the_hour() -> None:
    before = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert local_time(before, "Europe/Brussels").hour == 1.5
    assert local_time(before + timedelta(hours=1), "Europe/Brussels").hour == 3.5


@given(instants, zones)
def test_local_time_agrees_with_the_standard_library(at: datetime, zone: str) -> None:
    wall = at.astimezone(ZoneInfo(zone))
    hour, weekday = local_time(at, zone)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    assert timedelta(hours=hour).total_seconds() == pytest.approx(
        (wall.replace(tzinfo=None) - midnight).total_seconds(), abs=1e-5
    )
    assert weekday == wall.weekday()
    assert 0.0 <= hour < 24.0


@pytest.mark.parametrize("name", ["", "Mars/Base", "europe/brussels", "../../etc/passwd", "/etc/localtime"])
def test_unknown_zone_is_refused_and_named(name: str) -> None:
    assert not is_zone(name)
    with pytest.raises(ValueError, match=r"time_zone: .* is unknown"):
        local_time(SUNDAY_NOON, name)


def test_time_without_a_zone_is_refused() -> None:
    naive = SUNDAY_NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="has no time zone"):
        local_time(naive, "Europe/Brussels")
    with pytest.raises(ValueError, match="has no time zone"):
        solar_time(naive, 4.35)


@pytest.mark.parametrize(
    ("lon", "offset_h"), [(0.0, 0), (7.4, 0), (7.5, 1), (-7.5, 0), (-7.6, -1), (180.0, 12), (-180.0, -12)]
)
def test_solar_offset_is_the_nearest_whole_hour(lon: float, offset_h: int) -> None:
    assert solar_offset_h(lon) == offset_h


@pytest.mark.parametrize("lon", [float("nan"), 180.1, -181.0])
def test_impossible_longitude_is_refused(lon: float) -> None:
    with pytest.raises(ValueError, match="is not a longitude"):
        solar_offset_h(lon)


@given(instants, st.floats(-180.0, 180.0))
def test_solar_time_is_utc_moved_by_its_offset(at: datetime, lon: float) -> None:
    hour, weekday = solar_time(at, lon)
    assert hour == pytest.approx(local_time(at + timedelta(hours=solar_offset_h(lon)), "UTC").hour)
    assert 0.0 <= hour < 24.0
    assert 0 <= weekday <= 6
