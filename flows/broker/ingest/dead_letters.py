"""A record that could not be used, as a message that says where it stood and what was wrong.

A dead letter keeps key, value and headers of the record as they came, so that it can be sent again when the
fault is found; what looks like a card number is masked first, and then it can't. A *mark* in the same topic
says that a letter was sent again. Both name the record by its place, ``topic/partition/offset``, which never
comes twice; a letter that a crash made be written twice is still one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from flows.broker.ingest.inputs import CONTENT_TYPE, JSON, Received, Refusal, header
from flows.broker.wire import Headers
from flows.masking import mask_pans, without_pans

ATTEMPT: Final = "tapwatch-attempt"
"""Header of a record that was sent again: how often it has been tried before."""

MAX_KEPT_BYTES: Final = 1_000_000
"""A letter must fit into a message of a megabyte, with what is written on it."""

_CUT_BYTES: Final = 65_536
_MAX_REASON: Final = 2_000
_THEIRS: Final = "original-header."
_MARK: Final = "sent-again"


class Place(NamedTuple):
    """Where the record stood."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Message(NamedTuple):
    """What is to be written into the topic of dead letters."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Stored(Protocol):
    """What was read from the topic of dead letters."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that was read.

    ``attempt`` counts how often the record has been refused. ``whole`` says that key, value and headers are
    as they came, so that it can be sent again.
    """

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    reason: str
    trouble: str
    content_type: str
    refused_at: datetime
    attempt: int
    whole: bool


def write_letter(received: Received, refusal: Refusal, refused_at: datetime) -> Message:
    """The message that keeps a refused record."""
    theirs = [(name, value or b"") for name, value in received.headers if name != ATTEMPT]
    sent = _Content(received.key, received.value, theirs)
    kept = sent.masked().cut()
    about = {
        "original-topic": received.topic,
        "original-partition": str(received.partition),
        "original-offset": str(received.offset),
        "original-timestamp": str(received.timestamp),
        "reason": mask_pans(refusal.reason)[:_MAX_REASON],
        "error": refusal.trouble.value,
        CONTENT_TYPE: mask_pans(header(received, CONTENT_TYPE) or JSON)[:_MAX_REASON],
        "refused-at": refused_at.isoformat(),
        "attempt": str(_number(header(received, ATTEMPT)) + 1),
        "whole": "yes" if kept == sent else "no",
        "key": "none" if kept.key is None else "given",
        "value": "none" if kept.value is None else "given",
    }
    headers = [(name, text.encode()) for name, text in about.items()]
    headers += [(_THEIRS + name, value) for name, value in kept.headers]
    # A message needs a key or a value.
    return Message(kept.key, kept.value if kept.value is not None else b"", headers)


def write_mark(place: Place, marked_at: datetime) -> Message:
    """The message that says that a letter was sent again."""
    headers = [
        (_MARK, marked_at.isoformat().encode()),
        ("original-topic", place.topic.encode()),
        ("original-partition", str(place.partition).encode()),
        ("original-offset", str(place.offset).encode()),
    ]
    return Message(None, b"", headers)


def read_letter(stored: Stored) -> Letter | Place | None:
    """The letter, the place that a mark names, or None for what neither of them is."""
    said = {name: (value or b"").decode("utf-8", "replace") for name, value in stored.headers}
    try:
        place = Place(said["original-topic"], int(said["original-partition"]), int(said["original-offset"]))
        if _MARK in said:
            return place
        refused_at = datetime.fromisoformat(said["refused-at"]).astimezone(UTC)
        return Letter(
            place=place,
            key=stored.key if said["key"] == "given" else None,
            value=stored.value if said["value"] == "given" else None,
            headers=[
                (name.removeprefix(_THEIRS), value)
                for name, value in stored.headers
                if name.startswith(_THEIRS)
            ],
            timestamp_ms=int(said["original-timestamp"]),
            reason=said["reason"],
            trouble=said["error"],
            content_type=said[CONTENT_TYPE],
            refused_at=refused_at,
            attempt=int(said["attempt"]),
            whole=said["whole"] == "yes",
        )
    except (KeyError, ValueError, OverflowError):
        return None


def headers_to_send_again(letter: Letter) -> Headers:
    """The record's own headers, and how often it has been tried."""
    return [*letter.headers, (ATTEMPT, str(letter.attempt).encode())]


@dataclass(frozen=True, slots=True)
class _Content:
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    def masked(self) -> "_Content":
        return _Content(
            None if self.key is None else without_pans(self.key),
            None if self.value is None else without_pans(self.value),
            [(mask_pans(name), without_pans(value)) for name, value in self.headers],
        )

    def cut(self) -> "_Content":
        size = len(self.key or b"") + len(self.value or b"")
        size += sum(len(name.encode()) + len(value) + 32 for name, value in self.headers)
        if size <= MAX_KEPT_BYTES:
            return self
        key = None if self.key is None else self.key[:_CUT_BYTES]
        return _Content(key, None if self.value is None else self.value[:_CUT_BYTES], [])


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0
