"""Damage in a stream's file, as opposed to a record that can't be used.

A bad record costs itself; damage costs an unknown number of records, so whoever reads a stream to decide it
must say so at the end.
"""

from dataclasses import dataclass
from typing import Any

from flows.codec import BadRecord


@dataclass(frozen=True, slots=True)
class StreamDamage(BadRecord):
    """A place where a file is damaged or cut short; ``origin`` is the file and the line, or the row.

    Parameters
    ----------
    file
        The name of the file.
    records_read
        How many of the file's records were read before this place.
    stopped
        Whether nothing behind this place could be read.
    """

    file: str = ""
    records_read: int = 0
    stopped: bool = True

    def as_dict(self) -> dict[str, Any]:
        """What a summary says of it."""
        return {
            "file": self.file,
            "where": self.origin,
            "reason": self.reason,
            "records_read": self.records_read,
            "stopped": self.stopped,
        }


def damage_in_words(damage: dict[str, Any]) -> str:
    """One entry of a summary's list as a sentence."""
    read = f"{damage['records_read']:,} records of this file were read before it"
    rest = "reading stopped there" if damage["stopped"] else "reading went on behind it"
    return f"{damage['where']}: {damage['reason']}; {read}, {rest}"
