"""``IngestService``: events that need no answer, in a stream."""

from collections.abc import Iterator

import grpc
from google.rpc import code_pb2, status_pb2

from alerting.engine import EngineUnavailableError, Receipt
from alerting.rpc.callers import ALL_TENANTS, Tenants
from alerting.rpc.calls import Calls
from alerting.rpc.convert import OutcomeReport, read_event
from alerting.rpc.errors import PublishStoppedError
from detectors.events import Tick
from tapwatch.v1 import ingest_pb2 as pb
from tapwatch.v1 import ingest_pb2_grpc


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Publishes to an engine, one event after the other, so that the log keeps the order of the stream."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def Publish(
        self, request_iterator: Iterator[pb.PublishRequest], context: grpc.ServicerContext
    ) -> pb.PublishResponse:
        """Append events; the reply says what became of them."""
        with self._calls.stream(context):
            return self._calls.answer(context, lambda: self._publish_all(request_iterator, context))

    def _publish_all(
        self, requests: Iterator[pb.PublishRequest], context: grpc.ServicerContext
    ) -> pb.PublishResponse:
        tenants = self._calls.tenants(context)
        response = pb.PublishResponse()
        for index, request in enumerate(requests):
            receipt = self._publish(request, tenants, response)
            if isinstance(receipt, status_pb2.Status):
                response.rejected += 1
                if len(response.errors) < self._calls.params.max_publish_errors:
                    response.errors.add(index=index, status=receipt)
            elif receipt.duplicate:
                response.duplicates += 1
            else:
                response.accepted += 1
        return response

    def _publish(
        self, request: pb.PublishRequest, tenants: Tenants, so_far: pb.PublishResponse
    ) -> Receipt | status_pb2.Status:
        receipt = self._calls.attempt(lambda: self._append(request, tenants))
        if isinstance(receipt, status_pb2.Status) and receipt.code == code_pb2.UNAVAILABLE:
            counts = {
                "accepted": so_far.accepted,
                "duplicates": so_far.duplicates,
                "rejected": so_far.rejected,
            }
            raise PublishStoppedError(counts) from EngineUnavailableError()
        return receipt

    def _append(self, request: pb.PublishRequest, tenants: Tenants) -> Receipt:
        event = read_event(request, self._calls.latest())
        if isinstance(event, OutcomeReport):
            tenants.require(event.outcome.tenant)
            return self._calls.engine.publish(self._calls.outcome_of(event))
        # Market prices reach every tenant's users.
        tenants.require(ALL_TENANTS if isinstance(event, Tick) else event.tenant)
        return self._calls.engine.publish(event)
