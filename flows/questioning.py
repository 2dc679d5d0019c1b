"""Questions of the edge to its shard process: asked on any thread, which waits for the answer."""

import threading
from itertools import count
from typing import Final

from alerting.engine import EngineUnavailableError
from flows.dispatch import Dispatch
from flows.frames import Frame, Kind, frame

PATIENCE_S: Final = 3.0


class Questioning:
    """Puts questions over the line and waits for their answers."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._tickets = count(1)
        self._waiting: dict[int, tuple[threading.Event, list[bytes]]] = {}

    def ask(self, question: bytes) -> bytes:
        """The answer; raises EngineUnavailableError when it does not come in time."""
        ticket, answered, answers = next(self._tickets), threading.Event(), list[bytes]()
        self._waiting[ticket] = answered, answers
        try:
            self._dispatch.say(frame(Kind.ASK, ticket, question))
            if not answered.wait(PATIENCE_S):
                raise EngineUnavailableError("the shard that may know did not answer in time; try again")
        finally:
            del self._waiting[ticket]
        return answers[0]

    def told(self, came: Frame) -> None:
        """An answer came."""
        waiting = self._waiting.get(came.ticket)
        if waiting is not None:
            answered, answers = waiting
            answers.append(came.body)
            answered.set()
