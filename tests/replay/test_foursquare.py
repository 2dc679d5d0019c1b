"""Weeks of check-ins as visits."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.events import Consent, Merchant, Preferences, Visit
from geo import Position
from replay.errors import SourceError
from replay.importers.foursquare import events

ROW = {
    "week_id": 9,
    "user_id": 4,
    "weekday": "Tuesday",
    "hour": 8,
    "venue_id": 3,
    "root_category": "Food",
    "lat": 40.7,
    "lon": -74.0,
}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "checkins.parquet")
    return folder


def test_merchants_come_first_then_consents_and_visits_at_their_hours(tmp_path: Path) -> None:
    later = {**ROW, "venue_id": 5, "root_category": "Residence"}
    found = list(events(written(tmp_path, ROW, later)))
    place = Position(40.7, -74.0)
    sunday, tuesday = datetime(2010, 1, 3, tzinfo=UTC), datetime(2010, 1, 5, 8, tzinfo=UTC)
    assert found[:2] == [
        Merchant("venue-3", sunday, mcc="5812", country="US", position=place, time_zone="Etc/UTC"),
        Merchant("venue-5", sunday, country="US", position=place, time_zone="Etc/UTC"),
    ]
    assert [type(each) for each in found[2:]] == [Consent, Preferences, Visit, Visit]
    assert found[4] == Visit("foursquare-1", "user-4", "venue-3", tuesday, source="check-in")
    assert found[5].event_time == tuesday.replace(minute=1)


def test_weeks_of_a_user_follow_each_other_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [{**ROW, "week_id": 20}, {**ROW, "week_id": 7}, {**ROW, "week_id": 8, "user_id": 5}]
    visits = [each for each in events(written(tmp_path, *rows)) if isinstance(each, Visit)]
    assert [(each.visit_id, each.event_time.day) for each in visits] == [
        ("foursquare-1", 5),
        ("foursquare-3", 5),
        ("foursquare-2", 12),
    ]


@pytest.mark.parametrize("change", [{"weekday": "Someday"}, {"root_category": "Moon"}])
def test_unknown_weekdays_and_categories_are_named(change: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"week 9: .*{next(iter(change.values()))}.* is unknown"):
        list(events(written(tmp_path, {**ROW, **change})))
