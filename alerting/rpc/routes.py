"""Which coroutine serves which method, and how its errors become the reply.

Requests and replies are raw bytes here: each service parses and serialises by itself. Every method is found
by one lookup in one generic handler, because grpc.aio waits anew for each registered method at every call.

To gRPC every method takes a stream, also those of one message, which is the same on the wire. For a method
that does not, grpc.aio waits for the message before it asks anybody, without end and without telling who
calls; so a few callers that never send one could hold all calls that may be open.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from time import perf_counter
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from grpc_status import rpc_status

from alerting.rpc.callers import EVERY_TENANT, Context, Tenants
from alerting.rpc.door import Door, Places
from alerting.rpc.errors import status_of
from alerting.rpc.first_messages import FirstMessages
from alerting.rpc.foreign import foreign
from alerting.rpc.metrics import CallMetrics
from alerting.rpc.params import EdgeParams
from alerting.rpc.serve import Serve

# The published types know handlers of threads alone.
Handler: TypeAlias = Any
_Guarded: TypeAlias = Callable[[object, Context], Awaitable[bytes | None]]

_NO_PLACE: Final = nullcontext()


class Routes(grpc.GenericRpcHandler):
    """The handlers of all methods, by their full names; must be made on the loop that serves."""

    def __init__(self, params: EdgeParams, door: Door, metrics: CallMetrics) -> None:
        self._params = params
        self._door = door
        self._metrics = metrics
        self._messages = FirstMessages(params.message_timeout_s)
        self._handlers: dict[str, Handler] = {}
        # Apart, so that those who watch health never crowd out payments, nor the other way round.
        self._streams, self._tools = Places(params), Places(params)
        self._subscribers = Places(params, "subscribers")
        metrics.watch(
            door.open_calls,
            streams=lambda: self._streams.open,
            subscribers=lambda: self._subscribers.open,
            tools=lambda: self._tools.open,
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of the method that is called."""
        return self._handlers.get(handler_call_details.method)

    def add(self, service: str, methods: Mapping[str, Serve], *, subscribers: bool = False) -> None:
        """Serve every method of ``service`` by the coroutine of its name, for callers that are known.

        With ``subscribers`` its streams are counted apart.
        """
        places = self._subscribers if subscribers else self._streams
        for method in _methods_of(service):
            serve = methods[method.name]
            self._put(method, self._guarded(method, serve, self._door.tenants, places), None)

    def add_foreign(self, service: str, servicer: object) -> None:
        """Serve what ``servicer`` implements of ``service``, for everybody."""
        for method in _methods_of(service):
            serve = foreign(method, servicer, self._params.stream_idle_s)
            if serve is not None:
                write = GetMessageClass(method.output_type).SerializeToString
                self._put(method, self._guarded(method, serve, _anybody, self._tools), write)

    def _put(self, method: MethodDescriptor, guarded: _Guarded, write: Callable[..., bytes] | None) -> None:
        path = f"/{method.containing_service.full_name}/{method.name}"
        if method.server_streaming:
            self._handlers[path] = grpc.stream_stream_rpc_method_handler(guarded, None, write)
        else:
            self._handlers[path] = grpc.stream_unary_rpc_method_handler(guarded)

    def _guarded(
        self, method: MethodDescriptor, serve: Serve, admit: Callable[[Context], Tenants], places: Places
    ) -> _Guarded:
        metrics, enter, read, name = self._metrics, self._door.enter, self._messages.read, method.name
        retry_after_s = self._params.retry_after_s
        one_message = not method.client_streaming
        gives_a_stream = method.server_streaming
        a_stream = method.client_streaming or gives_a_stream
        fine = metrics.count_of(name, "OK")
        times = None if a_stream else metrics.times_of(name)

        async def guarded(_requests: object, context: Context) -> bytes | None:
            begun = 0.0
            try:
                caller = enter(context)
                tenants = admit(context)
                request = await read(context) if one_message else b""
                begun = perf_counter()
                with places.taken_by(caller) if a_stream else _NO_PLACE:
                    if gives_a_stream:
                        # Once and for all: a write that is given up half way would have it sent twice.
                        await context.send_initial_metadata(())
                    reply = await serve(request, context, tenants)
            except (CancelledError, grpc.aio.BaseError):  # the caller or the server is gone
                metrics.count_of(name, "CANCELLED").inc()
                raise
            except Exception as error:  # noqa: BLE001  # the edge of the process: every error becomes a status
                status = status_of(error, retry_after_s)
                metrics.count_of(name, code_pb2.Code.Name(status.code)).inc()
                metrics.count_limit(error)
                await context.abort_with_status(rpc_status.to_status(status))
            finally:
                if times is not None and begun:
                    times.observe(perf_counter() - begun)
            fine.inc()
            return reply

        return guarded


def _anybody(_context: Context) -> Tenants:
    return EVERY_TENANT


def _methods_of(service: str) -> Sequence[MethodDescriptor]:
    return descriptor_pool.Default().FindServiceByName(service).methods
