"""A publisher in a process of its own, to be killed: it is told brokers, prefix, shard file and moment.

It becomes the group's only member and publishes shard 0. At the moment given, "before-offsets" or
"before-commit" of its second transaction, it says so on standard output and stands still.
"""

import sys
import time
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from flows.broker.params import KafkaParams
from flows.broker.publishing.publisher import Publisher
from tests.flows.broker.outboxes_made import joined, nobody_fences

STEPS = {"before-offsets": "send_offsets_to_transaction", "before-commit": "commit_transaction"}


def stand_still_at(moment: str) -> None:
    name, calls = STEPS[moment], 0
    step = getattr(KafkaProducer, name)

    def stepping(producer: KafkaProducer, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            producer.flush()
            print(moment, flush=True)
            time.sleep(600)
        step(producer, *args)

    setattr(KafkaProducer, name, stepping)


def main(bootstrap: str, prefix: str, file: str, moment: str) -> None:
    stand_still_at(moment)
    params = KafkaParams(bootstrap=(bootstrap,), prefix=prefix, shards=1)
    member = joined(params)
    publisher = Publisher(params, "one", member.group_metadata, nobody_fences)
    publisher.own(0, Path(file))
    publisher.start()
    while True:
        member.poll(timeout_ms=200)


if __name__ == "__main__":
    main(*sys.argv[1:])
