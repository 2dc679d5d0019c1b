"""The shard files of a data folder: one on the embedded log, on Kafka one for each shard ever owned."""

from pathlib import Path

from flows.sqlite_shard import SHARD_FILE, ShardFileError


def shard_files(data_dir: Path) -> list[Path]:
    """The shard files of a folder, in the order of the shards.

    Raises
    ------
    ShardFileError
        When it holds none.
    """
    only = data_dir / SHARD_FILE
    found = [only] if only.exists() else sorted(data_dir.glob("shard-*.db"))
    if not found:
        raise ShardFileError(
            f"{only}: there is no such file; --data-dir names the folder of a server, or of a replay made "
            "with --keep-shard"
        )
    return found


def one_shard_file(data_dir: Path, shard: int | None) -> Path:
    """A shard's file; the only one where ``shard`` is None.

    Raises
    ------
    ShardFileError
        When it is not there, or there are several to choose from.
    """
    found = shard_files(data_dir)
    if shard is None:
        if len(found) == 1:
            return found[0]
        raise ShardFileError(f"{data_dir}: holds shards {_numbers(found)}; choose one with --shard")
    for path in found:
        if number_of(path) == shard:
            return path
    raise ShardFileError(f"{data_dir}: holds no shard {shard}; allowed: {_numbers(found)}")


def number_of(path: Path) -> int:
    """The number of a file's shard.

    >>> number_of(Path("data/shard-0003.db")), number_of(Path("data/shard.db"))
    (3, 0)
    """
    return int(path.stem.partition("-")[2] or 0)


def _numbers(paths: list[Path]) -> str:
    return ", ".join(str(number_of(path)) for path in paths)
