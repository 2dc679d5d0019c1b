"""Shards that come and go while their files are got hold of."""

import threading
from contextlib import closing
from pathlib import Path

from typing_extensions import override

from flows.broker.files import shard_file
from flows.broker.identity import partition_mark, topic_id
from flows.broker.params import KafkaParams
from flows.broker.shards.fetching import Fetching, Found
from flows.broker.shards.snapshots import Snapshot, SnapshotFolder
from flows.sqlite_shard import SqliteShard
from tests.flows.broker.outboxes_made import ShardFile, wait_until

ROUNDS = 30


class Watched(SnapshotFolder):
    """Notes whether two are ever at work on one file."""

    at_work = 0
    most = 0
    _lock = threading.Lock()

    @override
    def bring_up(self, shard: int, to: Path) -> Snapshot | None:
        with self._lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        try:
            return super().bring_up(shard, to)
        finally:
            with self._lock:
                self.at_work -= 1


def test_a_shard_that_comes_and_goes_is_fetched_by_one_at_a_time(
    kafka_params: KafkaParams, tmp_path: Path
) -> None:
    log_id = topic_id(kafka_params)
    folder = Watched(tmp_path / "copies", lambda shard: partition_mark(log_id, shard))
    with closing(ShardFile(tmp_path / "theirs" / "shard-0000.db")) as theirs:
        theirs.pay(200)
        saved = folder.save(0, theirs.path)
    fetching = Fetching(kafka_params, log_id, tmp_path, folder)
    file = shard_file(tmp_path, 0)
    for _ in range(ROUNDS):
        fetching.begin(0)
        fetching.forget(0)
        file.unlink(missing_ok=True)
    fetching.begin(0)
    found: dict[int, object] = {}

    def done() -> bool:
        found.update(fetching.done())
        return bool(found)

    wait_until(done, "the file is here")
    fetching.stop()

    result = found[0]
    assert isinstance(result, Found)
    result.backlog.close()
    assert folder.most == 1
    with closing(SqliteShard.open_reader(file)) as opened:
        assert opened.end == saved.reach.position
