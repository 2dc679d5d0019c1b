"""``AlertService``: alerts to subscribers, each at its own pace, and pages of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from alerting.alert_source import (
    BEGINNING,
    AlertFilter,
    AlertSource,
    KeptSubscription,
    Place,
    SubscriptionName,
)
from alerting.rpc import alert_wire as wire
from alerting.rpc.ack_keeper import AckKeeper
from alerting.rpc.alert_hub import AlertHub
from alerting.rpc.alert_metrics import AlertMetrics
from alerting.rpc.alert_wire import Wish
from alerting.rpc.callers import ALL_TENANTS, Context, Tenants
from alerting.rpc.convert import parse
from alerting.rpc.errors import (
    DrainingError,
    InvalidRequestError,
    MessageMissingError,
    SubscriptionDiffersError,
    TakenOverError,
    Violation,
)
from alerting.rpc.params import EdgeParams
from alerting.rpc.serve import Serve
from alerting.rpc.subscriber import Subscriber
from tapwatch.v1 import alert_pb2 as pb


class _Seat:
    """The right to serve a subscription, until an error in ``ended`` takes it away; ``left`` is set then.

    ``wanted`` are the filters of its name, once they are known.
    """

    def __init__(self, wanted: AlertFilter | None = None) -> None:
        self.wanted = wanted
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()

    def end(self, error: Exception) -> None:
        """Take it away."""
        if not self.ended.done():
            self.ended.set_exception(error)
            self.ended.exception()  # whether its stream still looks or not


class AlertService:
    """Serves what a source keeps; must be made and used on the loop that serves."""

    def __init__(
        self, source: AlertSource, params: EdgeParams, metrics: AlertMetrics, clock: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._params = params
        self._metrics = metrics
        self._hub = AlertHub(source, params.alert_poll_s, clock)
        self._keeper = AckKeeper(source)
        self._seats: set[_Seat] = set()
        self._named: dict[SubscriptionName, _Seat] = {}
        self._ends = False

    def methods(self) -> Mapping[str, Serve]:
        """The coroutines that serve, by the names of their methods."""
        return {"Subscribe": self.subscribe, "ListAlerts": self.list_alerts}

    async def subscribe(self, _request: bytes, context: Context, tenants: Tenants) -> None:
        """Deliver alerts until the caller ends the stream, is gone, or another stream takes over."""
        wish = wire.read_subscription(parse(pb.SubscribeRequest, await self._first_of(context)))
        tenants.require(ALL_TENANTS if wish.wanted.tenant is None else wish.wanted.tenant)
        async with self._seat(wish) as seat:
            subscriber = await self._open(wish)
            seat.wanted = wish.wanted
            await subscriber.serve(context, seat.ended)

    async def list_alerts(self, raw: bytes, _context: Context, tenants: Tenants) -> bytes:
        """Give a page of alerts."""
        wish = wire.read_page_wish(parse(pb.ListAlertsRequest, raw))
        tenants.require(ALL_TENANTS if wish.wanted.tenant is None else wish.wanted.tenant)
        after = wish.after or BEGINNING
        if await self._hub.call(self._source.gap, after) is not None:
            violation = Violation("page_token", "is of another log, or too old; begin with the first page")
            raise InvalidRequestError((violation,))
        page = await self._hub.call(self._source.read, after, wish.wanted, wish.size)
        return wire.page(page.alerts, full=len(page.alerts) == wish.size)

    async def end(self) -> None:
        """End all streams, and keep what was acknowledged."""
        self._ends = True
        for seat in self._seats:
            seat.end(DrainingError())
        await self._keeper.end()
        self._hub.close()

    async def _first_of(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(self._params.message_timeout_s):
                first = await context.read()
        except TimeoutError:
            raise MessageMissingError from None
        if not isinstance(first, bytes):
            raise InvalidRequestError((Violation("subscription", "is required in the first request"),))
        return first

    @asynccontextmanager
    async def _seat(self, wish: Wish) -> AsyncIterator[_Seat]:
        """A seat of one's own; who had the one of this name has left."""
        if self._ends:
            raise DrainingError
        name = wish.name
        before = None if name is None else self._named.get(name)
        wanted = None if before is None else before.wanted
        if wanted is not None and wanted != wish.wanted:
            # Now, and not when it is opened: what is refused takes nothing over.
            raise SubscriptionDiffersError
        seat = _Seat(wanted)
        if name is not None:
            self._named[name] = seat
        self._seats.add(seat)
        try:
            if before is not None:
                before.end(TakenOverError())
                await before.left.wait()
            yield seat
        finally:
            seat.left.set()
            seat.ended.cancel()
            self._seats.discard(seat)
            if name is not None and self._named.get(name) is seat:
                del self._named[name]

    async def _open(self, wish: Wish) -> Subscriber:
        if wish.name is not None:
            # What the stream before acknowledged is being written: read behind it.
            await self._keeper.settle(wish.name)
        known = None if wish.name is None else await self._keeper.load(wish.name)
        if known is not None and known.wanted != wish.wanted:
            raise SubscriptionDiffersError
        wanted = await self._wanted_begin(wish) if known is None else known.mark
        reason = await self._hub.call(self._source.gap, wanted)
        begin = wanted if reason is None else BEGINNING
        done = known.done if known is not None and reason is None else ()
        if wish.name is not None and (known is None or reason is not None):
            await self._keeper.begin(KeptSubscription(wish.name, wish.wanted, begin))
        keep = None if wish.name is None else self._keeper.note
        subscriber = Subscriber(wish, begin, done, self._hub, self._metrics, keep)
        subscriber.say(wire.opened(wish, begin, known is not None))
        if reason is not None:
            self._metrics.gaps.inc()
            subscriber.say(wire.gap(reason, wanted, begin))
        return subscriber

    async def _wanted_begin(self, wish: Wish) -> Place:
        if wish.cursor is not None:
            return wish.cursor
        return BEGINNING if wish.from_beginning else await self._hub.call(self._source.end)
