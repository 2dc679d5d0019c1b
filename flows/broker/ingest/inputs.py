"""What came in on an input topic, as an event or as the reason why it can't be one.

A value is the JSON of an event (:mod:`flows.codec`), or, with the header ``content-type:
application/x-protobuf``, a message of ``tapwatch.v1`` whose full name may stand in the header ``schema``. On
a topic that holds one kind of event neither ``kind`` nor ``schema`` need be given; what is given must fit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import structlog

from alerting.rpc.convert import read_alone, schema_of
from alerting.rpc.errors import InvalidRequestError
from detectors.events import Location, Outcome, Visit
from flows.codec import MAX_RECORD_BYTES, BadRecord, Event, decode_event

MIXED: Final = "events"
"""The topic that takes every kind, for who wants the order between the kinds of a user kept."""

KIND_OF: Final = {
    "payments": "payment",
    "locations": "location",
    "ticks": "tick",
    "trades": "trade",
    "visits": "visit",
    "outcomes": "outcome",
    "preferences": "preferences",
    "merchants": "merchant",
    "consents": "consent",
}
"""The topics that take one kind each."""

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
CONTENT_TYPE: Final = "content-type"
SCHEMA: Final = "schema"

_log = structlog.get_logger(__name__)
_SCHEMA_OF: Final = {kind: schema_of(kind) for kind in KIND_OF.values()}


class Received(Protocol):
    """A record as the consumer gives it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Trouble(StrEnum):
    """What is wrong with a record, in a word to count and filter by."""

    EMPTY = "empty"
    TOO_LARGE = "too-large"
    FORMAT = "format"  # a content type or schema that is not known here
    UNREADABLE = "unreadable"  # no JSON object, no such message
    KIND = "kind"  # a kind that does not belong there
    INVALID = "invalid"  # readable, but no event can be so
    AHEAD = "ahead"  # from the future
    FAULT = "fault"  # an error of ours


@dataclass(frozen=True, slots=True)
class Refusal(BadRecord):
    """A record of an input topic that can't be used."""

    trouble: Trouble


class InputReader:
    """Reads the records of all input topics.

    Parameters
    ----------
    prefix
        What the names of the topics begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._kinds: dict[str, str | None] = {f"{prefix}.{name}.v1": kind for name, kind in KIND_OF.items()}
        self._kinds[f"{prefix}.{MIXED}.v1"] = None

    @property
    def topics(self) -> list[str]:
        """The names of all input topics."""
        return list(self._kinds)

    def read(self, received: Received, latest: datetime) -> Event | Refusal:
        """The event, or what is wrong; ``latest`` is the last time that is not in the future."""
        try:
            return self._read(received, latest)
        except Exception as error:  # noqa: BLE001  (one record must never stop the stream)
            _log.error("record_failed", place=place(received), error=type(error).__name__)
            return _refuse(received, Trouble.FAULT, f"{type(error).__name__} of ours while it was read")

    def _read(self, received: Received, latest: datetime) -> Event | Refusal:
        value = received.value
        if not value:
            return _refuse(received, Trouble.EMPTY, "there is no value; allowed: an event")
        if len(value) > MAX_RECORD_BYTES:
            return _refuse(
                received, Trouble.TOO_LARGE, f"has {len(value)} bytes; allowed: {MAX_RECORD_BYTES}"
            )
        kind = self._kinds[received.topic]
        if received.headers:
            declared = header(received, CONTENT_TYPE)
            form = "" if declared is None else declared.partition(";")[0].strip().lower()
            if form == PROTOBUF:
                return _read_message(received, value, kind, latest)
            if declared is not None and form != JSON:
                return _refuse(
                    received,
                    Trouble.FORMAT,
                    f"{CONTENT_TYPE}: {form[:64]!r} is not known; allowed: {JSON}, {PROTOBUF}",
                )
        return _read_json(received, value, kind, latest)


def in_time(received: Received, read: Event | Refusal, latest: datetime) -> Event | Refusal:
    """What was read, unless a device says it by a clock that runs ahead; ``latest`` is what one may say."""
    if isinstance(read, Location | Visit) and read.event_time > latest:
        return _ahead(received, "event_time", read.event_time, latest)
    return read


def place(received: Received) -> str:
    """Where a record stands.

    The same words as in lists of dead letters.
    """
    return f"{received.topic}/{received.partition}/{received.offset}"


def header(received: Received, name: str) -> str | None:
    """The text of a record's first header of that name."""
    for key, value in received.headers:
        if key == name:
            return (value or b"").decode("utf-8", "replace")
    return None


def _read_json(received: Received, value: bytes, kind: str | None, latest: datetime) -> Event | Refusal:
    event = decode_event(value, "", kind, comes_in=True)
    if isinstance(event, BadRecord):
        return _refuse(received, _trouble_of(value, event.reason), event.reason)
    if event.kind not in _SCHEMA_OF:
        reason = f"kind: {event.kind!r} is not for input topics; allowed: {', '.join(_SCHEMA_OF)}"
        return _refuse(received, Trouble.KIND, reason)
    for name in ("event_time", "reported_time") if isinstance(event, Outcome) else ("event_time",):
        time = getattr(event, name)
        if time is not None and time > latest:
            return _ahead(received, name, time, latest)
    return event


def _ahead(received: Received, name: str, time: datetime, latest: datetime) -> Refusal:
    reason = f"{name}: {time.isoformat()} is too far ahead of the clock; allowed: {latest.isoformat()}"
    return _refuse(received, Trouble.AHEAD, reason)


def _trouble_of(value: bytes, reason: str) -> Trouble:
    try:
        readable = isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        readable = False
    if not readable:
        return Trouble.UNREADABLE
    return Trouble.KIND if reason.partition("kind: ")[0] in ("", "not a JSON object: ") else Trouble.INVALID


def _read_message(received: Received, value: bytes, kind: str | None, latest: datetime) -> Event | Refusal:
    schema = header(received, SCHEMA)
    wanted = None if kind is None else _SCHEMA_OF[kind]
    if schema is None:
        if wanted is None:
            reason = f"{SCHEMA}: missing; allowed: {', '.join(_SCHEMA_OF.values())}"
            return _refuse(received, Trouble.FORMAT, reason)
        schema = wanted
    if wanted not in (None, schema):
        reason = f"{SCHEMA}: {schema[:64]!r} is not for this place; allowed: {wanted}"
        return _refuse(received, Trouble.KIND, reason)
    try:
        return read_alone(schema, value, latest)
    except InvalidRequestError as error:
        first = error.violations[0]
        if not first.field:
            return _refuse(received, Trouble.UNREADABLE, f"{schema}: {first.message}")
        if first.field == SCHEMA:
            return _refuse(received, Trouble.FORMAT, str(error))
        ahead = all("ahead of" in violation.message for violation in error.violations)
        return _refuse(received, Trouble.AHEAD if ahead else Trouble.INVALID, str(error))


def _refuse(received: Received, trouble: Trouble, reason: str) -> Refusal:
    return Refusal(reason, place(received), received.value or b"", trouble)
