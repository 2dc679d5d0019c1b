"""What a history is made of, and what can be wrong with one.

Contents are compared, never looked into: a digest will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """What can be wrong with a history."""

    LOSS = "LOSS"  # something that must be there is nowhere
    DOUBLE = "DOUBLE"  # something is there once too often
    REORDER = "REORDER"  # two things have changed places
    CHANGED = "CHANGED"  # one thing has two contents
    MISPLACED = "MISPLACED"  # something is in another shard than its own
    STRAY = "STRAY"  # something is there that nothing explains
    UNANSWERED = "UNANSWERED"  # a caller was told nothing
    GAP = "GAP"  # log positions are not 1, 2, 3, ...


class Finding(NamedTuple):
    """One thing that is wrong: its kind, the ids that it concerns, and a sentence."""

    fault: Fault
    ids: tuple[str, ...]
    sentence: str


class Sent(NamedTuple):
    """An event that somebody sent, in the order of sending; one that is sent again is the same event.

    ``shard`` is the one that owns it, None for all of them. What one ``producer`` sends of one user keeps its
    order, except where the fallback's answer stands in for a payment that the log could not take then.
    Without a producer no order is promised. ``asked`` says that a caller waited for a decision.
    """

    event_id: str
    user: str
    shard: int | None
    producer: str | None = None
    asked: bool = False
    content: bytes = b""


class Logged(NamedTuple):
    """A record of a shard's log, in the order of positions.

    ``transaction`` is the event id of the payment that the record decides: its own, or that of the payment
    which the fallback answered; empty where nothing is decided. ``is_own`` marks what nobody sent: policies,
    and answers that the fallback gave.
    """

    shard: int
    position: int
    event_id: str
    transaction: str = ""
    is_own: bool = False
    content: bytes = b""


class Published(NamedTuple):
    """A decision as it was published, in the order of its partition.

    The fallback's has no position (0): it was given before it had one, and its bytes stay.
    """

    shard: int
    position: int
    decision_id: str
    transaction: str
    source: str
    action: str
    content: bytes


class Answer(NamedTuple):
    """What a caller was told."""

    transaction: str
    source: str
    action: str
    content: bytes


class Output(NamedTuple):
    """Something with an id that went out: an alert, a step-up request, a decision."""

    output_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a run.

    Parameters
    ----------
    shards
        How many there are: what every shard gets must be in each of their logs.
    repeats_allowed
        Whether a decision may be published again with the same bytes: at least once, not exactly once.
    asked_elsewhere
        Transactions that callers asked several processes for while these died. A process that can't hear of
        another's answer gives the fallback: the decision in force is then what one of the callers was told.
    last_answers
        What callers were told who asked when all had settled: the decisions in force, and nothing else.
    """

    shards: int
    sent: Sequence[Sent]
    logged: Sequence[Logged]
    published: Sequence[Published]
    answers: Sequence[Answer] = ()
    repeats_allowed: bool = False
    asked_elsewhere: frozenset[str] = frozenset()
    last_answers: Sequence[Answer] = ()


def place(of: Logged | Published) -> str:
    """A log position in words."""
    return f"shard {of.shard}, position {of.position}"
