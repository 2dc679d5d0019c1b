"""What an intake sends to the shard process, in which order, and how much of it."""

import socket

from alerting.decision import FallbackCause
from detectors.events import Location
from flows.frames import Kind, Line
from flows.intake import IntakeParams, Mode
from flows.sharding import shard_of
from geo import Position
from tests.flows.intakes_made import (
    LINES,
    NOON,
    Make,
    Shard,
    close_lines,
    decision,
    event_of,
    make,
    payment,
    submit,
)

__all__ = ["close_lines", "make"]  # fixtures


def event(number: int) -> Location:
    return Location(f"u-{number}", Position(50.0, 8.0), NOON)


def test_a_payment_does_not_stand_in_line_behind_a_flood_of_events(make: Make) -> None:
    intake, shard = make()
    for number in range(100):
        intake.offer(event(number))
    submit(intake, payment(), 9.0)
    kinds = [Kind(came.kind) for came in shard.take()]
    assert kinds == [Kind.EVENT] * 16 + [Kind.PAYMENT]
    assert intake.dispatch.queued == 84


def test_events_move_on_however_many_payments_wait(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch=1))
    for number in range(9):
        submit(intake, payment(f"t-{number}"), 9.0)
    intake.offer(event(0))
    assert [Kind(came.kind) for came in shard.take()] == [Kind.PAYMENT, Kind.PAYMENT, Kind.EVENT]


def test_a_shard_that_nobody_answers_takes_no_room_from_the_others(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch=2, max_waiting=8), shards=4)
    dead = next(name for n in range(99) if shard_of("default", name := f"u-{n}", 4) == 3)
    live = next(name for n in range(99) if shard_of("default", name := f"u-{n}", 4) == 1)
    for number in range(12):
        submit(intake, payment(f"t-dead-{number}", user=dead), 9.0)
    sent = shard.take()
    assert len(sent) == 4, "a window of two batches"
    waiting = submit(intake, payment("t-live", user=live), 9.0)
    assert waiting.decision is None, "the queue of another shard is no overload of this one"
    (came,) = shard.take()
    assert event_of(came) == payment("t-live", user=live)
    shard.decide(came, decision(payment("t-live", user=live)))
    assert waiting.result().transaction_id == "t-live"
    refused = submit(intake, payment("t-dead-99", user=dead), 9.0)
    assert refused.result().fallback_cause is FallbackCause.OVERLOAD


def test_nothing_blocks_while_nobody_reads_and_nothing_is_lost_when_somebody_does(make: Make) -> None:
    intake, shard = make(page_bytes=1 << 22)
    intake.dispatch.detach()
    ours, theirs = socket.socketpair()
    line, other = Line(ours), Line(theirs)
    LINES.extend((line, other))
    # As on a system that gives sockets little room; Linux gives twice what is asked for.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)
    line.buffer_bytes = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    intake.dispatch.attach(line)
    for number in range(400):
        submit(intake, payment(f"t-{number}")).result()
    answers = 0
    while came := other.receive(0.0):
        answers += sum(each.kind == Kind.FALLBACK for each in came)
        for each in came:
            intake.dispatch.settle(each.ticket)
        shard.worked(payments=1, seconds=0.0002)
    assert answers == 400


def test_a_payment_that_nobody_waits_for_any_more_starts_anew_behind_a_death(make: Make) -> None:
    intake, shard = make()
    submit(intake, payment(), 9.0)
    intake.dispatch.detach()
    intake.fail_waiting(Mode.DOWN)
    intake.mode = Mode.RUNNING
    again = submit(intake, payment(), 9.0)
    shard = Shard(intake)
    shard.decide(shard.take()[0], decision(payment()))
    assert again.result() == decision(payment())


def test_what_nobody_tells_of_any_more_gives_its_room_to_others(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch=1))
    waiting = submit(intake, payment("t-0"), 9.0)
    answered = submit(intake, payment("t-1"), 0.0)
    answered.result()
    event_sent = intake.offer(event(0))
    behind = submit(intake, payment("t-2"), 9.0)
    sent = {came.kind: came for came in shard.take()}
    assert sorted(sent) == [Kind.PAYMENT, Kind.EVENT, Kind.FALLBACK]
    assert intake.dispatch.overdue(60.0, 60.0) == []
    assert intake.dispatch.overdue(0.0, 60.0) == [answered]
    assert [Kind(came.kind) for came in shard.take()] == [Kind.PAYMENT]
    assert intake.dispatch.overdue(60.0, 0.0) == [waiting, event_sent, behind]
    assert intake.dispatch.payments == 0
    assert intake.dispatch.settle(sent[Kind.EVENT].ticket) is None
    assert intake.dispatch.settle(sent[Kind.FALLBACK].ticket) is not None, "its place in the log is awaited"
