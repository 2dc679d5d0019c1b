"""Events played at a server by gRPC, in their order: payments are decided, the rest is published."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, Final, get_args

from alerting.engine import Published
from detectors.events import Outcome, Payment
from flows.codec import Event
from replay.gateway import GatewayClient, RpcProblem

PUBLISHED: Final = (Outcome, *get_args(Published))
PLAYED: Final = (Payment, *PUBLISHED)
"""What a caller may send; policies, fallback answers and shards' knowledge are the server's own."""
AT_ONCE: Final = 1_000
"""Events in one ``Publish``, at most."""
_MAX_PROBLEMS: Final = 10


@dataclass(slots=True)
class Played:
    """What became of the events, with the first few problems in words.

    ``left_out`` are those that callers don't send, ``unreadable`` what the streams hold besides events.
    """

    events: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    left_out: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "events": self.events,
            "payments": self.actions.total(),
            "actions": {str(action): count for action, count in sorted(self.actions.items())},
            "fallbacks": self.fallbacks,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "left_out": self.left_out,
            "unreadable": self.unreadable,
            "problems": self.problems,
        }

    def note(self, problem: str) -> None:
        """Keep a problem, if it is one of the first."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)


def play(client: GatewayClient, events: Iterable[Event], played: Played) -> Iterator[int]:
    """Send events in order, payments pipelined; gives how many more are done, and notes what became of them.

    Raises
    ------
    GatewayError
        When the server is gone: what is not done can be sent again.
    """
    for is_payment, group in groupby(events, key=lambda event: isinstance(event, Payment)):
        if is_payment:
            for answer in client.decide_stream(event for event in group if isinstance(event, Payment)):
                if isinstance(answer, RpcProblem):
                    played.refused += 1
                    played.note(f"{answer.code} {answer.message}")
                else:
                    played.actions[answer.action] += 1
                    played.fallbacks += answer.fallback_cause is not None
                played.events += 1
                yield 1
        else:
            # Piece by piece: a stream of locations alone is one group.
            while rest := list(islice(group, AT_ONCE)):
                _publish(client, rest, played)
                yield len(rest)


def _publish(client: GatewayClient, events: list[Event], played: Played) -> None:
    summary = client.publish([event for event in events if isinstance(event, PUBLISHED)])
    played.accepted += summary.accepted
    played.duplicates += summary.duplicates
    played.refused += summary.rejected
    played.left_out += len(events) - summary.accepted - summary.duplicates - summary.rejected
    played.events += len(events)
    for _, problem in summary.problems:
        played.note(f"{problem.code} {problem.message}")
