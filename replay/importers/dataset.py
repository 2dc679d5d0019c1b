"""From a data set's folder to an event stream file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from detectors.events import Outcome, Payment
from replay.errors import SourceError
from replay.importers import fdh, sparkov, tabformer
from replay.importers.source_table import count_rows
from replay.streams import StreamWriter

SOURCES: Final[dict[str, Callable[[Path, timedelta], Iterator[Payment | Outcome]]]] = {
    "fdh": fdh.events,
    "sparkov": sparkov.events,
    "tabformer": tabformer.events,
}
"""The importer of each kind of data set."""

_PROGRESS_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was imported; ``first_time`` and ``last_time`` are those of the payments."""

    kind: str
    payments: int
    outcomes: int
    users: int
    first_time: datetime | None
    last_time: datetime | None


def import_dataset(
    kind: str,
    folder: Path,
    out: Path,
    label_delay: timedelta,
    progress: Callable[[int, int], None] | None = None,
) -> ImportSummary:
    """Write the folder's events to ``out`` and count them.

    ``progress`` is called now and then with the number of payments done and their total.

    Raises
    ------
    SourceError
        When the kind is unknown or the folder is not one of its data sets.
    StreamError
        When ``out`` can't be written or has an unknown suffix.
    """
    if kind not in SOURCES:
        raise SourceError(f"kind: {kind!r} is unknown; allowed: {', '.join(SOURCES)}")
    total = count_rows(folder)
    payments = outcomes = 0
    users: set[str] = set()
    first = last = None
    with StreamWriter(out) as writer:
        for event in SOURCES[kind](folder, label_delay):
            writer.write(event)
            if isinstance(event, Outcome):
                outcomes += 1
                continue
            payments += 1
            users.add(event.user_id)
            first, last = first or event.event_time, event.event_time
            if progress is not None and payments % _PROGRESS_EVERY == 0:
                progress(payments, total)
    if progress is not None:
        progress(payments, total)
    return ImportSummary(kind, payments, outcomes, len(users), first, last)
