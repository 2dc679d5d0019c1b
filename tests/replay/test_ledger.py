"""What a server decided, by its ledger, can be compared with the decisions of a run."""

from pathlib import Path
from shutil import copy

import pytest
from typer.testing import CliRunner, Result

from flows.cli import Exit
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SHARD_FILE
from replay.cli import app
from replay.ledger import decisions_in, write_ledger
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.replay.events_made import a_payment

COUNT = 300


def tapwatch(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def a_server_and_a_run(folder: Path) -> tuple[Path, Path]:
    """A data folder that holds a shard file and no run, and the run whose decisions are in its ledger."""
    stream, run, data = folder / "s.jsonl", folder / "run", folder / "data"
    with StreamWriter(stream) as writer:
        for number in range(COUNT):
            writer.write(a_payment(number, minutes=number))
    replay([stream], run, ReplayParams(default_policy_text(), keep_shard=True))
    data.mkdir()
    copy(run / SHARD_FILE, data)
    return data, run


def test_a_ledger_and_the_replay_of_its_log_are_identical(tmp_path: Path) -> None:
    data, run = a_server_and_a_run(tmp_path)
    for sides in ((data, run), (run, data), (data, data)):
        done = tapwatch("diff", *sides)
        assert done.exit_code == Exit.DONE, done.output
        assert f"identical: {COUNT} decisions" in done.output


def test_a_replay_under_another_policy_differs_from_the_ledger(tmp_path: Path) -> None:
    data, _ = a_server_and_a_run(tmp_path)
    other = tmp_path / "other"
    replay([tmp_path / "s.jsonl"], other, ReplayParams(default_policy_text() + "\n# another\n"))
    done = tapwatch("diff", data, other)
    assert done.exit_code == Exit.DIFFERENCE
    assert f"policy_version in {COUNT}" in done.output


def test_the_ledger_is_written_as_the_decisions_of_a_run(tmp_path: Path) -> None:
    data, _ = a_server_and_a_run(tmp_path)
    assert write_ledger(data / "shard.db", tmp_path) == COUNT


def test_a_run_that_kept_its_shard_is_taken_as_a_run(tmp_path: Path) -> None:
    _, run = a_server_and_a_run(tmp_path)
    with decisions_in(run) as folder:
        assert folder == run


@pytest.mark.parametrize("content", [b"", b"no database" * 1_000])
def test_a_folder_whose_shard_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    data, run = a_server_and_a_run(tmp_path)
    (data / SHARD_FILE).write_bytes(content)
    for command in (("diff", data, run), ("record", "--data-dir", data, "--out", tmp_path / "r.jsonl")):
        done = tapwatch(*command)
        assert done.exit_code == Exit.BAD_INPUT
        assert "can't be read" in " ".join(done.output.split())


def test_a_folder_with_neither_run_nor_shard_says_what_is_needed(tmp_path: Path) -> None:
    done = tapwatch("diff", tmp_path, tmp_path)
    assert done.exit_code == Exit.BAD_INPUT
    assert "the folder of a run" in " ".join(done.output.split())
