"""Poison: records that can't be used become dead letters, each of them, and all others are decided."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from detectors.events import Payment
from flows.broker.destination import Destination
from flows.broker.event_sender import EventSender
from flows.broker.ingest.dead_letters import Letter, Place, read_letter
from flows.broker.ingest.inputs import MIXED
from flows.broker.ingest.letter_box import Selection, send_again
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DEAD_LETTERS
from flows.broker.wire import message_key
from flows.codec import Event, encode_event
from flows.sharding import shards_of
from replay.drills.assassin import Say
from replay.drills.kafka_history import Told, check_run
from replay.drills.kafka_rig import Broker, KafkaRig
from replay.drills.needs import require_payments
from replay.history.sources import sent_of

SHARDS: Final = 4
SHARE: Final = 0.01
"""Of the records, so many are unreadable, and as many again are readable and can't be."""
FEWEST_PAYMENTS: Final = 400
SHOWN: Final = 20
_AHEAD: Final = timedelta(days=3)
_FIX: Final = {"TAPWATCH_INGEST__MAX_AHEAD_S": "864000"}
Spoil = Callable[[bytes], bytes]
UNREADABLE: Final[Sequence[Spoil]] = (
    lambda value: value[: len(value) // 2],
    lambda value: b"\xff\xfe" + value,
    lambda value: b"[" + value + b"]",
    lambda value: value.replace(b'"', b"'"),
)
SENSELESS: Final[Sequence[Spoil]] = (
    lambda value: value.replace(b'"amount_minor":', b'"amount_minor":-'),
    lambda value: value.replace(b'"currency":"', b'"currency":"no '),
    lambda value: value.replace(b'"kind":"payment"', b'"kind":"parcel"'),
    lambda value: value.replace(b'"user_id":', b'"usr_id":'),
)


@dataclass(slots=True)
class KafkaPoisonReport:
    """What was sent, and what became of it."""

    records: int = 0
    poison: dict[str, int] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    sent_again: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class PoisonedStream:
    """What is sent, in order: sound events, payments from the future, and bytes that are no event.

    ``records`` has all of them, each with the event that it was made of; ``poison`` says what was done to it.
    """

    sound: list[Event] = field(default_factory=list)
    ahead: list[Payment] = field(default_factory=list)
    records: list[tuple[Event, bytes]] = field(default_factory=list)
    poison: dict[bytes, str] = field(default_factory=dict)


def kafka_poison_drill(
    events: Sequence[Event],
    folder: Path,
    seed: int = 1,
    broker: Broker = None,
    say: Say = lambda _: None,
) -> KafkaPoisonReport:
    """Send ``events`` with poison among them, look at the dead letters, mend what can be and send that again.

    What can be mended are payments from the future: the clock of who sends them is ahead, so the limit is
    raised.

    Raises
    ------
    TooFewPaymentsError
        When there would be next to no poison.
    """
    payments = sum(isinstance(event, Payment) for event in events)
    require_payments("kafka-poison", payments, FEWEST_PAYMENTS)
    stream = poisoned(events, seed)
    report = KafkaPoisonReport(len(stream.records), dict(Counter(stream.poison.values())))
    with KafkaRig(folder, broker) as rig:
        params = rig.lay_out(SHARDS)
        server = rig.server(params, "process-0").start()
        with rig.ingest(params):
            _send(stream, params)
            rig.wait_until_idle(params)
        letters = list(_letters(params))
        report.letters = dict(Counter(letter.trouble for letter in letters))
        say(f"{len(letters)} dead letters for {len(stream.poison)} records: {report.letters}")
        report.problems += _compare(stream.poison, letters, _places(params, stream.poison))
        with rig.ingest(params, _FIX):
            report.sent_again = send_again(params, Selection(reason="ahead")).sent
            rig.wait_until_idle(params)
        server.stop()
        say(f"{report.sent_again} sent again after the limit was raised")
        if report.sent_again != len(stream.ahead):
            report.problems.append(f"{report.sent_again} of {len(stream.ahead)} letters were sent again")
        # What is sent again comes when it comes.
        sent = [*sent_of(stream.sound, SHARDS), *sent_of(stream.ahead, SHARDS, producer=None)]
        found = check_run(params, sent, Told(), [server.data_dir], folder / "oracle")
    report.problems += [f"{finding.fault}: {finding.sentence}" for finding in found]
    del report.problems[SHOWN:]
    return report


def poisoned(events: Sequence[Event], seed: int) -> PoisonedStream:
    """Some payments are spoilt, each way in its turn; a third of what can't be is from the future."""
    chance = random.Random(seed)
    stream = PoisonedStream()
    latest = datetime.now(UTC).replace(microsecond=0) + _AHEAD
    share = SHARE * len(events) / max(1, sum(isinstance(event, Payment) for event in events))
    for event in events:
        drawn = chance.random() / share if isinstance(event, Payment) else 2.0
        value = encode_event(event)
        if drawn < 1.0:
            value, kind = chance.choice(UNREADABLE)(value), "unreadable"
        elif drawn < 1.67:
            value, kind = chance.choice(SENSELESS)(value), "senseless"
        elif drawn < 2.0 and isinstance(event, Payment):
            moved = replace(event, event_time=latest)
            stream.ahead.append(moved)
            value, kind = encode_event(moved), "from the future"
        else:
            stream.sound.append(event)
            stream.records.append((event, value))
            continue
        stream.poison[value] = kind
        stream.records.append((event, value))
    return stream


def _send(stream: PoisonedStream, params: KafkaParams) -> None:
    with EventSender(params, Destination.EVENTS) as sender:
        for event, value in stream.records:
            if value in stream.poison:
                partition = shards_of(event, params.shards)[0]
                sender.send_as_it_is(MIXED, partition, message_key(event), value)
            else:
                sender.send(event, time.time_ns() // 1_000)


def _letters(params: KafkaParams) -> Iterator[Letter]:
    for record in read_topic(params, DEAD_LETTERS):
        letter = read_letter(record)
        if isinstance(letter, Letter):
            yield letter


def _places(params: KafkaParams, poison: Mapping[bytes, str]) -> dict[Place, bytes]:
    """Where the poison stands in the input topic."""
    topic = f"{params.prefix}.{MIXED}.v1"
    return {
        Place(topic, record.partition, record.offset): value
        for record in read_topic(params, MIXED)
        if (value := record.value or b"") in poison
    }


def _compare(
    poison: Mapping[bytes, str], letters: Sequence[Letter], places: Mapping[Place, bytes]
) -> Iterator[str]:
    """What is wrong with the dead letters: one for each record, which says where it stood and why."""
    if len(places) != len(poison):
        yield f"{len(places)} of {len(poison)} records are in the input topic"
    seen = Counter(letter.place for letter in letters)
    yield from (f"{place}: has {count} dead letters" for place, count in seen.items() if count > 1)
    yield from (f"{place}: {poison[places[place]]}, and no dead letter" for place in places.keys() - seen)
    for letter in letters:
        if letter.place not in places:
            yield f"{letter.place}: was sound, and is a dead letter: {letter.reason}"
        elif letter.value != places[letter.place]:
            yield f"{letter.place}: is not kept as it came"
        elif not (letter.reason and letter.trouble and letter.key):
            yield f"{letter.place}: does not say what is wrong"
