"""Make an event of values that a caller sent, or find everything that is wrong with them.

The events refuse the first thing that can never be. A caller wants to know all at once, so a refused value
is noted, replaced by one that is fine, and the event is tried again until it stands. A good event is built
exactly once.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from alerting.rpc.errors import InvalidRequestError, Violation
from detectors.pan import contains_pan
from detectors.stand_ins import mended, stand_in

T = TypeVar("T")

WIRE_NAMES: Final = {"currency": "currency_code", "display_currency": "display_currency_code"}
"""Fields whose name on the wire differs from the event's."""


class Unusable:
    """Stands for a value that was refused or is missing."""


UNUSABLE: Final = Unusable()

_MAX_SAID: Final = 100
"""Errors travel in the call's trailers, which have room for 8 kB."""


class Intake:
    """What one request holds so far: the latest time allowed in it, and its violations."""

    __slots__ = ("latest", "violations")

    def __init__(self, latest: datetime) -> None:
        self.latest = latest
        self.violations: list[Violation] = []

    def refuse(self, path: str, name: str, message: str) -> Unusable:
        """Note a bad field; gives the mark to use in place of its value."""
        wire = WIRE_NAMES.get(name, name)
        self.violations.append(Violation(f"{path}.{wire}" if path else wire, message))
        return UNUSABLE

    def finish(self) -> None:
        """Raise :class:`InvalidRequestError` when anything was refused."""
        if self.violations:
            raise InvalidRequestError(tuple(self.violations))

    def build(self, kind: Callable[..., T], path: str, values: dict[str, Any]) -> T:
        """``kind(**values)``; refused values are noted and replaced, so that something always comes back."""
        if self.violations:
            for name, value in values.items():
                if value is UNUSABLE:
                    values[name] = stand_in(kind, name, values)
        try:
            return kind(**values)
        except ValueError as error:
            return self._repair(kind, path, values, error)

    def _repair(self, kind: Callable[..., T], path: str, values: dict[str, Any], error: ValueError) -> T:
        def note(name: str, message: str) -> None:
            self.refuse(path, name, _without_card_number(message, values[name]))

        return mended(kind, values, error, note)


def _without_card_number(message: str, value: object) -> str:
    if not isinstance(value, str | int | float):
        return message
    said, separator, allowed = message.partition("; allowed: ")
    # Shortened or rounded card numbers fail the check digit, so every long run of digits is left out too.
    if contains_pan(str(value)) or sum(map(str.isdigit, said)) >= 12:
        said = "looks like a card number"
    elif len(said) > _MAX_SAID:
        said = said[:_MAX_SAID] + "..."
    return f"{said}{separator}{allowed}"
