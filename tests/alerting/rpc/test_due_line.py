"""Answers of a stream are fixed when they are due, whoever waits for them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from google.rpc import status_pb2

from alerting.decision import Decision, FallbackCause, Source
from alerting.engine import EngineUnavailableError
from alerting.rpc.due_line import Answer, DueLine, Waiting
from alerting.rpc.errors import status_of
from alerting.rpc.mailbox import Mailbox
from tests.alerting.rpc.fake_engine import FakeEngine, a_payment
from tests.alerting.rpc.virtual_time import run_in_virtual_time


@dataclass
class Slip:
    """A payment that the test answers, or not."""

    due: float
    decision: Decision | None = None
    fails: bool = False
    callbacks: list[Callable[[], None]] = field(default_factory=list)

    def on_answer(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)
        if self.decision is not None:
            callback()

    def answer(self) -> None:
        """As the engine does."""
        engine = FakeEngine()
        self.decision = self.decision or engine.submit(a_payment(), 1.0).answer_now()
        for callback in self.callbacks:
            callback()

    def answer_now(self) -> Decision:
        if self.fails:
            raise EngineUnavailableError
        if self.decision is None:
            engine = FakeEngine()
            self.decision = engine.submit(a_payment(), 0.0).answer_now()
        return self.decision

    def result(self) -> Decision:
        return self.answer_now()


def joined(*slips: Slip) -> tuple[DueLine, list[Waiting]]:
    line = DueLine(Mailbox(), status_of)
    return line, [line.join(slip) for slip in slips]


def source(answer: Answer) -> Source:
    assert isinstance(answer, Decision)
    return answer.source


def test_what_the_engine_answers_in_time_is_its_answer() -> None:
    async def run() -> tuple[list[Source], float]:
        slips = [Slip(0.1), Slip(0.1)]
        line, waiting = joined(*slips)
        for slip in reversed(slips):
            slip.answer()
        return [source(await line.answer(one)) for one in waiting], asyncio.get_running_loop().time()

    assert run_in_virtual_time(run()) == ([Source.ENGINE] * 2, 0.0)


def test_a_payment_that_is_due_is_answered_then_though_nobody_takes_the_answer() -> None:
    async def run() -> list[Answer]:
        slips = [Slip(0.1), Slip(0.1), Slip(0.1)]
        line, waiting = joined(*slips)
        first = await line.answer(waiting[0])
        await asyncio.sleep(1.0)  # the caller is slow to take the first answer
        for slip in slips[1:]:
            slip.answer()
        return [first, *[await line.answer(one) for one in waiting[1:]]]

    answers = run_in_virtual_time(run())
    assert [source(answer) for answer in answers] == [Source.FALLBACK] * 3
    assert all(isinstance(a, Decision) and a.fallback_cause is FallbackCause.DEADLINE for a in answers)


def test_a_short_budget_is_not_made_late_by_a_long_one_before_it() -> None:
    async def run() -> tuple[list[Source], list[float]]:
        slips = [Slip(30.0), Slip(0.02), Slip(30.0)]
        line, waiting = joined(*slips)
        slips[1].answer()
        sources, times = [], []
        for one in waiting[:2]:
            sources.append(source(await line.answer(one)))
            times.append(asyncio.get_running_loop().time())
        slips[2].answer()
        sources.append(source(await line.answer(waiting[2])))
        return sources, times

    sources, times = run_in_virtual_time(run())
    assert sources == [Source.FALLBACK, Source.ENGINE, Source.ENGINE]
    assert max(times) <= 0.02 + 1e-6


def test_an_error_of_the_engine_is_the_answer_to_its_payment_alone() -> None:
    async def run() -> list[Answer]:
        line, waiting = joined(Slip(0.1, fails=True), Slip(0.1))
        return [await line.answer(one) for one in waiting]

    failed, other = run_in_virtual_time(run())
    assert isinstance(failed, status_pb2.Status)
    assert source(other) is Source.FALLBACK


def test_a_line_that_everybody_has_left_asks_nothing_of_the_engine() -> None:
    async def run() -> list[Decision | None]:
        slips = [Slip(0.1), Slip(0.1)]
        line, _ = joined(*slips)
        line.leave()
        await asyncio.sleep(1.0)
        return [slip.decision for slip in slips]

    assert run_in_virtual_time(run()) == [None, None]
