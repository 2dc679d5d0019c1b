"""Find everything that an event refuses, not only the first thing.

Whoever sent a bad event wants to know all that is wrong with it at once. So a refused value is noted,
replaced by one that is fine, and the event is tried again until it stands.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from enum import EnumType
from typing import Any, Final, TypeVar

from detectors.checks import EARLIEST
from detectors.events import OutcomeKind, PaymentType, ThreeDSStatus
from geo import Position

T = TypeVar("T")

_PLAIN: Final[dict[object, object]] = {
    str: "x",
    int: 1,
    float: 1.0,
    bool: False,
    datetime: EARLIEST,
    Position: Position(0.0, 0.0),
}


def stand_in(kind: Callable[..., object], name: str, values: Mapping[str, Any]) -> object:
    """A value for the field ``name`` that no event of this kind refuses, given its other ``values``.

    Raises
    ------
    KeyError
        When there is no such field, or nothing can stand for its type.
    """
    match name:
        case "currency":
            return "EUR"
        case "payment_type":
            return PaymentType.ACCOUNT_VERIFICATION  # allows every amount that any type allows
        case "outcome_kind":
            return OutcomeKind.ANALYST if values.get("three_ds_status") is None else OutcomeKind.STEP_UP
        case "three_ds_status":
            return ThreeDSStatus.Y if values.get("outcome_kind") == OutcomeKind.STEP_UP else None
    field = {field.name: field for field in fields(kind)}[name]  # type: ignore[arg-type]  # a dataclass
    if field.default is not MISSING:
        return field.default
    if isinstance(field.type, EnumType):
        return next(iter(field.type.__members__.values()))
    return _PLAIN[field.type]


def mended(
    kind: Callable[..., T], values: dict[str, Any], error: ValueError, note: Callable[[str, str], None]
) -> T:
    """``kind(**values)``, which raised ``error``, with every refused value replaced in ``values``.

    ``note`` is called with each refused field and what is wrong with it, before its value is replaced.

    Raises
    ------
    KeyError
        When nothing can stand for a refused value.
    """
    for _ in values:
        name, _, message = str(error).partition(": ")
        note(name, message)
        values[name] = stand_in(kind, name, values)
        try:
            return kind(**values)
        except ValueError as next_error:
            error = next_error
    raise error
