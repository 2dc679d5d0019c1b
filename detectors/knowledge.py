"""What a shard tells the others: the event by which knowledge that all users share crosses shards."""

from binascii import Error, a2b_base64
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from detectors.checks import check_time, shown
from detectors.events import STRICT

MAX_SHARDS: Final = 65_536
MAX_PARTS: Final = 64
MAX_TEXT: Final = 200_000
"""All of an event's deltas together, in base64 characters: a record of the log with room to spare."""


@dataclass(frozen=True, slots=True)
class KnowledgePart:
    """What was learned for one model since the last time: its ``delta``, in base64.

    Only the model of that ``name`` knows what a delta holds; it begins with a version.
    """

    __pydantic_config__: ClassVar = STRICT

    name: str
    delta: str


@dataclass(frozen=True, slots=True)
class ShardKnowledge:
    """Deltas of shared models: what ``shard`` learned from its own users' payments since it last told.

    The log of every other shard holds it. Deltas of different shards may be merged in any order.

    Attributes
    ----------
    shard
        Who learned it.
    sequence
        Counts the events of the shard from 1 on.
    event_time
        The sender's time; ``begin_time`` is that of the last telling.
    """

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "shard_knowledge"

    shard: int
    sequence: int
    begin_time: datetime
    event_time: datetime
    parts: tuple[KnowledgePart, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.shard < MAX_SHARDS:
            raise ValueError(f"shard: {self.shard!r} is out of range; allowed: 0..{MAX_SHARDS - 1}")
        if not 1 <= self.sequence < 2**63:
            raise ValueError(f"sequence: {self.sequence!r} is out of range; allowed: 1 or more")
        check_time("begin_time", self.begin_time)
        check_time("event_time", self.event_time)
        if not 0 < len(self.parts) <= MAX_PARTS:
            raise ValueError(f"parts: has {len(self.parts)}; allowed: 1..{MAX_PARTS}")
        length = len("".join([part.delta for part in self.parts]))
        if length > MAX_TEXT:
            raise ValueError(f"parts: have {length} characters; allowed: at most {MAX_TEXT}")
        for part in self.parts:
            _check_part(part)

    @property
    def event_id(self) -> str:
        return f"knowledge/{self.shard}/{self.sequence}"


def _check_part(part: KnowledgePart) -> None:
    if not (0 < len(part.name) <= 32 and part.name.isascii() and part.name.isidentifier()):
        raise ValueError(f"parts: {shown(part.name)} is not the name of a model")
    try:
        raw = a2b_base64(part.delta, strict_mode=True)
    except (Error, ValueError):
        raise ValueError(f"parts: the delta of {part.name} is not base64") from None
    if not raw:
        raise ValueError(f"parts: the delta of {part.name} is empty")
