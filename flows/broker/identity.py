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


def topic_id(params: KafkaParams) -> str:
    """What the brokers call the shard log that is there now, and no other that had or will have its name.

    Raises
    ------
    BrokerError
        When the brokers can't be asked.
    """
    name = topic(params, SHARD_LOG)
    with in_words(params, f"look at {name}"), closing(make_admin(params)) as admin:
        (found,) = admin.describe_topics([name])
    return str(found["topic_id"])


def partition_mark(topic_id: str, shard: int) -> int:
    """31 bits, not 0, that stand for a shard's partition of the topic with this id.

    >>> partition_mark("ZB4dHNPhQ", 0) == partition_mark("ZB4dHNPhQ", 1)
    False
    """
    return int.from_bytes(blake2b(f"{topic_id}/{shard}".encode(), digest_size=4).digest()) >> 1 or 1
