"""What is wrong with the shard logs: beside what was sent, and by themselves."""

from collections import defaultdict
from collections.abc import Iterator

from replay.history.values import Fault, Finding, History, Logged, Sent, place


class Logs:
    """The records of all shard logs, by place and by event id.

    ``findings`` says what is wrong with a record whatever else was sent.
    """

    def __init__(self, history: History) -> None:
        self.findings: list[Finding] = []
        self.at: dict[tuple[int, int], Logged] = {}
        self.positions: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.fallbacks: dict[tuple[int, str], int] = {}
        """Where the fallback's answer to a payment stands, by shard and payment."""
        self._homes = {sent.event_id: sent.shard for sent in history.sent}
        ends: defaultdict[int, int] = defaultdict(int)
        for record in history.logged:
            due, ends[record.shard] = ends[record.shard] + 1, record.position
            if record.position != due:
                self._find(Fault.GAP, record, f"stands where position {due} is due")
            self._check_sender(record)
            self._check_shard(record)
            self._add(record)

    def _check_sender(self, record: Logged) -> None:
        sent = record.transaction if record.is_own else record.event_id
        if sent not in self._homes and (sent or not record.is_own):
            self._find(Fault.STRAY, record, "was sent by nobody")

    def _check_shard(self, record: Logged) -> None:
        home = self._homes.get(record.transaction or record.event_id)
        if home is not None and home != record.shard:
            self._find(Fault.MISPLACED, record, f"belongs to shard {home}")

    def _add(self, record: Logged) -> None:
        self.at[record.shard, record.position] = record
        if record.is_own and record.transaction:
            self.fallbacks.setdefault((record.shard, record.transaction), record.position)
        first = self.positions[record.event_id].setdefault(record.shard, record.position)
        if first != record.position:
            self._find(Fault.DOUBLE, record, f"stands at position {first} already")

    def _find(self, fault: Fault, record: Logged, said: str) -> None:
        sentence = f"{record.event_id} ({place(record)}): {said}"
        self.findings.append(Finding(fault, (record.event_id,), sentence))


def compare_with_sent(history: History, logs: Logs) -> Iterator[Finding]:
    """What was sent and is not there, is there otherwise, or in another order."""
    checked: set[str] = set()
    ends: dict[tuple[str, str], tuple[int, str]] = {}
    for sent in history.sent:
        if sent.event_id not in checked:
            checked.add(sent.event_id)
            yield from _absences(sent, history.shards, logs)
            yield from _changes(sent, logs)
            yield from _descents(sent, logs, ends)


def _absences(sent: Sent, shards: int, logs: Logs) -> Iterator[Finding]:
    name, found = sent.event_id, logs.positions.get(sent.event_id, {})
    if sent.shard is not None and found:
        return  # in another shard, perhaps: that is told where it was found
    missing = set(range(shards) if sent.shard is None else (sent.shard,)) - found.keys()
    for shard in sorted(missing):
        yield Finding(Fault.LOSS, (name,), f"{name}: was sent, but is not in the log of shard {shard}")


def _changes(sent: Sent, logs: Logs) -> Iterator[Finding]:
    for at in logs.positions.get(sent.event_id, {}).items():
        record = logs.at[at]
        if sent.content and record.content and sent.content != record.content:
            sentence = f"{sent.event_id} ({place(record)}): is not what was sent under this id"
            yield Finding(Fault.CHANGED, (sent.event_id,), sentence)


def _descents(sent: Sent, logs: Logs, ends: dict[tuple[str, str], tuple[int, str]]) -> Iterator[Finding]:
    """Compare with what the same producer sent of the same user before."""
    if sent.producer is None or sent.shard is None:
        return
    position = logs.positions.get(sent.event_id, {}).get(sent.shard)
    if position is None or logs.at[sent.shard, position].is_own:
        return
    before, earlier = ends.get((sent.producer, sent.user), (0, ""))
    ends[sent.producer, sent.user] = position, sent.event_id
    if position < before:
        said = f"stands at position {position}, before {earlier} at {before}, which was sent earlier"
        yield Finding(Fault.REORDER, (sent.event_id, earlier), f"{sent.event_id}: {said}")
