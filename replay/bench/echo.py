"""A gRPC server that answers with nothing, at once: the floor under any latency measured here.

`python -m replay.bench.echo` prints its port and serves until it is told to stop.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import grpc
import grpc.aio


class _Echo(grpc.GenericRpcHandler):
    """Answers every method with an empty message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """See :class:`grpc.GenericRpcHandler`."""
        if handler_call_details.method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(_answer_each)
        return grpc.unary_unary_rpc_method_handler(_answer)


async def _answer(_request: bytes, _context: object) -> bytes:
    return b""


async def _answer_each(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield b""


async def _serve() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port)
    sys.stdout.flush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(_serve())
