"""What the shard process says to its server, and what follows for those who wait."""

from collections.abc import Callable
from typing import Final

from alerting.decision import FallbackCause
from alerting.engine import Receipt
from flows.broker.shards.figures import Figures
from flows.codec import decode_decision
from flows.frames import Frame, Kind, Line, read_noted, read_worked
from flows.intake import Intake, Mode
from flows.metrics import Metrics
from flows.pending import Entry, FallbackEntry, Publication, Submission
from flows.questioning import Questioning

ANSWERED_S: Final = 1.0
"""How long a payment that the fallback has answered is kept in mind where its shard may have no owner."""
PATIENCE_S: Final = 10.0
"""How long anything else is."""


class Hearing:
    """Hears one shard process after the other.

    Parameters
    ----------
    intake
        Who waits.
    questioning
        Gets the answers to questions.
    metrics
        Where decisions and faults are counted.
    adopt_policy
        Called with the policy in force by the log, None where that is to be looked up.
    """

    def __init__(
        self,
        intake: Intake,
        questioning: Questioning,
        metrics: Metrics,
        adopt_policy: Callable[[str | None], None],
    ) -> None:
        self._intake = intake
        self._questioning = questioning
        self._metrics = metrics
        self._adopt_policy = adopt_policy
        self.position = 0
        """The last log position that was heard of."""
        self.figures = Figures()
        """What the shard process last said of itself."""

    def opened(self, line: Line) -> None:
        """A shard process takes requests: send it what waits, to be answered when it has caught up."""
        self._intake.mode = Mode.CATCHING_UP
        self._intake.dispatch.attach(line)

    def ended(self) -> None:
        """The shard process is gone: answer those who waited for it."""
        lost = self._intake.dispatch.detach()
        self._intake.fail_waiting(Mode.DOWN)
        for entry in lost:
            if isinstance(entry, Publication):
                entry.settle(None)

    def hear(self, came: Frame) -> None:
        """Act on what it said."""
        if came.kind == Kind.DECIDED:
            self._decided(came)
        elif came.kind == Kind.NOTED:
            self._noted(came)
        elif came.kind == Kind.WORKED:
            worked = read_worked(came.body)
            self.position = max(self.position, worked.position)
            self._metrics.faulted(worked.faults)
            self._intake.dispatch.worked(worked)
        elif came.kind == Kind.RUNNING:
            self._intake.mode = Mode.RUNNING
            self._adopt_policy(None)
        elif came.kind == Kind.POLICY:
            self._adopt_policy(came.body.decode())
        elif came.kind == Kind.TOLD:
            self._questioning.told(came)
        elif came.kind == Kind.FIGURES:
            self.figures = Figures.decode(came.body)
            # Whoever owned a record's shard may have gone without a word: its room is for others.
            for entry in self._intake.dispatch.overdue(ANSWERED_S, PATIENCE_S):
                _give_up(entry)
        elif came.kind == Kind.LOST:
            _give_up(self._intake.dispatch.settle(came.ticket))

    def _decided(self, came: Frame) -> None:
        submission = self._intake.dispatch.settle(came.ticket)
        if isinstance(submission, Submission) and submission.decision is None:
            decision = decode_decision(came.body)
            self._intake.answer(submission, decision)
            self._metrics.decided(decision)

    def _noted(self, came: Frame) -> None:
        entry, noted = self._intake.dispatch.settle(came.ticket), read_noted(came.body)
        self.position = max(self.position, noted.position)
        if isinstance(entry, Publication):
            entry.settle(Receipt(noted.position, noted.duplicate), conflict=noted.conflict)
        elif isinstance(entry, FallbackEntry):
            self._intake.recorded(entry)
            if entry.submission.decision is not None:
                self._metrics.decided(entry.submission.decision)
        elif entry is not None and noted.conflict:
            self._intake.refuse(entry)


def _give_up(entry: Entry | None) -> None:
    """A record did not reach its log, as far as is known."""
    if isinstance(entry, Publication):
        entry.settle(None)
    elif isinstance(entry, Submission) and entry.decision is None:
        entry.cause = FallbackCause.FAULT
        entry.wake()
