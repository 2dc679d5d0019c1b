"""One subscriber of alerts: what it is sent, what it says, and when it is given up."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from alerting.alert_source import AlertsUnavailableError, KeptSubscription, Place, SubscriptionName
from alerting.rpc import alert_wire as wire
from alerting.rpc.alert_hub import AlertHub
from alerting.rpc.alert_metrics import AlertMetrics
from alerting.rpc.alert_wire import Wish
from alerting.rpc.callers import Context
from alerting.rpc.calls import requests_of
from alerting.rpc.convert import parse
from alerting.rpc.errors import InvalidRequestError, PeerSilentError, Violation
from alerting.window import Item, Window
from tapwatch.v1 import alert_pb2 as pb

AT_ONCE: Final = 256
"""So many alerts are looked at before anybody else has a turn."""
SILENT_BEATS: Final = 1.5
"""Whoever is silent for longer when a heartbeat is due has let two of them pass."""
FAULT_PAUSE_S: Final = 5.0
"""After so long an alert is next again that could not be looked up for a fault of ours."""

_log = logging.getLogger(__name__)


class Subscriber:
    """Delivers alerts over one stream; made and used on the loop.

    Parameters
    ----------
    wish
        The subscription as asked for.
    begin
        Where it begins; ``done`` is what is done with behind that.
    hub
        Where alerts come from.
    keep
        Told that acknowledgements are to be kept; None where they are not.
    """

    def __init__(
        self,
        wish: Wish,
        begin: Place,
        done: tuple[tuple[int, int], ...],
        hub: AlertHub,
        metrics: AlertMetrics,
        keep: Callable[["Subscriber"], None] | None,
    ) -> None:
        self.wanted = wish.wanted
        self._wish = wish
        self._hub = hub
        self._metrics = metrics
        self._keep = keep
        self._window = Window(begin, done, wish.max_in_flight, wish.lease_s)
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        self._woken = asyncio.Event()
        self._to_say: deque[bytes] = deque()
        self._beats, self._beat_due = 0, False
        self._unconfirmed: list[str] = []
        self._mark_kept = begin

    def say(self, message: bytes) -> None:
        """Send a message before the next alert."""
        self._to_say.append(message)
        self.wake_up()

    def wake_up(self) -> None:
        """See :meth:`alerting.rpc.alert_hub.Listener.wake_up`."""
        self._woken.set()

    async def serve(self, context: Context, ended: "asyncio.Future[None]") -> None:
        """Serve the stream until the caller ends it, falls silent, or ``ended`` says so."""
        self._hub.join(self)
        parts: list[Coroutine[Any, Any, None]] = [self._deliver(context), self._listen(context), self._beat()]
        tasks: list[asyncio.Future[None]] = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait((*tasks, ended), return_when=asyncio.FIRST_COMPLETED)
            for task in (ended, *tasks):
                if task in done:
                    task.result()
        finally:
            self._hub.leave(self)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # one of them is raised already, and none is to be called forgotten

    # What goes out.

    async def _deliver(self, context: Context) -> None:
        while True:
            self._woken.clear()
            if self._beat_due:
                self._say_beat()
            while self._to_say:
                await context.write(self._to_say.popleft())
            item = self._next_up()
            if item is not None:
                await self._tell(context, item)
            elif not await self._fill():
                await self._wait()

    def _next_up(self) -> Item | None:
        now = self._hub.expiry_time
        return None if now is None else self._window.next_up(self._loop.time(), now)

    async def _tell(self, context: Context, item: Item) -> None:
        if not item.done:
            alert_ids = (item.stored.alert.alert_id,)
            try:
                stands = await self._hub.stands(item.stored.alert)
            except AlertsUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001  # a fault with one user keeps nobody else waiting
                _log.error("an alert can't be looked up: unexpected %s", type(error).__name__)
                self._window.nack(alert_ids, self._loop.time(), FAULT_PAUSE_S)
                return
            if not item.under_way:
                return  # acknowledged or refused meanwhile
            if not stands:
                self._window.ack(alert_ids)
        if item.done:
            self._metrics.expired.inc()
            self._done_with([])
            await context.write(wire.expired(item.stored))
        else:
            self._window.told(item)
            (self._metrics.first if item.attempt == 1 else self._metrics.again).inc()
            await context.write(wire.delivery(item.stored, item.attempt))

    async def _fill(self) -> bool:
        """Take in what comes next; says whether that went on."""
        room, before = self._window.room, self._window.reached
        if not room:
            return False
        page = await self._hub.read(before, self.wanted, min(room, AT_ONCE))
        self._window.take_in(page.alerts, page.reached)
        return page.reached.is_behind(before)

    async def _wait(self) -> None:
        due_s = self._window.next_lease_s
        try:
            async with asyncio.timeout_at(due_s):
                await self._woken.wait()
        except TimeoutError:
            pass  # a lease is over

    def _say_beat(self) -> None:
        self._beat_due = False
        self._beats += 1
        mark = self._window.mark
        if mark.is_behind(self._mark_kept) and self._keep is not None:
            self._keep(self)
        self._to_say.append(wire.heartbeat(self._beats, mark, self._hub.now or wire.NO_TIME))

    async def _beat(self) -> None:
        every_s = self._wish.heartbeat_s
        while True:
            await asyncio.sleep(every_s)
            if self._loop.time() - self._heard_s > SILENT_BEATS * every_s:
                self._metrics.silent.inc()
                raise PeerSilentError
            self._beat_due = True
            self.wake_up()

    # What comes in.

    async def _listen(self, context: Context) -> None:
        async for raw in requests_of(context):
            self._heard_s = self._loop.time()
            request = parse(pb.SubscribeRequest, raw)
            await self._check_through(request.ack)
            self._act(request)

    async def _check_through(self, ack: pb.Ack) -> None:
        """What was delivered up to a place of another log is nothing that was delivered here."""
        place = wire.read_through(ack)
        if place is not None and not await self._hub.knows(place):
            said = "is of another log, or too old; acknowledge by alert_ids"
            raise InvalidRequestError((Violation("ack.through_cursor", said),))

    def _act(self, request: pb.SubscribeRequest) -> None:
        which = request.WhichOneof("request")
        now_s = self._loop.time()
        if which == "ack":
            place = wire.read_through(request.ack)
            done = self._window.ack(wire.read_ids(request.ack, "ack"))
            self._done_with(done if place is None else done + self._window.ack_through(place))
        elif which == "nack":
            self._window.nack(wire.read_ids(request.nack, "nack"), now_s, wire.read_pause(request.nack))
        elif which == "extend":
            self._window.extend(wire.read_ids(request.extend, "extend"), now_s)
        elif which != "pong":
            said = "comes first and once" if which else "is empty; allowed: ack, nack, extend, pong"
            raise InvalidRequestError((Violation(which or "request", said),))
        self.wake_up()

    # What is kept.

    def _done_with(self, alert_ids: list[str]) -> None:
        self._metrics.acked.inc(len(alert_ids))
        self._unconfirmed += alert_ids
        if self._keep is not None:
            self._keep(self)
        else:
            self.kept(*self._take_unconfirmed())

    def _take_unconfirmed(self) -> tuple[list[str], Place]:
        alert_ids, self._unconfirmed = self._unconfirmed, []
        return alert_ids, self._window.mark

    @property
    def name(self) -> SubscriptionName:
        """See :attr:`alerting.rpc.ack_keeper.Keeps.name`."""
        assert self._wish.name is not None  # only what has a name is kept
        return self._wish.name

    def to_keep(self) -> tuple[KeptSubscription, list[str]]:
        """See :meth:`alerting.rpc.ack_keeper.Keeps.to_keep`."""
        alert_ids, mark = self._take_unconfirmed()
        return KeptSubscription(self.name, self.wanted, mark, self._window.done), alert_ids

    def kept(self, alert_ids: list[str], mark: Place) -> None:
        """See :meth:`alerting.rpc.ack_keeper.Keeps.kept`."""
        self._mark_kept = mark
        if alert_ids:
            self.say(wire.acked(alert_ids, mark))
