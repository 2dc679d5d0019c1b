"""Check-ins as visits, with the ways that may have led there."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.events import Consent, ConsentPurpose, Location, Merchant, Preferences, Visit
from geo import Position, distance_km
from replay.errors import SourceError
from replay.importers.gowalla import EVERY_S, LAST_S, events

AT = datetime(2010, 5, 3, 12, 0)  # noqa: DTZ001  # the data set's times have no zone
VENUES = [
    {"venue_id": n, "name": f"Venue {n}", "lat": 40.70 + 0.004 * n, "lon": -74.0 + 0.002 * (n % 3)}
    for n in range(8)
]


def checkin(user: int, hours: float, venue: int) -> dict[str, Any]:
    place = {"lat": 40.7, "lon": -74.0}
    return {"user_id": user, "ts": AT + timedelta(hours=hours), "venue_id": venue, **place}


def life(seed: int, count: int, user: int = 1) -> list[dict[str, Any]]:
    dice, hours, found = Random(seed), 0.0, []
    for _ in range(count):
        hours += dice.choice((0.01, 0.3, 1.0, 5.0, 9.0, 30.0))
        found.append(checkin(user, hours, dice.randrange(8)))
    return found


def folder_of(folder: Path, checkins: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(checkins)
    at = table.schema.get_field_index("ts")
    table = table.set_column(at, "ts", table["ts"].cast(pa.timestamp("ms")))
    pq.write_table(table, folder / "checkins.parquet")
    pq.write_table(pa.Table.from_pylist(VENUES), folder / "venues.parquet")
    return folder


def test_first_come_merchants_and_before_a_users_first_way_their_consent(tmp_path: Path) -> None:
    found = list(events(folder_of(tmp_path, [checkin(1, 0, 3)])))
    begins = (AT - timedelta(seconds=LAST_S + 60)).replace(tzinfo=UTC)
    assert found[:3] == [
        Merchant(
            "venue-3",
            (AT - timedelta(days=1)).replace(tzinfo=UTC),
            name="Venue 3",
            country="US",
            position=Position(40.712, -74.0),
            time_zone="America/New_York",
        ),
        Consent("user-1", ConsentPurpose.LOCATION_ALERTS, True, "research", begins),
        Preferences("user-1", begins, time_zone="America/New_York"),
    ]
    assert found[-1] == Visit("gowalla-1", "user-1", "venue-3", AT.replace(tzinfo=UTC), source="check-in")


def test_way_ends_at_the_venue_and_comes_nearer_all_the_time(tmp_path: Path) -> None:
    found = list(events(folder_of(tmp_path, [checkin(1, 0, 3)])))
    fixes = [each for each in found if isinstance(each, Location)]
    away_m = [1e3 * distance_km(each.position, Position(40.712, -74.0)) for each in fixes]
    assert away_m[-1] < 80.0
    assert 500.0 < away_m[0] < 900.0
    assert away_m[::4] == sorted(away_m[::4], reverse=True)
    gaps = {b.event_time - a.event_time for a, b in pairwise(fixes)}
    assert gaps == {timedelta(seconds=EVERY_S)}


@pytest.mark.parametrize("seed", range(6))
def test_all_comes_in_order_of_time_and_no_two_fixes_at_once(seed: int, tmp_path: Path) -> None:
    found = list(events(folder_of(tmp_path, life(seed, 40) + life(seed + 50, 40, 2))))
    times = [each.event_time for each in found]
    assert times == sorted(times)
    ids = [each.event_id for each in found]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_depends_on_what_comes_later(seed: int, tmp_path: Path) -> None:
    whole = life(seed, 30)
    cut = whole[:20]
    until = cut[-1]["ts"].replace(tzinfo=UTC)
    some = [each for each in events(folder_of(tmp_path / "cut", cut)) if not isinstance(each, Merchant)]
    all_ = [
        each
        for each in events(folder_of(tmp_path / "whole", whole))
        if each.event_time <= until and not isinstance(each, Merchant)
    ]
    assert all_ == some


def test_decoys_pass_where_the_user_had_been_and_nobody_checks_in_then(tmp_path: Path) -> None:
    checkins = [checkin(1, 0, 1), checkin(1, 24, 7), checkin(1, 48, 7)]
    found = list(events(folder_of(tmp_path, checkins)))
    first = next(each for each in found if isinstance(each, Merchant) and each.merchant_id == "venue-1")
    assert first.position is not None
    middle = (AT + timedelta(hours=25)).replace(tzinfo=UTC), (AT + timedelta(hours=47)).replace(tzinfo=UTC)
    fixes = [each for each in found if isinstance(each, Location) and middle[0] < each.event_time < middle[1]]
    away_m = [1e3 * distance_km(each.position, first.position) for each in fixes]
    assert min(away_m) < 90.0
    assert min(away_m[0], away_m[-1]) > 300.0


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no file venues\.parquet"):
        list(events(tmp_path))
