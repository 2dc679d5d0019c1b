"""A history read from a real run is sound, and its values say what stood there."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.decision import Action, Decision, FallbackAnswered, FallbackCause, PolicyActivated
from detectors.events import Location, Tick
from flows.codec import BadRecord, Event, decode_decision, encode_decision
from flows.log import LogRecord, NewRecord
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from geo import Position
from replay.history import Fault, History, check_history
from replay.history.sources import answer_of, logged_in, logged_of, published_of, sent_of
from replay.run import ReplayParams, replay
from replay.simulator.sample import sample_path
from replay.streams import StreamWriter, read_stream
from tests.replay.events_made import NOON, a_payment

EVENTS = 2_000
PAYMENT = a_payment(1)
ID = "payment/default/t-1"


@pytest.fixture(scope="module")
def shard_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    with StreamWriter(folder / "stream.jsonl") as writer:
        for event, _ in zip(read_stream(sample_path()), range(EVENTS), strict=False):
            assert not isinstance(event, BadRecord)
            writer.write(event)
    params = ReplayParams(default_policy_text(), keep_shard=True)
    replay([folder / "stream.jsonl"], folder / "run", params)
    return folder / "run" / SHARD_FILE


def decisions(file: Path) -> Iterator[Decision]:
    with closing(SqliteShard.open_reader(file)) as shard:
        yield from (decode_decision(row.decision) for row in shard.ledger_after(0, 10_000))


def history(file: Path) -> History:
    events = read_stream(file.parent.parent / "stream.jsonl")
    sent = list(sent_of((event for event in events if not isinstance(event, BadRecord)), 1, asked=True))
    made = list(decisions(file))
    published = [published_of(0, encode_decision(decision)) for decision in made]
    return History(1, sent, list(logged_in(0, file)), published, [answer_of(decision) for decision in made])


def test_the_history_of_a_real_run_is_sound(shard_file: Path) -> None:
    found = history(shard_file)
    assert len(found.sent) == EVENTS
    assert len(found.logged) == EVENTS + 1  # the policy comes first
    assert len(found.published) > 100
    assert check_history(found) == []


def test_a_defect_of_a_real_run_is_found(shard_file: Path) -> None:
    found = history(shard_file)
    findings = check_history(replace(found, logged=found.logged[:-1]))
    assert findings[0].fault is Fault.LOSS
    assert found.logged[-1].event_id in findings[0].ids


def test_events_of_a_user_belong_to_his_shard_and_others_to_all() -> None:
    tick = Tick("X", "BTC", "EUR", NOON, 1.0, 1.0, 1.0, 1.0, 0.0)
    sent = list(sent_of([PAYMENT, Location("u-1", Position(1.0, 2.0), NOON), tick], 64, asked=True))
    assert sent[0].shard == sent[1].shard is not None
    assert sent[2].shard is None
    assert [(each.user, each.asked) for each in sent] == [
        ("default/u-1", True),
        ("default/u-1", False),
        ("", False),
    ]
    assert [each.event_id for each in sent[::2]] == [ID, tick.event_id]


def test_records_of_our_own_are_told_from_what_was_sent() -> None:
    fell_back = FallbackAnswered(PAYMENT, Action.STEP_UP, FallbackCause.DEADLINE, "v", payment_logged=True)
    stands_in = replace(fell_back, payment_logged=False)
    events: list[Event] = [PAYMENT, fell_back, stands_in, PolicyActivated("text", "v", NOON)]
    found = [logged_of(3, LogRecord(5, event)) for event in events]
    assert [(each.event_id, each.transaction, each.is_own) for each in found] == [
        (ID, ID, False),
        ("fallback/default/t-1", ID, True),
        (ID, ID, True),
        (f"policy/v/{NOON.isoformat()}", "", True),
    ]
    assert {(each.shard, each.position) for each in found} == {(3, 5)}
    # What stands in for a payment counts as that payment.
    assert found[2].content == found[0].content == NewRecord.of(PAYMENT).digest


def test_a_published_decision_says_where_it_stands_and_what_it_says(shard_file: Path) -> None:
    decision = next(decisions(shard_file))
    found = published_of(2, encode_decision(decision))
    name = f"payment/{decision.tenant}/{decision.transaction_id}"
    assert found[:6] == (2, decision.log_position, decision.decision_id, name, "ENGINE", decision.action)


def test_an_answer_is_the_published_decision_when_the_bytes_are_the_same(shard_file: Path) -> None:
    decision = next(decisions(shard_file))
    found, answer = published_of(0, encode_decision(decision)), answer_of(decision)
    assert answer == (found.transaction, found.source, found.action, found.content)
    assert answer_of(replace(decision, log_position=7)).content != answer.content
