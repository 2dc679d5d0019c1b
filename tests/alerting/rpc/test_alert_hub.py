"""What is new is read once for all who listen; who is behind reads by itself; nobody reads for nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from alerting.alert_source import BEGINNING, EVERYTHING, AlertFilter, AlertPage, Place
from alerting.rpc import alert_hub
from alerting.rpc.alert_hub import AlertHub
from tests.alerting.alerts_made import NOON, a_payment_alert
from tests.alerting.rpc.fake_alerts import FakeAlerts

PATIENT_S = 20.0


class Listening:
    """A listener that counts how often it was woken."""

    def __init__(self, wanted: AlertFilter = EVERYTHING) -> None:
        self.wanted = wanted
        self.count = 0
        self.woken = asyncio.Event()

    def wake_up(self) -> None:
        self.count += 1
        self.woken.set()

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENT_S):
            await self.woken.wait()
        self.woken.clear()


@asynccontextmanager
async def a_hub(source: FakeAlerts, *listeners: Listening) -> AsyncIterator[AlertHub]:
    """A hub that has looked at what is there."""
    hub = AlertHub(source, poll_s=0.001, clock=lambda: NOON)
    for listener in listeners:
        hub.join(listener)
    while listeners and hub._from is None:
        await asyncio.sleep(0)
    yield hub
    for listener in listeners:
        hub.leave(listener)
    hub.close()


def run(test: Callable[[FakeAlerts], Awaitable[None]]) -> None:
    source = FakeAlerts()

    async def whole() -> None:
        await test(source)

    asyncio.run(whole())


def positions(page: AlertPage) -> list[int]:
    return [each.place.position for each in page.alerts]


def test_whoever_wants_an_alert_is_woken_and_nobody_else() -> None:
    async def test(source: FakeAlerts) -> None:
        mine, others = Listening(), Listening(AlertFilter(tenant="shop"))
        async with a_hub(source, mine, others):
            source.add(a_payment_alert(1))
            await mine.wait()
            assert (mine.count, others.count) == (1, 0)
            source.add(a_payment_alert(2, tenant="shop"))
            await others.wait()

    run(test)


def test_what_is_in_memory_is_not_read_again() -> None:
    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 6)))
            await listening.wait()
            reads = source.reads
            assert positions(await hub.read(BEGINNING, EVERYTHING, 10)) == [1, 2, 3, 4, 5]
            first = await hub.read(BEGINNING, EVERYTHING, 2)
            assert positions(first) == [1, 2]
            assert positions(await hub.read(first.reached, EVERYTHING, 10)) == [3, 4, 5]
            wanted = AlertFilter(tenant="default", user_id="u-4")
            assert positions(await hub.read(first.reached, wanted, 10)) == [4]
            assert source.reads == reads

    run(test)


def test_the_end_that_memory_reaches_is_told() -> None:
    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.add(a_payment_alert(1))
            await listening.wait()
            page = await hub.read(BEGINNING, AlertFilter(tenant="nobody"), 10)
            assert (positions(page), page.reached) == ([], source.end())
            ahead = Place(99, 0)
            assert (await hub.read(ahead, EVERYTHING, 10)).reached == ahead

    run(test)


def test_what_was_before_is_read_from_its_keeper() -> None:
    async def test(source: FakeAlerts) -> None:
        source.add(a_payment_alert(1), a_payment_alert(2))
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.add(a_payment_alert(3))
            await listening.wait()
            assert positions(await hub.read(BEGINNING, EVERYTHING, 10)) == [1, 2, 3]
            assert positions(await hub.read(source.place(2), EVERYTHING, 10)) == [3]

    run(test)


def test_memory_is_bounded_and_what_left_it_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_hub, "KEPT", 4)

    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            for number in range(1, 31):
                source.add(a_payment_alert(number))
                await listening.wait()
            assert len(hub._alerts) <= 8
            for after in range(31):
                place = source.place(after) if after else BEGINNING
                assert positions(await hub.read(place, EVERYTHING, 100)) == list(range(after + 1, 31))

    run(test)


def test_looking_for_what_is_rarely_wanted_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_hub, "LOOKED_AT", 3)

    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 11)))
            await listening.wait()
            wanted, at, found = AlertFilter(user_id="u-8"), BEGINNING, []
            for looked_to in (3, 6, 9, 10):
                page = await hub.read(at, wanted, 10)
                at = page.reached
                assert at.position == looked_to
                found += positions(page)
            assert found == [8]

    run(test)


def test_a_shard_whose_time_runs_ahead_expires_nothing_before_its_time() -> None:
    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            assert hub.expiry_time is None
            for shard_s, believed_s in ((-60, -60), (0, 0), (3_600, 0)):
                source.now = NOON + timedelta(seconds=shard_s)
                source.add(a_payment_alert(source.head() + 1))
                await listening.wait()
                assert hub.expiry_time == NOON + timedelta(seconds=believed_s)
                assert hub.now == source.now

    run(test)


def test_nobody_reads_while_nobody_listens_or_nothing_comes() -> None:
    async def test(source: FakeAlerts) -> None:
        source.add(a_payment_alert(1))
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.add(a_payment_alert(2))
            await listening.wait()
            reads = source.reads
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert source.reads == reads
            hub.leave(listening)
            source.add(a_payment_alert(3))
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert source.reads == reads
            hub.join(listening)

    run(test)


def test_an_alert_that_nobody_can_read_leaves_nobody_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_hub, "PAUSE_S", 0.001)

    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            source.unreadable = 1
            source.add(a_payment_alert(1))
            await listening.wait()
            with pytest.raises(LookupError):
                await hub.read(BEGINNING, EVERYTHING, 10)
            while hub._from is None:
                await asyncio.sleep(0)
            source.add(a_payment_alert(2))
            await listening.wait()
            assert positions(await hub.read(source.place(1), EVERYTHING, 10)) == [2]

    run(test)


def test_a_fault_in_reading_takes_nobody_the_time() -> None:
    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening) as hub:
            await hub.read(BEGINNING, EVERYTHING, 10)
            source.unreadable = 1
            source.add(a_payment_alert(1))
            await listening.wait()
            assert hub.expiry_time == source.now  # leases end by it, also of who has no room to read more

    run(test)


def test_alerts_that_can_not_be_read_for_a_while_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_hub, "PAUSE_S", 0.001)

    async def test(source: FakeAlerts) -> None:
        listening = Listening()
        async with a_hub(source, listening):
            source.available = False
            source.add(a_payment_alert(1))
            for _ in range(10):
                await asyncio.sleep(0.001)
            source.available = True
            await listening.wait()

    run(test)
