"""What the importers of visits and tracks put before a user's first event."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from detectors.events import Consent, ConsentPurpose, Location, Preferences, Visit

E = TypeVar("E", Location, Visit)


def introduction(user_id: str, time: datetime, zone: str) -> tuple[Consent, Preferences]:
    """A consent, without which nobody would follow the user or learn from them, and the time zone."""
    return (
        Consent(user_id, ConsentPurpose.LOCATION_ALERTS, True, "research", time),
        Preferences(user_id, time, time_zone=zone),
    )


def introduced(events: Iterable[E], zone: str) -> Iterator[Consent | Preferences | E]:
    """The events, each user's first one behind their introduction, which is of the same time."""
    known: set[str] = set()
    for event in events:
        if event.user_id not in known:
            known.add(event.user_id)
            yield from introduction(event.user_id, event.event_time, zone)
        yield event
