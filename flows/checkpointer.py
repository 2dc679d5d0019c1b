"""Keeps write-ahead logs short without ever doing it inside a commit."""

import sqlite3
import threading
from typing import Final

import structlog

from flows.sqlite_shard import SqliteShard

EVERY_S: Final = 0.5
AFTER: Final = 1_000
"""Log records; a thousand transactions of one record fill about half of the reserved write-ahead log."""

_log = structlog.get_logger(__name__)


class Checkpointer:
    """Moves what write-ahead logs hold into their files, on a thread of its own."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._watched: dict[SqliteShard, tuple[SqliteShard, int]] = {}
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def watch(self, shard: SqliteShard) -> None:
        """Look after a shard, until it is left alone."""
        self._watched[shard] = (shard.reader(), shard.end)

    def leave(self, shard: SqliteShard) -> None:
        """No more; returns when the shard may be closed."""
        with self._lock:
            watched = self._watched.pop(shard, None)
            if watched is not None:
                watched[0].close()

    def stop(self) -> None:
        """End; leaves all shards alone."""
        self._ended.set()
        self._thread.join()
        for shard in list(self._watched):
            self.leave(shard)

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            for shard in list(self._watched):
                with self._lock:
                    self._look_after(shard)

    def _look_after(self, shard: SqliteShard) -> None:
        watched = self._watched.get(shard)
        if watched is None or shard.end - watched[1] <= AFTER:
            return
        self._watched[shard] = (watched[0], shard.end)
        try:
            watched[0].checkpoint()
        except sqlite3.Error as error:  # a full disk: what is not moved now is moved later
            _log.error("checkpoint_failed", reason=str(error))
        else:
            shard.finish_checkpoint()
