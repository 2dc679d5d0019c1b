"""What becomes of a replay's outputs: rows of the run's files, and counts."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerting.decision import Source
from flows.codec import BadRecord
from flows.outputs import AlertRaised, Decided, OutcomeNoted, Output, TaskFault
from replay.alerts import AlertWriter, CandidateRow
from replay.dead_letters import DeadLetterWriter
from replay.decisions import DecisionWriter, OutcomeWriter


@dataclass(slots=True)
class OutputCounts:
    """How many outputs there were of which kind, and where the streams were damaged."""

    faults: int = 0
    outcomes: int = 0
    damage: list[dict[str, Any]] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)


class RunEffects:
    """Writes outputs to the run's folder."""

    def __init__(
        self,
        decisions: DecisionWriter,
        outcomes: OutcomeWriter,
        alerts: AlertWriter,
        dead_letters: DeadLetterWriter,
        counts: OutputCounts,
        position_of: Callable[[str], int | None],
    ) -> None:
        self._position_of = position_of
        self._decisions = decisions
        self._outcomes = outcomes
        self._alerts = alerts
        self._dead_letters = dead_letters
        self._counts = counts

    def _replaced_by(self, output: Decided) -> int | None:
        """The position of the engine's own decision that a fallback's stands above, if there is one."""
        if output.decision.source is Source.ENGINE:
            return None
        position = self._position_of(output.payment.event_id)
        return position if position != output.position else None

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for _, output in outputs:
            if isinstance(output, Decided):
                self._decisions.write(
                    output.decision, output.payment, self._replaced_by(output), output.encoded
                )
                self._counts.actions[output.decision.action] += 1
                self._counts.sources[output.decision.source] += 1
            elif isinstance(output, AlertRaised):
                self._alerts.write(CandidateRow(output.seq, output.alert, output.suppressed), output.encoded)
            elif isinstance(output, OutcomeNoted):
                self._counts.outcomes += 1
                self._outcomes.write(output.outcome, output.position)
            elif isinstance(output, TaskFault):
                self._counts.faults += 1
                letter = BadRecord(output.reason, f"log position {output.position}", output.event_id.encode())
                self._dead_letters.write(letter)
