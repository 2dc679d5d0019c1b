"""``IngestService``: events that need no answer, in a stream."""

from collections.abc import Mapping
from functools import partial

from google.rpc import status_pb2

from alerting.engine import EngineUnavailableError, PendingReceipt, Receipt
from alerting.rpc.callers import ALL_TENANTS, Context, Tenants
from alerting.rpc.calls import Calls, requests_of
from alerting.rpc.convert import OutcomeReport, parse, read_event
from alerting.rpc.errors import PublishStoppedError, StreamIdleError
from alerting.rpc.pipeline import run_in_order
from alerting.rpc.serve import Serve
from detectors.events import Location, Tick, Visit
from tapwatch.v1 import ingest_pb2 as pb


class IngestService:
    """Publishes to an engine: in the order of the stream, many events on their way into the log at a time."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def methods(self) -> Mapping[str, Serve]:
        """The coroutines that serve, by the names of their methods."""
        return {"Publish": self.publish}

    async def publish(self, _request: bytes, context: Context, tenants: Tenants) -> bytes:
        """Append events; the reply says what became of them."""
        tally = pb.PublishResponse()
        start, count = partial(self._offer, tenants), partial(self._count, tally)
        params = self._calls.params
        window, idle_s = params.publish_window, params.stream_idle_s
        try:
            await run_in_order(requests_of(context), start, self._settle, count, window, idle_s)
        except EngineUnavailableError as error:
            raise PublishStoppedError(_counts(tally)) from error
        except StreamIdleError as error:
            raise StreamIdleError(_counts(tally)) from error
        return tally.SerializeToString()

    async def _offer(self, tenants: Tenants, raw: bytes) -> PendingReceipt | status_pb2.Status:
        return await self._calls.attempt(self._append(tenants, raw), fatal=EngineUnavailableError)

    async def _append(self, tenants: Tenants, raw: bytes) -> PendingReceipt:
        event = read_event(parse(pb.PublishRequest, raw), self._calls.latest())
        if isinstance(event, OutcomeReport):
            tenants.require(event.outcome.tenant)
            return self._calls.engine.offer(await self._calls.outcome_of(event))
        if isinstance(event, Location | Visit):
            self._calls.require_device_time(event)
        # Market prices reach every tenant's users.
        tenants.require(ALL_TENANTS if isinstance(event, Tick) else event.tenant)
        return self._calls.engine.offer(event)

    async def _settle(self, offered: PendingReceipt | status_pb2.Status) -> Receipt | status_pb2.Status:
        if isinstance(offered, status_pb2.Status):
            return offered
        return await self._calls.attempt(self._calls.receipt(offered), fatal=EngineUnavailableError)

    async def _count(self, tally: pb.PublishResponse, settled: Receipt | status_pb2.Status) -> None:
        if isinstance(settled, status_pb2.Status):
            if len(tally.errors) < self._calls.params.max_publish_errors:
                tally.errors.add(index=sum(_counts(tally).values()), status=settled)
            tally.rejected += 1
        elif settled.duplicate:
            tally.duplicates += 1
        else:
            tally.accepted += 1


def _counts(tally: pb.PublishResponse) -> Mapping[str, int]:
    return {"accepted": tally.accepted, "duplicates": tally.duplicates, "rejected": tally.rejected}
