"""Bad values in every field of every event, in both forms of stream: dead letters, and the run goes on."""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.codec import Event, decode_event
from flows.policy_file import default_policy_text
from replay.dead_letters import read_dead_letters
from replay.decisions import read_decisions
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.replay.bad_values import GOOD, HUGE, PAN, bad_values

TABLE: Final = [
    pytest.param(kind, name, value, id=f"{kind}.{name}-{number}")
    for kind, good in GOOD.items()
    for name in good
    for number, value in enumerate(bad_values(kind, name))
]


def good_payment(name: str) -> bytes:
    return json.dumps({"kind": "payment", **GOOD["payment"], "transaction_id": name}).encode()


def run(stream: Path, out: Path) -> tuple[list[str], list[dict[str, str]]]:
    replay([stream], out, ReplayParams(default_policy_text()))
    return [d.transaction_id for d in read_decisions(out)], list(read_dead_letters(out))


def test_the_table_has_every_field_of_every_event() -> None:
    kinds = {kind.kind: kind for kind in get_args(Event) if kind.kind in GOOD}
    assert kinds.keys() == GOOD.keys()
    assert all({f.name for f in fields(kind)} == set(GOOD[name]) for name, kind in kinds.items())


def test_the_good_values_are_good(tmp_path: Path) -> None:
    stream = tmp_path / "s.jsonl"
    stream.write_bytes(b"\n".join(json.dumps({"kind": k, **v}).encode() for k, v in GOOD.items()))
    assert run(stream, tmp_path / "run") == (["t-1"], [])


def test_every_bad_value_in_a_line_is_a_dead_letter_that_names_its_field(tmp_path: Path) -> None:
    """One run over the whole table: good payments between the bad records are all decided."""
    lines, names = [], []
    for number, param in enumerate(TABLE):
        kind, name, value = param.values
        lines += [
            json.dumps({"kind": kind, **GOOD[str(kind)], str(name): value}).encode(),
            good_payment(f"good-{number}"),
        ]
        names.append(name)
    stream = tmp_path / "s.jsonl"
    stream.write_bytes(b"\n".join(lines) + b"\n")
    decided, letters = run(stream, tmp_path / "run")
    assert decided == [f"good-{number}" for number in range(len(TABLE))]
    assert len(letters) == len(TABLE)
    for param, letter in zip(TABLE, letters, strict=True):
        assert str(param.values[1]) in letter["reason"], (param.id, letter["reason"])
        assert "s.jsonl:" in letter["origin"]
    everything = (tmp_path / "run" / "dead_letters.jsonl").read_text()
    assert PAN not in everything


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_a_missing_field_is_named(kind: str, tmp_path: Path) -> None:
    needed = [f.name for f in fields(_type_of(kind)) if f.name in GOOD[kind] and _has_no_default(f)]
    lines = [
        json.dumps({"kind": kind, **{k: v for k, v in GOOD[kind].items() if k != name}}).encode()
        for name in needed
    ]
    stream = tmp_path / "s.jsonl"
    stream.write_bytes(b"\n".join(lines) + b"\n")
    _, letters = run(stream, tmp_path / "run")
    assert len(letters) == len(needed) > 0
    assert all(name in letter["reason"] for name, letter in zip(needed, letters, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transaction_id", ""),
        ("user_id", PAN),
        ("merchant_id", HUGE),
        ("amount_minor", 0),
        ("amount_minor", -5),
        ("currency", "XXQ"),
        ("mcc", "12"),
        ("channel", "PIGEON"),
        ("merchant_country", "be"),
    ],
)
def test_a_bad_value_in_a_table_is_a_dead_letter_between_decided_rows(
    name: str, value: object, tmp_path: Path
) -> None:
    stream = tmp_path / "s.parquet"
    with StreamWriter(stream) as writer:
        for number in range(3):
            writer.write(_decoded(good_payment(f"good-{number}")))
    table = pq.read_table(stream)
    rows = table.column(name).to_pylist()
    rows[1] = value
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, pa.array(rows, table.schema.field(name).type)), stream)
    decided, letters = run(stream, tmp_path / "run")
    assert decided == ["good-0", "good-2"]
    (letter,) = letters
    assert name in letter["reason"]
    assert "s.parquet row 2" in letter["origin"]


def test_the_same_id_with_other_content_is_a_dead_letter_and_a_repeat_is_counted(tmp_path: Path) -> None:
    other = json.dumps({"kind": "payment", **GOOD["payment"], "amount_minor": 999}).encode()
    stream = tmp_path / "s.jsonl"
    stream.write_bytes(b"\n".join([good_payment("t-1"), good_payment("t-1"), other]) + b"\n")
    summary = replay([stream], tmp_path / "run", ReplayParams(default_policy_text()))
    assert (summary["decisions"], summary["duplicates"], summary["dead_letters"]) == (1, 1, 1)


def test_times_that_go_back_are_decided_in_the_order_of_the_stream(tmp_path: Path) -> None:
    times = ["2026-03-01T12:00:00Z", "2026-02-01T12:00:00Z", "2026-03-01T11:59:59Z", "1990-01-01T00:00:00Z"]
    stream = tmp_path / "s.jsonl"
    rows = [{**GOOD["payment"], "transaction_id": f"t-{n}", "event_time": t} for n, t in enumerate(times)]
    stream.write_bytes(b"\n".join(json.dumps({"kind": "payment", **row}).encode() for row in rows))
    assert run(stream, tmp_path / "run") == ([f"t-{n}" for n in range(len(times))], [])


def _decoded(raw: bytes) -> Any:
    return decode_event(raw, "test")


def _type_of(kind: str) -> Any:
    return next(t for t in get_args(Event) if t.kind == kind)


def _has_no_default(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
