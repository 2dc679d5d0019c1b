"""What a process calls itself among the others."""

import os
from pathlib import Path
from typing import Final

_FILE: Final = "process-id"


def process_id(folder: Path) -> str:
    """A name that belongs to a data folder for good, made when there is none: 32 hexadecimal digits."""
    path = folder / _FILE
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if len(found) != 32:
        found = os.urandom(16).hex()
        path.write_text(found + "\n", encoding="ascii")
    return found


def run_id() -> bytes:
    """A name for one run of a process: tickets of an earlier run mean nothing to it."""
    return os.urandom(16)
