"""Records that could not be used, one JSON object per line, with card numbers masked.

Each line has ``reason``, ``origin``, ``encoding`` (``"utf-8"`` or ``"base64"``) and ``raw``, the record in
that encoding. A run of 12 or more digits in which a card number could hide is replaced by asterisks before
anything is written, also where the digits are escaped, or spaced by blanks, dots, hyphens or zero bytes.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from detectors.pan import contains_pan
from flows.codec import BadRecord
from replay.atomic_file import replacing

FILE_NAME: Final = "dead_letters.jsonl"
_RUN: Final = re.compile(r"\d(?:[\s.\x00-]?\d){11,}")
_ESCAPED_DIGIT: Final = re.compile(r"\\u003([0-9])")
_PAN_LENGTHS: Final = range(12, 20)


def mask_pans(text: str) -> str:
    """The text with every digit run in which a card number could hide replaced by asterisks.

    >>> mask_pans("card 4111 1111 1111 1111 123, order 100000000001")
    'card **** **** **** **** ***, order 100000000001'
    """
    return _RUN.sub(_mask_run, _ESCAPED_DIGIT.sub(r"\1", text))


def _mask_run(match: re.Match[str]) -> str:
    digits = "".join(c for c in match.group() if c.isdigit())
    windows = (digits[at : at + length] for length in _PAN_LENGTHS for at in range(len(digits) - length + 1))
    if any(map(contains_pan, windows)):
        return "".join("*" if c.isdigit() else c for c in match.group())
    return match.group()


def encode_dead_letter(record: BadRecord) -> bytes:
    """The record as one line, without the line end."""
    try:
        encoding, raw = "utf-8", mask_pans(record.raw.decode())
    except UnicodeDecodeError:
        # Latin-1 keeps each byte as one character, so that masking sees the digits among them.
        masked = mask_pans(record.raw.decode("latin-1")).encode("latin-1")
        encoding, raw = "base64", base64.b64encode(masked).decode()
    letter = {
        "reason": mask_pans(record.reason),
        "origin": mask_pans(record.origin),
        "encoding": encoding,
        "raw": raw,
    }
    return json.dumps(letter).encode()


class DeadLetterWriter:
    """Writes ``dead_letters.jsonl`` into a folder; the file appears when it is complete, even if empty."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._opening = replacing(folder / FILE_NAME)

    def __enter__(self) -> Self:
        self._file = self._opening.__enter__()
        return self

    def write(self, record: BadRecord) -> None:
        """Append one record."""
        self.count += 1
        self._file.write(encode_dead_letter(record) + b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opening.__exit__(kind, error, trace)


def read_dead_letters(folder: Path) -> Iterator[dict[str, str]]:
    """The lines of a folder's ``dead_letters.jsonl``."""
    with (folder / FILE_NAME).open("rb") as file:
        for line in file:
            yield json.loads(line)
