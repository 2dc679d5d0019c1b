"""The topics of the engine, as code: what each is for, and the settings it must have.

Every topic keeps records by the time that they came in (``LogAppendTime``): the time of an event is in its
payload, and a broker that went by it would delete the records of 2018 on arrival. None is compacted: a log
that keeps one record per user would lose the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from flows.broker.connection import topic
from flows.broker.params import KafkaParams

SHARD_LOG: Final = "shard-log"
REPLIES: Final = "replies"
QUERIES: Final = "queries"
DECISIONS: Final = "decisions"
STEP_UP_REQUESTS: Final = "step-up-requests"
ALERTS: Final = "alerts"
DEAD_LETTERS: Final = "dead-letters"
INPUTS: Final = (
    "events",
    "payments",
    "locations",
    "ticks",
    "trades",
    "visits",
    "outcomes",
    "preferences",
    "merchants",
    "consents",
)

_BY_SHARD: Final = frozenset({SHARD_LOG, QUERIES, DECISIONS, STEP_UP_REQUESTS, ALERTS})

FOR_EVER: Final = -1
_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_MAX_MESSAGE_BYTES: Final = 1_048_588


class Growth(Enum):
    """Whether a topic may get more partitions, which send a key to another one."""

    NEVER = "set kafka.shards to what is there: another count would send users to other shards"
    WHILE_EMPTY = "more partitions would break the order of each user's records: empty the topic first"
    ALWAYS = ""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be.

    ``exact`` says that the partitions are the shards; elsewhere more than asked for do no harm. ``by_shard``
    says that there must be one for each shard.
    """

    name: str
    holds: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    growth: Growth
    exact: bool
    by_shard: bool


def topic_specs(params: KafkaParams) -> tuple[TopicSpec, ...]:
    """All topics of an engine with these parameters, inputs first."""
    return (
        *(_input(params, kind) for kind in INPUTS),
        _spec(params, SHARD_LOG, "the truth: all events, a partition per shard", FOR_EVER, Growth.NEVER),
        _spec(params, QUERIES, "questions to the owner of a shard", _HOUR, Growth.ALWAYS),
        _spec(params, REPLIES, "answers on their way to the process that was asked", _HOUR, Growth.ALWAYS),
        _spec(params, DECISIONS, "what was decided", 30 * _DAY, Growth.ALWAYS),
        _spec(params, STEP_UP_REQUESTS, "who must authenticate strongly", 7 * _DAY, Growth.ALWAYS),
        _spec(params, ALERTS, "alerts of all kinds, as CloudEvents", 7 * _DAY, Growth.ALWAYS),
        _spec(params, DEAD_LETTERS, "what could not be read, and why", FOR_EVER, Growth.ALWAYS, 1),
    )


def _input(params: KafkaParams, kind: str) -> TopicSpec:
    holds = "events of all kinds, in order" if kind == "events" else f"{kind} from outside"
    return _spec(params, kind, holds, 7 * _DAY, Growth.WHILE_EMPTY)


def _spec(
    params: KafkaParams, kind: str, holds: str, keep_ms: int, growth: Growth, partitions: int | None = None
) -> TopicSpec:
    settings = {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(keep_ms),
        "retention.bytes": str(FOR_EVER),
        "max.message.bytes": str(_MAX_MESSAGE_BYTES),
        # What was acknowledged is on two brokers, and only one that has it may lead.
        "min.insync.replicas": str(min(2, params.replication)),
        "unclean.leader.election.enable": "false",
    }
    return TopicSpec(
        name=topic(params, kind),
        holds=holds,
        partitions=partitions or params.shards,
        replication=params.replication,
        settings=settings,
        growth=growth,
        exact=growth is Growth.NEVER,
        by_shard=kind in _BY_SHARD,
    )
