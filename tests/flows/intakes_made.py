"""Builders of intakes, with a shard process at the other end of their line that does as the test says."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Source,
    StepUpAdvice,
)
from detectors.events import Payment
from flows.answer_journal import AnswerJournal
from flows.codec import BadRecord, Event, decode_event
from flows.frames import Frame, Line, Worked, read_record
from flows.intake import Intake, IntakeParams, Mode
from flows.log import NewRecord
from flows.pending import Submission

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADVICE = StepUpAdvice(ChallengeIndicator.NO_PREFERENCE, Exemption.NONE, None, None)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def payment(name: str = "t-1", amount_minor: int = 100, user: str = "u-1") -> Payment:
    return Payment(name, user, amount_minor, "EUR", NOON, "m-1")


def decision(of: Payment, source: Source = Source.ENGINE, cause: FallbackCause | None = None) -> Decision:
    action = Action.APPROVE if source is Source.ENGINE else Action.STEP_UP
    return Decision(
        f"d-{of.transaction_id}",
        of.transaction_id,
        of.tenant,
        of.user_id,
        of.event_time,
        action,
        0.0,
        0.0,
        (),
        (),
        ADVICE,
        "m",
        "p",
        "f",
        0,
        source,
        cause,
    )


LINES: list[Line] = []


@pytest.fixture(autouse=True)
def close_lines() -> Iterator[None]:
    yield
    while LINES:
        LINES.pop().close()


class Shard:
    """The other end of an intake's line."""

    def __init__(self, intake: Intake) -> None:
        ours, theirs = socket.socketpair()
        self.intake, self.line, self._theirs = intake, Line(theirs), Line(ours)
        LINES.extend((self.line, self._theirs))
        intake.dispatch.attach(self._theirs)

    def take(self) -> list[Frame]:
        return self.line.receive(0.0)

    def worked(self, payments: int, seconds: float) -> None:
        self.intake.dispatch.worked(Worked(1, payments, seconds, 0))

    def decide(self, came: Frame, of: Decision) -> None:
        entry = self.intake.dispatch.settle(came.ticket)
        assert isinstance(entry, Submission)
        self.intake.answer(entry, of)


def event_of(came: Frame) -> Event:
    event = decode_event(read_record(came.body)[3], "the line")
    assert not isinstance(event, BadRecord)
    return event


class Make(Protocol):
    def __call__(
        self,
        params: IntakeParams | None = None,
        known: Decision | None = None,
        page_bytes: int = 65_536,
        shards: int = 1,
        alone: bool = True,
    ) -> tuple[Intake, Shard]: ...


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an intake whose journal is ``answers`` in the test's folder."""

    def make(
        params: IntakeParams | None = None,
        known: Decision | None = None,
        page_bytes: int = 65_536,
        shards: int = 1,
        alone: bool = True,
    ) -> tuple[Intake, Shard]:
        clock = Clock()

        def fall_back(of: Payment, cause: FallbackCause) -> Decision:
            return decision(of, Source.FALLBACK, cause)

        def find_known(_record: NewRecord, _payment: Payment) -> Decision | None:
            return known

        journal = AnswerJournal(tmp_path / "answers", page_bytes)
        intake = Intake(fall_back, find_known, lambda: 7, journal, params, clock, shards, alone)
        intake.mode = Mode.RUNNING
        return intake, Shard(intake)

    return make


def noted(folder: Path) -> list[bytes]:
    """What a process that starts now would find in the journal."""
    return [payload for payload, _ in AnswerJournal(folder / "answers", 65_536).read()]


def submit(intake: Intake, of: Payment, deadline_s: float = 0.0) -> Submission:
    pending = intake.submit(of, deadline_s)
    assert isinstance(pending, Submission)
    return pending
