"""Which coroutine serves which method, and how its errors become the reply.

Requests and replies are raw bytes here: each service parses and serialises by itself. Every method is found
by one lookup in one generic handler, because grpc.aio waits anew for each registered method at every call.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isasyncgenfunction, iscoroutinefunction
from time import perf_counter
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from grpc_status import rpc_status

from alerting.rpc.callers import Context
from alerting.rpc.errors import status_of
from alerting.rpc.metrics import CallMetrics

Serve: TypeAlias = Callable[[bytes, Context], Awaitable[bytes | None]]
"""Serves a call. Streams ignore the first argument, read and write through the context."""

# The published types know handlers of threads alone.
Handler: TypeAlias = Any

_HANDLER_OF: Final[dict[tuple[bool, bool], Callable[..., Handler]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class Routes(grpc.GenericRpcHandler):
    """The handlers of all methods, by their full names."""

    def __init__(self, metrics: CallMetrics, retry_after_s: float) -> None:
        self._metrics = metrics
        self._retry_after_s = retry_after_s
        self._handlers: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of the method that is called."""
        return self._handlers.get(handler_call_details.method)

    def add(self, service: str, methods: Mapping[str, Serve]) -> None:
        """Serve every method of ``service`` by the coroutine of its name."""
        for method in _methods_of(service):
            self._put(method, self._guarded(method, methods[method.name]))

    def add_foreign(self, service: str, servicer: object) -> None:
        """Serve what ``servicer`` implements of ``service``, with messages parsed for it."""
        for method in _methods_of(service):
            serve = getattr(servicer, method.name)
            if iscoroutinefunction(serve) or isasyncgenfunction(serve):
                read, write = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
                self._put(method, serve, read.FromString, write.SerializeToString)

    def _put(
        self, method: MethodDescriptor, serve: Callable[..., object], *codecs: Callable[..., object]
    ) -> None:
        make = _HANDLER_OF[method.client_streaming, method.server_streaming]
        self._handlers[f"/{method.containing_service.full_name}/{method.name}"] = make(serve, *codecs)

    def _guarded(self, method: MethodDescriptor, serve: Serve) -> Serve:
        metrics, retry_after_s, name = self._metrics, self._retry_after_s, method.name
        fine = metrics.count_of(name, "OK")
        times = None if method.client_streaming else metrics.times_of(name)

        async def guarded(request: bytes, context: Context) -> bytes | None:
            begun = perf_counter()
            try:
                reply = await serve(request, context)
            except (CancelledError, grpc.aio.BaseError):  # the caller or the server is gone
                metrics.count_of(name, "CANCELLED").inc()
                raise
            except Exception as error:  # noqa: BLE001  # the edge of the process: every error becomes a status
                status = status_of(error, retry_after_s)
                metrics.count_of(name, code_pb2.Code.Name(status.code)).inc()
                await context.abort_with_status(rpc_status.to_status(status))
            finally:
                if times is not None:
                    times.observe(perf_counter() - begun)
            fine.inc()
            return reply

        return guarded


def _methods_of(service: str) -> Sequence[MethodDescriptor]:
    return descriptor_pool.Default().FindServiceByName(service).methods
