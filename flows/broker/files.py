"""Where a process keeps its shards."""

from pathlib import Path


def shard_file(folder: Path, shard: int) -> Path:
    """The file of a shard in a data folder.

    >>> shard_file(Path("data"), 3).name
    'shard-0003.db'
    """
    return folder / f"shard-{shard:04}.db"
