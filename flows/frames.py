"""What the serving process and its shard process say to each other: frames on a local stream socket.

A frame is the length of its body, its kind, a ticket that ties an answer to its request, and the body.
"""

import socket
from enum import IntEnum
from select import POLLIN, POLLOUT, poll
from struct import Struct
from typing import Final, NamedTuple

from flows.log import NewRecord

_HEAD: Final = Struct("<IBQ")
_RECORD: Final = Struct("<Q16s16s")
_NOTED: Final = Struct("<Q??")
_WORKED: Final = Struct("<QIdI")
_CHUNK: Final = 1 << 18
_SEND_PATIENCE_MS: Final = 1_000


class Kind(IntEnum):
    """What a frame is about; the comment names its body."""

    START = 1  # to the shard: a pickled ShardStart
    PAYMENT = 2  # to the shard: a record that is to be decided
    EVENT = 3  # to the shard: a record that needs a place in the log
    FALLBACK = 4  # to the shard: a record of an answer that the fallback gave
    OPENED = 5  # from the shard: nothing; the shard file is open and its policy is in force
    REFUSED = 6  # from the shard: a text; the shard file can't be used
    RUNNING = 7  # from the shard: nothing; it has caught up with its log
    DECIDED = 8  # from the shard: the decision's canonical bytes
    NOTED = 9  # from the shard: position, duplicate, conflict
    WORKED = 10  # from the shard: position, payments, seconds, faults of the last batch
    LOST = 11  # from the shard: nothing; the record did not reach the log, as far as is known
    POLICY = 12  # from the shard: the text of the policy that is in force
    ASK = 13  # to the shard: a question about a payment that may belong to another process's shard
    TOLD = 14  # from the shard: the answer to a question, nothing where nobody knows one
    FIGURES = 15  # from the shard: figures of the process as JSON


class Frame(NamedTuple):
    """One frame."""

    kind: int
    ticket: int
    body: bytes


class Noted(NamedTuple):
    """Where a record stands; ``conflict`` says that its id had been there with other content."""

    position: int
    duplicate: bool
    conflict: bool


class Worked(NamedTuple):
    """What the last batch was: the log position behind it, its payments, how long they took, faults."""

    position: int
    payments: int
    seconds: float
    faults: int


def frame(kind: Kind, ticket: int = 0, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return _HEAD.pack(len(body), kind, ticket) + body


def record_frame(kind: Kind, ticket: int, record: NewRecord) -> bytes:
    """The frame of a record on its way into the log."""
    return frame(
        kind, ticket, _RECORD.pack(record.arrival_us, record.event_key, record.digest) + record.payload
    )


def read_record(body: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Arrival time, event key, digest and payload of a record's frame."""
    return *_RECORD.unpack_from(body), body[_RECORD.size :]


def noted_body(noted: Noted) -> bytes:
    """The body of the frame that says where a record stands."""
    return _NOTED.pack(*noted)


def noted_frame(ticket: int, noted: Noted) -> bytes:
    """The frame that says where a record stands."""
    return frame(Kind.NOTED, ticket, noted_body(noted))


def read_noted(body: bytes) -> Noted:
    """What :func:`noted_body` wrote."""
    return Noted(*_NOTED.unpack(body))


def worked_frame(worked: Worked) -> bytes:
    """The frame that says what the last batch was."""
    return frame(Kind.WORKED, 0, _WORKED.pack(*worked))


LOOK: Final = worked_frame(Worked(0, 0, 0.0, 0))
"""No batch at all: it only has the serving process see what it can send now."""


def read_worked(body: bytes) -> Worked:
    """What :func:`worked_frame` wrote."""
    return Worked(*_WORKED.unpack(body))


class Line:
    """One end of the connection. One thread reads; writers take turns by a lock of their own."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        # The largest record must fit, so that no sender waits for a reader that stands still.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._connection = connection
        self.buffer_bytes = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        """What the kernel really gave: frames of that many bytes wait for a reader that stands still."""
        self._rest = b""
        self._readable, self._writable = poll(), poll()
        self._readable.register(connection, POLLIN)
        self._writable.register(connection, POLLOUT)
        self.closed = False

    def send(self, frames: bytes) -> None:
        """Write whole frames; raises OSError when the other end is gone, or stands still for long."""
        left = memoryview(frames)
        while left:
            try:
                left = left[self._connection.send(left) :]
            except BlockingIOError:
                if not self._writable.poll(_SEND_PATIENCE_MS):
                    raise TimeoutError("the other end does not read") from None

    def receive(self, timeout_s: float | None) -> list[Frame]:
        """The frames that have come; waits for the first one, ``None`` without end.

        Nothing when the time is over, or when the other end is gone: then ``closed`` is set.
        """
        if not self._readable.poll(None if timeout_s is None else timeout_s * 1e3):
            return []
        return self.receive_now()

    def receive_now(self) -> list[Frame]:
        """The frames that have come, without waiting."""
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.closed = not data
        return self._split(self._rest + data if self._rest else data)

    def _split(self, data: bytes) -> list[Frame]:
        frames = []
        at, end = 0, len(data)
        while end - at >= _HEAD.size:
            length, kind, ticket = _HEAD.unpack_from(data, at)
            begin = at + _HEAD.size
            if end - begin < length:
                break
            at = begin + length
            frames.append(Frame(kind, ticket, data[begin:at]))
        self._rest = data[at:]
        return frames

    def fileno(self) -> int:
        """What an event loop watches."""
        return self._connection.fileno()

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
