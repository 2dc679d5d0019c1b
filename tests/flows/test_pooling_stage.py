"""Shards that tell each other what they learned: when, what, and that nothing but the log decides it."""

from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.entity import EntityProfile
from detectors.entity_delta import unpack_deltas
from detectors.events import Verdict
from detectors.knowledge import KnowledgePart, ShardKnowledge
from detectors.population import Population
from flows import keys
from flows.codec import BadRecord, Event, decode_event, encode_event
from flows.log import MemoryLog, NewRecord
from flows.outputs import Output, Shared, TaskFault
from flows.pooling_stage import PoolingParams
from flows.sharding import ShardPlace, shard_of, shards_of
from flows.store import MemoryStore
from flows.task import ShardTask
from tests.flows.shards_made import NOON, decided, outcome, payment, policy

OFTEN = PoolingParams(payments=16, span_s=3_600, fewest=1)
SHOP = keys.merchant("default", "m-0")


class Shards:
    """Several shards in memory; what one tells goes to the others at once."""

    def __init__(self, count: int, params: PoolingParams = OFTEN, pooled: bool = True) -> None:
        self.logs = [MemoryLog() for _ in range(count)]
        self.stores = [MemoryStore() for _ in range(count)]
        self.tasks = [
            ShardTask(store, log.find, place=ShardPlace(number, count) if pooled else None, pooling=params)
            for number, (store, log) in enumerate(zip(self.stores, self.logs, strict=True))
        ]
        self.outputs: list[list[Output]] = [[] for _ in range(count)]
        self.told: list[ShardKnowledge] = []
        self.add(policy())

    def add(self, *events: Event) -> None:
        """Let each event go where it belongs."""
        for event in events:
            for number in shards_of(event, len(self.tasks)):
                log = self.logs[number]
                log.append([NewRecord.of(event)])
                outputs = self.tasks[number].apply(log.read(log.end - 1, 1)[0])
                self.outputs[number] += outputs
                told = [output.event for output in outputs if isinstance(output, Shared)]
                self.told += told
                self.add(*told)

    def profile(self, number: int, key: str) -> EntityProfile:
        self.stores[number].commit(self.tasks[number].changes())
        raw = self.stores[number].load(key)
        return EntityProfile() if raw is None else EntityProfile.unpack(raw)

    def population(self, number: int) -> Population:
        self.stores[number].commit(self.tasks[number].changes())
        raw = self.stores[number].load(keys.POPULATION)
        return Population() if raw is None else Population.unpack(raw)


def stream(payments: int, every: timedelta = timedelta(minutes=7)) -> list[Event]:
    """Ordinary payments of many users at a few shops, and what became of some of them."""
    events: list[Event] = []
    for number in range(payments):
        made = payment(number, user_id=f"u-{number % 23}", event_time=NOON + number * every)
        events.append(replace(made, mcc="7995") if number % 13 == 0 else made)
        if number % 13 == 5 and number > 13:
            events.append(outcome(number - 5, Verdict.GENUINE, f"u-{(number - 5) % 23}"))
    return events


def answers(outputs: Sequence[Output]) -> list[bytes]:
    return [one.encoded for one in decided(outputs)]


def test_one_shard_tells_nothing_and_decides_as_ever() -> None:
    alone, single = Shards(1, pooled=False), Shards(1)
    alone.add(*stream(200))
    single.add(*stream(200))
    assert single.told == []
    assert answers(single.outputs[0]) == answers(alone.outputs[0])
    assert single.tasks[0].changes().states == alone.tasks[0].changes().states


def test_a_burst_at_a_merchant_is_seen_by_all_shards() -> None:
    burst: list[Event] = [
        payment(n, user_id=f"u-{n}", merchant_id="m-0", event_time=NOON + timedelta(seconds=n))
        for n in range(200)
    ]
    later: list[Event] = [
        payment(
            1_000 + n, user_id=f"u-{n}", merchant_id="m-9", event_time=NOON + timedelta(hours=1, seconds=n)
        )
        for n in range(40)
    ]
    pooled, apart = Shards(4), Shards(4, pooled=False)
    for shards in (pooled, apart):
        shards.add(*burst, *later)
    now_s = int(NOON.timestamp()) + 300
    own = [apart.profile(number, SHOP).velocity.count(now_s, 3_600) for number in range(4)]
    assert sum(own) == 200
    assert max(own) < 80
    for number in range(4):
        merged = pooled.profile(number, SHOP)
        assert merged.velocity.count(now_s, 3_600) == 200
        assert merged.payments == 200
        assert merged.distinct_users() > 40
        assert pooled.profile(number, keys.category("default", "5411")).payments >= 200


def test_a_stream_that_is_sent_faster_than_it_happened_is_not_told_of_at_every_payment() -> None:
    payments = stream(400, every=timedelta(hours=2))
    pooled = Shards(4, PoolingParams(payments=256, span_s=600, fewest=16))
    pooled.add(*payments)
    tellings = {(event.shard, event.sequence) for event in pooled.told}
    assert 16 <= len(tellings) <= len(payments) / 16


def test_pooled_shards_agree_on_what_all_users_share() -> None:
    pooled, single = Shards(4), Shards(1)
    for shards in (pooled, single):
        shards.add(*stream(900, every=timedelta(minutes=2)))
    whole = single.population(0)
    for number in range(4):
        shared = pooled.population(number)
        assert shared.payments == pytest.approx(whole.payments, rel=0.08)  # up to what is yet to be told
        assert shared.norms[:3] == pytest.approx(whole.norms[:3], rel=0.05)
        merged, known = pooled.profile(number, SHOP), single.profile(0, SHOP)
        assert merged.payments == pytest.approx(known.payments, abs=48)
        assert merged.norms[1] == pytest.approx(known.norms[1], rel=0.01)


def test_only_what_was_approved_is_told_as_normal() -> None:
    shards = Shards(2, PoolingParams(payments=1, fewest=1))
    blocked = [payment(n, user_id="u-1", mcc="7995", amount_minor=5_000_000) for n in range(3)]
    shards.add(*blocked, payment(9, user_id="u-1", merchant_id="m-9"))
    told = [part for event in shards.told for part in event.parts if part.name == "entities"]
    deltas = [pair for part in told for pair in unpack_deltas(_raw(part))]
    assert [delta.payments for name, delta in deltas if name == SHOP] == [1]
    assert all(delta.amounts[0] == 0.0 for name, delta in deltas if "m-9" not in name)
    shards.add(outcome(0, Verdict.GENUINE, "u-1"), payment(10, user_id="u-1", merchant_id="m-9"))
    freed = [
        pair
        for part in shards.told[-1].parts
        if part.name == "entities"
        for pair in unpack_deltas(_raw(part))
    ]
    shop = dict(freed)[SHOP]
    assert (shop.payments, shop.amounts[0]) == (0, 1.0)  # it was counted when it came


def _raw(part: KnowledgePart) -> bytes:
    return a2b_base64(part.delta)


def test_nothing_tells_of_users() -> None:
    shards = Shards(2)
    shards.add(*(payment(n, user_id=f"secret-{n}", card_token=f"card-{n}") for n in range(100)))
    raw = b"".join(_raw(part) for event in shards.told for part in event.parts)
    assert b"merchant/default/m-1" in raw
    assert b"secret" not in raw
    assert b"card" not in raw


def test_a_shard_ignores_its_own_knowledge() -> None:
    shards = Shards(2)
    shards.add(*stream(100))
    own = next(event for event in shards.told if event.shard == 0)
    before = shards.population(0).pack()
    log = shards.logs[0]
    log.append([NewRecord.of(own)])
    shards.tasks[0].apply(log.read(log.end - 1, 1)[0])
    assert shards.population(0).pack() == before


def test_the_log_of_one_shard_is_decided_alike_by_a_task_that_is_alone() -> None:
    shards = Shards(3)
    shards.add(*stream(300))
    for number in range(3):
        log = shards.logs[number]
        task = ShardTask(MemoryStore(), log.find)
        outputs = [output for record in log.read(0, 10_000) for output in task.apply(record)]
        assert answers(outputs) == answers(shards.outputs[number])


WHOLE = Shards(3)
WHOLE.add(*stream(400))
BUSIEST = max(range(3), key=lambda number: len(WHOLE.outputs[number]))


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, WHOLE.logs[BUSIEST].end - 1), max_size=6).map(sorted),
    every=st.integers(1, 50),
)
def test_a_shard_that_died_tells_the_same_again(cuts: list[int], every: int) -> None:
    """At each cut the task dies; what it told since its last commit it tells again, byte for byte."""
    log, store = WHOLE.logs[BUSIEST], MemoryStore()
    told: dict[str, bytes] = {}
    said: dict[int, bytes] = {}
    for end in [*cuts, log.end]:
        task = ShardTask(store, log.find, place=ShardPlace(BUSIEST, 3), pooling=OFTEN)
        for event in task.told_lately():
            assert told[event.event_id] == encode_event(event)
        for number, record in enumerate(log.read(task.position, max(0, end - task.position))):
            outputs = task.apply(record)
            for answer in decided(outputs):
                assert said.setdefault(answer.position, answer.encoded) == answer.encoded
            for event in (output.event for output in outputs if isinstance(output, Shared)):
                assert told.setdefault(event.event_id, encode_event(event)) == encode_event(event)
            if number % every == every - 1:
                store.commit(task.changes())
    expected = [event for event in WHOLE.told if event.shard == BUSIEST]
    assert [told[event.event_id] for event in expected] == [encode_event(event) for event in expected]
    assert len(told) == len(expected)
    assert [said[position] for position in sorted(said)] == answers(WHOLE.outputs[BUSIEST])


def test_what_was_told_lately_can_be_told_again_after_a_restart() -> None:
    mine = [event for event in WHOLE.told if event.shard == BUSIEST]
    store = WHOLE.stores[BUSIEST]
    store.commit(WHOLE.tasks[BUSIEST].changes())
    task = ShardTask(store, WHOLE.logs[BUSIEST].find, place=ShardPlace(BUSIEST, 3), pooling=OFTEN)
    assert len(mine) > 3
    assert task.told_lately() == mine[-32:]


def knowledge(*parts: tuple[str, str], shard: int = 1) -> ShardKnowledge:
    return ShardKnowledge(shard, 1, NOON, NOON, tuple(KnowledgePart(*part) for part in parts))


@pytest.mark.parametrize(
    "bad", [("entities", "AAAA"), ("population", "AgAA"), ("joint", "AAAA"), ("new", "AAAA")]
)
def test_knowledge_that_can_not_be_read_is_a_fault_and_teaches_nothing(bad: tuple[str, str]) -> None:
    shards = Shards(2)
    shards.add(*stream(60))
    good = next(event for event in shards.told if event.shard == 1).parts
    event = replace(knowledge(bad), sequence=99, parts=(*good, KnowledgePart(*bad)))
    before = shards.population(0).pack()
    shards.add(event)
    (fault,) = [output for output in shards.outputs[0] if isinstance(output, TaskFault)]
    assert fault.event_id == "knowledge/1/99"
    assert shards.population(0).pack() == before


def test_knowledge_comes_back_from_its_bytes() -> None:
    for event in WHOLE.told:
        assert decode_event(encode_event(event), "test") == event
    assert WHOLE.told[0].event_id == f"knowledge/{WHOLE.told[0].shard}/1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"shard":1', b'"shard":-1', "shard"),
        (b'"shard":1', b'"shard":70000', "shard"),
        (b'"shard":1', b'"shard":"1"', "shard"),
        (b'"sequence":1', b'"sequence":0', "sequence"),
        (b'"delta":"AAAA"', b'"delta":"AAA"', "base64"),
        (b'"delta":"AAAA"', b'"delta":""', "empty"),
        (b'"delta":"AAAA"', b'"delta":"' + b"A" * 200_004 + b'"', "characters"),
        (b'"name":"joint"', b'"name":"no name"', "not the name"),
        (b'"name":"joint",', b"", "name"),
        (b'"name":"joint"', b'"name":"joint","more":1', "more"),
        (b'[{"name":"joint","delta":"AAAA"}]', b"[]", "parts"),
        (b"2026-03-01", b"1826-03-01", "time"),
    ],
)
def test_bad_knowledge_is_refused(old: bytes, new: bytes, said: str) -> None:
    raw = encode_event(knowledge(("joint", "AAAA")))
    assert old in raw
    refused = decode_event(raw.replace(old, new), "test")
    assert isinstance(refused, BadRecord)
    assert said in refused.reason


def test_knowledge_belongs_into_the_logs_of_all_other_shards() -> None:
    assert list(shards_of(knowledge(("joint", "AAAA")), 4)) == [0, 2, 3]
    assert list(shards_of(policy(), 4)) == [0, 1, 2, 3]
    made = payment(1)
    assert list(shards_of(made, 4)) == [shard_of("default", made.user_id, 4)]


def test_a_quiet_shard_tells_when_others_say_how_late_it_is() -> None:
    shards = Shards(2, PoolingParams(payments=1_000, span_s=3_600, fewest=1))
    users = [f"u-{n}" for n in range(50)]
    quiet = next(user for user in users if shard_of("default", user, 2) == 0)
    busy = next(user for user in users if shard_of("default", user, 2) == 1)
    shards.add(payment(0, user_id=quiet), payment(1, user_id=quiet, event_time=NOON + timedelta(minutes=9)))
    assert shards.told == []
    shards.add(*(payment(n, user_id=busy, event_time=NOON + n * timedelta(minutes=50)) for n in range(2, 6)))
    assert {event.shard for event in shards.told} == {0, 1}


def test_a_place_is_within_its_shards() -> None:
    with pytest.raises(ValueError, match=r"number: 4 is out of range; allowed: 0\.\.3"):
        ShardPlace(4, 4)
