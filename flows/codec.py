"""Events and decisions as bytes: JSON, one canonical form for logs, files and topics.

An event is one JSON object whose ``kind`` names its type; its other members are the fields of that type's
dataclass, absent where ``None``. Bytes become an event once, here, and strictly: an unknown member or a value
of another type is refused. Whatever can't be used comes back as a :class:`BadRecord`, never as an exception.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from alerting.alerts import Alert
from alerting.decision import Decision, FallbackAnswered, PolicyActivated
from detectors.edge_checks import edge_problems
from detectors.events import (
    Consent,
    Location,
    Merchant,
    Outcome,
    Payment,
    Preferences,
    Tick,
    Trade,
    Visit,
)
from detectors.knowledge import ShardKnowledge
from flows.refusals import Problems, all_problems

Event = (
    Payment
    | Location
    | Outcome
    | Consent
    | Preferences
    | Merchant
    | Tick
    | Trade
    | Visit
    | PolicyActivated
    | FallbackAnswered
    | ShardKnowledge
)
"""Everything that a log can hold."""

MAX_RECORD_BYTES: Final = 262_144
"""More than any event that can be made: 48,000 characters of policy text take up to four bytes each, the
deltas of a shard's knowledge 200,000 in all."""

_TYPES: Final[dict[str, type]] = {t.kind: t for t in get_args(Event)}
_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {kind: TypeAdapter(t) for kind, t in _TYPES.items()}
_DECISION: Final = TypeAdapter(Decision)
_ALERT: Final = TypeAdapter(Alert)
# The adapters' own serializers and validators: the methods around them cost as much as a small event.
_EVENT_TO_JSON: Final = {kind: adapter.serializer.to_json for kind, adapter in _ADAPTERS.items()}
_EVENT_OF_JSON: Final = {kind: adapter.validator.validate_json for kind, adapter in _ADAPTERS.items()}
_DECISION_TO_JSON: Final = _DECISION.serializer.to_json
_ALERT_TO_JSON: Final = _ALERT.serializer.to_json
_CANONICAL_START: Final = b'{"kind":"'

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that can't be used: why, and where it came from (a file and line, a topic and offset)."""

    reason: str
    origin: str
    raw: bytes


def encode_event(event: Event) -> bytes:
    """The canonical bytes of an event: equal events give equal bytes."""
    members: bytes = _EVENT_TO_JSON[event.kind](event, exclude_none=True)
    return b'{"kind":"%b",%b' % (event.kind.encode(), members[1:])


def decode_event(
    raw: bytes, origin: str, kind_here: str | None = None, *, comes_in: bool = False
) -> Event | BadRecord:
    """The event in ``raw``, or why there is none; ``origin`` says where ``raw`` came from.

    Where all events are of one kind, ``kind_here``, theirs may be left out and must not be another. One that
    ``comes_in``, as opposed to those in a log, is also refused for what logs may hold
    (:mod:`detectors.edge_checks`).
    """
    if len(raw) > MAX_RECORD_BYTES:
        return BadRecord(f"has {len(raw)} bytes; allowed: {MAX_RECORD_BYTES}", origin, raw[:256])
    try:
        kind, members = _split_kind(raw, kind_here)
        validate = _EVENT_OF_JSON.get(kind)
        if validate is None:
            return BadRecord(f"kind: {kind[:32]!r} is unknown; allowed: {', '.join(_ADAPTERS)}", origin, raw)
        if kind_here not in (None, kind):
            return BadRecord(f"kind: {kind!r} is not for this place; allowed: {kind_here}", origin, raw)
        event: Event = validate(members)
    except ValidationError as error:
        return _refused(kind, members, _problems(error), comes_in, origin, raw)
    except (ValueError, RecursionError) as error:
        return BadRecord(f"not a JSON object: {error}", origin, raw)
    if comes_in and (problems := edge_problems(event)):
        return _refused(kind, members, _by_path(problems), comes_in, origin, raw)
    return _in_utc(event)


def encode_decision(decision: Decision) -> bytes:
    """The canonical bytes of a decision: equal decisions give equal bytes."""
    return _DECISION_TO_JSON(decision)


def plain_decision(decision: Decision) -> dict[str, Any]:
    """The decision as plain JSON values."""
    values: dict[str, Any] = _DECISION.dump_python(decision, mode="json")
    return values


def decode_decision(raw: bytes) -> Decision:
    """The decision that :func:`encode_decision` wrote."""
    return _in_utc(_DECISION.validate_json(raw))


def encode_alert(alert: Alert) -> bytes:
    """The canonical bytes of an alert: equal alerts give equal bytes."""
    return _ALERT_TO_JSON(alert)


def plain_alert(alert: Alert) -> dict[str, Any]:
    """The alert as plain JSON values."""
    values: dict[str, Any] = _ALERT.dump_python(alert, mode="json")
    return values


def decode_alert(raw: bytes) -> Alert:
    """The alert that :func:`encode_alert` wrote."""
    return _in_utc(_ALERT.validate_json(raw))


def _in_utc(made: T) -> T:
    """The same, its times in ``datetime.UTC``: pydantic's own zone class would end up in stored state.

    Done in place, while nobody else has seen it: a copy would cost as much as the decoding.
    """
    for name, is_time in _TIMES[type(made)]:
        value = getattr(made, name)
        if not is_time:
            _in_utc(value)
        elif value is not None:
            object.__setattr__(made, name, value.astimezone(UTC))
    return made


def _times_of(kind: type) -> Iterator[tuple[type, tuple[tuple[str, bool], ...]]]:
    """A dataclass and those inside it, each with the names of its times and of what holds more of them."""
    found = []
    for field in fields(kind):
        if datetime in (field.type, *get_args(field.type)):
            found.append((field.name, True))
        elif isinstance(field.type, type) and is_dataclass(field.type):
            inside = dict(_times_of(field.type))
            if any(inside.values()):
                found.append((field.name, False))
                yield from inside.items()
    yield kind, tuple(found)


_TIMES: Final = dict(pair for kind in (*_TYPES.values(), Decision, Alert) for pair in _times_of(kind))


def _split_kind(raw: bytes, kind_here: str | None) -> tuple[str, bytes]:
    if raw.startswith(_CANONICAL_START):
        kind, _, rest = raw[len(_CANONICAL_START) :].partition(b'",')
        if kind.replace(b"_", b"").isalpha():
            return kind.decode(), b"{" + rest
    if kind_here is not None and b'"kind"' not in raw:
        return kind_here, raw
    members = json.loads(raw)
    if not isinstance(members, dict):
        raise ValueError("the record is not an object")
    kind_member = members.pop("kind", kind_here)
    if not isinstance(kind_member, str):
        raise ValueError(f"kind: missing; allowed: {', '.join(_ADAPTERS)}")
    return kind_member, json.dumps(members).encode()


def _refused(
    kind: str, members: bytes, first: Problems, comes_in: bool, origin: str, raw: bytes
) -> BadRecord:
    problems = all_problems(_TYPES[kind], members, first, partial(_check, kind, comes_in))
    return BadRecord("; ".join(problems), origin, raw)


def _check(kind: str, comes_in: bool, members: bytes) -> Problems:
    try:
        event = _EVENT_OF_JSON[kind](members)
    except ValidationError as error:
        return _problems(error)
    return _by_path(edge_problems(event)) if comes_in else {}


def _by_path(problems: dict[str, str]) -> Problems:
    return {(name,): message for name, message in problems.items()}


def _problems(error: ValidationError) -> Problems:
    # Inputs are left out on purpose: a refused value may be a card number.
    found: Problems = {}
    for problem in error.errors(include_url=False, include_input=False):
        where, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "value_error":
            # An event's own check says which field it means.
            name, _, message = message.partition(": ")
            where = (*where, name)
        found.setdefault(where, message)
    return found
