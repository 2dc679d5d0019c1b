"""What is particular to streams in Parquet: columns, strictness per row, damage in the middle."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest

from detectors.events import Channel
from flows.codec import BadRecord
from replay.errors import StreamError
from replay.parquet_stream import ROW_GROUP, SCHEMA
from replay.streams import StreamWriter, read_stream
from tests.replay.events_made import NOON, a_payment

ROW: dict[str, Any] = {
    "kind": "payment",
    "transaction_id": "t-1",
    "user_id": "u-1",
    "amount_minor": 101,
    "currency": "EUR",
    "event_time": NOON,
    "merchant_id": "m-1",
}


def stream_of(folder: Path, *rows: dict[str, Any], schema: pa.Schema = SCHEMA) -> Path:
    path = folder / "s.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return path


def test_values_have_the_very_types_of_the_standard_library(tmp_path: Path) -> None:
    (event,) = read_stream(stream_of(tmp_path, {**ROW, "channel": "POS"}))
    assert repr(event) == repr(replace(a_payment(1), channel=Channel.POS))


def test_absent_values_become_the_defaults(tmp_path: Path) -> None:
    assert list(read_stream(stream_of(tmp_path, ROW))) == [a_payment(1)]


def test_only_the_columns_with_values_are_needed(tmp_path: Path) -> None:
    narrow = pa.schema([SCHEMA.field(name) for name in ROW])
    assert list(read_stream(stream_of(tmp_path, ROW, schema=narrow))) == [a_payment(1)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": None}, "kind: missing; allowed: payment"),
        ({"kind": "parcel"}, "kind: 'parcel' is unknown; allowed: payment"),
        ({"user_id": None}, "user_id: is missing"),
        ({"amount_minor": None}, "amount_minor: is missing"),
        ({"event_time": None}, "event_time: is missing"),
        ({"amount_minor": -5}, "amount_minor: -5 is out of range"),
        ({"event_time": datetime(1970, 1, 1, tzinfo=UTC)}, "event_time: .* is out of range"),
        ({"channel": "PIGEON"}, "channel: 'PIGEON' is unknown; allowed: POS"),
        ({"payer_position": {"lat": 91.0, "lon": 0.0}}, "payer_position.lat: 91.0 is not a latitude"),
        ({"payer_position": {"lat": 1.0}}, "payer_position.lon: is missing"),
        ({"payer_position": {"lat": float("nan"), "lon": 0.0}}, "payer_position.lat: nan"),
        ({"venue": "x"}, "venue: a payment has no such field"),
        ({"watched_assets": []}, "watched_assets: a payment has no such field"),
    ],
)
def test_a_bad_row_is_a_bad_record_between_good_ones(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    first, bad, last = read_stream(stream_of(tmp_path, ROW, {**ROW, **change}, ROW))
    assert first == last == a_payment(1)
    assert isinstance(bad, BadRecord)
    assert bad.origin == "s.parquet row 2"
    assert re.search(reason, bad.reason)
    assert b'"transaction_id": "t-1"' in bad.raw


def test_an_empty_value_in_a_list_is_refused_in_its_row_only(tmp_path: Path) -> None:
    row = {"kind": "preferences", "user_id": "u", "event_time": NOON}
    rows = [{**row, "watched_assets": assets} for assets in ([], ["BTC", None], ["BTC"], None)]
    records = list(read_stream(stream_of(tmp_path, *rows)))
    assert [isinstance(record, BadRecord) for record in records] == [False, True, False, False]


def test_a_time_beyond_the_calendar_is_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    table = pa.Table.from_pylist([ROW, ROW], schema=SCHEMA)
    times = pa.array([2**62, int(NOON.timestamp() * 1e6)], pa.int64()).cast(SCHEMA.field("event_time").type)
    pq.write_table(table.set_column(SCHEMA.get_field_index("event_time"), "event_time", times), path)
    bad, good = read_stream(path)
    assert isinstance(bad, BadRecord)
    assert "event_time: is out of range" in bad.reason
    assert good == a_payment(1)


def test_text_that_is_not_utf_8_is_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    table = pa.Table.from_pylist([ROW, ROW], schema=SCHEMA)
    raw = pa.array([b"\xff\xfe", b"u-1"], pa.binary())
    texts = pa.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(table.set_column(SCHEMA.get_field_index("user_id"), "user_id", texts), path)
    bad, good = read_stream(path)
    assert isinstance(bad, BadRecord)
    assert bad.reason == "user_id: is not UTF-8 text"
    assert good == a_payment(1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amount_minor", pa.int32()),
        ("user_id", pa.large_string()),
        ("user_id", pa.dictionary(pa.int32(), pa.string())),
        ("event_time", pa.timestamp("ms", "UTC")),
    ],
)
def test_narrower_types_that_lose_nothing_are_read(name: str, kind: pa.DataType, tmp_path: Path) -> None:
    at = SCHEMA.get_field_index(name)
    assert list(read_stream(stream_of(tmp_path, ROW, schema=SCHEMA.set(at, pa.field(name, kind))))) == [
        a_payment(1)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amount_minor", pa.float64()),
        ("event_time", pa.timestamp("us")),
        ("event_time", pa.timestamp("us", "Europe/Paris")),
        ("event_time", pa.timestamp("ns", "UTC")),
        ("user_id", pa.binary()),
        ("colour", pa.string()),
    ],
)
def test_columns_that_would_need_guessing_are_an_error(name: str, kind: pa.DataType, tmp_path: Path) -> None:
    fields = [field for field in SCHEMA if field.name != name]
    schema = pa.schema([*fields, pa.field(name, kind)])
    row = {key: value for key, value in ROW.items() if key != name}
    with pytest.raises(StreamError, match=f"column '{name}' is .*; allowed: "):
        read_stream(stream_of(tmp_path, row, schema=schema))


def test_a_table_without_kinds_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="needs one column 'kind'"):
        read_stream(stream_of(tmp_path, schema=SCHEMA.remove(0)))


def test_a_damaged_row_group_is_one_bad_record_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with StreamWriter(path) as writer:
        for number in range(ROW_GROUP + 10):
            writer.write(a_payment(number))
    raw = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    raw[start + 500 : start + 600] = b"\x55" * 100
    path.write_bytes(raw)
    records = list(read_stream(path))
    assert isinstance(records[0], BadRecord)
    assert records[0].origin == "s.parquet row 1"
    assert f"to row {ROW_GROUP} are damaged" in records[0].reason
    assert records[1:] == [a_payment(number) for number in range(ROW_GROUP, ROW_GROUP + 10)]
