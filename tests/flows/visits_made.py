"""Builders of visits, and a shard whose learning of them is watched."""

from collections.abc import Sequence
from datetime import timedelta

from detectors.events import Consent, ConsentPurpose, Preferences, Visit
from flows.codec import Event
from flows.outputs import VisitNoted
from flows.task import ShardTask
from tests.flows.shards_made import NOON, Shard

DAY = timedelta(days=1)
CONSENT = Consent("u-1", ConsentPurpose.LOCATION_ALERTS, True, "v1", NOON)
ZONE = Preferences("u-1", NOON, time_zone="Europe/Brussels")


def visit(number: int, merchant: str = "m-7", at: timedelta | None = None) -> Visit:
    return Visit(f"v-{number}", "u-1", merchant, NOON + (number * DAY if at is None else at), source="door")


class Watched(Shard):
    """A shard whose learning of visits is watched."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.noted: list[VisitNoted] = []
        super().__init__(watch_visits=self.noted.append)
        self.add(*events)

    def visits(self, *events: Event) -> list[VisitNoted]:
        """What is said of visits when these events come."""
        self.add(*events)
        self.task.settle()
        return self.noted

    def restart(self) -> None:
        self.commit()
        self.task = ShardTask(self.store, self.log.find, watch_visits=self.noted.append)
