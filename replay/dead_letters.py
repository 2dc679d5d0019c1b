"""Records that could not be used, one JSON object per line, with card numbers masked.

Each line has ``reason``, ``origin``, ``encoding`` (``"utf-8"`` or ``"base64"``) and ``raw``, the record in
that encoding. A run of 12 or more digits in which a card number could hide is replaced by asterisks before
anything is written, also where the digits are escaped, or spaced by blanks, dots, hyphens or zero bytes.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from flows.codec import BadRecord
from flows.masking import mask_pans
from replay.atomic_file import replacing

FILE_NAME: Final = "dead_letters.jsonl"


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
