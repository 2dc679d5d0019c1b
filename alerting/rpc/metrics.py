"""Counts and times every call, for Prometheus."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final, Protocol, cast

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_OURS: Final = "/tapwatch."

# gRPC hands handlers on without types.
_Handler = Any


class _Ended(Protocol):
    """What a call's context knows at its end; the published types leave it out."""

    def code(self) -> object: ...


class CallMetrics(grpc.ServerInterceptor):
    """Counts calls by method and status, and times unary calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("tapwatch_rpc", "Calls answered.", ("method", "code"), registry=registry)
        self._times = Histogram(
            "tapwatch_rpc_seconds",
            "Time from handing the call to a thread until its reply.",
            ("method",),
            registry=registry,
            buckets=_BOUNDS_S,
        )
        self._wrapped: dict[str, _Handler] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """The method's handler with its clock."""
        method = str(handler_call_details.method)
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = continuation(handler_call_details)
        # Names that callers make up must not fill the memory.
        if handler is None or not method.startswith(_OURS):
            return handler
        return self._wrapped.setdefault(method, self._wrap(method.rpartition("/")[2], handler))

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        codecs = (handler.request_deserializer, handler.response_serializer)
        if handler.response_streaming:
            serve = self._counted_stream(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(serve, *codecs)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._counted(method, handler.stream_unary), *codecs)
        return grpc.unary_unary_rpc_method_handler(self._counted(method, handler.unary_unary), *codecs)

    def _counted(self, method: str, serve: Callable[..., Any]) -> Callable[..., Any]:
        fine = self._calls.labels(method, "OK")
        times = self._times.labels(method)

        def counted(request: object, context: grpc.ServicerContext) -> object:
            start = perf_counter()
            try:
                reply = serve(request, context)
            except BaseException:
                self._calls.labels(method, _code_name(context, "UNKNOWN")).inc()
                raise
            finally:
                times.observe(perf_counter() - start)
            fine.inc()
            return reply

        return counted

    def _counted_stream(self, method: str, serve: Callable[..., Any]) -> Callable[..., Any]:
        def counted(requests: object, context: grpc.ServicerContext) -> Iterator[object]:
            try:
                yield from serve(requests, context)
            finally:
                self._calls.labels(method, _code_name(context, "OK")).inc()

        return counted


def _code_name(context: grpc.ServicerContext, unset: str) -> str:
    code = cast(_Ended, context).code()
    return code.name if isinstance(code, grpc.StatusCode) else unset
