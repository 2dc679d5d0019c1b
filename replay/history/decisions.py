"""What is wrong with the published decisions, and with what callers were told."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from replay.history.logs import Logs
from replay.history.values import Answer, Fault, Finding, History, Published, place

ENGINE: Final = "ENGINE"


class Decisions:
    """The published decisions, by place and by payment; a repeat of the same bytes counts once.

    ``findings`` says what is wrong with one of them.
    """

    def __init__(self, history: History, logs: Logs) -> None:
        self.findings: list[Finding] = []
        self.at: dict[tuple[int, int], Published] = {}
        self.of: defaultdict[str, list[Published]] = defaultdict(list)
        self.last: dict[str, Published] = {}
        self._logs = logs
        self._repeats_allowed = history.repeats_allowed
        self._ids: dict[str, str] = {}
        ends: defaultdict[int, int] = defaultdict(int)
        for decision in map(self._placed, history.published):
            self._check_place(decision)
            self._check_id(decision)
            if not decision.position:
                continue  # a fallback's answer that the log knows nothing of
            if self._is_new(decision):
                before, ends[decision.shard] = ends[decision.shard], decision.position
                if decision.position < before:
                    self._find(Fault.REORDER, decision, f"was published behind that of position {before}")
                self.of[decision.transaction].append(decision)
        for decisions in self.of.values():
            decisions.sort(key=lambda decision: decision.position)

    def _placed(self, decision: Published) -> Published:
        if decision.position:
            return decision
        position = self._logs.fallbacks.get((decision.shard, decision.transaction), 0)
        return decision._replace(position=position)

    def _check_place(self, decision: Published) -> None:
        record = self._logs.at.get((decision.shard, decision.position))
        if record is not None and record.transaction == decision.transaction:
            if decision.source == ENGINE and record.is_own:
                self._find(Fault.STRAY, decision, "is the engine's, where the fallback answered")
            return
        positions = self._logs.positions.get(decision.transaction, {})
        if positions and decision.shard not in positions:
            self._find(Fault.MISPLACED, decision, f"is about a payment of shard {min(positions)}")
        else:
            self._find(Fault.STRAY, decision, "is about nothing that stands there")

    def _check_id(self, decision: Published) -> None:
        first = self._ids.setdefault(decision.decision_id, decision.transaction)
        if first != decision.transaction:
            self._find(Fault.CHANGED, decision, f"has the id of the decision on {first}")

    def _is_new(self, decision: Published) -> bool:
        self.last[decision.transaction] = decision
        at = decision.shard, decision.position
        first = self.at.get(at)
        if first is None:
            self.at[at] = decision
            return True
        if first.content != decision.content:
            self._find(Fault.CHANGED, decision, "was published before with another content")
        elif not self._repeats_allowed:
            self._find(Fault.DOUBLE, decision, "was published before")
        return False

    def _find(self, fault: Fault, decision: Published, said: str) -> None:
        ids = (decision.decision_id, decision.transaction)
        sentence = f"{decision.decision_id} on {decision.transaction} ({place(decision)}): {said}"
        self.findings.append(Finding(fault, ids, sentence))


def compare_with_logs(history: History, logs: Logs, decisions: Decisions) -> Iterator[Finding]:
    """Payments without a decision, and those with more than the engine's and then the fallback's."""
    for record in history.logged:
        if record.transaction and (record.shard, record.position) not in decisions.at:
            sentence = f"{record.event_id} ({place(record)}): no decision on it was published"
            yield Finding(Fault.LOSS, (record.event_id,), sentence)
    for transaction, found in decisions.of.items():
        records = [logs.at.get((each.shard, each.position)) for each in found]
        answered = [record is not None and record.is_own for record in records]
        if answered == [True, False]:
            said = "the engine's decision comes behind the fallback's"
            yield Finding(Fault.CHANGED, (transaction,), f"{transaction}: {said}")
        elif answered not in ([False], [True], [False, True]):
            yield Finding(Fault.DOUBLE, (transaction,), f"{transaction}: has {len(found)} decisions")
        last = decisions.last[transaction]
        if last.position < found[-1].position:
            said = f"the last one published is not that in force but that of position {last.position}"
            yield Finding(Fault.REORDER, (last.decision_id, transaction), f"{transaction}: {said}")


def compare_with_answers(history: History, decisions: Decisions) -> Iterator[Finding]:
    """Callers who were told nothing, or something else than the decision in force: a payment's last one."""
    waiting = {sent.event_id for sent in history.sent if sent.asked}
    answered: set[str] = set()
    agreed: set[str] = set()
    for answer in (*history.answers, *history.last_answers):
        name = answer.transaction
        found = decisions.of.get(name)
        if name not in waiting:
            yield Finding(Fault.STRAY, (name,), f"{name}: was answered, but nobody asked")
        elif found is None:
            yield Finding(Fault.LOSS, (name,), f"{name}: was answered, but no decision on it was published")
        elif answer.content == found[-1].content:
            agreed.add(name)
        answered.add(name)
    may_differ = agreed & history.asked_elsewhere
    for answer in history.answers:
        yield from _compare_answer(answer, decisions, answer.transaction in may_differ)
    for answer in history.last_answers:
        yield from _compare_answer(answer, decisions, may_differ=False)
    for name in sorted(waiting - answered):
        yield Finding(Fault.UNANSWERED, (name,), f"{name}: its caller was told nothing")


def _compare_answer(answer: Answer, decisions: Decisions, may_differ: bool) -> Iterator[Finding]:
    found = decisions.of.get(answer.transaction)
    if found is None or answer.content == found[-1].content:
        return
    by_engine = answer.source == found[-1].source == ENGINE
    if not may_differ or by_engine:
        name, told, held = answer.transaction, _words(answer), _words(found[-1])
        sentence = f"{name}: a caller was told {told}, which is not the decision in force ({held})"
        yield Finding(Fault.CHANGED, (name, found[-1].decision_id), sentence)


def _words(decision: Answer | Published) -> str:
    return f"{decision.source} {decision.action}"
