"""Recorded event streams: files of events in order, read lazily and written whole.

========================  ==============================================================
suffix                    content
========================  ==============================================================
``.jsonl``                one event per line, in the form of :mod:`flows.codec`
``.jsonl.gz``             the same, gzip-compressed (several members are read as one)
``.jsonl.zst``            the same, zstd-compressed (several frames are read as one)
``.parquet``              one row per event: see :mod:`replay.parquet_stream`
========================  ==============================================================

A record that can't be used is a :class:`~flows.codec.BadRecord` in its place, and damage of the file a
:class:`~replay.damage.StreamDamage`; only a file that can't be used at all raises
:class:`~replay.errors.StreamError`.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from flows.codec import BadRecord, Event
from replay.atomic_file import replacing
from replay.errors import StreamError
from replay.line_stream import LineWriter, read_lines
from replay.parquet_stream import TableWriter, read_table

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
Placed = tuple[int, Event | BadRecord]
"""A record and its place."""
_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


def read_stream(path: Path) -> Iterator[Event | BadRecord]:
    """The events of one file in file order; a record that can't be used is a ``BadRecord``.

    ``origin`` of a bad record reads ``"file.jsonl:17"`` or ``"file.parquet row 17"``, counted from 1. A line
    stream that ends too early, or can't be read further, keeps all whole events and ends with one
    ``StreamDamage``. Empty lines are skipped.

    Raises
    ------
    StreamError
        At once, when the file is missing, can't be read, has an unknown suffix, or is a Parquet file that is
        cut short or has other columns.
    """
    return map(itemgetter(1), _numbered(path))


def _numbered(path: Path) -> Iterator[tuple[int, Event | BadRecord]]:
    """The records of one file, each with its line or row."""
    suffix = _suffix(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise StreamError(f"{path}: can't be read: {error.strerror}; needed: a readable file") from error
    if suffix == ".parquet":
        file.close()
        return read_table(path, path.name)
    return _lines(file, path.name, _compression(suffix))


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return suffix
    raise StreamError(f"{path}: the suffix is unknown; allowed: {', '.join(SUFFIXES)}")


def _compression(suffix: str) -> str:
    return suffix.removeprefix(".jsonl").removeprefix(".")


def _lines(file: BinaryIO, name: str, compression: str) -> Iterator[tuple[int, Event | BadRecord]]:
    with file:
        yield from read_lines(file, name, compression)


def merge_streams(paths: Sequence[Path]) -> Iterator[Event | BadRecord]:
    """Several files as one stream in the order of event time.

    Ties keep the order of the files. Within a file the order stays as it is, even where times go back, and a
    bad record stays right behind its predecessor.
    """
    return map(itemgetter(1), merge_placed(paths))


def merge_placed(paths: Sequence[Path]) -> Iterator[Placed]:
    """The same, each record with its place: a number that :func:`origin_of` turns into file and line."""
    streams = [_placed(index, len(paths), _numbered(path)) for index, path in enumerate(paths)]
    if len(streams) == 1:
        return streams[0]
    return map(itemgetter(1), merge(*map(_timed, streams), key=itemgetter(0)))


def origin_of(paths: Sequence[Path], place: int) -> str:
    """File and line, or row, of a record's place in the merged files.

    >>> origin_of([Path("a.jsonl"), Path("b.parquet")], 35)
    'b.parquet row 17'
    """
    number, index = divmod(place, len(paths))
    name = paths[index].name
    return f"{name} row {number}" if name.endswith(".parquet") else f"{name}:{number}"


def _placed(index: int, files: int, numbered: Iterator[tuple[int, Event | BadRecord]]) -> Iterator[Placed]:
    return ((number * files + index, record) for number, record in numbered)


def _timed(stream: Iterator[Placed]) -> Iterator[tuple[datetime, Placed]]:
    time = _BEFORE_ALL
    for placed in stream:
        record = placed[1]
        if not isinstance(record, BadRecord):
            time = record.event_time
        yield time, placed


class StreamWriter:
    """Writes an event stream in the format of the file's suffix; the file appears when it is complete.

    Used as a context manager. If the block fails, an older file of that name stays as it was. Equal events
    give equal bytes.

    Raises
    ------
    StreamError
        When the suffix is unknown or the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        _suffix(path)
        self._writing = _writing(path)
        self._writer: LineWriter | TableWriter

    def __enter__(self) -> Self:
        self._writer = self._writing.__enter__()
        return self

    def write(self, event: Event) -> None:
        """Append one event."""
        self._writer.write(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(kind, error, trace)


@contextmanager
def _writing(path: Path) -> Iterator[LineWriter | TableWriter]:
    suffix = _suffix(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(path))
        except OSError as error:
            raise StreamError(f"{path}: can't be written: {error.strerror}") from error
        writer = TableWriter(file) if suffix == ".parquet" else LineWriter(file, _compression(suffix))
        try:
            yield writer
        finally:
            # Also after a failure: a writer left open would try to end its file when it is collected.
            writer.close()
