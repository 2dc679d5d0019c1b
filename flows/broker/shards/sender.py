"""The way into the shard logs: requests that came over the line become messages, of any shard."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from flows.broker.connection import topic
from flows.broker.params import KafkaParams
from flows.broker.shards.prompt_producer import PromptProducer
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.wire import LogMessage, Origin, message_headers, message_key
from flows.frames import LOOK, Frame, Kind, Line, Noted, frame, noted_frame
from flows.inbox import Inbox, Request, read_request
from flows.sharding import shards_of

LINGER_MS: Final = 5
"""What a payment waits for company. Each request wakes several threads at both ends: where there are many,
payments wait longer for those, at the tail, than for each other."""
_LOOK_UP_S: Final = 0.1

_log = structlog.get_logger(__name__)


class _Tally:
    """The messages of one request that the brokers have not taken yet."""

    __slots__ = ("failed", "left", "of")

    def __init__(self, messages: int) -> None:
        self.of = self.left = messages
        self.failed = False


class Sender:
    """Reads the line, on a thread of its own, and writes to the shard logs.

    What the fallback answered is sent until it is in the log. Anything else that the brokers don't take in
    time is given back as lost; its sender may repeat it, since a log holds each event once.

    Parameters
    ----------
    line
        Where requests come from.
    inbox
        Where it is told what was lost.
    process
        What this process calls itself in the origin of its messages.
    ask
        Gets the questions among the requests.
    """

    def __init__(
        self,
        params: KafkaParams,
        line: Line,
        inbox: Inbox,
        process: bytes,
        ask: Callable[[Frame], None],
    ) -> None:
        self._params = params
        self._topic = topic(params, SHARD_LOG)
        self._line = line
        self._inbox = inbox
        self._process = process
        self._ask = ask
        self._producer = PromptProducer(params, LINGER_MS)
        self._again: deque[Request[int]] = deque()
        self._under_way = 0
        self._lost, self._why = 0, ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.finished = threading.Event()
        """Set when the line has ended and all that came over it is in the logs, or lost."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the end, which follows that of the line."""
        self._thread.join()
        self._producer.close()

    def _run(self) -> None:
        try:
            while not self._line.closed or self._under_way or self._again:
                for came in self._receive():
                    if came.kind == Kind.ASK:
                        self._ask(came)
                    else:
                        self._send(read_request(came))
                self._producer.tend()
                self._tell_lost()
                for _ in range(len(self._again)):
                    self._send(self._again.popleft())
        except BaseException as error:
            _log.error("sender_died", error=repr(error))
            raise
        finally:
            self.finished.set()

    def _tell_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            _log.warning("records_not_sent", records=lost, reason=self._why)

    def _receive(self) -> list[Frame]:
        if self._line.closed:
            time.sleep(_LOOK_UP_S / 10)
            return []
        return self._line.receive(_LOOK_UP_S)

    def _send(self, request: Request[int]) -> None:
        """Write a request to its shard's log, whose owner answers it.

        What goes to all logs is answered when it is there; so is what the fallback answered, whose place
        among the others nobody asks for: it must not wait for an owner.
        """
        shards = shards_of(request.record.event, self._params.shards)
        asks = len(shards) == 1 and request.kind is not Kind.FALLBACK
        origin = Origin(self._process, request.asker) if asks else None
        headers = message_headers(LogMessage(request.kind, request.record, origin))
        key, done = message_key(request.record.event), partial(self._done, request, _Tally(len(shards)))
        with self._lock:
            self._under_way += 1
        for shard in shards:
            self._producer.send(self._topic, request.record.payload, shard, key, headers, done)

    def _done(self, request: Request[int], tally: "_Tally", error: Exception | None) -> None:
        """A message is in its log, or was not taken as far as is known."""
        if error is not None:
            tally.failed = True
            self._lost += 1
            self._why = str(error)
        with self._lock:
            tally.left -= 1
            if tally.left:
                return
            self._under_way -= 1
            if tally.failed and request.kind is Kind.FALLBACK:
                self._again.append(request)
                return
        if tally.failed:
            self._inbox.pass_on(frame(Kind.LOST, request.asker) + LOOK)
        elif tally.of > 1 or request.kind is Kind.FALLBACK:
            self._inbox.pass_on(noted_frame(request.asker, Noted(0, duplicate=False, conflict=False)) + LOOK)
