"""The checker of deliveries: whether every alert reached its subscriber, once it was done with never again.

An alert is done with when its subscriber has acknowledged it, or it has expired. A confirmation may be lost
with the server that sends it; what was confirmed must not come again.

It is told what the outbox holds and what each subscriber saw, in the subscriber's own order, and knows of no
files, streams or processes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from replay.history.values import Fault, Finding


class Step(StrEnum):
    """What a subscriber can see and do; the letters are those of its journal."""

    DELIVERED = "D"
    ACKED = "A"  # the subscriber said that it was done
    CONFIRMED = "K"  # the server said that it keeps that
    EXPIRED = "X"
    GAP = "G"  # the server could not go on where it was to


class Seen(NamedTuple):
    """One step of a subscriber; of a gap the alert id is empty."""

    step: Step
    alert_id: str = ""


class Raised(NamedTuple):
    """An alert of the outbox, whose alert it is, and which subscriber is to get it."""

    alert_id: str
    user: str
    subscriber: str


@dataclass(frozen=True, slots=True)
class Deliveries:
    """All alerts in the order of the outbox, and what each subscriber saw, in order."""

    raised: Sequence[Raised]
    seen: Mapping[str, Sequence[Seen]]


def check_deliveries(history: Deliveries) -> list[Finding]:
    """Everything that is wrong; nothing when all promises held.

    >>> raised = [Raised("a-1", "u-1", "push")]
    >>> for finding in check_deliveries(Deliveries(raised, {"push": [Seen(Step.DELIVERED, "a-1")]})):
    ...     print(finding.fault, finding.sentence)
    LOSS a-1: push was never done with it
    """
    return [finding for name in _subscribers(history) for finding in _Subscriber(history, name).findings()]


def _subscribers(history: Deliveries) -> list[str]:
    return sorted({*history.seen, *(raised.subscriber for raised in history.raised)})


class _Subscriber:
    """One subscriber's share of a history."""

    def __init__(self, history: Deliveries, name: str) -> None:
        self._name = name
        self._seen = history.seen.get(name, ())
        self._wanted = {raised.alert_id: raised for raised in history.raised if raised.subscriber == name}
        self._earlier: dict[str, tuple[str, ...]] = {}
        self._later: dict[str, tuple[str, ...]] = {}
        by_user: defaultdict[str, list[str]] = defaultdict(list)
        for raised in self._wanted.values():
            by_user[raised.user].append(raised.alert_id)
        for ids in by_user.values():
            for at, alert_id in enumerate(ids):
                self._earlier[alert_id] = tuple(ids[max(0, at - 1) : at])
                self._later[alert_id] = tuple(ids[at + 1 :])
        self._acked: set[str] = set()
        self._done: set[str] = set()

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        for step, alert_id in self._seen:
            if step is Step.GAP:
                yield Finding(Fault.GAP, (self._name,), f"{self._name}: was told of a gap")
            elif alert_id not in self._wanted:
                yield Finding(Fault.STRAY, (alert_id,), f"{alert_id}: {self._name} saw it and should not")
            elif step is Step.ACKED:
                self._acked.add(alert_id)
            elif step is Step.DELIVERED:
                yield from self._delivered(alert_id)
            else:
                self._done.add(alert_id)
        for alert_id in self._wanted:
            if alert_id not in self._acked and alert_id not in self._done:
                yield Finding(Fault.LOSS, (alert_id,), f"{alert_id}: {self._name} was never done with it")

    def _delivered(self, alert_id: str) -> Iterator[Finding]:
        if alert_id in self._done:
            said = f"{alert_id}: {self._name} got it again after it was done with"
            yield Finding(Fault.DOUBLE, (alert_id,), said)
        # One before is enough: what is before that one was looked at when that one came.
        for other in self._earlier[alert_id]:
            if other not in self._acked and other not in self._done:
                yield self._reordered(alert_id, other)
        for other in self._later[alert_id]:
            if other in self._done and alert_id not in self._done:
                yield self._reordered(alert_id, other)

    def _reordered(self, alert_id: str, other: str) -> Finding:
        said = f"{alert_id}: {self._name} got it on the wrong side of {other}, of the same user"
        return Finding(Fault.REORDER, (alert_id, other), said)
