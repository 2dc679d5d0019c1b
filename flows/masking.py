"""Text and bytes that somebody sent, made fit to be stored: no card number in them stays readable."""

import re
from typing import Final

from detectors.pan import contains_pan

_RUN: Final = re.compile(r"\d(?:[\s.\x00-]?\d){11,}")
_DIGIT: Final = re.compile(r"\d")
_ESCAPED_DIGIT: Final = re.compile(r"\\u003([0-9])")
_PAN_LENGTHS: Final = range(12, 20)


def mask_pans(text: str) -> str:
    """The text with every digit run in which a card number could hide replaced by asterisks.

    >>> mask_pans("card 4111 1111 1111 1111 123, order 100000000001")
    'card **** **** **** **** ***, order 100000000001'
    """
    return _RUN.sub(_mask_run, _ESCAPED_DIGIT.sub(r"\1", text))


def without_pans(raw: bytes) -> bytes:
    """The same bytes, or, where they hold what the edge would refuse as a card number, masked ones.

    Bytes that are fine come back as they are, so that what was refused for another reason can be sent again.

    >>> without_pans(b'{"id":"order 100000000001"}')
    b'{"id":"order 100000000001"}'
    >>> without_pans(b'{"card":"4111/1111/1111/1111","n":7}')
    b'{"card":"****/****/****/****","n":*}'
    """
    # Latin-1 keeps each byte as one character, so that masking sees the digits among any others.
    text = raw.decode("latin-1")
    if not _holds_pan(text):
        return raw
    masked = mask_pans(text)
    if _holds_pan(masked):
        masked = _DIGIT.sub("*", masked)
    return masked.encode("latin-1")


def _holds_pan(text: str) -> bool:
    return contains_pan(_ESCAPED_DIGIT.sub(r"\1", text).replace("\x00", ""))


def _mask_run(match: re.Match[str]) -> str:
    digits = "".join(c for c in match.group() if c.isdigit())
    windows = (digits[at : at + length] for length in _PAN_LENGTHS for at in range(len(digits) - length + 1))
    if any(map(contains_pan, windows)):
        return "".join("*" if c.isdigit() else c for c in match.group())
    return match.group()
