"""Items of a stream: their order, how many are under way, and what an error does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from alerting.rpc.errors import StreamIdleError
from alerting.rpc.pipeline import run_in_order
from tests.alerting.rpc.virtual_time import run_in_virtual_time

IDLE_S = 3_600.0


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def settled(number: int) -> int:
    return number


class Line:
    """Notes what happens; items finish when ``opened`` is set."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.opened.set()
        self.started: list[int] = []
        self.finished: list[int] = []
        self.most = 0

    async def start(self, number: int) -> int:
        self.started.append(number)
        self.most = max(self.most, len(self.started) - len(self.finished))
        return number

    async def finish(self, number: int) -> None:
        await self.opened.wait()
        self.finished.append(number)


def test_items_are_finished_in_the_order_they_came() -> None:
    async def run() -> list[int]:
        line = Line()
        await run_in_order(numbers(100), line.start, settled, line.finish, 7, IDLE_S)
        return line.finished

    assert asyncio.run(run()) == list(range(100))


def test_no_more_items_are_started_than_there_is_room_for() -> None:
    async def run() -> tuple[int, int]:
        line = Line()
        line.opened.clear()
        running = asyncio.create_task(run_in_order(numbers(100), line.start, settled, line.finish, 7, IDLE_S))
        while len(line.started) < 7:
            await asyncio.sleep(0)
        line.opened.set()
        await running
        return line.most, len(line.finished)

    assert asyncio.run(run()) == (7, 100)


def test_an_error_at_the_start_of_an_item_comes_after_those_before_it() -> None:
    async def run() -> list[int]:
        line = Line()

        async def start(number: int) -> int:
            if number == 3:
                raise ValueError
            return await line.start(number)

        with pytest.raises(ValueError):  # noqa: PT011  # raised above
            await run_in_order(numbers(100), start, settled, line.finish, 7, IDLE_S)
        return line.finished

    assert asyncio.run(run()) == [0, 1, 2]


def test_an_error_at_the_end_of_an_item_stops_the_reading() -> None:
    async def run() -> int:
        line = Line()

        async def finish(_number: int) -> None:
            raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011  # raised above
            await run_in_order(numbers(100), line.start, settled, finish, 7, IDLE_S)
        return len(line.started)

    assert asyncio.run(run()) <= 8


def test_a_run_that_is_cancelled_leaves_no_task_behind() -> None:
    async def run() -> int:
        line = Line()
        line.opened.clear()
        running = asyncio.create_task(run_in_order(numbers(100), line.start, settled, line.finish, 7, IDLE_S))
        while not line.started:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


async def one_and_then_silence() -> AsyncIterator[int]:
    yield 0
    await asyncio.Event().wait()


async def one_each(gap_s: float, count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(gap_s)
        yield number


def test_a_caller_that_sends_nothing_more_gets_what_is_finished_and_then_an_end() -> None:
    async def run() -> tuple[list[int], float]:
        line = Line()
        with pytest.raises(StreamIdleError):
            await run_in_order(one_and_then_silence(), line.start, settled, line.finish, 7, IDLE_S)
        assert len(asyncio.all_tasks()) == 1
        return line.finished, asyncio.get_running_loop().time()

    finished, ended = run_in_virtual_time(run())
    assert finished == [0]
    assert IDLE_S <= ended <= 2 * IDLE_S + 1.0


def test_a_caller_that_never_sends_anything_gets_an_end() -> None:
    async def run() -> float:
        line = Line()
        with pytest.raises(StreamIdleError):
            await run_in_order(one_each(1e9, 1), line.start, settled, line.finish, 7, IDLE_S)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(run()) == pytest.approx(IDLE_S, abs=1.0)


def test_a_caller_that_takes_nothing_gets_an_end() -> None:
    async def run() -> tuple[list[int], float]:
        line = Line()
        line.opened.clear()
        with pytest.raises(StreamIdleError):
            await run_in_order(numbers(100), line.start, settled, line.finish, 7, IDLE_S)
        return line.started, asyncio.get_running_loop().time()

    started, ended = run_in_virtual_time(run())
    assert started == list(range(7))
    assert IDLE_S <= ended <= 2 * IDLE_S + 1.0


def test_a_caller_that_sends_now_and_then_goes_on() -> None:
    async def run() -> list[int]:
        line = Line()
        await run_in_order(one_each(0.9 * IDLE_S, 9), line.start, settled, line.finish, 7, IDLE_S)
        return line.finished

    assert run_in_virtual_time(run()) == list(range(9))


def test_time_that_the_items_themselves_need_is_not_held_against_the_caller() -> None:
    async def slow(number: int) -> int:
        await asyncio.sleep(5.5 * IDLE_S)
        return number

    async def run() -> list[int]:
        line = Line()
        await run_in_order(numbers(3), line.start, slow, line.finish, 7, IDLE_S)
        return line.finished

    assert run_in_virtual_time(run()) == [0, 1, 2]
