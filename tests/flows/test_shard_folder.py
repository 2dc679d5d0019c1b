"""Which shard files a data folder holds, and which one is meant."""

from contextlib import closing
from pathlib import Path

import pytest

from flows.shard_folder import number_of, one_shard_file, shard_files
from flows.sqlite_shard import ShardFileError, SqliteShard


def with_shards(folder: Path, *names: str) -> Path:
    for name in names:
        with closing(SqliteShard(folder / name)):
            pass
    return folder


def test_a_folder_of_the_embedded_log_has_one_file(tmp_path: Path) -> None:
    folder = with_shards(tmp_path, "shard.db")
    assert [path.name for path in shard_files(folder)] == ["shard.db"]
    assert one_shard_file(folder, None).name == "shard.db"


def test_a_folder_on_kafka_has_a_file_for_each_shard_and_nothing_else_counts(tmp_path: Path) -> None:
    folder = with_shards(tmp_path, "shard-0012.db", "shard-0002.db")
    (folder / "shard-0002.db.lock").touch()
    assert [number_of(path) for path in shard_files(folder)] == [2, 12]
    assert one_shard_file(folder, 12).name == "shard-0012.db"


@pytest.mark.parametrize(
    ("names", "shard", "words"),
    [
        ((), None, "--keep-shard"),
        (("shard-0001.db", "shard-0002.db"), None, "holds shards 1, 2; choose one with --shard"),
        (("shard-0001.db", "shard-0002.db"), 7, "holds no shard 7; allowed: 1, 2"),
        (("shard.db",), 3, "holds no shard 3; allowed: 0"),
    ],
)
def test_a_choice_that_can_not_be_made_says_what_is_allowed(
    tmp_path: Path, names: tuple[str, ...], shard: int | None, words: str
) -> None:
    with pytest.raises(ShardFileError, match=words):
        one_shard_file(with_shards(tmp_path, *names), shard)
