import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.data_status import read_data_status
from flows.log import NewRecord
from flows.sqlite_shard import SHARD_FILE, ShardFileError, SqliteShard
from flows.task import ShardTask
from replay.cli import app
from tests.flows.shards_made import payment, policy

ARRIVED_US = 1_700_000_000_000_000
A_YEAR_S = 31_536_000.0
A_CENTURY_S = 100 * A_YEAR_S


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[SqliteShard]:
    """A shard that is being written: a policy and two payments, of which one is applied."""
    with closing(SqliteShard(tmp_path / SHARD_FILE)) as made:
        made.append([NewRecord.of(event, ARRIVED_US) for event in (policy(), payment(1), payment(2))])
        task = ShardTask(made, made.find)
        for record in made.read(0, 2):
            task.apply(record)
        made.commit(task.changes())
        yield made


def test_a_folder_says_how_far_its_shard_is(shard: SqliteShard) -> None:
    status = read_data_status(shard.path.parent)

    assert status.server_runs
    assert (status.log_end, status.applied_position, status.decisions, status.lag_records) == (3, 2, 1, 1)
    assert status.last_event_time == payment(2).event_time
    assert status.problems(A_CENTURY_S) == []
    (problem,) = status.problems(A_YEAR_S)
    assert problem.startswith(f"{shard.path} is ")


def test_a_folder_without_a_server_is_a_problem(shard: SqliteShard) -> None:
    shard.close()

    status = read_data_status(shard.path.parent)

    assert not status.server_runs
    assert status.problems(A_CENTURY_S) == [f"no server runs on {shard.path}"]


def test_the_command_says_it_in_words_and_json(shard: SqliteShard) -> None:
    arguments = ["status", "--data-dir", str(shard.path.parent)]
    well = CliRunner().invoke(app, [*arguments, "--max-lag-s", str(A_CENTURY_S)])
    wrong = CliRunner().invoke(app, [*arguments, "--json"])

    assert well.exit_code == 0
    assert "all is well" in well.stdout
    assert wrong.exit_code == 1
    said = json.loads(wrong.stdout)
    assert (said["applied_position"], said["log_end"], len(said["problems"])) == (2, 3, 1)


def test_a_folder_without_a_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardFileError, match="there is no such file"):
        read_data_status(tmp_path)

    done = CliRunner().invoke(app, ["status", "--data-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert str(tmp_path / SHARD_FILE) in done.stderr.replace("\n", "")


def test_a_file_that_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / SHARD_FILE).write_bytes(b"not a database, but long enough to be taken for one" * 100)

    with pytest.raises(ShardFileError, match="can't be read"):
        read_data_status(tmp_path)
