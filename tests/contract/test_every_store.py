"""What holds for every state store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.sqlite_shard import SqliteShard
from flows.store import AlertRow, LedgerRow, MemoryStore, OutcomeRow, Slice, StateStore


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], StateStore]]:
    """Opens the same store anew at each call, where it outlives its object."""
    opened: list[SqliteShard] = []
    memory = MemoryStore()

    def make() -> StateStore:
        if request.param == "memory":
            return memory
        for shard in opened:
            shard.close()
        opened.append(SqliteShard(tmp_path / "shard.db"))
        return opened[-1]

    yield make
    for shard in opened:
        shard.close()


def test_a_new_store_is_empty_at_position_zero(make_store: Callable[[], StateStore]) -> None:
    store = make_store()
    assert store.position == 0
    assert store.load("user/a") is None
    assert store.ledger_row(1) is None
    assert store.outcome_positions(b"k") == []
    assert store.alert_rows((0, 0), 10) == []


def test_a_slice_is_read_back_whole(make_store: Callable[[], StateStore]) -> None:
    make_store().commit(
        Slice(
            5,
            {"user/a": b"1", "user/b": b"2"},
            [LedgerRow(4, b"decision", b"features")],
            [OutcomeRow(5, b"k"), OutcomeRow(3, b"k")],
        )
    )
    store = make_store()
    assert store.position == 5
    assert (store.load("user/a"), store.load("user/b")) == (b"1", b"2")
    assert store.ledger_row(4) == LedgerRow(4, b"decision", b"features")
    assert sorted(store.outcome_positions(b"k")) == [3, 5]


def test_a_later_slice_replaces_and_deletes(make_store: Callable[[], StateStore]) -> None:
    store = make_store()
    store.commit(Slice(1, {"a": b"1", "b": b"1", "c": b"1"}))
    store.commit(Slice(2, {"a": b"2", "b": None}))
    assert [store.load(key) for key in "abc"] == [b"2", None, b"1"]


def test_keys_that_begin_alike_are_found_together_and_in_order(make_store: Callable[[], StateStore]) -> None:
    names = ["m/a/2", "m/a/10", "m/b/~", "m/", "m", "m0", "l/z", "m/a/1", "M/a", "m/a"]
    make_store().commit(Slice(1, {name: name.encode() for name in names}))
    store = make_store()
    found = sorted(name for name in names if name.startswith("m/"))
    assert list(store.scan("m/")) == [(name, name.encode()) for name in found]
    assert [key for key, _ in store.scan("m/a/")] == ["m/a/1", "m/a/10", "m/a/2"]
    assert list(store.scan("n/")) == []
    store.commit(Slice(2, {"m/a/1": None, "m/a/2": b"new"}))
    assert list(store.scan("m/a/")) == [("m/a/10", b"m/a/10"), ("m/a/2", b"new")]


def test_the_same_slice_again_changes_nothing(make_store: Callable[[], StateStore]) -> None:
    store = make_store()
    for _ in range(2):
        store.commit(Slice(1, {"a": b"1"}, [LedgerRow(1, b"d", b"f")], [OutcomeRow(1, b"k")]))
    assert store.load("a") == b"1"
    assert store.outcome_positions(b"k") == [1]


def an_alert(position: int, seq: int, suppressed: str | None = None) -> AlertRow:
    return AlertRow(position, seq, f"a-{position}-{seq}", "PROXIMITY", "shop", "u", 7, suppressed, b"alert")


def test_alerts_are_read_in_the_order_of_their_places(make_store: Callable[[], StateStore]) -> None:
    rows = [an_alert(3, 1), an_alert(3, 0, "NOT_JUDGED"), an_alert(7, 0)]
    make_store().commit(Slice(5, alerts=rows[:2]))
    store = make_store()
    store.commit(Slice(8, alerts=rows[2:]))
    assert store.alert_rows((0, 0), 10) == [rows[1], rows[0], rows[2]]
    assert store.alert_rows((3, 0), 1) == [rows[0]]
    assert store.alert_rows((3, 1), 10) == [rows[2]]
    assert store.alert_rows((7, 0), 10) == []


def test_the_same_alerts_again_are_there_once(make_store: Callable[[], StateStore]) -> None:
    store = make_store()
    for _ in range(2):
        store.commit(Slice(3, alerts=[an_alert(3, 0)]))
    assert store.alert_rows((0, 0), 10) == [an_alert(3, 0)]
