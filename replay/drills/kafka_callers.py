"""Callers of several servers: each has its own users, and asks one server or the other until it is told."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from zlib import crc32

from detectors.events import Outcome, Payment
from replay.drills.kafka_rig import DrillTimeoutError
from replay.gateway import GatewayClient, GatewayError
from replay.history import Answer
from replay.history.sources import answer_of
from replay.server_process import ServerProcess

RETRIED: Final = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL")
PATIENCE_S: Final = 180.0
DOUBTING: Final = 10
"""One of so many payments is asked for again at another server, as soon as it is answered."""
_PAUSE_S: Final = 0.05

Asked = Payment | Outcome


class Callers:
    """Asks servers for decisions and reports outcomes; notes every answer.

    Some payments are asked for again at another server, at once and when all has settled.

    Parameters
    ----------
    servers
        Any of them takes any request; one that is away or silent costs a caller another attempt.
    callers
        How many ask at a time. All requests of a user come from one of them, one after the other.
    timeout_s
        How long a caller waits for an answer before it asks again elsewhere.
    """

    def __init__(self, servers: Sequence[ServerProcess], callers: int, timeout_s: float) -> None:
        self._servers = servers
        self._callers = callers
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._total = 1
        self._done = 0
        self.answers: list[Answer] = []
        self._doubted: dict[str, Payment] = {}
        self.sources: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        """Attempts that came to nothing, by the code of the error."""

    @property
    def progress(self) -> float:
        """The share of the requests that are done."""
        return self._done / self._total

    def ask_all(self, requests: Sequence[Asked], seconds: float = 0.0) -> None:
        """Make all requests, spread over so many seconds or more; returns when each is answered.

        Raises
        ------
        DrillTimeoutError
            When one is not answered however often it is repeated.
        """
        self._total = max(1, len(requests))
        begun = time.monotonic()
        by_caller: list[list[tuple[float, Asked]]] = [[] for _ in range(self._callers)]
        for number, each in enumerate(requests):
            due = begun + seconds * number / self._total
            by_caller[crc32(each.user_id.encode()) // 2 % self._callers].append((due, each))
        with ThreadPoolExecutor(self._callers, thread_name_prefix="caller") as pool:
            list(pool.map(self._ask_in_order, range(self._callers), by_caller))

    @property
    def asked_elsewhere(self) -> frozenset[str]:
        """The payments that two servers were asked for, by their event ids."""
        return frozenset(self._doubted)

    def ask_again(self) -> list[Answer]:
        """What each server says of the payments that two of them were asked for."""
        found: list[Answer] = []
        connections = _Connections(self._servers)
        try:
            for payment in self._doubted.values():
                for number in range(len(self._servers)):
                    answer = connections.to(number).decide(payment, timeout_s=PATIENCE_S, budget_s=PATIENCE_S)
                    found.append(answer_of(answer))
        finally:
            connections.close()
        return found

    def _ask_in_order(self, number: int, requests: Sequence[tuple[float, Asked]]) -> None:
        connections = _Connections(self._servers)
        try:
            at = number
            for due, each in requests:
                time.sleep(max(0.0, due - time.monotonic()))
                at = self._ask(connections, at, each)
                if isinstance(each, Payment) and crc32(each.event_id.encode()) % DOUBTING == 0:
                    self._doubted[each.event_id] = each
                    self._ask(connections, at + 1, each)
                with self._lock:
                    self._done += 1
        finally:
            connections.close()

    def _ask(self, connections: "_Connections", at: int, request: Asked) -> int:
        """Make one request, at server ``at`` first; says which server answered."""
        patient_until = time.monotonic() + PATIENCE_S
        while True:
            try:
                client = connections.to(at)
                if isinstance(request, Payment):
                    answer = client.decide(request, timeout_s=self._timeout_s)
                    self._note(answer_of(answer))
                else:
                    client.report_outcome(request, timeout_s=self._timeout_s)
            except GatewayError as error:
                code = error.problem.code
                if code not in RETRIED:
                    raise
                self.repeated[code] += 1
                if time.monotonic() > patient_until:
                    raise DrillTimeoutError(f"{request.event_id} is not answered: {error}") from None
                at += 1
                time.sleep(_PAUSE_S)
            else:
                return at

    def _note(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)
            self.sources[answer.source] += 1


class _Connections:
    """One caller's connections, one per server and life of it."""

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self._servers = servers
        self._clients: dict[str, GatewayClient] = {}

    def to(self, number: int) -> GatewayClient:
        target = self._servers[number % len(self._servers)].target
        if target not in self._clients:
            self._clients[target] = GatewayClient(target)
        return self._clients[target]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
