"""Reading, writing and merging event streams."""

import gzip
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.events import Merchant
from flows.codec import MAX_RECORD_BYTES, BadRecord, Event, encode_event
from replay.errors import StreamError
from replay.parquet_stream import ROW_GROUP
from replay.streams import SUFFIXES, StreamWriter, merge_streams, read_stream
from tests.replay.events_made import a_payment, any_event

LINE_SUFFIXES = SUFFIXES[:3]


def written(path: Path, events: list[Event]) -> Path:
    with StreamWriter(path) as writer:
        for event in events:
            writer.write(event)
    return path


def parts(path: Path) -> tuple[list[Event], list[BadRecord]]:
    """The events and the bad records of a stream."""
    good: list[Event] = []
    bad = []
    for record in read_stream(path):
        if isinstance(record, BadRecord):
            bad.append(record)
        else:
            good.append(record)
    return good, bad


@settings(max_examples=30, deadline=None)
@given(events=st.lists(any_event, max_size=10))
def test_any_events_come_back_as_they_were_in_every_format(events: list[Event]) -> None:
    raw = [encode_event(event) for event in events]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            back = list(read_stream(written(Path(folder, f"stream{suffix}"), events)))
            assert back == events, suffix
            # Bytes tell -0.0 from 0.0, which equality does not.
            assert [encode_event(e) for e in back if not isinstance(e, BadRecord)] == raw, suffix


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_events_give_equal_files(suffix: str, tmp_path: Path) -> None:
    events: list[Event] = [a_payment(n) for n in range(100)]
    first, second = (written(tmp_path / f"{name}{suffix}", events).read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_events_than_fit_into_a_block_come_back_in_order(suffix: str, tmp_path: Path) -> None:
    count = ROW_GROUP + 10 if suffix == ".parquet" else 5_000
    events: list[Event] = [a_payment(n, minutes=n % 5) for n in range(count)]
    assert list(read_stream(written(tmp_path / f"s{suffix}", events))) == events


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stream_without_events_is_empty(suffix: str, tmp_path: Path) -> None:
    assert list(read_stream(written(tmp_path / f"s{suffix}", []))) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_writing_leaves_the_older_file_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"s{suffix}", [a_payment(1)])

    def fail() -> None:
        with StreamWriter(path) as writer:
            writer.write(a_payment(2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(read_stream(path)) == [a_payment(1)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["s.csv", "s.json", "jsonl", "s.jsonl.bz2", "s.parquet.gz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    for use in (read_stream, StreamWriter):
        with pytest.raises(StreamError, match=r"suffix is unknown; allowed: \.jsonl, \.jsonl\.gz"):
            use(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_file_is_an_error_at_once_that_names_it(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=rf"gone{suffix}: can't be read"):
        read_stream(tmp_path / f"gone{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(StreamError, match=rf"folder{suffix}: can't be read"):
        read_stream(tmp_path / f"folder{suffix}")


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StreamError, match="can't be written"), StreamWriter(tmp_path / "file" / "s.jsonl"):
        pass


def test_bad_lines_keep_their_place_and_say_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    lines = [encode_event(a_payment(1)), b"", b"nonsense", b"  ", encode_event(a_payment(2)), b"[1]"]
    path.write_bytes(b"\n".join(lines) + b"\n")
    records = list(read_stream(path))
    assert [records[0], records[2]] == [a_payment(1), a_payment(2)]
    origins = [record.origin for record in records if isinstance(record, BadRecord)]
    assert origins == ["s.jsonl:3", "s.jsonl:6"]


def test_line_ends_of_another_system_and_a_missing_last_one_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(encode_event(a_payment(n)) for n in range(3)))
    assert list(read_stream(path)) == [a_payment(n) for n in range(3)]


def test_an_overlong_line_is_one_bad_record_and_the_next_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"x" * 3_000_000 + b"\n" + encode_event(a_payment(1)) + b"\n" + b"y" * 1_000_000)
    first, second, third = read_stream(path)
    assert second == a_payment(1)
    assert isinstance(first, BadRecord)
    assert isinstance(third, BadRecord)
    assert f"allowed: {MAX_RECORD_BYTES} bytes" in first.reason
    assert [first.origin, third.origin] == ["s.jsonl:1", "s.jsonl:3"]
    assert len(first.raw) < 1000


def test_a_line_stream_cut_in_its_last_line_keeps_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl", [a_payment(n) for n in range(10)])
    path.write_bytes(path.read_bytes()[:-20])
    good, bad = parts(path)
    assert good == [a_payment(n) for n in range(9)]
    assert [record.origin for record in bad] == ["s.jsonl:10"]
    assert "ends within a record" in bad[0].reason


@pytest.mark.parametrize("suffix", LINE_SUFFIXES[1:])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.999])
def test_truncated_compression_keeps_the_events_before_and_ends_with_one_bad_record(
    suffix: str, kept: float, tmp_path: Path
) -> None:
    events: list[Event] = [a_payment(n * 7919 % 100_003) for n in range(8_000)]
    path = written(tmp_path / f"s{suffix}", events)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    good, bad = parts(path)
    assert good == events[: len(good)]
    assert len(good) >= len(events) * (kept - 0.25)
    assert len(bad) == 1
    assert "truncated" in bad[0].reason
    assert bad[0].origin == f"s{suffix}:{len(good) + 1}"


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_truncated_parquet_file_is_an_error_that_names_it(kept: float, tmp_path: Path) -> None:
    path = written(tmp_path / "s.parquet", [a_payment(n) for n in range(100)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(StreamError, match=r"s\.parquet: is not a whole Parquet file"):
        read_stream(path)


def test_members_frames_and_padding_are_read_as_one_stream(tmp_path: Path) -> None:
    lines = [encode_event(a_payment(n)) + b"\n" for n in range(4)]
    gz, zst = tmp_path / "s.jsonl.gz", tmp_path / "s.jsonl.zst"
    gz.write_bytes(gzip.compress(b"".join(lines[:2])) + gzip.compress(b"".join(lines[2:])) + b"\0" * 512)
    zst.write_bytes(zstandard.compress(b"".join(lines[:1])) + zstandard.compress(b"".join(lines[1:])))
    for path in (gz, zst):
        assert list(read_stream(path)) == [a_payment(n) for n in range(4)]


@pytest.mark.parametrize("suffix", LINE_SUFFIXES[1:])
def test_a_decompression_bomb_stays_one_bad_record(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"s{suffix}"
    bomb = b"0" * 50_000_000
    path.write_bytes(gzip.compress(bomb, 1) if suffix == ".jsonl.gz" else zstandard.compress(bomb))
    (record,) = read_stream(path)
    assert isinstance(record, BadRecord)
    assert "too long" in record.reason


def test_merging_orders_by_time_with_ties_in_the_order_of_the_files(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", [a_payment(1, 0), a_payment(2, 5), a_payment(3, 5)])
    b = written(tmp_path / "b.parquet", [a_payment(4, 0), a_payment(5, 5), a_payment(6, 9)])
    numbers = [event.amount_minor - 100 for event in merge_streams([a, b])]  # type: ignore[union-attr]
    assert numbers == [1, 4, 2, 3, 5, 6]


def test_merging_keeps_the_order_within_a_file_even_if_times_go_back(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", [a_payment(1, 5), a_payment(2, 0), a_payment(3, 7)])
    b = written(tmp_path / "b.jsonl", [a_payment(4, 6), a_payment(5, 8)])
    numbers = [event.amount_minor - 100 for event in merge_streams([a, b])]  # type: ignore[union-attr]
    assert numbers == [1, 2, 4, 3, 5]
    assert list(merge_streams([a])) == list(read_stream(a))


def test_merging_keeps_bad_records_right_behind_their_predecessor(tmp_path: Path) -> None:
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_bytes(
        b"bad\n" + encode_event(a_payment(1, 0)) + b"\nbad\n" + encode_event(a_payment(2, 9)) + b"\n"
    )
    b.write_bytes(encode_event(a_payment(3, 0)) + b"\n" + encode_event(a_payment(4, 1)) + b"\n")
    seen = [
        record.origin if isinstance(record, BadRecord) else record.amount_minor - 100  # type: ignore[union-attr]
        for record in merge_streams([a, b])
    ]
    assert seen == ["a.jsonl:1", 1, "a.jsonl:3", 3, 4, 2]


def check_damaged(path: Path) -> None:
    """Reads a file that may hold anything."""
    try:
        good, bad = parts(path)
    except StreamError as error:
        if str(path) not in str(error):
            raise
    else:
        assert all(record.reason and record.origin.startswith(path.name) for record in bad)
        assert all(encode_event(event) for event in good)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), events=st.lists(any_event, min_size=1, max_size=3))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_give_events_bad_records_or_a_stream_error(
    suffix: str, data: st.DataObject, events: list[Event]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, f"s{suffix}"), events)
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(raw)
        check_damaged(path)


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=400))
def test_garbage_gives_bad_records_or_a_stream_error(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            path = Path(folder, f"s{suffix}")
            path.write_bytes(raw)
            check_damaged(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_opening_hours_that_nobody_understands_are_a_bad_record_in_every_format(
    suffix: str, tmp_path: Path
) -> None:
    shop = Merchant("m-1", datetime(2026, 3, 1, tzinfo=UTC), opening_hours="Mo-Fr 09:00-18:00")
    with StreamWriter(tmp_path / f"s{suffix}") as writer:
        for hours in ("24/7", "9 to 5", None):
            writer.write(replace(shop, opening_hours=hours))
    first, bad, last = read_stream(tmp_path / f"s{suffix}")
    assert (first, last) == (replace(shop, opening_hours="24/7"), replace(shop, opening_hours=None))
    assert isinstance(bad, BadRecord)
    assert bad.reason.startswith("opening_hours: '9 to 5' can't be read; allowed: ")


def test_a_member_that_an_event_does_not_have_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    members = json.loads(encode_event(a_payment(1)))
    path.write_text(json.dumps({**members, "colour": "red"}) + "\n")
    (record,) = read_stream(path)
    assert isinstance(record, BadRecord)
    assert "colour" in record.reason
