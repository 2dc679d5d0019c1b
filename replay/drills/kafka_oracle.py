"""What the shard logs on Kafka come to, decided once by one loop without processes, groups or restarts."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from flows.broker.files import shard_file
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.broker.wire import read_message
from flows.codec import BadRecord
from flows.frames import Noted
from flows.inbox import Request
from flows.lane import Lane
from flows.outputs import Decided
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

_AT_ONCE: Final = 256


def decide_again(params: KafkaParams, shard: int, folder: Path) -> Path:
    """Sequence and decide a shard's partition as it is now; gives the shard file, which is new."""
    file = shard_file(folder, shard)
    with closing(SqliteShard(file, durable=False)) as opened:
        lane = Lane[None](str(shard), opened, ShardTask(opened, opened.find), _Nobody())
        for requests in _requests(params, shard):
            for record in lane.take_in(requests):
                for output in lane.apply(record):
                    if isinstance(output, Decided):
                        lane.answer(output)
        lane.commit()
    return file


def _requests(params: KafkaParams, shard: int) -> Iterator[list[Request[None]]]:
    waiting: list[Request[None]] = []
    for came in read_topic(params, "shard-log", [shard]):
        message = read_message(came.value, came.headers, f"shard {shard}, offset {came.offset}")
        if isinstance(message, BadRecord):
            continue  # the processes pass over it too
        waiting.append(Request(message.kind, None, message.record))
        if len(waiting) == _AT_ONCE:
            yield waiting
            waiting = []
    yield waiting


class _Nobody:
    """Nobody waits for answers."""

    def decided(self, asker: None, decision: bytes) -> None:
        """See :meth:`flows.lane.Answers.decided`."""

    def noted(self, asker: None, noted: Noted) -> None:
        """See :meth:`flows.lane.Answers.noted`."""
