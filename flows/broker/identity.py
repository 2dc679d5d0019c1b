"""What a process calls itself among the others, and which log its files follow."""

import os
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

from flows.broker.connection import in_words, make_admin, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG

_FILE: Final = "process-id"


def process_id(folder: Path) -> str:
    """A name that belongs to a data folder for good, made when there is none: 32 hexadecimal digits."""
    path = folder / _FILE
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if len(found) != 32:
        found = os.urandom(16).hex()
        path.write_text(found + "\n", encoding="ascii")
    return found


def run_id() -> bytes:
    """A name for one run of a process: tickets of an earlier run mean nothing to it."""
    return os.urandom(16)


def topic_mark(params: KafkaParams) -> int:
    """31 bits that stand for the shard log, and not for another topic that had its name before.

    Raises
    ------
    BrokerError
        When the brokers can't be asked.
    """
    name = topic(params, SHARD_LOG)
    with in_words(params, f"look at {name}"), closing(make_admin(params)) as admin:
        (found,) = admin.describe_topics([name])
    return int.from_bytes(blake2b(str(found["topic_id"]).encode(), digest_size=4).digest()) >> 1 or 1
