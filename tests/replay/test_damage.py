"""Damaged files: what was read is decided, the damage is told, and the exit code is not 0."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest
from typer.testing import CliRunner, Result

from flows.cli import Exit
from replay.cli import app
from replay.damage import StreamDamage
from replay.dead_letters import read_dead_letters
from replay.decisions import DECISIONS_FILE, ROW_GROUP
from replay.parquet_stream import to_table
from replay.streams import StreamWriter, read_stream
from tests.replay.events_made import NOON, a_payment
from tests.replay.runs_made import a_decision, a_run

COUNT = 4_000


def tapwatch(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def written(path: Path) -> Path:
    with StreamWriter(path) as writer:
        for number in range(COUNT):
            writer.write(a_payment(number * 7919 % 100_003))
    return path


def cut(path: Path) -> Path:
    """The file without its second half, a little into a record."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 20])
    return path


def scratched(path: Path, start: int) -> Path:
    """The file with a hundred wrong bytes."""
    raw = bytearray(path.read_bytes())
    raw[start : start + 100] = b"\x55" * 100
    path.write_bytes(raw)
    return path


def in_row_groups(path: Path, rows: int, group: int) -> Path:
    """Payments in a Parquet stream of three small row groups, of which one is scratched."""
    table = to_table([a_payment(number) for number in range(3 * rows)])
    pq.write_table(table, path, row_group_size=rows, compression="zstd", write_page_checksum=True)
    return scratched(path, first_page(path, group) + 50)


def first_page(path: Path, group: int) -> int:
    return int(pq.ParquetFile(path).metadata.row_group(group).column(1).data_page_offset)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_replay_of_a_cut_stream_decides_what_it_read_says_so_and_exits_2(
    suffix: str, tmp_path: Path
) -> None:
    path, out = cut(written(tmp_path / f"s{suffix}")), tmp_path / "run"
    done = tapwatch("replay", path, "--out", out)
    assert done.exit_code == Exit.BAD_INPUT
    summary = json.loads((out / "summary.json").read_text())
    (damage,) = summary["damage"]
    assert 0 < damage["records_read"] == summary["decisions"] < COUNT
    assert damage["where"] == f"s{suffix}:{damage['records_read'] + 1}"
    assert damage["stopped"]
    (letter,) = read_dead_letters(out)
    assert (letter["origin"], letter["reason"]) == (damage["where"], damage["reason"])
    said = in_one_line(done.output)
    assert f"{damage['records_read']:,} records of this file were read before it" in said
    assert "reading stopped there" in said


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_damage_in_the_middle_of_compressed_lines_is_told_with_its_byte(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"s{suffix}")
    size = path.stat().st_size
    damage = [r for r in read_stream(scratched(path, size // 2)) if isinstance(r, StreamDamage)]
    assert len(damage) == 1
    assert "is damaged before byte" in damage[0].reason


def test_a_damaged_row_group_is_named_and_the_rest_is_decided(tmp_path: Path) -> None:
    path, out = in_row_groups(tmp_path / "s.parquet", rows=100, group=1), tmp_path / "run"
    done = tapwatch("replay", path, "--out", out, "--json")
    assert done.exit_code == Exit.BAD_INPUT
    (damage,) = json.loads((out / "summary.json").read_text())["damage"]
    assert (damage["where"], damage["records_read"], damage["stopped"]) == ("s.parquet row 101", 100, False)
    assert "row group 2: the rows from here to row 200 are damaged" in damage["reason"]
    assert json.loads((out / "summary.json").read_text())["decisions"] == 200
    assert "reading went on behind it" in in_one_line(done.output)


def test_the_rows_behind_two_damaged_row_groups_are_counted_without_the_lost_ones(tmp_path: Path) -> None:
    path = in_row_groups(tmp_path / "s.parquet", rows=100, group=0)
    scratched(path, first_page(path, 2) + 50)
    damage = [r for r in read_stream(path) if isinstance(r, StreamDamage)]
    assert [(d.records_read, d.stopped) for d in damage] == [(0, False), (100, True)]


def test_a_whole_last_line_that_is_refused_is_a_bad_record_and_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"kind":"payment","transaction_id":7}')
    out = tmp_path / "run"
    assert tapwatch("replay", path, "--out", out).exit_code == Exit.DONE
    assert json.loads((out / "summary.json").read_text())["damage"] == []


def test_a_disk_that_fails_while_a_stream_is_read_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replay import line_stream

    def failing(file: object) -> object:
        raise OSError(5, "Input/output error")
        yield file

    monkeypatch.setitem(line_stream._UNPACKERS, "", failing)
    (record,) = read_stream(written(tmp_path / "s.jsonl"))
    assert isinstance(record, StreamDamage)
    assert record.reason == "can't be read further: Input/output error"


def test_an_evaluation_and_a_comparison_of_a_damaged_run_name_the_row_group(tmp_path: Path) -> None:
    made = [a_decision(number) for number in range(ROW_GROUP + 100)]
    whole, damaged = a_run(tmp_path / "a", made), a_run(tmp_path / "b", made)
    path = damaged / DECISIONS_FILE
    scratched(path, first_page(path, 1) + 50)
    for command in (("evaluate", damaged), ("diff", whole, damaged), ("diff", damaged, whole)):
        done = tapwatch(*command)
        assert done.exit_code == Exit.BAD_INPUT
        assert "row group 2 is damaged" in in_one_line(done.output)


def test_a_run_from_a_damaged_stream_is_pointed_out_where_it_is_used(tmp_path: Path) -> None:
    out = tmp_path / "run"
    tapwatch("replay", cut(written(tmp_path / "s.jsonl.gz")), "--out", out)
    for command in (("evaluate", out), ("diff", out, out)):
        done = tapwatch(*command)
        assert done.exit_code == Exit.DONE
        assert "was made from a damaged stream" in in_one_line(done.output)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (
            lambda path: scratched(path, first_page(path, 1) + 50),
            "row group 2 (rows 1,001 to 2,000) is damaged",
        ),
        (cut, "can't be read as Parquet"),
    ],
)
def test_an_import_of_a_damaged_table_says_where_and_writes_nothing(
    harm: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    count = 3_000
    columns = {
        "transaction_id": list(range(count)),
        "ts": [NOON.replace(tzinfo=None) + timedelta(seconds=number) for number in range(count)],
        "customer_id": [number * 7919 % 10_007 for number in range(count)],
        "terminal_id": [number * 104_729 % 10_007 for number in range(count)],
        "amount_cents": [100] * count,
        "is_fraud": [0] * count,
    }
    path = tmp_path / "transactions.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=1_000, write_page_checksum=True)
    harm(path)
    done = tapwatch("import", "fdh", tmp_path, "--out", tmp_path / "out.jsonl")
    assert done.exit_code == Exit.BAD_INPUT
    assert says in in_one_line(done.output)
    assert list(tmp_path.iterdir()) == [path]
