"""Items of a stream: their order, how many are under way, and what an error does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from alerting.rpc.pipeline import run_in_order


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


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
        await run_in_order(numbers(100), line.start, line.finish, size=7)
        return line.finished

    assert asyncio.run(run()) == list(range(100))


def test_no_more_items_are_started_than_there_is_room_for() -> None:
    async def run() -> tuple[int, int]:
        line = Line()
        line.opened.clear()
        running = asyncio.create_task(run_in_order(numbers(100), line.start, line.finish, size=7))
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
            await run_in_order(numbers(100), start, line.finish, size=7)
        return line.finished

    assert asyncio.run(run()) == [0, 1, 2]


def test_an_error_at_the_end_of_an_item_stops_the_reading() -> None:
    async def run() -> int:
        line = Line()

        async def finish(_number: int) -> None:
            raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011  # raised above
            await run_in_order(numbers(100), line.start, finish, size=7)
        return len(line.started)

    assert asyncio.run(run()) <= 8


def test_a_run_that_is_cancelled_leaves_no_task_behind() -> None:
    async def run() -> int:
        line = Line()
        line.opened.clear()
        running = asyncio.create_task(run_in_order(numbers(100), line.start, line.finish, size=7))
        while not line.started:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
