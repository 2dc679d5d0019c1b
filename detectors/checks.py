"""What can never be in an event: each check names the field and what is allowed, and repeats no secret."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from detectors.pan import contains_pan

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MAX_ID = 128
MAX_TEXT = 256
_NO_OFFSET = timedelta(0)
_WITHOUT_DIGITS: Final = str.maketrans("", "", "0123456789")


def check_ids(*named: tuple[str, str | None]) -> None:
    """Refuse ids that are empty, too long, not printable ASCII or look like a card number."""
    joined = ""
    for name, value in named:
        if value is None:
            continue
        if not 0 < len(value) <= MAX_ID:
            raise ValueError(f"{name}: has {len(value)} characters; allowed: 1..{MAX_ID}")
        if name == "tenant" and "/" in value:
            raise ValueError("tenant: holds a slash; allowed: any other printable ASCII")
        joined += value
    # One pass over all ids together: only a suspicious whole is looked at field by field.
    if not (joined.isascii() and joined.isprintable()):
        _refuse_unprintable(named)
    if len(joined) - len(joined.translate(_WITHOUT_DIGITS)) >= 12:
        _refuse_pan(named)


def check_text(name: str, value: str | None) -> None:
    """Refuse text that is too long, not printable or holds a card number; empty is allowed."""
    if value is None or value == "":
        return
    if len(value) > MAX_TEXT:
        raise ValueError(f"{name}: has {len(value)} characters; allowed: at most {MAX_TEXT}")
    if not value.isprintable():
        _refuse_unprintable(((name, value),), ascii_only=False)
    _refuse_pan(((name, value),))


def _refuse_unprintable(named: Iterable[tuple[str, str | None]], ascii_only: bool = True) -> None:
    for name, value in named:
        if value is not None and not (value.isprintable() and (value.isascii() or not ascii_only)):
            allowed = "printable ASCII" if ascii_only else "printable text"
            raise ValueError(f"{name}: holds a character that is not allowed; allowed: {allowed}")


def _refuse_pan(named: Iterable[tuple[str, str | None]]) -> None:
    for name, value in named:
        if value is not None and contains_pan(value):
            # The value itself is never repeated: it may be a real card number.
            raise ValueError(f"{name}: looks like a card number; allowed: tokens only")


def check_time(name: str, value: datetime) -> None:
    """Refuse what is not UTC or far from our days."""
    if value.tzinfo is not UTC and value.utcoffset() != _NO_OFFSET:
        raise ValueError(f"{name}: {value.isoformat()} is not in UTC; allowed: UTC times")
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"{name}: {value.isoformat()} is out of range; allowed: 1990 up to 2099")


def check_code(name: str, value: str | None, length: int, allowed: str) -> None:
    """Refuse what is not that many capital letters."""
    if value is None:
        return
    if not (len(value) == length and value.isascii() and value.isalpha() and value.isupper()):
        raise ValueError(f"{name}: {shown(value)} is not a code; allowed: {allowed}")


def check_mcc(mcc: str | None) -> None:
    """Refuse what is not four digits."""
    if mcc is not None and not (len(mcc) == 4 and mcc.isascii() and mcc.isdigit()):
        raise ValueError(f"mcc: {shown(mcc)} is not a category code; allowed: four digits (ISO 18245)")


def shown(value: object) -> str:
    """The value for an error message, cut short: what is in the wrong place may be a card number."""
    text = repr(value)
    return text if len(text) <= 8 else f"{text[:6]}... ({len(text)} characters)"


def joined(*parts: str) -> str:
    """The parts with a slash between them; a slash within one can't be taken for it."""
    return "/".join([part.replace("%", "%25").replace("/", "%2F") for part in parts])
