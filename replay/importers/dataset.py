"""From a data set's folder to an event stream file."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from flows.codec import Event
from replay.errors import SourceError
from replay.importers import fdh, next_place, sparkov, tabformer
from replay.streams import StreamWriter


class Choices(NamedTuple):
    """What an import leaves to choose.

    Attributes
    ----------
    label_delay
        How long after its payment a fraud is reported, where the data set has labels.
    part
        Which part of a data set that has several; empty for the first.
    """

    label_delay: timedelta = timedelta(days=7)
    part: str = ""


Importer = Callable[[Path, Choices], Iterator[Event]]

SOURCES: Final[dict[str, Importer]] = {
    "fdh": lambda folder, chosen: fdh.events(folder, chosen.label_delay),
    "sparkov": lambda folder, chosen: sparkov.events(folder, chosen.label_delay),
    "tabformer": lambda folder, chosen: tabformer.events(folder, chosen.label_delay),
    "next-place": lambda folder, chosen: next_place.events(folder, chosen.part or next_place.PARTS[0]),
}
"""The importer of each kind of data set."""

_PROGRESS_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was imported: events by kind, distinct users, and the times of the first and the last event."""

    kind: str
    events: dict[str, int]
    users: int
    first_time: datetime | None
    last_time: datetime | None


def import_dataset(
    kind: str,
    folder: Path,
    out: Path,
    choices: Choices,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImportSummary:
    """Write the folder's events to ``out`` and count them.

    ``progress`` is called now and then with the number of events done; how many there will be is unknown.

    Raises
    ------
    SourceError
        When the kind is unknown or the folder is not one of its data sets.
    StreamError
        When ``out`` can't be written or has an unknown suffix.
    """
    if kind not in SOURCES:
        raise SourceError(f"kind: {kind!r} is unknown; allowed: {', '.join(SOURCES)}")
    kinds: Counter[str] = Counter()
    users: set[str] = set()
    first = last = None
    with StreamWriter(out) as writer:
        for number, event in enumerate(SOURCES[kind](folder, choices), start=1):
            writer.write(event)
            kinds[event.kind] += 1
            if (user_id := getattr(event, "user_id", None)) is not None:
                users.add(user_id)
            first, last = first or event.event_time, event.event_time
            if progress is not None and number % _PROGRESS_EVERY == 0:
                progress(number, None)
    if progress is not None:
        progress(kinds.total(), kinds.total())
    return ImportSummary(kind, dict(sorted(kinds.items())), len(users), first, last)
