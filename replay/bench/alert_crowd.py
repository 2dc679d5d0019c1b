"""The process of a benchmark's subscribers: acknowledges what comes and notes when it came.

It gives way to the server, since it would have a machine of its own.
"""

import os
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from alerting.alerts import BUCKETS
from replay.alert_client import AlertClient
from replay.alert_news import Connected, Delivered, SubscriberParams

NICE: Final = 10


def run(target: str, users: tuple[int, int], connected: threading.Semaphore, came: list[str]) -> None:
    """Subscribe for a share of the users until the process ends."""
    with AlertClient(target) as client:
        subscription = client.subscribe(SubscriberParams(users=users))
        for news in subscription:
            if isinstance(news, Delivered):
                came.append(f"{news.alert.alert_id} {time.monotonic()}\n")
                subscription.ack(news.alert.alert_id)
            elif isinstance(news, Connected):
                connected.release()


def main(target: str, count: int, out: Path) -> None:
    """Say that all are connected, then wait for a line; write what came, and end."""
    os.nice(NICE)
    connected, came = threading.Semaphore(0), list[str]()
    edges = [BUCKETS * number // count for number in range(count + 1)]
    for begin, end in pairwise(edges):
        threading.Thread(target=run, args=(target, (begin, end), connected, came), daemon=True).start()
    for _ in range(count):
        connected.acquire()
    print("connected", flush=True)
    sys.stdin.readline()
    out.write_text("".join(came), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
