"""A lane gives the same file and the same answers wherever batches end, and whenever it stops."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.decision import Action, FallbackAnswered, FallbackCause
from flows.broker.wire import LogMessage, Origin, message_headers, read_message
from flows.codec import BadRecord, Event, decode_decision
from flows.frames import Kind, Noted
from flows.inbox import Request
from flows.lane import Lane
from flows.log import NewRecord
from flows.outputs import Decided
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask
from tests.flows.shards_made import outcome, payment, policy

PAYMENTS = 4
FIRST_OFFSET = 3
TABLES = ("log", "state", "ledger", "outcome", "applied")


class Answers:
    """What each asker was told, in order."""

    def __init__(self) -> None:
        self.told: defaultdict[Origin, list[bytes | Noted]] = defaultdict(list)

    def decided(self, asker: Origin | None, decision: bytes) -> None:
        if asker is not None:
            self.told[asker].append(decision)

    def noted(self, asker: Origin | None, noted: Noted) -> None:
        if asker is not None:
            self.told[asker].append(noted)


class Working:
    """A lane on a file that can be left and taken up again, as by another owner."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers = Answers()
        self.lane = self._open()

    def _open(self) -> Lane[Origin | None]:
        shard = SqliteShard(self.path, follows=True)
        return Lane("0", shard, ShardTask(shard, shard.find), self.answers)

    def take(self, messages: Sequence[LogMessage], next_offset: int, *, applied: bool = True) -> None:
        requests = [Request(each.kind, each.origin, each.record) for each in messages]
        for record in self.lane.take_in(requests, next_offset):
            for output in self.lane.apply(record) if applied else ():
                if isinstance(output, Decided):
                    self.lane.answer(output)

    def reopen(self, *, stored: bool) -> None:
        """Stop, with or without storing what was done; then go on as the next owner."""
        if stored:
            self.lane.commit()
        self.lane.close()
        self.lane = self._open()
        while self.lane.is_behind:
            for record in self.lane.re_read():
                self.lane.apply(record)

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        """All that the file holds but how its offsets were noted; where it goes on is one of them."""
        self.lane.commit()
        shard = self.lane.shard
        with closing(sqlite3.connect(self.path)) as file:
            found = {
                table: file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES[:3]
            }
            found |= {
                table: file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES[3:]
            }
        return found | {"offset": [(shard.offset_at(shard.end),)]}


def fallback(
    number: int, action: Action = Action.STEP_UP, amount_minor: int | None = None
) -> FallbackAnswered:
    of = payment(number) if amount_minor is None else payment(number, amount_minor=amount_minor)
    return FallbackAnswered(of, action, FallbackCause.DEADLINE, "p-then", payment_logged=False)


numbers = st.integers(0, PAYMENTS - 1)
asks = st.one_of(
    numbers.map(lambda n: (Kind.PAYMENT, payment(n))),
    numbers.map(lambda n: (Kind.PAYMENT, payment(n))),
    numbers.map(lambda n: (Kind.PAYMENT, payment(n, amount_minor=5))),
    numbers.map(lambda n: (Kind.FALLBACK, fallback(n))),
    numbers.map(lambda n: (Kind.FALLBACK, fallback(n, Action.DECLINE))),
    numbers.map(lambda n: (Kind.FALLBACK, fallback(n, amount_minor=5))),
    numbers.map(lambda n: (Kind.EVENT, outcome(n))),
    numbers.map(lambda n: (Kind.EVENT, payment(n))),
    numbers.map(lambda n: (Kind.EVENT, replace(outcome(n), user_id="u-other"))),
)


def messages_of(asked: Sequence[tuple[Kind, Event]]) -> list[LogMessage]:
    """As they come out of a partition, each asked for by somebody."""
    found = [read(LogMessage(Kind.EVENT, NewRecord.of(policy(), 1)))]
    for ticket, (kind, event) in enumerate(asked, start=1):
        origin = Origin(bytes(16), ticket)
        found.append(read(LogMessage(kind, NewRecord.of(event, 1_000 + ticket), origin)))
    return found


def read(message: LogMessage) -> LogMessage:
    came = read_message(message.record.payload, message_headers(message), "here")
    assert not isinstance(came, BadRecord)
    return came


def batches(messages: Sequence[LogMessage], sizes: Iterator[int]) -> Iterator[tuple[list[LogMessage], int]]:
    """The messages cut up, each part with the offset that the partition goes on at."""
    at = 0
    while at < len(messages):
        part = list(messages[at : at + next(sizes)])
        at += len(part)
        yield part, FIRST_OFFSET + at


def one_by_one(folder: Path, messages: Sequence[LogMessage]) -> Working:
    found = Working(folder / "one-by-one.db")
    for part, next_offset in batches(messages, iter([1] * len(messages))):
        found.take(part, next_offset)
    return found


@given(st.lists(asks, max_size=24), st.lists(st.integers(1, 9), min_size=30, max_size=30))
@settings(max_examples=60)
def test_file_and_answers_do_not_depend_on_where_batches_end(
    asked: list[tuple[Kind, Event]], sizes: list[int]
) -> None:
    messages = messages_of(asked)
    with TemporaryDirectory() as name:
        expected, found = one_by_one(Path(name), messages), Working(Path(name) / "cut.db")
        for part, next_offset in batches(messages, iter(sizes)):
            found.take(part, next_offset)
        assert found.content() == expected.content()
        assert found.answers.told == expected.answers.told
        assert {len(told) for told in found.answers.told.values()} <= {1}
        assert len(found.answers.told) == len(asked)
        expected.lane.close()
        found.lane.close()


@given(
    st.lists(asks, max_size=16),
    st.lists(st.integers(1, 9), min_size=20, max_size=20),
    st.lists(st.sampled_from(["go on", "stored", "killed", "not applied"]), min_size=20, max_size=20),
)
@settings(max_examples=40)
def test_who_takes_over_makes_the_same_file_wherever_the_owner_before_stopped(
    asked: list[tuple[Kind, Event]], sizes: list[int], ends: list[str]
) -> None:
    messages = messages_of(asked)
    with TemporaryDirectory() as name:
        expected, found = one_by_one(Path(name), messages), Working(Path(name) / "cut.db")
        for (part, next_offset), end in zip(batches(messages, iter(sizes)), ends, strict=False):
            found.take(part, next_offset, applied=end != "not applied")
            if end != "go on":
                found.reopen(stored=end == "stored")
            assert found.lane.shard.offset_at(found.lane.shard.end) == next_offset
        assert found.content() == expected.content()
        expected.lane.close()
        found.lane.close()


def action_in(told: list[bytes | Noted]) -> Action:
    (answer,) = told
    assert isinstance(answer, bytes)
    return decode_decision(answer).action


def test_a_repeat_behind_the_fallbacks_answer_gets_that_answer_also_within_one_batch(tmp_path: Path) -> None:
    messages = messages_of(
        [(Kind.PAYMENT, payment(0)), (Kind.FALLBACK, fallback(0, Action.DECLINE)), (Kind.PAYMENT, payment(0))]
    )
    working = Working(tmp_path / "shard.db")
    working.take(messages, 7)
    first, beside, again = (working.answers.told[Origin(bytes(16), ticket)] for ticket in (1, 2, 3))
    assert beside == [Noted(3, duplicate=False, conflict=False)]
    assert [action_in(told) for told in (first, again)] == [Action.APPROVE, Action.DECLINE]
    working.lane.close()


def test_a_lane_that_was_let_go_applies_nothing_more(tmp_path: Path) -> None:
    working = Working(tmp_path / "shard.db")
    messages = messages_of([(Kind.PAYMENT, payment(0)), (Kind.PAYMENT, payment(1))])
    requests = [Request(each.kind, each.origin, each.record) for each in messages]
    first, *rest = working.lane.take_in(requests, 9)
    assert working.lane.apply(first) == []
    handed_out = working.lane
    working.reopen(stored=True)
    assert [handed_out.apply(record) for record in rest] == [[], []]
    assert working.lane.task.position == 3
    assert working.answers.told == {}
    working.lane.close()
