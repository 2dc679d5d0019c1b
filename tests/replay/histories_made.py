"""Histories for tests: what a sound run leaves behind, made from a plan of what the logs hold."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hypothesis import strategies as st

from replay.history import Answer, History, Logged, Published, Sent

SHARDS: Final = 3
PAYMENT, LOCATION, TICK = "payment", "location", "tick"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record on its way into the logs; ``fallback`` marks an answer that the fallback gave to a payment."""

    kind: str
    number: int
    user: int
    shard: int | None
    fallback: bool = False

    @property
    def event_id(self) -> str:
        return f"{'fallback' if self.fallback else self.kind}/default/{self.number}"

    @property
    def transaction(self) -> str:
        return f"payment/default/{self.number}" if self.kind == PAYMENT else ""

    @property
    def shards(self) -> Sequence[int]:
        return range(SHARDS) if self.shard is None else (self.shard,)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent, and what the logs come to hold, in order."""

    sent: tuple[Entry, ...]
    logged: tuple[Entry, ...]

    def history(self) -> History:
        """What such a run leaves behind; everybody who asked was told the decision in force."""
        logged, published = [], []
        ends: defaultdict[int, int] = defaultdict(int)
        told: dict[str, Published] = {}
        for entry in self.logged:
            for shard in entry.shards:
                ends[shard] += 1
                content = b"c-%d" % entry.number
                at = Logged(shard, ends[shard], entry.event_id, entry.transaction, entry.fallback, content)
                logged.append(at)
                if entry.transaction:
                    published.append(decision(at))
                    told[entry.transaction] = published[-1]
        asked = [made for entry in self.sent if (made := told.get(entry.transaction)) is not None]
        answers = [Answer(made.transaction, made.source, made.action, made.content) for made in asked]
        return History(SHARDS, [_sent(entry) for entry in self.sent], logged, published, answers)

    def with_logged(self, logged: Sequence[Entry]) -> "Plan":
        """The same sent, but other logs."""
        return replace(self, logged=tuple(logged))


def decision(record: Logged) -> Published:
    """The decision that is published for a record."""
    source, action = ("FALLBACK", "STEP_UP") if record.is_own else ("ENGINE", "APPROVE")
    name = record.transaction
    position = 0 if record.is_own else record.position
    content = f"{source} {name} {position}".encode()
    return Published(record.shard, position, f"d-{name}", name, source, action, content)


def _sent(entry: Entry) -> Sent:
    user, is_payment = f"u-{entry.user}", entry.kind == PAYMENT
    return Sent(entry.event_id, user, entry.shard, "feed", is_payment, b"c-%d" % entry.number)


@st.composite
def plans(draw: st.DrawFn, payments: int = 1) -> Plan:
    """Any sound run with at least so many payments: order is kept per user only, some callers fell back."""
    kinds = draw(st.lists(st.sampled_from((PAYMENT, LOCATION, TICK)), max_size=12))
    kinds = draw(st.permutations([PAYMENT] * payments + kinds))
    sent = [_entry(kind, number, draw(st.integers(0, 3))) for number, kind in enumerate(kinds)]
    waiting: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in sent:
        waiting[entry.user].append(entry)
    logged = [waiting[user].pop(0) for user in draw(st.permutations([entry.user for entry in sent]))]
    for entry in sent:
        if entry.kind == PAYMENT and draw(st.integers(0, 4)) == 0:
            behind = draw(st.integers(logged.index(entry) + 1, len(logged)))
            logged.insert(behind, replace(entry, fallback=True))
    return Plan(tuple(sent), tuple(logged))


def _entry(kind: str, number: int, user: int) -> Entry:
    return Entry(kind, number, user, None if kind == TICK else user % SHARDS)
