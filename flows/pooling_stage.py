"""The stage that pools what all users share with the other shards, through the log.

Now and then the task says, as an output, what its models learned since the last time; whoever feeds the task
puts that into the logs of all other shards, where their tasks merge it at its position. So a shard's state
stays a function of its own log. When to tell depends on that log alone: after so many payments, or when event
time passes a boundary. What was told lately is kept, so that it can be told again after a restart; the logs
drop what they have already.
"""

import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Final

from detectors.entity import EntityProfile
from detectors.entity_delta import EntityDelta
from detectors.fresh import Fresh, pack_lessons, unpack_lessons
from detectors.joint_model import JointModel
from detectors.knowledge import MAX_TEXT, KnowledgePart, ShardKnowledge
from detectors.pooling import Pooled, PooledEntities, PooledJoint, PooledPopulation
from detectors.population import Population
from detectors.reading import seconds
from detectors.tokens import check_version
from flows import keys
from flows.codec import BadRecord, decode_event, encode_event
from flows.outputs import Shared
from flows.sharding import ShardPlace
from flows.state import State

KEPT: Final = 32
"""So many tellings are kept, to be told again."""
_CHUNK: Final = 32
_VERSION: Final = 1
_TOLD = struct.Struct("<BQII")
_CHUNK_HEADER = struct.Struct("<BQ")


@dataclass(frozen=True, slots=True)
class PoolingParams:
    """When a shard tells the others what it learned.

    Parameters
    ----------
    payments
        After so many payments of its own at the latest.
    span_s
        When event time passes a multiple of so many seconds. Bursts at a merchant last minutes: what comes
        once an hour comes too late for them.
    fewest
        But never for fewer payments than these: a telling costs all shards together as much as several.
    """

    payments: int = 256
    span_s: int = 600
    fewest: int = 16


@dataclass(frozen=True, slots=True)
class Memories:
    """How many payments the norms of a merchant and of a category rest on."""

    merchant: float
    category: float


class PoolingStage:
    """Tells what this shard learned, and merges what the others did.

    Parameters
    ----------
    state
        The shard's state.
    population, joint
        The shared models that are no profiles.
    memories
        How fast profiles forget.
    place
        Which shard this is; None for one that is alone, which merges what its log holds but tells nothing.
    """

    def __init__(
        self,
        state: State,
        population: Population,
        joint: JointModel,
        memories: Memories,
        place: ShardPlace | None,
        params: PoolingParams,
    ) -> None:
        self._state = state
        self._population = population
        self._memories = memories
        self._number = None if place is None else place.number
        self._params = params
        self._models: dict[str, Pooled] = {
            model.name: model
            for model in (
                PooledEntities(self._merge_entity),
                PooledPopulation(population),
                PooledJoint(joint),
            )
        }
        self.fresh = Fresh() if place is not None and place.count > 1 else None
        self._told, self._told_s, self._latest_s = 0, 0, 0
        self._flushed = 0
        if self.fresh is not None:
            self._load(self.fresh)

    def tell_if_due(self, position: int) -> list[Shared]:
        """What the others are to know now: nothing most of the time."""
        fresh = self.fresh
        if fresh is None or not fresh.lessons:
            return []
        now_s = max(self._latest_s, self._population.clock.now_s)
        self._told_s = self._told_s or now_s
        learned, params = len(fresh.lessons), self._params
        passed = now_s // params.span_s != self._told_s // params.span_s
        if learned < params.fewest or (learned < params.payments and not passed):
            return []
        return [Shared(position, event) for event in self._tell(fresh, now_s)]

    def merge(self, event: ShardKnowledge) -> None:
        """Learn what another shard did; all of it, or nothing where a part can't be read."""
        if event.shard == self._number:
            return
        merges = []
        for part in event.parts:
            model = self._models.get(part.name)
            if model is None:
                raise ValueError(f"parts: {part.name!r} is unknown; allowed: {', '.join(self._models)}")
            merges.append(model.read(a2b_base64(part.delta)))
        for merge in merges:
            merge()
        self._state.put(keys.POPULATION, self._population)
        self._latest_s = max(self._latest_s, seconds(event.event_time))

    def told_lately(self) -> list[ShardKnowledge]:
        """What was told last, oldest first, for whoever can't be sure that it reached the logs."""
        events = []
        for sequence in range(max(1, self._told - KEPT + 1), self._told + 1):
            raw = self._state.load_raw(f"{keys.SHARED}{sequence % KEPT}")
            event = None if raw is None else decode_event(raw, f"{keys.SHARED}{sequence % KEPT}")
            if isinstance(event, BadRecord) or not isinstance(event, ShardKnowledge):
                raise ValueError(f"stored knowledge can't be read: {event}")
            events.append(event)
        return events

    def flush(self) -> None:
        """Hand what is to be told to the state, as far as it changed."""
        fresh = self.fresh
        if fresh is None:
            return
        lessons = fresh.lessons
        if len(lessons) > self._flushed:
            header = _CHUNK_HEADER.pack(_VERSION, self._told)
            for chunk in range(self._flushed // _CHUNK, (len(lessons) - 1) // _CHUNK + 1):
                packed = pack_lessons(lessons[chunk * _CHUNK : (chunk + 1) * _CHUNK])
                self._state.put_raw(f"{keys.FRESH}lessons/{chunk}", header + packed)
            self._flushed = len(lessons)
        told = _TOLD.pack(_VERSION, self._told, self._told_s, self._latest_s)
        self._state.put_raw(f"{keys.FRESH}population", told + fresh.population.pack())

    def _load(self, fresh: Fresh) -> None:
        raw = self._state.load_raw(f"{keys.FRESH}population")
        if raw is None:
            return
        version, self._told, self._told_s, self._latest_s = _TOLD.unpack_from(raw)
        check_version("what is to be told", version, _VERSION)
        fresh.population = Population.unpack(raw[_TOLD.size :])
        for chunk in count():
            raw = self._state.load_raw(f"{keys.FRESH}lessons/{chunk}")
            if raw is None or _CHUNK_HEADER.unpack_from(raw) != (_VERSION, self._told):
                break  # of what was told already
            fresh.lessons += unpack_lessons(raw, _CHUNK_HEADER.size)
        self._flushed = len(fresh.lessons)

    def _tell(self, fresh: Fresh, now_s: int) -> Iterator[ShardKnowledge]:
        parts = [
            KnowledgePart(name, b2a_base64(delta, newline=False).decode())
            for name, model in self._models.items()
            for delta in model.tell(fresh)
        ]
        begin = datetime.fromtimestamp(self._told_s, UTC)
        for some in _in_events(parts):
            self._told += 1
            event = ShardKnowledge(
                self._number or 0, self._told, begin, datetime.fromtimestamp(now_s, UTC), some
            )
            self._state.put_raw(f"{keys.SHARED}{self._told % KEPT}", encode_event(event))
            yield event
        self._told_s = now_s
        self._flushed = 0
        fresh.begin_anew()

    def _merge_entity(self, name: str, delta: EntityDelta) -> None:
        entity = self._state.find(name, EntityProfile) or EntityProfile()
        entity.merge(delta, self._memories.merchant if delta.windows else self._memories.category)
        self._state.put(name, entity)


def _in_events(parts: Sequence[KnowledgePart]) -> Iterator[tuple[KnowledgePart, ...]]:
    """The parts, as many together as an event may hold."""
    some: list[KnowledgePart] = []
    length = 0
    for part in parts:
        if some and length + len(part.delta) > MAX_TEXT:
            yield tuple(some)
            some, length = [], 0
        some.append(part)
        length += len(part.delta)
    if some:
        yield tuple(some)
