"""Record headers whose names are not UTF-8, as clients in other languages can write them.

The Kafka client gives up on such a record, and with it on every record behind it in the same batch: whoever
reads the partition would stand still for ever. Here the name is read with escapes, the record as any other.
"""

from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint


class LenientBatch(DefaultRecordBatch):
    r"""A batch of records (format v2); bytes of header names that are not UTF-8 are escaped, as ``\xff``."""

    _buffer: bytearray
    _pos: int
    _next_record_index: int

    def __next__(self) -> Any:
        begin = self._pos
        try:
            return super().__next__()  # type: ignore[no-untyped-call]
        except CorruptRecordError as error:
            if not isinstance(error.__context__, UnicodeDecodeError):
                raise
        record, self._pos = self._read(begin)
        self._next_record_index += 1
        return record

    def _read(self, begin: int) -> tuple[DefaultRecord, int]:
        """The record at a place, of which only header names are wrong, and where the next one begins."""
        buffer = self._buffer
        length, at = decode_varint(buffer, begin)
        _attributes, at = decode_varint(buffer, at)
        time_delta, at = decode_varint(buffer, at)
        offset_delta, at = decode_varint(buffer, at)
        key, at = _read_bytes(buffer, at)
        value, at = _read_bytes(buffer, at)
        count, at = decode_varint(buffer, at)
        headers = []
        for _ in range(count):
            name, at = _read_bytes(buffer, at)
            content, at = _read_bytes(buffer, at)
            headers.append(((name or b"").decode(errors="backslashreplace"), content))
        at_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if at_broker else self.first_timestamp + time_delta
        offset = self.base_offset + offset_delta
        return DefaultRecord(length, offset, timestamp, self.timestamp_type, key, value, headers), at


def _read_bytes(buffer: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(buffer, at)
    return (None, at) if length < 0 else (bytes(buffer[at : at + length]), at + length)


def read_leniently() -> None:
    """Have the Kafka client read batches so; it has no setting for it."""
    memory_records.DefaultRecordBatch = LenientBatch  # type: ignore[attr-defined]
