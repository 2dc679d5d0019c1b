"""Services that others have written, health and reflection, served under the limits of this edge."""

import asyncio
from collections.abc import AsyncIterator
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from alerting.rpc.callers import Context, Tenants
from alerting.rpc.convert import parse
from alerting.rpc.errors import StreamIdleError
from alerting.rpc.serve import Serve


def foreign(method: MethodDescriptor, servicer: object, idle_s: float) -> Serve | None:
    """What serves ``method`` by the servicer's coroutine; None where it has none.

    Replies of a stream are written as messages.
    """
    answer: Any = getattr(servicer, method.name)
    kind = GetMessageClass(method.input_type)

    async def converse(_request: bytes, context: Context, _tenants: Tenants) -> None:
        async for reply in answer(_requests_of(context, kind, idle_s), context):
            await context.write(reply)

    async def stream(request: bytes, context: Context, _tenants: Tenants) -> None:
        await answer(parse(kind, request), context)

    async def reply_once(request: bytes, context: Context, _tenants: Tenants) -> bytes:
        reply: Message = await answer(parse(kind, request), context)
        return reply.SerializeToString()

    if isasyncgenfunction(answer):
        return converse
    if iscoroutinefunction(answer):
        return stream if method.server_streaming else reply_once
    return None


async def _requests_of(context: Context, kind: type[Message], idle_s: float) -> AsyncIterator[Message]:
    while True:
        try:
            async with asyncio.timeout(idle_s):
                request = await context.read()
        except TimeoutError:
            raise StreamIdleError from None
        if not isinstance(request, bytes):
            return
        yield parse(kind, request)
