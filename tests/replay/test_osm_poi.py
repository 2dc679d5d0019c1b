"""Points of interest from OpenStreetMap as merchants."""

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest

from detectors.directory import MerchantDirectory
from detectors.events import Merchant
from flows.codec import BadRecord
from geo import Position
from replay.errors import SourceError
from replay.importers import Choices, import_dataset
from replay.importers.osm_poi import CLASS_MCC, events
from replay.streams import read_stream

DATA = Path(os.environ.get("TAPWATCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDER = DATA / "osm-poi"
CAFE = {"osm_id": "30181366", "name": "Caf\u00e9 Uno", "fclass": "cafe", "lat": 40.75, "lon": -73.99}


def written(folder: Path, name: str, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / name)
    return folder


def imported(folder: Path) -> tuple[list[Merchant], Counter[str]]:
    left_out = Counter[str]()
    return list(events(folder, left_out)), left_out


def test_a_point_becomes_a_merchant_of_its_category(tmp_path: Path) -> None:
    written(tmp_path, "nyc-2013.parquet", CAFE)
    merchants, left_out = imported(tmp_path)
    assert merchants == [
        Merchant(
            "osm-30181366",
            datetime(2013, 1, 1, tzinfo=UTC),
            name="Caf\u00e9 Uno",
            mcc="5814",
            country="US",
            position=Position(40.75, -73.99),
            time_zone="America/New_York",
        )
    ]
    assert not left_out


def test_opening_hours_are_kept_where_they_are_understood_and_counted_where_not(tmp_path: Path) -> None:
    hours = ("Mo-Fr 08:00-16:00", "7AM-3PM", None)
    rows = [
        {**CAFE, "osm_id": str(n), "other_tags": "x", "opening_hours": each} for n, each in enumerate(hours)
    ]
    merchants, left_out = imported(written(tmp_path, "bay-2017.parquet", *rows))
    assert [merchant.opening_hours for merchant in merchants] == ["Mo-Fr 08:00-16:00", None, None]
    assert merchants[0].time_zone == "America/Los_Angeles"
    assert left_out == {"opening hours": 1}


def test_what_is_no_business_is_left_out_and_so_are_names_that_no_event_may_have(tmp_path: Path) -> None:
    rows = [
        {**CAFE, "fclass": "bench"},
        {**CAFE, "fclass": "resta"},
        {**CAFE, "name": "4111 1111 1111 1111"},
        {**CAFE, "name": None, "osm_id": "2"},
    ]
    merchants, left_out = imported(written(tmp_path, "bay-2017.parquet", *rows))
    assert [merchant.name for merchant in merchants] == [None, None]
    assert left_out == {"points without a category": 2, "names": 1}


def test_files_come_in_the_order_of_their_years_and_an_unknown_region_has_no_zone(tmp_path: Path) -> None:
    written(tmp_path, "a-town-2017.parquet", {**CAFE, "name": "New"})
    written(tmp_path, "nyc-2013.parquet", {**CAFE, "name": "Old"})
    (tmp_path / "notes.parquet").write_bytes(b"is not looked at")
    merchants, _ = imported(tmp_path)
    assert [(m.name, m.event_time.year, m.country, m.time_zone) for m in merchants] == [
        ("Old", 2013, "US", "America/New_York"),
        ("New", 2017, None, None),
    ]
    directory = MerchantDirectory()
    for merchant in merchants:
        directory.put(merchant)
    assert [m.name for m in directory.merchants("default")] == ["New"]


def test_an_import_writes_a_stream_that_can_be_read_and_counts(tmp_path: Path) -> None:
    written(tmp_path, "nyc-2013.parquet", CAFE, {**CAFE, "osm_id": "2", "fclass": "bench"})
    summary = import_dataset("osm-poi", tmp_path, tmp_path / "out.jsonl", Choices())
    assert (summary.events, summary.users) == ({"merchant": 1}, 0)
    assert summary.first_time == summary.last_time == datetime(2013, 1, 1, tzinfo=UTC)
    assert summary.left_out == {"points without a category": 1}
    (merchant,) = read_stream(tmp_path / "out.jsonl")
    assert isinstance(merchant, Merchant)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lat": 91.0}, r"nyc-2013\.parquet: row 1: lat: 91\.0 is not a latitude"),
        ({"lat": None}, "column 'lat' "),
        ({"osm_id": 7}, "column 'osm_id' is int64; needed: text"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        imported(written(tmp_path, "nyc-2013.parquet", {**CAFE, **change}))


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no file such as nyc-2017\.parquet"):
        imported(tmp_path)
    with pytest.raises(SourceError, match="lacks the columns fclass"):
        imported(written(tmp_path, "nyc-2013.parquet", {"osm_id": "1", "lat": 1.0, "lon": 1.0, "name": "x"}))


def test_each_class_has_one_category() -> None:
    assert all(len(mcc) == 4 and mcc.isdigit() for mcc in CLASS_MCC.values())
    assert (CLASS_MCC["restaurant"], CLASS_MCC["pharmacy"]) == ("5812", "5912")


@pytest.mark.data
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"REAL PLACES ARE NOT IMPORTED: no data at {FOLDER}")
def test_the_real_places_are_imported_whole(tmp_path: Path) -> None:
    summary = import_dataset("osm-poi", FOLDER, tmp_path / "out.jsonl.zst", Choices())
    assert summary.events == {"merchant": 18_514}
    assert summary.left_out == {"opening hours": 23, "points without a category": 15_518}
    assert not any(isinstance(record, BadRecord) for record in read_stream(tmp_path / "out.jsonl.zst"))
