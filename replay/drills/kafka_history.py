"""The history of a run on Kafka, and an uninterrupted run of the same shard logs to compare it with."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import starmap, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

from flows.broker.files import shard_file
from flows.broker.params import KafkaParams
from flows.broker.publishing.outbox import decision_rows
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DECISIONS, STEP_UP_REQUESTS
from flows.sqlite_shard import SqliteShard
from replay.drills.kafka_oracle import decide_again
from replay.history import Answer, Fault, Finding, History, Output, Sent, check_history, compare_outputs
from replay.history.sources import logged_in, published_of

_TABLES: Final = {
    "log": "SELECT position, event_key, digest, payload FROM log WHERE position <= ? ORDER BY position",
    "ledger": "SELECT position, decision, features FROM ledger WHERE position <= ? ORDER BY position",
}
_ALL: Final = 1 << 40


class Told(NamedTuple):
    """What callers were told: see :class:`~replay.history.History`."""

    answers: Sequence[Answer] = ()
    asked_elsewhere: frozenset[str] = frozenset()
    last_answers: Sequence[Answer] = ()


def check_run(
    params: KafkaParams,
    sent: Sequence[Sent],
    told: Told,
    data_folders: Iterable[Path],
    folder: Path,
) -> list[Finding]:
    """Everything that is wrong with what a run has left in topics and data folders.

    The shard logs are decided once more, by one loop, into ``folder``; what was published and every shard
    file must agree with that.
    """
    folder.mkdir(parents=True)
    files = [decide_again(params, shard, folder) for shard in range(params.shards)]
    logged = [record for shard, file in enumerate(files) for record in logged_in(shard, file)]
    out = [(kind, *each) for kind in (DECISIONS, STEP_UP_REQUESTS) for each in _read(params, kind)]
    published = [published_of(shard, value) for kind, shard, value in out if kind == DECISIONS]
    return [
        *check_history(History(params.shards, sent, logged, published, **told._asdict())),
        *compare_outputs(_expected(files), starmap(_output, out)),
        *_differing_files(data_folders, files),
    ]


def _expected(files: Sequence[Path]) -> Iterator[Output]:
    """What an uninterrupted run publishes."""
    for shard, file in enumerate(files):
        with closing(SqliteShard.open_reader(file)) as opened:
            for row in decision_rows(opened, 0, _ALL):
                for message in row.messages:
                    yield _output(message.kind, shard, message.value)


def _read(params: KafkaParams, kind: str) -> Iterator[tuple[int, bytes]]:
    return ((record.partition, record.value or b"") for record in read_topic(params, kind))


def _output(kind: str, shard: int, value: bytes) -> Output:
    told = json.loads(value)
    return Output(f"{kind}, shard {shard}, position {told['log_position']}: {told['decision_id']}", value)


def _differing_files(folders: Iterable[Path], files: Sequence[Path]) -> Iterator[Finding]:
    """Shard files that hold something else than the uninterrupted run has at the same positions."""
    for folder in folders:
        for shard, file in enumerate(files):
            found = shard_file(folder, shard)
            if found.exists():
                yield from _differences(found, file)


def _differences(found: Path, wanted: Path) -> Iterator[Finding]:
    with closing(_connect(found)) as one, closing(_connect(wanted)) as other:
        end = one.execute("SELECT position FROM applied").fetchone()[0]
        for table, query in _TABLES.items():
            pairs = zip_longest(one.execute(query, (end,)), other.execute(query, (end,)))
            different = next((mine or its for mine, its in pairs if mine != its), None)
            if different is not None:
                said = f"{found.parent.name}/{found.name}: {table} differs from position {different[0]} on"
                yield Finding(Fault.CHANGED, (found.name,), said)


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
