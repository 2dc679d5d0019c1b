"""Fallback answers that are out and not in the log yet, kept where a kill of the process can't reach them.

The fallback speaks when the log's one thread can't, so its answers reach the log a little later. Each one is
noted here before it goes out; what is still here at the next start goes into the log before anything else.
The log stays the only truth: the journal only feeds it.
"""

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from alerting.decision import FallbackAnswered
from flows.codec import BadRecord, decode_event
from flows.log import NewRecord, ShardLog
from flows.sqlite_shard import ShardFileError, SqliteShard

PAGE_BYTES: Final = 8 << 20
"""Ten to twenty thousand answers."""
_FRAME: Final = Struct("<IIq")
"""Length and checksum of the payload, and its arrival in Unix microseconds."""
_END: Final = bytes(4)


@dataclass(slots=True)
class _Page:
    """A part of the file that is written from its start, and blank once all its answers are logged."""

    start: int
    end: int
    answers: int = 0


class AnswerJournal:
    """A bounded file in two pages: one is written while the answers of the other reach the log.

    It is mapped into memory, so that to write is to copy some hundred bytes. A system call would lend the
    interpreter to a busy flow, which keeps it for 5 ms; the event loop of the edge has no such time. What
    was copied belongs to the kernel: it survives the process, however that ends, but not a power cut. The
    space is reserved at the start, so a disk that fills up later does no harm.

    Not safe for threads: the intake calls it under its lock.

    Parameters
    ----------
    path
        The file; made when it does not exist.
    page_bytes
        The size of each page.

    Raises
    ------
    ShardFileError
        When the file can't be made.
    """

    def __init__(self, path: Path, page_bytes: int = PAGE_BYTES) -> None:
        self.path = path
        self._size = page_bytes
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _reserve(file, 2 * page_bytes)
                self._map = mmap.mmap(file, 2 * page_bytes)
            finally:
                os.close(file)
        except OSError as error:
            raise ShardFileError(f"{path}: {error.strerror}") from None
        self._pages = [_Page(start, start) for start in (0, page_bytes)]
        self._page = 0

    def write(self, answer: NewRecord) -> int | None:
        """Note an answer; gives what :meth:`drop` wants, or None when there is no room, or it is closed."""
        if self._map.closed:
            return None
        if self._pages[1 - self._page].answers == 0:
            self._page = 1 - self._page
            self._blank(self._page)
        page = self._pages[self._page]
        # A torn frame fails its checksum; its answer did not go out.
        payload = answer.payload
        frame = _FRAME.pack(len(payload), crc32(payload), answer.arrival_us) + payload
        end = page.end + len(frame)
        if end + len(_END) > page.start + self._size:
            return None
        self._map[page.end : end + len(_END)] = frame + _END
        page.end = end
        page.answers += 1
        return self._page

    def drop(self, page: int) -> None:
        """One of a page's answers is in the log."""
        self._pages[page].answers -= 1
        if self._pages[page].answers == 0:
            self._blank(page)

    def read(self) -> list[tuple[bytes, int]]:
        """The payloads and arrivals that an earlier process noted and did not drop, in order of arrival."""
        frames = [frame for page in self._pages for frame in self._frames(page.start)]
        return sorted(frames, key=itemgetter(1))

    def clear(self) -> None:
        """Drop all answers."""
        for page in range(2):
            self._blank(page)

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def _blank(self, number: int) -> None:
        page = self._pages[number]
        self._map[page.start : page.start + len(_END)] = _END
        page.end, page.answers = page.start, 0

    def _frames(self, start: int) -> Iterator[tuple[bytes, int]]:
        at, limit = start, start + self._size
        while at + _FRAME.size <= limit:
            length, checksum, arrival_us = _FRAME.unpack_from(self._map, at)
            at += _FRAME.size
            payload = self._map[at : min(at + length, limit)]
            if not length or crc32(payload) != checksum:
                return
            yield payload, arrival_us
            at += length


def _reserve(file: int, size: int) -> None:
    """Give a file its size, and its blocks where the system lets us."""
    if sys.platform == "darwin":
        os.ftruncate(file, size)
    else:
        os.posix_fallocate(file, 0, size)


def journal_path(shard_file: Path) -> Path:
    """Where the journal beside a shard file is."""
    return shard_file.with_name(shard_file.name + ".answers")


def log_left_answers(shard: SqliteShard) -> None:
    """Append what an earlier process noted and did not log, and leave the journal empty."""
    with closing(AnswerJournal(journal_path(shard.path))) as journal:
        log_answers(journal, shard)
        journal.clear()


def log_answers(journal: AnswerJournal, log: ShardLog) -> None:
    """Append the answers that were given and are not logged; to do it again changes nothing.

    The journal keeps them: a caller's thread may be adding to it just now.
    """
    records = []
    # An empty log is not the one that these answers were given beside.
    for payload, arrival_us in journal.read() if log.end else ():
        event = decode_event(payload, str(journal.path))
        if isinstance(event, BadRecord):
            raise ShardFileError(f"{journal.path}: holds an answer that can't be read: {event.reason}")
        record = answer_record(NewRecord.of(event, arrival_us), log)
        if record is not None:
            records.append(record)
    log.append(records)


def answer_record(answer: NewRecord, log: ShardLog) -> NewRecord | None:
    """How an answer goes into the log: in place of its payment, or beside it where the log has the payment.

    None when there is nothing to add: the log has the answer, or another payment under this id.
    """
    answered = answer.event
    assert isinstance(answered, FallbackAnswered)  # nothing else answers
    at = log.find(answered.payment.event_id)
    if at is not None and log.read(at - 1, 1)[0].event != answered.payment:
        return None
    return NewRecord.of(replace(answered, payment_logged=at is not None), answer.arrival_us)
