"""The outbox inside a shard file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.alert_source import AlertFilter
from flows.sqlite_shard import SqliteShard
from flows.store import AlertRow, Slice


def a_row(position: int, seq: int = 0, user: str = "u-1", suppressed: str | None = None) -> AlertRow:
    return AlertRow(position, seq, f"a-{position}", "PROXIMITY", "shop", user, 7, suppressed, b"alert")


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[SqliteShard]:
    made = SqliteShard(tmp_path / "shard.db")
    yield made
    made.close()


def test_what_belongs_to_one_position_is_never_parted(shard: SqliteShard) -> None:
    rows = [a_row(position, seq) for position in (2, 5, 9) for seq in range(position)]
    shard.commit(Slice(9, alerts=rows))
    for limit in (1, 2, 3, 9):
        found = shard.alerts.by_position(0, limit)
        assert [position for position, _ in found] == [2, 5, 9][:limit]
        assert [len(group) for _, group in found] == [2, 5, 9][:limit]
    assert [position for position, _ in shard.alerts.by_position(5, 9)] == [9]
    assert shard.alerts.by_position(9, 9) == []


def test_the_candidates_of_one_alert_are_found_by_its_id(shard: SqliteShard) -> None:
    rows = [a_row(3), a_row(4), a_row(3, 1, suppressed="ALREADY_RAISED")]
    shard.commit(Slice(4, alerts=rows))
    assert shard.alerts.named("a-3") == [rows[0], rows[2]]
    assert shard.alerts.named("a-9") == []


def test_a_tenants_page_is_read_in_the_order_of_places(shard: SqliteShard) -> None:
    plan = shard._db.execute(
        "EXPLAIN QUERY PLAN SELECT position FROM alert"
        " WHERE (position, seq) > (1, 1) AND +tenant = 'shop' ORDER BY position, seq LIMIT 9"
    ).fetchall()
    assert not any("TEMP B-TREE" in step[-1] for step in plan)
    assert shard.alerts.wanted((0, 0), 9, AlertFilter(tenant="shop"), 9) == []
