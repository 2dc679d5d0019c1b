"""Event streams with one JSON object per line: plain, gzip or zstd.

Nothing is read ahead by more than a chunk, and nothing of unbounded size is ever held: compressed input is
fed in small pieces so that even a decompression bomb grows by some 64 MiB at most, and a line that is longer
than any record may be is cut. A file that ends too early, or turns out damaged, keeps the events before that
place and ends with one :class:`~replay.damage.StreamDamage`.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO, Final, cast

import zstandard

from flows.codec import MAX_RECORD_BYTES, BadRecord, Event, decode_event, encode_event
from replay.damage import StreamDamage

_CHUNK: Final = 1 << 18
_GZIP_PIECE: Final = 1 << 14
_ZSTD_PIECE: Final = 1 << 11
_KEPT_OF_BAD: Final = 256


class _CutShortError(Exception):
    """The compressed data ends too early or is damaged."""


def read_lines(file: BinaryIO, name: str, compression: str) -> Iterator[tuple[int, Event | BadRecord]]:
    """The events in an open file, each with its line; ``compression`` is ``""``, ``"gz"`` or ``"zst"``."""
    number, read, tail = 0, 0, b""
    try:
        for chunk in _UNPACKERS[compression](file):
            lines = (tail + chunk).split(b"\n")
            # One byte above the limit is enough to know that a line is too long.
            tail = lines.pop()[: MAX_RECORD_BYTES + 1]
            for line in lines:
                number += 1
                if line and not line.isspace():
                    yield number, _decode(line, f"{name}:{number}")
                    read += 1
    except (_CutShortError, OSError) as error:
        reason = f"can't be read further: {error.strerror}" if isinstance(error, OSError) else str(error)
        number += 1
        yield number, StreamDamage(reason, f"{name}:{number}", tail[:_KEPT_OF_BAD], name, read)
        return
    if tail and not tail.isspace():
        yield number + 1, _decode_last(tail, f"{name}:{number + 1}", name, read)


def _decode(line: bytes, origin: str) -> Event | BadRecord:
    if len(line) > MAX_RECORD_BYTES:
        reason = f"the line is too long; allowed: {MAX_RECORD_BYTES} bytes"
        return BadRecord(reason, origin, line[:_KEPT_OF_BAD])
    return decode_event(line, origin, comes_in=True)


def _decode_last(line: bytes, origin: str, name: str, read: int) -> Event | BadRecord:
    record = _decode(line, origin)
    if isinstance(record, BadRecord) and not _is_whole(line):
        reason = f"the file ends within a record (no line end follows): {record.reason}"
        return StreamDamage(reason, origin, record.raw, name, read)
    return record


def _is_whole(line: bytes) -> bool:
    """Whether the line is JSON to its end: then it is a bad record, but was not cut."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return len(line) > MAX_RECORD_BYTES
    return True


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    try:
        while data := file.read(_GZIP_PIECE):
            while data:
                if member.eof:
                    # Zeros after a member are padding (tapes and some copying tools add them).
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(data, _CHUNK)
                data = member.unconsumed_tail or member.unused_data
        while not member.eof and (rest := member.decompress(b"", _CHUNK)):
            yield rest
    except zlib.error as error:
        raise _CutShortError(f"the gzip data is damaged before byte {file.tell():,}: {error}") from error
    if not member.eof:
        raise _CutShortError(
            f"the file is truncated: it ends at byte {file.tell():,}, its gzip data does not"
        )


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor()
    frame = unpacker.decompressobj()
    try:
        while data := file.read(_ZSTD_PIECE):
            while data:
                if frame.eof:
                    frame = unpacker.decompressobj()
                yield frame.decompress(data)
                data = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _CutShortError(f"the zstd data is damaged before byte {file.tell():,}: {error}") from error
    if not frame.eof:
        raise _CutShortError(
            f"the file is truncated: it ends at byte {file.tell():,}, its zstd data does not"
        )


_UNPACKERS: Final[dict[str, Callable[[BinaryIO], Iterable[bytes]]]] = {
    "": _plain,
    "gz": _gunzip,
    "zst": _unzstd,
}


class LineWriter:
    """Writes events as lines into an open file; equal events give equal bytes in every compression."""

    def __init__(self, file: BinaryIO, compression: str) -> None:
        self._closing = ExitStack()
        self._out = io.BufferedWriter(self._raw(file, compression), _CHUNK) if compression else file

    def _raw(self, file: BinaryIO, compression: str) -> io.RawIOBase:
        if compression == "gz":
            # No name and no time in the header, so that the bytes depend on the events alone.
            packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
            return cast(io.RawIOBase, self._closing.enter_context(packed))
        packer = zstandard.ZstdCompressor(level=3, write_checksum=True)
        return cast(io.RawIOBase, self._closing.enter_context(packer.stream_writer(file, closefd=False)))

    def write(self, event: Event) -> None:
        """Append one event."""
        self._out.write(encode_event(event) + b"\n")

    def close(self) -> None:
        """Complete the compressed data; the file itself stays open."""
        self._out.flush()
        self._closing.close()
