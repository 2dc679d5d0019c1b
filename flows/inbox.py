"""The shard process's end of the line: requests come in, answers go out."""

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from flows.codec import BadRecord, decode_event
from flows.frames import (
    Frame,
    Kind,
    Line,
    Noted,
    Worked,
    frame,
    noted_frame,
    read_record,
    worked_frame,
)
from flows.log import NewRecord

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Request(Generic[A]):
    """A record that is to be logged; what becomes of it is told to who asked: a ticket, on a line."""

    kind: Kind
    asker: A
    record: NewRecord


class Inbox:
    """What the flow takes its work from. Answers are gathered and leave together."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: deque[Request[int]] = deque()
        self._answers: list[bytes] = []
        self._writing = threading.Lock()

    @property
    def closed(self) -> bool:
        """Nothing more will come, and all that came has been taken."""
        return self._line.closed and not self._waiting

    def take(self, timeout_s: float, most: int, payments: int) -> list[Request[int]]:
        """The next requests in order of arrival: ``most`` at most, ``payments`` of them to be decided."""
        waiting = self._waiting
        if not waiting and not self._line.closed:
            waiting.extend(map(read_request, self._line.receive(timeout_s)))
        taken: list[Request[int]] = []
        while waiting and len(taken) < most and payments:
            request = waiting.popleft()
            payments -= request.kind is Kind.PAYMENT
            taken.append(request)
        return taken

    def decided(self, asker: int, decision: bytes) -> None:
        """Answer a payment; ``asker`` is its ticket."""
        self._answers.append(frame(Kind.DECIDED, asker, decision))

    def noted(self, asker: int, noted: Noted) -> None:
        """Say where a record stands."""
        self._answers.append(noted_frame(asker, noted))

    def say(self, kind: Kind, text: str = "") -> None:
        """Tell something that is no answer, at once."""
        self.pass_on(frame(kind, body=text.encode()))

    def send(self, worked: Worked) -> None:
        """Let the gathered answers leave, with the figures of the batch that made them."""
        self._answers.append(worked_frame(worked))
        frames, self._answers = b"".join(self._answers), []
        self.pass_on(frames)

    def pass_on(self, frames: bytes) -> None:
        """Send whole frames now, from any thread."""
        # When the serving process is gone nobody waits for answers; what it sent is logged all the same.
        with self._writing, suppress(OSError):
            self._line.send(frames)


def read_request(came: Frame) -> Request[int]:
    """The request in a frame."""
    arrival_us, event_key, digest, payload = read_record(came.body)
    event = decode_event(payload, "the serving process")
    if isinstance(event, BadRecord):
        raise ValueError(f"the serving process sent a record that can't be read: {event.reason}")
    return Request(Kind(came.kind), came.ticket, NewRecord(event, payload, event_key, digest, arrival_us))
