"""The topic of dead letters as a box: look into it, and send its letters again."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, Final

from kafka import KafkaProducer

from flows.broker.connection import make_producer, topic
from flows.broker.errors import in_words
from flows.broker.ingest.dead_letters import Letter, Place, headers_to_send_again, read_letter, write_mark
from flows.broker.ingest.inputs import InputReader
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DEAD_LETTERS

_AT_A_TIME: Final = 1_000

Bound = int | datetime
"""An offset of the original topic, or the time when a record was refused."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: those that fit all that is given.

    Parameters
    ----------
    topics
        Original topics; empty means all.
    reason
        A text within the reason, or the word for what was wrong.
    since, until
        First and last, as offsets of the original topic or as times of refusal.
    """

    topics: frozenset[str] = frozenset()
    reason: str | None = None
    since: Bound | None = None
    until: Bound | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        if self.topics and letter.place.topic not in self.topics:
            return False
        if self.reason is not None and self.reason != letter.trouble and self.reason not in letter.reason:
            return False
        after_first = self.since is None or not _before(letter, self.since)
        return after_first and (self.until is None or not _behind(letter, self.until))


@dataclass(slots=True)
class Listing:
    """What was found: the newest letters first, and how many there are of each sort."""

    letters: list[Letter] = field(default_factory=list)
    total: int = 0
    by_error: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By original topic and what was wrong."""
    by_reason: Counter[str] = field(default_factory=Counter)
    sent_again: set[Place] = field(default_factory=set)


@dataclass(slots=True)
class SentAgain:
    """What became of the letters that were meant."""

    selected: int = 0
    sent: int = 0
    sent_before: int = 0
    not_whole: int = 0
    """Letters that were masked or cut: what they were can't be sent any more."""
    not_ours: int = 0
    """Letters that name a topic which is no input topic."""


def list_letters(kafka: KafkaParams, selection: Selection, limit: int) -> Listing:
    """The newest letters of a selection, and counts of all of it.

    Raises
    ------
    BrokerError
        When the topic can't be read.
    """
    listing = Listing()
    newest: list[tuple[datetime, int, Letter]] = []
    number = count()
    for item in _items(kafka):
        if isinstance(item, Place):
            listing.sent_again.add(item)
        elif selection.takes(item):
            listing.total += 1
            listing.by_error[item.place.topic, item.trouble] += 1
            listing.by_reason[item.reason] += 1
            entry = (item.refused_at, next(number), item)
            (heapq.heappush if len(newest) < limit else heapq.heappushpop)(newest, entry)
    listing.letters = [letter for _, _, letter in sorted(newest, reverse=True)][:limit]
    return listing


def send_again(
    kafka: KafkaParams,
    selection: Selection,
    *,
    again: bool = False,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> SentAgain:
    """Send letters to where they came from, as they came, and mark them.

    A letter is marked once it is stored again, so a crash in between sends some twice; event ids make that
    harmless. The original partition is kept, and with it the order of a user's records.

    Parameters
    ----------
    again
        Send also what was sent before.
    dry_run
        Only say what would be sent.

    Raises
    ------
    BrokerError
        When the brokers can't be used; what is marked by then need not be sent again.
    """
    report = SentAgain()
    before = frozenset() if again else frozenset(each for each in _items(kafka) if isinstance(each, Place))
    inputs = frozenset(InputReader(kafka.prefix).topics)
    meant = _sendable(kafka, selection, before, inputs, report)
    if dry_run:
        report.sent = sum(1 for _ in meant)
        return report
    with closing(make_producer(kafka, linger_ms=10, batch_size=262_144)) as producer:
        while letters := list(islice(meant, _AT_A_TIME)):
            _send_and_mark(kafka, producer, letters)
            report.sent += len(letters)
            advance(len(letters))
    return report


def _sendable(
    kafka: KafkaParams,
    selection: Selection,
    before: frozenset[Place],
    inputs: frozenset[str],
    report: SentAgain,
) -> Iterator[Letter]:
    for letter in _items(kafka):
        if isinstance(letter, Place) or not selection.takes(letter):
            continue
        report.selected += 1
        if letter.place.topic not in inputs:
            report.not_ours += 1
        elif letter.place in before:
            report.sent_before += 1
        elif not letter.whole or (letter.key is None and letter.value is None):
            report.not_whole += 1
        else:
            yield letter


def _send_and_mark(kafka: KafkaParams, producer: KafkaProducer, letters: list[Letter]) -> None:
    box, now = topic(kafka, DEAD_LETTERS), datetime.now(UTC)
    with in_words(kafka, f"send letters of {box} again"):
        futures = [_send(producer, letter) for letter in letters]
        _settle(producer, futures)
        marks = [write_mark(letter.place, now) for letter in letters]
        _settle(producer, [producer.send(box, mark.value, mark.key, mark.headers) for mark in marks])


def _send(producer: KafkaProducer, letter: Letter) -> Any:
    there = producer.partitions_for(letter.place.topic) or set()
    partition = letter.place.partition if letter.place.partition in there else None
    headers = headers_to_send_again(letter)
    return producer.send(letter.place.topic, letter.value, letter.key, headers, partition)


def _settle(producer: KafkaProducer, futures: list[Any]) -> None:
    producer.flush()
    for future in futures:
        future.get()


def _items(kafka: KafkaParams) -> Iterator[Letter | Place]:
    """Letters and marks; a letter that a crash made be written twice comes once."""
    seen: set[Place] = set()
    for record in read_topic(kafka, DEAD_LETTERS):
        item = read_letter(record)
        if isinstance(item, Letter):
            if item.place in seen:
                continue
            seen.add(item.place)
        if item is not None:
            yield item


def _before(letter: Letter, bound: Bound) -> bool:
    return letter.place.offset < bound if isinstance(bound, int) else letter.refused_at < bound


def _behind(letter: Letter, bound: Bound) -> bool:
    return letter.place.offset > bound if isinstance(bound, int) else letter.refused_at > bound
