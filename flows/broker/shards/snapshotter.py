"""Keeps copies of our shards' files up to date: who takes a shard over goes on from there.

Mostly it adds what changed since the last copy; now and then it makes a whole one.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from flows.broker.shards.changes import Changes
from flows.broker.shards.snapshots import Snapshot, SnapshotError, SnapshotFolder
from flows.sqlite_shard import SqliteShard

LOOK_S: Final = 1.0
AFTER: Final = 200
"""Records of a shard's log: fewer are applied again in no time."""
AT_LEAST_EVERY_S: Final = 10.0
"""However few records came, they are saved after so long."""
AFTER_BEHIND: Final = 20_000
"""The same while a shard is behind: then the processor's time is its own, and callers wait for it."""
WHOLE_AFTER: Final = 4_000
"""Records in files of changes before there is another copy: to apply them takes a quarter of a second."""
SHARE: Final = 0.05
"""How much of the time a shard may be copied whole: a large file is less often."""
HANDED_OVER_BYTES: Final = 64 << 20
"""A larger shard file is not copied whole while its next owner waits; that one starts from what there is."""

_log = structlog.get_logger(__name__)


class Snapshotter:
    """Saves the shards that went on for long enough, on a thread of its own.

    Parameters
    ----------
    folder
        Where copies go.
    """

    def __init__(self, folder: SnapshotFolder) -> None:
        self._folder = folder
        self._watched: dict[int, _Watched] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a copy that is being made is finished."""
        self._ended.set()
        self._thread.join()

    def watch(
        self, shard: int, opened: SqliteShard, saved: Snapshot | None, is_live: Callable[[], bool]
    ) -> None:
        """Look after a shard until it is left alone; to be told before anything is stored in its file.

        Parameters
        ----------
        saved
            What the folder holds, if the file holds just that.
        is_live
            Whether the shard has caught up with its partition.
        """
        self._watched[shard] = _Watched(self._folder, shard, opened, saved, is_live)

    def leave(self, shard: int) -> None:
        """Save nothing more of a shard."""
        self._watched.pop(shard, None)

    def finish(self, shard: int, whole: bool) -> None:
        """Save what a shard gained last, as its next owner waits, and leave it alone.

        Parameters
        ----------
        whole
            There is time for a copy of all of it, if it is small.

        Raises
        ------
        OSError, SnapshotError
            When it can't be saved.
        """
        watched = self._watched.pop(shard, None)
        if watched is not None:
            watched.finish(whole)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            for watched in list(self._watched.values()):
                if not self._ended.is_set():
                    self._look_at(watched)

    def _look_at(self, watched: "_Watched") -> None:
        live = all(each.is_live() for each in list(self._watched.values()))
        try:
            watched.save_if_due(live)
        except (OSError, SnapshotError) as error:
            if watched.shard in self._watched:  # otherwise it was taken from us meanwhile
                _log.error("snapshot_not_saved", shard=watched.shard, reason=str(error))


class _Watched:
    """A shard, and what the folder holds of it."""

    def __init__(
        self,
        folder: SnapshotFolder,
        shard: int,
        opened: SqliteShard,
        saved: Snapshot | None,
        is_live: Callable[[], bool],
    ) -> None:
        self.shard = shard
        self.is_live = is_live
        self._folder = folder
        self._opened = opened
        self._path: Path = opened.path
        self._begun_at = opened.end
        self._changes = Changes()
        opened.stored = self._changes.note
        self._saved = saved
        self._whole_not_before = 0.0
        self._save_at = 0.0
        self._lock = threading.Lock()

    def save_if_due(self, live: bool) -> None:
        """Save what came, if it is enough for a shard of a process whose shards are live, or are not."""
        with self._lock:
            saved = self._saved
            gained = self._opened.end - (self._begun_at if saved is None else saved.reach.position)
            now = time.monotonic()
            due = gained >= AFTER or (gained > 0 and now >= self._save_at) if live else gained >= AFTER_BEHIND
            if saved is None:
                if (live or due) and now >= self._whole_not_before:
                    self._save_whole()
            elif due:
                long = saved.reach.position - saved.copied >= WHOLE_AFTER
                if long and now >= self._whole_not_before:
                    self._save_whole()
                else:
                    self._save_changes()

    def finish(self, whole: bool) -> None:
        """Save what came last; if a copy is being made just now, only if there is time."""
        if not self._lock.acquire(blocking=whole):
            return
        try:
            if self._saved is not None:
                self._save_changes()
            elif whole and os.path.getsize(self._path) <= HANDED_OVER_BYTES:
                self._save_whole()
        finally:
            self._lock.release()

    def _save_whole(self) -> None:
        begun = time.monotonic()
        self._changes.take()  # the copy has it
        self._saved = None
        try:
            self._saved = self._folder.save(self.shard, self._path)
            self._save_at = time.monotonic() + AT_LEAST_EVERY_S
        finally:
            now = time.monotonic()
            self._whole_not_before = now + (now - begun) / SHARE

    def _save_changes(self) -> None:
        saved, self._saved = self._saved, None  # what was taken and not saved, only a whole copy has
        assert saved is not None
        self._saved = self._folder.add(saved, self._path, self._changes.take())
        self._save_at = time.monotonic() + AT_LEAST_EVERY_S
