"""How the engine in one local file is doing, read beside the server, or without one."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.file_lock import is_locked
from flows.sqlite_shard import SHARD_FILE, ShardFileError, SqliteShard


@dataclass(frozen=True, slots=True)
class DataStatus:
    """How far a shard file is.

    ``lag_s`` is the age of the oldest record that is in the log and not applied, None where there is none.
    """

    path: str
    server_runs: bool
    log_end: int
    applied_position: int
    decisions: int
    lag_records: int
    lag_s: float | None
    last_event_time: datetime | None

    @property
    def behind(self) -> int:
        """Records that are in the log and not worked off."""
        return self.lag_records

    def problems(self, max_lag_s: float) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        return list(self._problems(max_lag_s))

    def _problems(self, max_lag_s: float) -> Iterator[str]:
        if not self.server_runs:
            yield f"no server runs on {self.path}"
        if self.lag_s is not None and self.lag_s > max_lag_s:
            yield f"{self.path} is {self.lag_s:,.1f} s behind; allowed: {max_lag_s:g} s"


def read_data_status(data_dir: Path) -> DataStatus:
    """How the shard file in a folder is doing.

    Raises
    ------
    ShardFileError
        When there is none, or it can't be read.
    """
    path = data_dir / SHARD_FILE
    if not path.exists():
        raise ShardFileError(f"{path}: there is no such file; --data-dir names the folder of a server")
    try:
        with closing(SqliteShard.open_reader(path)) as shard:
            return _read(path, shard)
    except sqlite3.DatabaseError as error:
        raise ShardFileError(f"{path}: can't be read: {error}") from None


def _read(path: Path, shard: SqliteShard) -> DataStatus:
    # First what is done, then what there is: the other way round something could be done before it is there.
    applied, end = shard.position, shard.end
    waiting = shard.read(applied, 1)
    last = shard.read(end - 1, 1) if end else []
    age_s = time.time() - waiting[0].arrival_us / 1_000_000 if waiting else None
    return DataStatus(
        path=str(path),
        server_runs=is_locked(path.with_name(path.name + ".lock")),
        log_end=end,
        applied_position=applied,
        decisions=shard.decisions(),
        lag_records=end - applied,
        lag_s=None if age_s is None else max(0.0, round(age_s, 3)),
        last_event_time=last[0].event.event_time if last else None,
    )
