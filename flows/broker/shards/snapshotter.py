"""Copies of our shards' files, made now and then: who takes a shard over goes on from there."""

import sqlite3
import threading
import time
from collections.abc import Mapping
from typing import Final

import structlog

from flows.broker.shards.holding import Held
from flows.broker.shards.snapshots import SnapshotError, SnapshotFolder

LOOK_S: Final = 1.0
AFTER: Final = 500
"""Records of a shard's log: fewer are applied again in half a second."""
AFTER_BEHIND: Final = 20_000
"""The same while a shard is behind: then the processor's time is its own, and callers wait for it."""
SHARE: Final = 0.05
"""How much of the time a shard may be copied: a large file is copied less often."""

_log = structlog.get_logger(__name__)


class Snapshotter:
    """Saves the shards that went on for long enough, on a thread of its own.

    Parameters
    ----------
    folder
        Where copies go.
    held
        The shards that this process owns just now; may change at any time.
    """

    def __init__(self, folder: SnapshotFolder, held: Mapping[int, Held]) -> None:
        self._folder = folder
        self._held = held
        self._saved: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a copy that is being made is finished."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            for held in list(self._held.values()):
                if not self._ended.is_set():
                    self._look_at(held)

    def _look_at(self, held: Held) -> None:
        shard, end, begun = held.shard, held.lane.read, time.monotonic()
        after = AFTER if all(each.is_live for each in list(self._held.values())) else AFTER_BEHIND
        if end - self._saved.get(shard, 0) < after or begun < self._not_before.get(shard, 0.0):
            return
        try:
            self._folder.save(shard, held.lane.shard.path)
            self._saved[shard] = end
        except (OSError, sqlite3.Error, SnapshotError) as error:
            _log.error("snapshot_not_saved", shard=shard, reason=str(error))
        now = time.monotonic()
        self._not_before[shard] = now + (now - begun) / SHARE
