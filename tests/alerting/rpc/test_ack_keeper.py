"""What is acknowledged is written together; nobody waits for more than what was noted before."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from alerting.alert_source import BEGINNING, EVERYTHING, AlertsUnavailableError, KeptSubscription, Place
from alerting.alert_source import SubscriptionName as Name
from alerting.rpc import ack_keeper
from alerting.rpc.ack_keeper import AckKeeper
from tests.alerting.rpc.fake_alerts import FakeAlerts

PATIENT_S = 20.0


class Acknowledging:
    """A subscriber that has something new to keep whenever it is told that it was kept."""

    def __init__(self, keeper: AckKeeper, name: str, times: int = 1) -> None:
        self.keeper = keeper
        self.name = Name(None, name)
        self.left = times
        self.confirmed = 0

    def to_keep(self) -> tuple[KeptSubscription, list[str]]:
        return KeptSubscription(self.name, EVERYTHING, BEGINNING), ["a-1"]

    def kept(self, alert_ids: list[str], mark: Place) -> None:
        assert (alert_ids, mark) == (["a-1"], BEGINNING)
        self.confirmed += 1
        self.left -= 1
        if self.left:
            self.keeper.note(self)


def run(test: Callable[[FakeAlerts, AckKeeper], Awaitable[None]]) -> None:
    source = FakeAlerts()

    async def whole() -> None:
        keeper = AckKeeper(source)
        async with asyncio.timeout(PATIENT_S):
            await test(source, keeper)
            await keeper.end()

    asyncio.run(whole())


def test_nobody_waits_for_what_others_note_later() -> None:
    async def test(source: FakeAlerts, keeper: AckKeeper) -> None:
        busy, once = Acknowledging(keeper, "busy", times=1_000_000), Acknowledging(keeper, "once")
        keeper.note(busy)
        keeper.note(once)
        await keeper.settle()
        assert once.name in source.subscriptions
        keeper.note(once)
        await keeper.settle()
        assert await keeper.load(once.name) is not None
        assert busy.left

    run(test)


def test_what_is_noted_while_a_write_is_under_way_is_waited_for_too() -> None:
    async def test(source: FakeAlerts, keeper: AckKeeper) -> None:
        first, second = Acknowledging(keeper, "first"), Acknowledging(keeper, "second")
        source.may_keep.clear()
        keeper.note(first)
        await asyncio.to_thread(source.keeping.wait, PATIENT_S)
        keeper.note(second)
        settled = asyncio.create_task(keeper.settle())
        await asyncio.sleep(0)
        source.may_keep.set()
        await settled
        assert source.subscriptions.keys() == {first.name, second.name}

    run(test)


def test_who_waits_is_told_that_nothing_can_be_kept_and_it_is_kept_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ack_keeper, "PAUSE_S", 0.001)

    async def test(source: FakeAlerts, keeper: AckKeeper) -> None:
        source.full = True
        subscriber = Acknowledging(keeper, "push")
        keeper.note(subscriber)
        with pytest.raises(AlertsUnavailableError):
            await keeper.settle()
        assert not subscriber.confirmed
        source.full = False
        while not subscriber.confirmed:
            await asyncio.sleep(0)
        assert subscriber.name in source.subscriptions

    run(test)


def test_whose_acknowledgements_are_written_waits_for_nobody_else_s() -> None:
    async def test(source: FakeAlerts, keeper: AckKeeper) -> None:
        stuck, settled = Acknowledging(keeper, "stuck"), Acknowledging(keeper, "settled")
        keeper.note(settled)
        await keeper.settle()
        source.may_keep.clear()
        keeper.note(stuck)
        await keeper.settle(settled.name)
        waits = asyncio.create_task(keeper.settle(stuck.name))
        await asyncio.to_thread(source.keeping.wait, PATIENT_S)
        await keeper.settle(settled.name)
        assert not waits.done()
        source.may_keep.set()
        await waits
        assert stuck.name in source.subscriptions

    run(test)


def test_it_ends_also_when_nothing_can_be_kept() -> None:
    async def test(source: FakeAlerts, keeper: AckKeeper) -> None:
        source.full = True
        keeper.note(Acknowledging(keeper, "push"))
        await keeper.end()
        keeper.note(Acknowledging(keeper, "too late"))
        assert not source.subscriptions

    run(test)
