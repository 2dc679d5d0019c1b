"""Recorded visits as event streams."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.events import Consent, ConsentPurpose, Preferences, Visit
from replay.errors import SourceError
from replay.importers import Choices, import_dataset
from replay.importers.next_place import events

ROW = {"id": 5, "user_id": 1, "location_id": 9, "start_day": 0, "start_min": 600, "weekday": 2}


def folder_of(folder: Path, train: list[dict[str, Any]], valid: list[dict[str, Any]]) -> Path:
    for name, rows in (("train", train), ("valid", valid)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"fsq_{name}.parquet")
    return folder


def test_visits_stand_behind_a_consent_and_a_time_zone(tmp_path: Path) -> None:
    wednesday = datetime(2010, 1, 6, 10, tzinfo=UTC)
    later = {**ROW, "id": 6, "start_day": 1, "weekday": 3}
    assert list(events(folder_of(tmp_path, [ROW], [later]), "fsq")) == [
        Consent("user-1", ConsentPurpose.LOCATION_ALERTS, True, "research", wednesday),
        Preferences("user-1", wednesday, time_zone="Etc/UTC"),
        Visit("fsq-5", "user-1", "place-9", wednesday, source="train"),
        Visit("fsq-6-valid", "user-1", "place-9", wednesday.replace(day=7), source="valid"),
    ]


def test_visits_of_all_users_come_in_order_of_time(tmp_path: Path) -> None:
    rows = [{**ROW, "id": n, "user_id": n % 3, "start_day": 7 * (5 - n)} for n in range(6)]
    times = [event.event_time for event in events(folder_of(tmp_path, rows, [ROW]), "fsq")]
    assert times == sorted(times)
    assert len(times) == 7 + 2 * 3


def test_days_that_do_not_go_with_the_weekday_are_refused(tmp_path: Path) -> None:
    wrong = {**ROW, "id": 7, "start_day": 1}
    with pytest.raises(SourceError, match=r"fsq_valid.parquet: visit 7: weekday 2 does not go with day 1"):
        list(events(folder_of(tmp_path, [ROW], [wrong]), "fsq"))


def test_unknown_part_and_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="part: 'home' is unknown; allowed: fsq, geolife"):
        list(events(tmp_path, "home"))
    with pytest.raises(SourceError, match=r"has no file geolife_train\.parquet"):
        list(events(tmp_path, "geolife"))


def test_import_counts_each_kind(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [ROW], [{**ROW, "user_id": 2}])
    summary = import_dataset("next-place", folder, tmp_path / "out.jsonl", Choices())
    assert summary.events == {"consent": 2, "preferences": 2, "visit": 2}
    assert summary.users == 2
