"""One id with two contents: a dead letter that says where both stand."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from detectors.events import Payment
from flows.codec import encode_event
from flows.policy_file import default_policy_text
from replay.dead_letters import read_dead_letters
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.replay.events_made import a_payment


def conflicts(streams: Iterable[Path], out: Path) -> list[tuple[str, str]]:
    """Origin of each dead letter, and where it says that the first one stands."""
    replay(list(streams), out, ReplayParams(default_policy_text()))
    letters = read_dead_letters(out)
    said = [
        (letter["origin"], *letter["reason"].split(" came before with other content: ")) for letter in letters
    ]
    return [(origin, first) for origin, _, first in said]


def other(number: int, minutes: int = 0) -> Payment:
    return replace(a_payment(number, minutes), amount_minor=999)


def test_a_conflict_in_one_file_names_both_lines(tmp_path: Path) -> None:
    stream = tmp_path / "s.jsonl"
    records = [b"", encode_event(a_payment(1)), b"", encode_event(a_payment(1)), encode_event(other(1))]
    stream.write_bytes(b"\n".join(records) + b"\n")
    # The first log position is that of the policy.
    assert conflicts([stream], tmp_path / "run") == [("s.jsonl:5", "s.jsonl:2, log position 2")]


def test_a_conflict_between_two_files_names_line_and_row(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.jsonl", tmp_path / "b.parquet"
    lines.write_bytes(b"\n".join(map(encode_event, [a_payment(1), other(2, minutes=60)])))
    with StreamWriter(table) as writer:
        writer.write(a_payment(2))
        writer.write(other(1, minutes=60))
    assert conflicts([lines, table], tmp_path / "run") == [
        ("a.jsonl:2", "b.parquet row 1, log position 3"),
        ("b.parquet row 2", "a.jsonl:1, log position 2"),
    ]
