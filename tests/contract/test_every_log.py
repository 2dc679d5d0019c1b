"""What holds for every shard log."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.decision import Action, FallbackAnswered, FallbackCause
from detectors.events import Payment
from flows.broker.params import KafkaParams
from flows.log import MemoryLog, NewRecord, ShardLog
from flows.sqlite_shard import SqliteShard
from tests.contract.partition_log import PartitionLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def payment(transaction_id: str, amount_minor: int = 100) -> Payment:
    return Payment(transaction_id, "u-1", amount_minor, "EUR", NOON, "m-1")


def records(*transaction_ids: str) -> list[NewRecord]:
    return [NewRecord.of(payment(name), arrival_us=7) for name in transaction_ids]


ON_A_BROKER = pytest.param("partition", marks=pytest.mark.broker)


@pytest.fixture(params=["memory", "sqlite", ON_A_BROKER])
def make_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], ShardLog]]:
    """Opens the same log anew at each call, where it outlives its object."""
    if request.param == "partition":
        params: KafkaParams = request.getfixturevalue("kafka_params")
        opened_logs: list[PartitionLog] = []

        def follow() -> ShardLog:
            opened_logs.append(PartitionLog(params, tmp_path / f"shard-{len(opened_logs)}.db"))
            return opened_logs[-1]

        yield follow
        for log in opened_logs:
            log.close()
        return
    opened: list[SqliteShard] = []
    memory = MemoryLog()

    def make() -> ShardLog:
        if request.param == "memory":
            return memory
        for shard in opened:
            shard.close()
        opened.append(SqliteShard(tmp_path / "shard.db"))
        return opened[-1]

    yield make
    for shard in opened:
        shard.close()


def test_positions_count_from_one_without_gaps(make_log: Callable[[], ShardLog]) -> None:
    log = make_log()
    assert log.end == 0
    places = log.append(records("a", "b")) + log.append(records("c"))
    assert [place.position for place in places] == [1, 2, 3]
    assert log.end == 3


def test_what_was_appended_is_read_back_in_order(make_log: Callable[[], ShardLog]) -> None:
    log = make_log()
    log.append(records("a", "b", "c"))
    read = log.read(after=1, limit=10)
    assert [(r.position, r.event) for r in read] == [(2, payment("b")), (3, payment("c"))]
    assert read[0].arrival_us == 7
    assert len(log.read(after=0, limit=2)) == 2
    assert log.read(after=3, limit=10) == []


def test_the_same_event_again_keeps_its_first_place(make_log: Callable[[], ShardLog]) -> None:
    log = make_log()
    log.append(records("a", "b"))
    again, fresh, twice = log.append(records("a", "c", "c"))
    assert (again.position, again.duplicate, again.conflict) == (1, True, False)
    assert (fresh.position, fresh.duplicate) == (3, False)
    assert (twice.position, twice.duplicate) == (3, True)
    assert log.end == 3


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(
    make_log: Callable[[], ShardLog],
) -> None:
    log = make_log()
    log.append(records("a"))
    (place,) = log.append([NewRecord.of(payment("a", amount_minor=999))])
    assert place.conflict
    assert [r.event for r in log.read(0, 10)] == [payment("a")]


def test_a_fallback_that_stands_in_for_its_payment_equals_a_repeat_of_it(
    make_log: Callable[[], ShardLog],
) -> None:
    log = make_log()
    answered = FallbackAnswered(
        payment("a"), Action.STEP_UP, FallbackCause.OVERLOAD, "p-1", payment_logged=False
    )
    log.append([NewRecord.of(answered)])
    (same,) = log.append(records("a"))
    assert same.duplicate
    assert not same.conflict
    (other,) = log.append([NewRecord.of(payment("a", amount_minor=999))])
    assert other.conflict


def test_an_event_is_found_by_its_id(make_log: Callable[[], ShardLog]) -> None:
    log = make_log()
    log.append(records("a", "b"))
    assert log.find(payment("b").event_id) == 2
    assert log.find(payment("z").event_id) is None


def test_a_log_that_is_opened_again_goes_on(make_log: Callable[[], ShardLog]) -> None:
    make_log().append(records("a"))
    log = make_log()
    assert log.end == 1
    again, fresh = log.append(records("a", "b"))
    assert again.duplicate
    assert fresh.position == 2
