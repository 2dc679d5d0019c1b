"""A loop that looks at its sockets less often still looks."""

import asyncio
import socket

from alerting.rpc.loop import new_loop


def test_sockets_are_read_while_callbacks_never_end() -> None:
    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        received = loop.create_future()
        loop.add_reader(ours, lambda: received.set_result(ours.recv(1)))

        def again() -> None:
            if not received.done():
                loop.call_soon(again)

        again()
        theirs.send(b"x")
        data: bytes = await asyncio.wait_for(received, 20.0)
        loop.remove_reader(ours)
        ours.close()
        theirs.close()
        return data

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(run()) == b"x"


def test_timers_come_while_callbacks_never_end() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        loop.call_later(0.001, over.set_result, None)

        def again() -> None:
            if not over.done():
                loop.call_soon(again)

        again()
        await asyncio.wait_for(over, 20.0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
