"""How long a call may wait for its message, on a clock that jumps."""

import asyncio
from typing import cast

import grpc.aio
import pytest

from alerting.rpc.callers import Context
from alerting.rpc.errors import InvalidRequestError, MessageMissingError
from alerting.rpc.first_messages import FirstMessages
from tests.alerting.rpc.virtual_time import run_in_virtual_time

TIMEOUT_S = 5.0


class Call:
    """A call whose message comes after some time."""

    def __init__(self, after_s: float, message: object = b"message") -> None:
        self._after_s = after_s
        self._message = message

    async def read(self) -> object:
        await asyncio.sleep(self._after_s)
        return self._message


def a_call(after_s: float, message: object = b"message") -> Context:
    return cast(Context, Call(after_s, message))


@pytest.mark.parametrize("after_s", [0.0, 0.9 * TIMEOUT_S])
def test_a_message_in_time_is_read(after_s: float) -> None:
    async def run() -> bytes:
        return await FirstMessages(TIMEOUT_S).read(a_call(after_s))

    assert run_in_virtual_time(run()) == b"message"


@pytest.mark.parametrize("begun_s", [0.0, 0.5 * TIMEOUT_S, 1.5 * TIMEOUT_S])
def test_a_message_that_does_not_come_ends_the_wait(begun_s: float) -> None:
    async def run() -> float:
        messages, loop = FirstMessages(TIMEOUT_S), asyncio.get_running_loop()
        await asyncio.sleep(begun_s)
        begun = loop.time()
        with pytest.raises(MessageMissingError):
            await messages.read(a_call(1e9))
        return loop.time() - begun

    assert TIMEOUT_S <= run_in_virtual_time(run()) <= 2 * TIMEOUT_S + 1e-6


def test_a_call_that_has_its_message_is_left_alone() -> None:
    async def run() -> str:
        messages = FirstMessages(TIMEOUT_S)
        await messages.read(a_call(0.0))
        await asyncio.sleep(10 * TIMEOUT_S)
        return "done"

    assert run_in_virtual_time(run()) == "done"


def test_a_caller_that_goes_away_is_no_missing_message() -> None:
    async def run() -> None:
        waiting = asyncio.create_task(FirstMessages(TIMEOUT_S).read(a_call(1e9)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_in_virtual_time(run())


def test_a_call_that_ends_without_its_message_is_a_bad_request() -> None:
    async def run() -> None:
        with pytest.raises(InvalidRequestError, match="without its message"):
            await FirstMessages(TIMEOUT_S).read(a_call(0.0, grpc.aio.EOF))

    run_in_virtual_time(run())
