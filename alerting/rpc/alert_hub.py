"""What is new in the outbox, read once for all subscribers, off the loop."""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, ParamSpec, Protocol, TypeVar

from alerting.alert_source import (
    BEGINNING,
    EVERYTHING,
    AlertFilter,
    AlertPage,
    AlertSource,
    AlertsUnavailableError,
    Place,
    StoredAlert,
)
from alerting.alerts import Alert, AlertKind

KEPT: Final = 4_096
"""So many of the latest alerts stay in memory; who is further behind reads the file."""
LOOKED_AT: Final = 512
"""So many of them are looked at before anybody else has a turn."""
PAGE: Final = 512
THREADS: Final = 2
"""For files, apart from those that look up decisions."""
PAUSE_S: Final = 1.0
"""How long to wait after alerts could not be read."""

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Somebody who waits for alerts."""

    wanted: AlertFilter

    def wake_up(self) -> None:
        """There is something that is wanted."""
        ...


class AlertHub:
    """Looks for new alerts while somebody listens; must be used on one loop.

    Parameters
    ----------
    source
        Keeps the alerts.
    poll_s
        How often to look while the log goes on; while it stands still, no file is touched.
    clock
        The edge's clock.
    """

    def __init__(self, source: AlertSource, poll_s: float, clock: Callable[[], datetime]) -> None:
        self._source = source
        self._clock = clock
        self._poll_s = poll_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="alert-reader")
        self._listeners: set[Listener] = set()
        self._poller: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        self._alerts: list[StoredAlert] = []
        self._places: list[tuple[int, int]] = []
        self._from: Place | None = None
        self._to = BEGINNING
        self.now: datetime | None = None
        """The shard's time, as far as was read."""

    @property
    def expiry_time(self) -> datetime | None:
        """The time by which alerts expire: the shard's, or the edge's where the shard's runs ahead of it.

        An event may claim a time hours ahead and be believed. It must not end the time of every request to
        authenticate that others wait for.
        """
        return None if self.now is None else min(self.now, self._clock())

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``function`` gives, on a thread that may wait for files."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def join(self, listener: Listener) -> None:
        """Wake ``listener`` from now on."""
        self._listeners.add(listener)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())

    def leave(self, listener: Listener) -> None:
        """Wake it no more."""
        self._listeners.discard(listener)
        if not self._listeners and self._poller is not None:
            self._poller.cancel()
            self._poller = None
            self._forget()

    async def read(self, after: Place, wanted: AlertFilter, limit: int) -> AlertPage:
        """Up to ``limit`` alerts behind a place, from memory where it has them; it may end before the end."""
        if self._from is None or self._from.is_behind(after) or self.now is None:
            page = await self.call(self._source.read, after, wanted, limit)
            self.now = page.now
            return page
        begin = bisect_right(self._places, after[:2])
        some = self._alerts[begin : begin + LOOKED_AT]
        found: list[StoredAlert] = []
        for stored in some:
            if wanted.wants(stored):
                found.append(stored)
                if len(found) == limit:
                    return AlertPage(found, stored.place, self.now)
        if len(some) == LOOKED_AT:
            return AlertPage(found, some[-1].place, self.now)
        return AlertPage(found, self._to if self._to.is_behind(after) else after, self.now)

    async def stands(self, alert: Alert) -> bool:
        """Whether an alert still is to be told, see :meth:`alerting.alert_source.AlertSource.stands`."""
        # A finding stands whatever comes: no look for it.
        return alert.kind is AlertKind.FRAUD_ALERT or await self.call(self._source.stands, alert)

    async def knows(self, place: Place) -> bool:
        """Whether a place is one of this log, and what is behind it is kept."""
        return await self.call(self._source.gap, place) is None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    async def _poll(self) -> None:
        while True:
            try:
                if self._from is None:
                    self._from = self._to = await self.call(self._source.end)
                more = await self._look() if self._source.head() > self._to.position else False
            except AlertsUnavailableError as error:
                _log.warning("alerts can't be read: %s", error)
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception as error:  # noqa: BLE001  # a poller that ends would leave all in silence
                _log.error("alerts can't be read: unexpected %s", type(error).__name__)
                # Each reads the file until the poller has begun anew; who wants what can't be read is told.
                # The time stays: whoever has no room for more reads nothing, and has leases that end.
                now = self.now
                self._forget()
                self.now = now
                for listener in list(self._listeners):
                    listener.wake_up()
                await asyncio.sleep(PAUSE_S)
                continue
            if not more:
                await asyncio.sleep(self._poll_s)

    async def _look(self) -> bool:
        page = await self.call(self._source.read, self._to, EVERYTHING, PAGE)
        self.now = page.now
        self._to = page.reached
        if not page.alerts:
            return False
        self._alerts += page.alerts
        self._places += [stored.place[:2] for stored in page.alerts]
        if len(self._alerts) > 2 * KEPT:
            self._from = self._alerts[-KEPT - 1].place
            del self._alerts[:-KEPT], self._places[:-KEPT]
        for listener in list(self._listeners):
            if any(map(listener.wanted.wants, page.alerts)):
                listener.wake_up()
        return len(page.alerts) == PAGE
