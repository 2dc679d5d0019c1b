"""From a data set's folder to an event stream file."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from flows.codec import Event
from replay.errors import SourceError
from replay.importers import fdh, foursquare, geolife, gowalla, next_place, osm_poi, sparkov, tabformer
from replay.importers.source_table import count_rows
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


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of data set.

    Parameters
    ----------
    events
        Its events in time order, by its folder and what is chosen; what can't become an event, or part of
        one, is counted in the third argument, in a few words each.
    rows
        How many rows the folder holds.
    """

    events: Callable[[Path, Choices, Counter[str]], Iterator[Event]]
    rows: Callable[[Path], int] = count_rows


SOURCES: Final[dict[str, Source]] = {
    "fdh": Source(lambda folder, chosen, _: fdh.events(folder, chosen.label_delay)),
    "sparkov": Source(lambda folder, chosen, _: sparkov.events(folder, chosen.label_delay)),
    "tabformer": Source(lambda folder, chosen, _: tabformer.events(folder, chosen.label_delay)),
    "foursquare": Source(lambda folder, _, __: foursquare.events(folder), foursquare.count_rows),
    "gowalla": Source(lambda folder, _, __: gowalla.events(folder), gowalla.count_rows),
    "next-place": Source(
        lambda folder, chosen, _: next_place.events(folder, chosen.part or next_place.PARTS[0]),
        next_place.count_rows,
    ),
    "geolife": Source(
        lambda folder, chosen, _: geolife.events(folder, chosen.part or geolife.PARTS[0]),
        geolife.count_rows,
    ),
    "osm-poi": Source(lambda folder, _, left_out: osm_poi.events(folder, left_out), osm_poi.count_rows),
}
"""The importer of each kind of data set."""

_PROGRESS_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was imported.

    Parameters
    ----------
    kind
        The kind of data set.
    events
        How many events there are of each kind.
    users
        How many users they are about.
    first_time, last_time
        Event times of the first and of the last one.
    left_out
        What was left out of the data set, by reason.
    """

    kind: str
    events: dict[str, int]
    users: int
    first_time: datetime | None
    last_time: datetime | None
    left_out: dict[str, int]


@dataclass(slots=True)
class _Count:
    events: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    first_time: datetime | None = None
    last_time: datetime | None = None

    def add(self, event: Event) -> None:
        self.events[event.kind] += 1
        user_id = getattr(event, "user_id", None)
        if user_id is not None:
            self.users.add(user_id)
        self.first_time = self.first_time or event.event_time
        self.last_time = event.event_time


def import_dataset(
    kind: str,
    folder: Path,
    out: Path,
    choices: Choices,
    progress: Callable[[int, int], None] | None = None,
) -> ImportSummary:
    """Write the folder's events to ``out`` and count them.

    ``progress`` is called now and then with the number of events done and the number of rows.

    Raises
    ------
    SourceError
        When the kind is unknown or the folder is not one of its data sets.
    StreamError
        When ``out`` can't be written or has an unknown suffix.
    """
    if kind not in SOURCES:
        raise SourceError(f"kind: {kind!r} is unknown; allowed: {', '.join(SOURCES)}")
    source, count, left_out = SOURCES[kind], _Count(), Counter[str]()
    total = source.rows(folder)
    done = 0
    with StreamWriter(out) as writer:
        for done, event in enumerate(source.events(folder, choices, left_out), start=1):
            writer.write(event)
            count.add(event)
            if progress is not None and done % _PROGRESS_EVERY == 0:
                progress(min(done, total), total)
    if progress is not None:
        progress(min(done, total), total)
    return ImportSummary(
        kind,
        dict(sorted(count.events.items())),
        len(count.users),
        count.first_time,
        count.last_time,
        dict(sorted(left_out.items())),
    )
