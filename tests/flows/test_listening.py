"""A line is read on a thread or on a lent loop, and nothing is lost between the two."""

import asyncio
import socket
import threading
from contextlib import closing

from structlog.testing import capture_logs

from flows.frames import Frame, Kind, Line, frame
from flows.listening import Listener


class Heard:
    def __init__(self) -> None:
        self.by: list[tuple[int, int]] = []
        self._more = threading.Condition()

    def __call__(self, came: Frame) -> None:
        with self._more:
            self.by.append((came.ticket, threading.get_ident()))
            self._more.notify_all()

    def wait_for(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.by) >= count, timeout=60)


def test_a_loop_that_is_lent_hears_until_it_is_taken_back() -> None:
    heard = Heard()
    listener = Listener(heard)
    ours, theirs = socket.socketpair()
    with closing(Line(ours)) as line, closing(Line(theirs)) as other:
        thread = threading.Thread(target=listener.listen, args=(line,))
        thread.start()
        other.send(frame(Kind.DECIDED, 1))
        heard.wait_for(1)

        async def serve() -> None:
            listener.lend(asyncio.get_running_loop())
            ticket = 2
            # The thread may take one more before it sees that the loop was lent.
            while heard.by[-1][1] != threading.get_ident():
                other.send(frame(Kind.DECIDED, ticket))
                await asyncio.to_thread(heard.wait_for, ticket)
                ticket += 1
            listener.take_back()

        asyncio.run(serve())
        count = len(heard.by)
        other.send(frame(Kind.DECIDED, count + 1))
        heard.wait_for(count + 1)
        assert heard.by[-1][1] == thread.ident
        other.finish()
        thread.join()
    assert [ticket for ticket, _ in heard.by] == list(range(1, count + 2))


def test_a_line_that_ends_on_the_loop_frees_the_thread() -> None:
    listener = Listener(Heard())
    ours, theirs = socket.socketpair()
    with closing(Line(ours)) as line, closing(Line(theirs)) as other:

        async def serve() -> None:
            listener.lend(asyncio.get_running_loop())
            listening = asyncio.create_task(asyncio.to_thread(listener.listen, line))
            other.finish()
            await listening

        asyncio.run(serve())
        assert line.closed


def test_taking_back_what_was_never_lent_does_nothing() -> None:
    Listener(Heard()).take_back()


def test_an_answer_that_cannot_be_heard_costs_only_itself() -> None:
    heard: list[int] = []

    def hear(came: Frame) -> None:
        if came.ticket == 1:
            raise KeyError(1)
        heard.append(came.ticket)

    ours, theirs = socket.socketpair()
    with closing(Line(ours)) as line, closing(Line(theirs)) as other:
        other.send(b"".join(frame(Kind.DECIDED, ticket) for ticket in range(3)))
        other.finish()
        with capture_logs() as lines:
            Listener(hear).listen(line)
    assert heard == [0, 2]
    assert [said["event"] for said in lines] == ["answer_not_heard"]
