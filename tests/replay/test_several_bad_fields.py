"""A record with several bad fields is refused once, and every one of them is named."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.codec import BadRecord, decode_event
from replay.parquet_stream import SCHEMA
from replay.streams import read_stream
from tests.replay.bad_values import GOOD, bad_values


def reason_for(kind: str, changes: dict[str, Any]) -> str:
    """Why a line with these values is refused."""
    record = decode_event(json.dumps({"kind": kind, **GOOD[kind], **changes}).encode(), "test", comes_in=True)
    assert isinstance(record, BadRecord)
    return record.reason


def named_in(reason: str) -> set[str]:
    return {part.partition(":")[0].partition(".")[0] for part in reason.split("; ")}


@given(data=st.data())
@pytest.mark.parametrize("kind", sorted(GOOD))
def test_a_line_with_any_bad_values_names_each_of_their_fields(kind: str, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(GOOD[kind])), min_size=1, unique=True))
    changes = {name: data.draw(st.sampled_from(bad_values(kind, name))) for name in names}
    if "payment_type" in changes and changes.get("amount_minor") == 0:
        changes["amount_minor"] = -1  # nothing is wrong with 0 where the type is not known
    assert set(names) <= named_in(reason_for(kind, changes))


def test_fields_behind_wrong_types_and_within_a_position_are_named() -> None:
    changes = {
        "amount_minor": "100",
        "user_id": "",
        "colour": None,
        "payer_position": {"lat": 91, "lon": "x", "accuracy_m": -1},
    }
    reason = reason_for("payment", changes)
    for name in ("amount_minor: ", "user_id: ", "colour: ", "payer_position.lat: ", "payer_position.lon: "):
        assert name in reason
    assert "payer_position.accuracy_m: " in reason


def test_what_a_log_may_hold_is_refused_of_what_comes_in_only() -> None:
    changes = {"opening_hours": "9 to 5", "time_zone": "Mars/Olympus"}
    reason = reason_for("merchant", {**changes, "mcc": "x"})
    assert "opening_hours: '9 to 5' can't be read; allowed: rules such as 'Mo-Fr 09:00-18:00" in reason
    assert "time_zone: 'Mars/Olympus' is unknown; allowed: names such as" in reason
    assert "mcc: " in reason
    line = json.dumps({"kind": "merchant", **GOOD["merchant"], **changes}).encode()
    assert not isinstance(decode_event(line, "log"), BadRecord)


def test_a_payment_within_a_fallback_names_its_fields() -> None:
    payment = {**GOOD["payment"], "user_id": "", "currency": "XXQ"}
    members = {"action": "REVIEW", "cause": "DEADLINE", "policy_version": "p", "payment_logged": True}
    raw = json.dumps({"kind": "fallback_answered", "payment": payment, **members}).encode()
    record = decode_event(raw, "test")
    assert isinstance(record, BadRecord)
    assert "payment.user_id: has 0 characters" in record.reason
    assert "payment.currency: " in record.reason


def test_a_good_line_has_nothing_to_name() -> None:
    for kind, good in GOOD.items():
        assert not isinstance(decode_event(json.dumps({"kind": kind, **good}).encode(), "test"), BadRecord)


def test_a_row_names_each_bad_field_and_its_neighbour_is_read(tmp_path: Path) -> None:
    changes = {
        "user_id": "",
        "event_time": None,
        "amount_minor": -5,
        "currency": "XXQ",
        "channel": "PIGEON",
        "payer_position": {"lat": 91.0, "lon": 200.0},
        "venue": "x",
    }
    good = {"kind": "payment", **GOOD["payment"], "event_time": None, "payer_position": None}
    time = pa.scalar(1_772_366_400_000_000, pa.timestamp("us", "UTC")).as_py()
    rows = [{**good, "event_time": time}, {**good, **changes}]
    path = tmp_path / "s.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    fine, bad = read_stream(path)
    assert not isinstance(fine, BadRecord)
    assert isinstance(bad, BadRecord)
    assert changes.keys() <= named_in(bad.reason)
    assert "payer_position.lat: 91.0" in bad.reason
    assert "payer_position.lon: 200.0" in bad.reason


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data(), kind=st.sampled_from(sorted(GOOD)))
def test_whatever_stands_in_a_field_the_decoder_returns(kind: str, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from([*sorted(GOOD[kind]), "colour"]), unique=True))
    changes = {name: data.draw(junk) for name in names}
    record = decode_event(json.dumps({"kind": kind, **GOOD[kind], **changes}).encode(), "test")
    assert not isinstance(record, BadRecord) or record.reason
