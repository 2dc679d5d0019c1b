"""What the processes tell each other, by topic alone: answers, questions, and what their shards learned.

A process that takes in a request of another's shard writes it to that shard's log, with its own name as the
origin; the owner's answer comes back over the topic of replies. The partition of a process's replies follows
from its name. Questions go to the owners over a topic of their own, because they leave nothing in the log.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from struct import Struct
from typing import Final

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from detectors.knowledge import ShardKnowledge
from flows.broker.connection import make_consumer, topic
from flows.broker.params import KafkaParams
from flows.broker.shards.prompt_producer import PromptProducer
from flows.broker.shards.questions import Question, answer
from flows.broker.topic_specs import QUERIES, REPLIES, SHARD_LOG
from flows.broker.wire import LogMessage, Origin, message_headers, message_key
from flows.frames import LOOK, Frame, Kind, Noted, frame, noted_body
from flows.inbox import Inbox
from flows.questioning import PATIENCE_S
from flows.sharding import shards_of
from flows.sqlite_shard import SqliteShard

_HEAD: Final = Struct("<16sBQ")
"""A reply begins with whom it is for: the process, what it is, the ticket there."""
_QUESTION: Final = Struct("<16sQ")
_POLL_S: Final = 0.2
_ANSWERS: Final = (Kind.DECIDED, Kind.NOTED)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Asked:
    """A question of ours that other processes have not all answered."""

    left: int
    at: float = field(default_factory=time.monotonic)


class Exchange:
    """Sends and hears replies and questions.

    Answers to our own edge go through the inbox, answers to others over the topic of replies; both may be
    called from the flow's thread.
    """

    def __init__(self, params: KafkaParams, process: bytes, inbox: Inbox) -> None:
        self._params = params
        self._process = process
        self._inbox = inbox
        self._replies = topic(params, REPLIES)
        self._queries = topic(params, QUERIES)
        self._logs = topic(params, SHARD_LOG)
        self._untold: deque[Callable[[], None]] = deque()
        self._producer = PromptProducer(params)
        self._partitions = self._producer.partitions_of(self._replies) or 1
        self._consumer = make_consumer(params, isolation_level="read_uncommitted", auto_offset_reset="latest")
        self._home = TopicPartition(self._replies, self._partition_of(process))
        self._owned: dict[int, Path] = {}
        self._assigned: frozenset[int] | None = None
        self._asked: dict[int, _Asked] = {}
        self._asks: SimpleQueue[tuple[float, Callable[[], None]] | None] = SimpleQueue()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._hear, name="exchange", daemon=True),
            threading.Thread(target=self._look_up, name="look-up", daemon=True),
        ]

    def start(self) -> None:
        """Begin to hear; returns when a reply to what is sent from now on will be heard."""
        self._assign()
        self._consumer.position(self._home)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; replies that are on their way are sent."""
        self._ended.set()
        self._asks.put(None)
        for thread in self._threads:
            thread.join()
        self._consumer.close()
        self._producer.close()

    def own(self, shard: int, file: Path) -> None:
        """Answer questions from a shard's file."""
        self._owned = {**self._owned, shard: file}

    def let_go(self, shard: int) -> None:
        """Another process answers questions about a shard."""
        self._owned = {number: file for number, file in self._owned.items() if number != shard}

    # Answers, for :class:`flows.lane.Lane`.

    def decided(self, asker: Origin | None, decision: bytes) -> None:
        """Answer a payment."""
        if asker is None:
            return
        if asker.process == self._process:
            self._inbox.decided(asker.ticket, decision)
        else:
            self._reply(asker, Kind.DECIDED, decision)

    def noted(self, asker: Origin | None, noted: Noted) -> None:
        """Say where a record stands."""
        if asker is None:
            return
        if asker.process == self._process:
            self._inbox.noted(asker.ticket, noted)
        else:
            self._reply(asker, Kind.NOTED, noted_body(noted))

    def _reply(self, asker: Origin, kind: Kind, body: bytes) -> None:
        value = _HEAD.pack(asker.process, kind, asker.ticket) + body
        # Where it does not get through, who asked takes the fallback.
        self._producer.send(self._replies, value, self._partition_of(asker.process), done=_warn)

    def _partition_of(self, process: bytes) -> int:
        return int.from_bytes(process[:4]) % self._partitions

    # Knowledge.

    def share(self, event: ShardKnowledge) -> None:
        """Write what one of our shards learned into the logs of all others; tried until they have it.

        To do it again does no harm: a log holds each event once.
        """
        message = LogMessage.of(event, time.time_ns() // 1_000)
        for shard in shards_of(event, self._params.shards):
            self._share(message, shard)

    def _share(self, message: LogMessage, shard: int) -> None:
        def done(error: Exception | None) -> None:
            if error is not None:
                self._untold.append(partial(self._share, message, shard))

        key, headers = message_key(message.record.event), message_headers(message)
        self._producer.send(self._logs, message.record.payload, shard, key, headers, done)

    def _share_again(self) -> None:
        for _ in range(len(self._untold)):
            self._untold.popleft()()

    # Questions.

    def ask(self, came: Frame) -> None:
        """Answer a question of our edge: from our own shards, else by asking the owners of the others."""
        self._put(partial(self._answer_own, came.ticket, came.body))

    def _answer_own(self, ticket: int, raw: bytes) -> None:
        found = self._find(raw, list(self._owned))
        others = [shard for shard in range(self._params.shards) if shard not in self._owned]
        if found is not None or not others:
            self._tell(ticket, found or b"")
            return
        self._forget_old()
        self._asked[ticket] = _Asked(len(others))
        value = _QUESTION.pack(self._process, ticket) + raw
        for shard in others:
            self._producer.send(self._queries, value, shard, done=_warn)

    def _answer_other(self, shard: int, value: bytes) -> None:
        if shard not in self._owned:
            return  # it has gone to another process, which answers: "not known" would be wrong
        process, ticket = _QUESTION.unpack_from(value)
        found = self._find(value[_QUESTION.size :], [shard])
        self._reply(Origin(process, ticket), Kind.TOLD, found or b"")

    def _find(self, raw: bytes, shards: Sequence[int]) -> bytes | None:
        try:
            question = Question.decode(raw)
        except ValueError as error:
            _log.warning("question_not_read", reason=str(error))
            return None
        for shard in shards:
            file = self._owned.get(shard)
            if file is not None:
                reader = SqliteShard.open_reader(file)
                try:
                    found = answer(reader, question)
                finally:
                    reader.close()
                if found is not None:
                    return found
        return None

    def _tell(self, ticket: int, body: bytes) -> None:
        self._inbox.pass_on(frame(Kind.TOLD, ticket, body))

    def _forget_old(self) -> None:
        over = time.monotonic() - 60.0
        for ticket, asked in list(self._asked.items()):
            if asked.at < over:
                self._asked.pop(ticket, None)

    # The threads.

    def _put(self, work: Callable[[], None]) -> None:
        self._asks.put((time.monotonic(), work))

    def _look_up(self) -> None:
        while (asked := self._asks.get()) is not None:
            at, work = asked
            if time.monotonic() > at + PATIENCE_S:
                continue  # whoever asked does not wait any more
            try:
                work()
            except Exception as error:  # noqa: BLE001  (a question that fails must not end the others)
                _log.error("question_failed", error=repr(error))

    def _hear(self) -> None:
        while not self._ended.is_set():
            try:
                self._hear_some()
            except KafkaError as error:
                _log.warning("replies_not_read", reason=repr(error))
            except Exception as error:  # noqa: BLE001  (the edge of the thread: others wait for what it hears)
                _log.error("replies_not_read", reason=repr(error))
                self._ended.wait(_POLL_S)

    def _hear_some(self) -> None:
        self._assign()
        self._producer.tend()
        self._share_again()
        polled = self._consumer.poll(timeout_ms=round(_POLL_S * 1_000))
        for partition, messages in polled.items():
            for message in messages:
                if partition == self._home:
                    self._hear_reply(message.value or b"")
                elif len(message.value or b"") > _QUESTION.size:
                    self._put(partial(self._answer_other, partition.partition, message.value))

    def _hear_reply(self, value: bytes) -> None:
        if len(value) < _HEAD.size:
            return
        process, kind, ticket = _HEAD.unpack_from(value)
        if process != self._process:  # the partition is shared
            return
        body = value[_HEAD.size :]
        if kind == Kind.TOLD:
            self._hear_told(ticket, body)
        elif kind in _ANSWERS:
            self._inbox.pass_on(frame(Kind(kind), ticket, body) + LOOK)

    def _hear_told(self, ticket: int, body: bytes) -> None:
        asked = self._asked.get(ticket)
        if asked is None:
            return
        asked.left -= 1
        if body or not asked.left:
            self._asked.pop(ticket, None)
            self._tell(ticket, body)

    def _assign(self) -> None:
        owned = frozenset(self._owned)
        if owned == self._assigned:
            return
        fresh = owned - (self._assigned or frozenset())
        partitions = [TopicPartition(self._queries, shard) for shard in sorted(owned)]
        self._consumer.assign([self._home, *partitions])
        # Questions that were asked before this process owned the shard have nobody who waits any more.
        for shard in fresh:
            self._consumer.seek_to_end(TopicPartition(self._queries, shard))
        self._assigned = owned


def _warn(error: Exception | None) -> None:
    if error is not None:
        _log.warning("message_not_sent", reason=str(error))
