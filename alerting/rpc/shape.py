"""Pair a dataclass with its wire message, field by field, in both directions.

A field keeps its name on the wire (but for ``WIRE_NAMES``). The pairing is worked out once from both
declarations, so a field that one of them lacks fails at import and not at the first call.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar, cast, get_args

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from alerting.rpc.intake import WIRE_NAMES, Intake

T = TypeVar("T")
M = TypeVar("M", bound=Message)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = 253_402_300_799  # the end of the year 9999
_REQUIRED: Final = object()
_NOTHING: Final[Mapping[str, Any]] = {}

# Values are Any here on purpose: which type a field has is known only to the two declarations.
_Reader = Callable[[Any, str, Intake], Any]
_Writer = Callable[[Any], Any]


class Shape(Generic[T, M]):
    """How ``kind`` travels as ``message_type``; ``nested`` are the shapes of the dataclasses inside it."""

    def __init__(self, kind: type[T], message_type: type[M], *nested: "Shape[Any, Any]") -> None:
        self.kind = kind
        self.message_type = message_type
        self._absent: dict[str, Any] = {}
        self._readers: dict[int, tuple[str, _Reader | None]] = {}
        self._writers: list[tuple[str, str, _Writer | None]] = []
        inside = {shape.message_type.DESCRIPTOR.full_name: shape for shape in nested}
        for field in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass
            wire = WIRE_NAMES.get(field.name, field.name)
            descriptor = cast(FieldDescriptor, message_type.DESCRIPTOR.fields_by_name[wire])
            reader, writer = _converters(field, descriptor, inside)
            self._absent[field.name] = _when_absent(field, descriptor)
            self._readers[descriptor.number] = (field.name, reader)
            self._writers.append((field.name, wire, writer))
        unpaired = {d.name for d in message_type.DESCRIPTOR.fields} - {wire for _, wire, _ in self._writers}
        if unpaired:
            raise TypeError(f"{kind.__name__} lacks what its message has: {', '.join(sorted(unpaired))}")
        self._required = [name for name, value in self._absent.items() if value is _REQUIRED]

    def read(self, message: M, path: str, intake: Intake, given: Mapping[str, Any] = _NOTHING) -> T:
        """The event in ``message``, with violations noted in ``intake`` under ``path``.

        ``given`` supplies fields that the caller may leave out although the event needs them.
        """
        values = self._absent.copy()
        if given:
            values.update(given)
        readers = self._readers
        for descriptor, value in message.ListFields():
            name, reader = readers[descriptor.number]
            values[name] = value if reader is None else reader(value, path, intake)
        for name in self._required:
            if values[name] is _REQUIRED:
                values[name] = intake.refuse(path, name, "is required")
        return intake.build(self.kind, path, values)

    def write(self, value: T) -> M:
        """The message that says ``value``."""
        members = {}
        for name, wire, writer in self._writers:
            member = getattr(value, name)
            if member is not None:
                members[wire] = member if writer is None else writer(member)
        return self.message_type(**members)


def to_timestamp(time: datetime) -> Timestamp:
    """``time`` on the wire, exact to the microsecond."""
    since = time - EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def _when_absent(field: Field[Any], descriptor: FieldDescriptor) -> object:
    if descriptor.is_repeated:
        return ()
    if not (descriptor.has_presence or descriptor.enum_type):
        return descriptor.default_value
    if field.default is not MISSING:
        return field.default
    return None if type(None) in get_args(field.type) else _REQUIRED


def _converters(
    field: Field[Any], descriptor: FieldDescriptor, inside: Mapping[str, Shape[Any, Any]]
) -> tuple[_Reader | None, _Writer | None]:
    name = field.name
    if descriptor.enum_type is not None:
        return _enum_converters(name, _enum_of(field), descriptor.enum_type)
    if descriptor.message_type is None:
        return (
            ((lambda value, _path, _intake: tuple(value)), list) if descriptor.is_repeated else (None, None)
        )
    if descriptor.message_type is Timestamp.DESCRIPTOR:
        return (lambda value, path, intake: _read_time(value, path, name, intake)), to_timestamp
    shape = inside[descriptor.message_type.full_name]
    if descriptor.is_repeated:
        return (
            lambda values, path, intake: tuple(
                shape.read(v, _join(path, f"{name}[{i}]"), intake) for i, v in enumerate(values)
            ),
            lambda values: [shape.write(v) for v in values],
        )
    return (lambda value, path, intake: shape.read(value, _join(path, name), intake)), shape.write


def _enum_of(field: Field[Any]) -> type[StrEnum]:
    options = [
        t for t in (field.type, *get_args(field.type)) if isinstance(t, type) and issubclass(t, StrEnum)
    ]
    return options[0]


def _enum_converters(name: str, kind: type[StrEnum], wire: EnumDescriptor) -> tuple[_Reader, _Writer]:
    prefix = wire.values[0].name.removesuffix("UNSPECIFIED")
    members = {wire.values_by_name[prefix + member.name].number: member for member in kind}
    numbers = {member: number for number, member in members.items()}
    allowed = ", ".join(f"{prefix}{member.name}" for member in kind)

    def read(number: int, path: str, intake: Intake) -> object:
        member = members.get(number)
        if member is None:
            return intake.refuse(path, name, f"{number} is not a known value; allowed: {allowed}")
        return member

    return read, numbers.__getitem__


def _read_time(value: Timestamp, path: str, name: str, intake: Intake) -> object:
    seconds, nanos = value.seconds, value.nanos
    if not (-_LAST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < 1_000_000_000):
        # datetime ends where Timestamp does; a start before year 1 fails the check below as well.
        return intake.refuse(path, name, "is not a time; allowed: seconds from 1970, nanos 0..999999999")
    if seconds < 0:
        return EPOCH + timedelta(seconds=max(seconds, -62_135_596_800), microseconds=nanos // 1_000)
    time = EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1_000)
    if time > intake.latest:
        return intake.refuse(
            path, name, f"is too far ahead of the server's clock; allowed: {intake.latest:%Y-%m-%dT%H:%M:%SZ}"
        )
    return time


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
