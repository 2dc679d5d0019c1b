"""How a loop hears of what other threads did: in time, once per burst, and never too late."""

import asyncio
from collections.abc import Callable
from threading import Thread
from time import monotonic
from unittest.mock import patch

from alerting.rpc.mailbox import Mailbox

PATIENT_S = 20.0


def on_a_thread(work: Callable[[], None]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


def test_news_from_another_thread_ends_the_wait() -> None:
    async def run() -> None:
        await Mailbox().wait(lambda callback: on_a_thread(callback), monotonic() + PATIENT_S)

    asyncio.run(asyncio.wait_for(run(), PATIENT_S))


def test_what_has_happened_already_needs_no_wait() -> None:
    async def run() -> None:
        waiting = Mailbox().wait(lambda callback: callback(), monotonic() + PATIENT_S)
        try:
            waiting.send(None)
        except StopIteration:
            return
        raise AssertionError("it waited")

    asyncio.run(run())


def test_the_wait_ends_when_it_is_due() -> None:
    async def run() -> None:
        await Mailbox().wait(lambda _callback: None, monotonic() + 0.001)

    asyncio.run(asyncio.wait_for(run(), PATIENT_S))


def test_a_burst_of_news_wakes_the_loop_once() -> None:
    async def run() -> int:
        mailbox, callbacks = Mailbox(), list[Callable[[], None]]()
        due = monotonic() + PATIENT_S

        def spread() -> None:
            # Twice each, as an engine may do.
            for callback in callbacks * 2:
                callback()

        waiting = [asyncio.create_task(mailbox.wait(callbacks.append, due)) for _ in range(50)]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as wake:
            on_a_thread(spread)
            await asyncio.gather(*waiting)
        return wake.call_count

    assert asyncio.run(run()) == 1


def test_news_for_a_wait_that_was_cancelled_or_a_loop_that_closed_is_dropped() -> None:
    callbacks: list[Callable[[], None]] = []

    async def run() -> None:
        waiting = asyncio.create_task(Mailbox().wait(callbacks.append, monotonic() + PATIENT_S))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        on_a_thread(callbacks[0])
        await asyncio.sleep(0)

    asyncio.run(run())
    on_a_thread(callbacks[0])
