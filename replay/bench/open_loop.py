"""An open-loop client: requests go out on a schedule, however slow the answers are.

Latency counts from the moment a request was due, so a stalled server can't hide behind a client that waits
(the coordinated omission problem).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import grpc

from alerting.rpc.convert import PAYMENT, read_decision
from detectors.events import Payment
from tapwatch.v1 import decision_pb2, risk_pb2

DECIDE: Final = "/tapwatch.v1.RiskService/Decide"
DECIDE_STREAM: Final = "/tapwatch.v1.RiskService/DecideStream"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw. ``latencies_ms`` is sorted; an unanswered request is in ``errors`` alone."""

    rate_per_s: float
    seconds: float
    latencies_ms: tuple[float, ...]
    sources: dict[str, int]
    errors: dict[str, int]

    def percentile_ms(self, share: float) -> float:
        """The latency that ``share`` (0..1) of the answers stay below."""
        if not self.latencies_ms:
            return float("nan")
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]

    @property
    def answered_per_s(self) -> float:
        """Answers per second of the run."""
        return len(self.latencies_ms) / self.seconds


class OpenLoop:
    """Sends payments to one server at a given rate with exponential gaps."""

    def __init__(self, target: str, seed: int = 1) -> None:
        self._channel = grpc.insecure_channel(target)
        # Requests are made before the clock starts and replies are read after it stops.
        self._decide: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(DECIDE)
        self._random = random.Random(seed)

    def run(
        self,
        payments: Sequence[Payment],
        rate_per_s: float,
        timeout_s: float = 1.0,
        *,
        read: bool = True,
        on_answer: Callable[[int], None] | None = None,
    ) -> Load:
        """Send all ``payments``; returns when each has its answer or its error.

        Without ``read`` nobody looks at the replies: for a server that does not decide. ``on_answer`` is
        called on some thread with the number of each payment that has its answer.
        """
        requests = [risk_pb2.DecideRequest(payment=PAYMENT.write(p)).SerializeToString() for p in payments]
        answers = _Answers(len(requests))
        begun = due = time.perf_counter() + 0.05
        for number, request in enumerate(requests):
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            answer = self._decide.future(request, timeout=timeout_s)
            answers.expect(answer, due)
            if on_answer is not None:
                answer.add_done_callback(_telling(on_answer, number))
            due += self._random.expovariate(rate_per_s)
        answers.wait()
        return answers.load(rate_per_s, time.perf_counter() - begun, read)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _telling(on_answer: Callable[[int], None], number: int) -> Callable[[object], None]:
    return lambda _done: on_answer(number)


class OpenStream:
    """Sends payments through one `DecideStream` at a given rate with exponential gaps."""

    def __init__(self, target: str, seed: int = 1) -> None:
        self._channel = grpc.insecure_channel(target)
        self._decide: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
            DECIDE_STREAM
        )
        self._random = random.Random(seed)

    def run(self, payments: Sequence[Payment], rate_per_s: float, *, read: bool = True) -> Load:
        """Send all ``payments``; returns when each has its answer, or when the stream has ended."""
        requests = [
            risk_pb2.DecideStreamRequest(payment=PAYMENT.write(p)).SerializeToString() for p in payments
        ]
        begun = time.perf_counter() + 0.05
        gaps = (self._random.expovariate(rate_per_s) for _ in requests)
        dues = list(accumulate(gaps, initial=begun))
        latencies, replies, errors = [], [], Counter[str]()
        try:
            for due, reply in zip(dues, self._decide(_paced(requests, dues)), strict=False):
                latencies.append((time.perf_counter() - due) * 1e3)
                replies.append(reply)
        except grpc.RpcError as error:
            code = error.code().name if isinstance(error, grpc.Call) else repr(error)
            errors[code] += len(requests) - len(replies)
        seconds = time.perf_counter() - begun
        answers = map(risk_pb2.DecideStreamResponse.FromString, replies if read else ())
        sources = Counter(_source(a.decision) if a.HasField("decision") else "ERROR" for a in answers)
        errors["ITEM"] = sources.pop("ERROR", 0)
        return Load(rate_per_s, seconds, tuple(sorted(latencies)), dict(sources), dict(+errors))

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _paced(requests: Sequence[bytes], dues: Sequence[float]) -> Iterator[bytes]:
    for request, due in zip(requests, dues, strict=False):
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        yield request


def _source(message: decision_pb2.Decision) -> str:
    decision = read_decision(message)
    cause = decision.fallback_cause
    return decision.source if cause is None else f"{decision.source} {cause}"


class _Answers:
    def __init__(self, count: int) -> None:
        self._missing = count
        self._lock = threading.Lock()
        self._all = threading.Event()
        if not count:
            self._all.set()
        self._latencies: list[float] = []
        self._replies: list[bytes] = []
        self._errors: Counter[str] = Counter()

    def expect(self, future: "grpc.Future[bytes]", due: float) -> None:
        """Note the answer of one request when it comes."""
        future.add_done_callback(lambda done: self._note(done, due))

    def _note(self, done: "grpc.Future[bytes]", due: float) -> None:
        took = time.perf_counter() - due
        error = done.exception()
        with self._lock:
            if error is None:
                self._latencies.append(took * 1e3)
                self._replies.append(done.result())
            else:
                self._errors[error.code().name if isinstance(error, grpc.Call) else repr(error)] += 1
            self._missing -= 1
            if not self._missing:
                self._all.set()

    def wait(self) -> None:
        """Block until nothing is outstanding; each request has a deadline, so this ends."""
        self._all.wait()

    def load(self, rate_per_s: float, seconds: float, read: bool) -> Load:
        """What was seen."""
        replies = map(risk_pb2.DecideResponse.FromString, self._replies if read else ())
        sources = Counter(_source(reply.decision) for reply in replies)
        return Load(rate_per_s, seconds, tuple(sorted(self._latencies)), dict(sources), dict(self._errors))
