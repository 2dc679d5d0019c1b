"""The answer journal: what was noted is found again, whatever happened to the process."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decision import Action, FallbackAnswered, FallbackCause, PolicyActivated
from detectors.events import Payment
from flows.answer_journal import AnswerJournal, journal_path, log_answers, log_left_answers
from flows.codec import Event
from flows.log import MemoryLog, NewRecord
from flows.sqlite_shard import ShardFileError, SqliteShard

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGE = 4_096
POLICY = PolicyActivated("", "p", NOON)


def payment(name: str = "t-1", amount_minor: int = 100) -> Payment:
    return Payment(name, "u-1", amount_minor, "EUR", NOON, "m-1")


def answer(to: Payment | None = None, *, payment_logged: bool = False, arrival_us: int = 7) -> NewRecord:
    made = FallbackAnswered(to or payment(), Action.STEP_UP, FallbackCause.DEADLINE, "p", payment_logged)
    return NewRecord.of(made, arrival_us)


def journal(folder: Path) -> AnswerJournal:
    return AnswerJournal(folder / "answers", PAGE)


def noted(folder: Path) -> set[bytes]:
    return {payload for payload, _ in journal(folder).read()}


def log_of(*events: Event) -> MemoryLog:
    log = MemoryLog()
    log.append([NewRecord.of(event) for event in (POLICY, *events)])
    return log


def events_behind(log: MemoryLog, position: int) -> list[Event]:
    return [record.event for record in log.read(position, 100)]


def test_what_was_noted_and_not_dropped_is_found_by_the_next_process(tmp_path: Path) -> None:
    one = journal(tmp_path)
    answers = [answer(payment(f"t-{number}"), arrival_us=number) for number in range(5)]
    pages = [one.write(made) for made in answers]
    assert journal(tmp_path).read() == [(made.payload, made.arrival_us) for made in answers]
    for page in pages:
        assert page is not None
        one.drop(page)
    assert noted(tmp_path) == set()


def test_answers_under_way_keep_their_room_and_logged_ones_free_it(tmp_path: Path) -> None:
    one = journal(tmp_path)
    waiting: list[tuple[int, bytes]] = []
    for number in range(500):  # many times what the file holds
        made = answer(payment(f"t-{number}"))
        page = one.write(made)
        assert page is not None
        waiting.append((page, made.payload))
        if len(waiting) > 3:
            one.drop(waiting.pop(0)[0])
        assert {payload for _, payload in waiting} <= noted(tmp_path)
    assert (tmp_path / "answers").stat().st_size == 2 * PAGE


def test_a_full_journal_takes_no_more(tmp_path: Path) -> None:
    one = journal(tmp_path)
    taken = 0
    while one.write(answer(payment(f"t-{taken}"))) is not None:
        taken += 1
    assert taken > 10
    assert len(noted(tmp_path)) == taken


@given(cut=st.integers(0, 10_000), junk=st.integers(0, 255))
def test_a_torn_end_loses_the_last_answer_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    one = journal(folder)
    one.write(answer(payment("t-kept")))  # alone on its page
    one.write(answer(payment("t-0")))
    kept = noted(folder)
    last = answer(payment("t-last"))
    one.write(last)
    raw = (folder / "answers").read_bytes()
    end = raw.index(last.payload) + len(last.payload)
    begin = end - cut % len(last.payload) - 1
    (folder / "answers").write_bytes(raw[:begin] + bytes([junk]) * (end - begin) + raw[end:])
    assert kept <= noted(folder) <= kept | {last.payload}


def test_an_answer_to_a_payment_that_the_log_lacks_stands_in_for_it(tmp_path: Path) -> None:
    # Also where the flow had taken the payment, and was killed before it reached the log.
    for logged in (False, True):
        one, log = journal(tmp_path), log_of()
        one.write(answer(payment_logged=logged))
        log_answers(one, log)
        assert events_behind(log, 1) == [answer(payment_logged=False).event]
        assert log.read(1, 1)[0].arrival_us == 7
        one.clear()


@pytest.mark.parametrize("believed", [True, False])
def test_an_answer_to_a_payment_that_the_log_has_goes_beside_it(tmp_path: Path, believed: bool) -> None:
    one, log = journal(tmp_path), log_of(payment())
    one.write(answer(payment_logged=believed))
    log_answers(one, log)
    assert events_behind(log, 2) == [answer(payment_logged=True).event]


@pytest.mark.parametrize("logged", [True, False])
def test_an_answer_that_the_log_has_is_not_logged_again(tmp_path: Path, logged: bool) -> None:
    first = answer(payment_logged=logged).event
    log = log_of(payment(), first) if logged else log_of(first)
    end = log.end
    one = journal(tmp_path)
    one.write(answer(payment_logged=True))
    one.write(answer(payment_logged=False))
    log_answers(one, log)
    assert log.end == end


def test_an_answer_to_another_payment_under_the_same_id_changes_nothing(tmp_path: Path) -> None:
    one, log = journal(tmp_path), log_of(payment())
    one.write(answer(payment(amount_minor=999)))
    log_answers(one, log)
    assert log.end == 2


def test_a_new_log_does_not_take_the_answers_of_another(tmp_path: Path) -> None:
    one, log = journal(tmp_path), MemoryLog()
    one.write(answer())
    log_answers(one, log)
    assert log.end == 0


def test_what_an_earlier_process_left_is_logged_and_the_journal_empty(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db")) as shard:
        shard.append([NewRecord.of(POLICY)])
        one = AnswerJournal(journal_path(shard.path))
        one.write(answer())
        log_left_answers(shard)
        assert one.read() == []
        assert [record.event for record in shard.read(1, 10)] == [answer().event]
        one.close()
        assert one.write(answer()) is None


def test_an_answer_that_can_not_be_read_stops_the_start_and_is_kept(tmp_path: Path) -> None:
    with closing(SqliteShard(tmp_path / "shard.db")) as shard:
        shard.append([NewRecord.of(POLICY)])
        one = AnswerJournal(journal_path(shard.path))
        one.write(replace(answer(), payload=b'{"kind":"fallback_answered"}'))
        with pytest.raises(ShardFileError, match=r"shard\.db\.answers.*payment"):
            log_left_answers(shard)
        assert len(one.read()) == 1
        one.close()


def test_a_folder_without_room_or_access_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    with pytest.raises(ShardFileError, match="answers"):
        journal(tmp_path)
