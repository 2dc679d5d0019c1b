"""Tracks become locations, each user's behind their consent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest

from detectors.events import Consent, ConsentPurpose, Location, Merchant, Preferences, Visit
from geo import Position
from replay.errors import SourceError
from replay.importers import Choices, import_dataset
from replay.importers.geolife import events

AT = datetime(2008, 10, 23, 2, 53, 4)  # noqa: DTZ001  # the data set's times have no zone
POINT = {"user_id": "001", "ts": AT, "lat": 39.984702, "lon": 116.318417}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "points.parquet")
    return folder


def test_points_become_locations_behind_the_consent_of_each_user(tmp_path: Path) -> None:
    later = {**POINT, "ts": AT + timedelta(seconds=5), "lat": 39.98}
    other = {**POINT, "user_id": "002", "ts": AT + timedelta(seconds=1)}
    found = list(events(written(tmp_path, later, POINT, other)))
    at = AT.replace(tzinfo=UTC)
    assert found[:3] == [
        Consent("user-001", ConsentPurpose.LOCATION_ALERTS, True, "research", at),
        Preferences("user-001", at, time_zone="Asia/Shanghai"),
        Location("user-001", Position(39.984702, 116.318417), at),
    ]
    assert [(type(each).__name__, getattr(each, "user_id", None)) for each in found[3:]] == [
        ("Consent", "user-002"),
        ("Preferences", "user-002"),
        ("Location", "user-002"),
        ("Location", "user-001"),
    ]


def test_an_import_counts_what_it_gives(tmp_path: Path) -> None:
    summary = import_dataset("geolife", written(tmp_path, POINT), tmp_path / "out.jsonl", Choices())
    assert (summary.events, summary.users) == ({"consent": 1, "location": 1, "preferences": 1}, 1)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"lat": 91.0}, r"points.parquet: row 1 in time order: lat: 91.0 is not a latitude"),
        ({"lat": None}, r"column 'lat' is null; needed: a number"),
        ({"user_id": 1}, r"column 'user_id' is int64; needed: text"),
    ],
)
def test_what_is_no_point_is_refused(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        list(events(written(tmp_path, {**POINT, **wrong})))


def test_places_of_two_stays_become_merchants_and_stays_visits(tmp_path: Path) -> None:
    rows = [
        {
            **POINT,
            "ts": AT + timedelta(days=day, minutes=minute),
            "lat": 39.98 + (0.01 if minute > 60 else 0.0),
        }
        for day in (0, 1)
        for minute in (0, 10, 20, 30, 90)
    ]
    found = list(events(written(tmp_path, *rows), "visits"))
    merchants = [each for each in found if isinstance(each, Merchant)]
    assert [(each.merchant_id, each.position) for each in merchants] == [
        ("user-001-place-0", Position(39.98, 116.318417))
    ]
    visits = [each for each in found if isinstance(each, Visit)]
    assert [each.event_time for each in visits] == [
        (AT + timedelta(days=day)).replace(tzinfo=UTC) for day in (0, 1)
    ]
    first = found.index(visits[0])
    assert isinstance(found[first + 1], Consent)
    assert [each.event_time for each in found[1:]] == sorted(each.event_time for each in found[1:])


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="part: 'home' is unknown; allowed: tracks, visits"):
        list(events(tmp_path, "home"))
