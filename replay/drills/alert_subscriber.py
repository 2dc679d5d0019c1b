"""The process of some subscribers of a drill, each on a thread; every step goes into its journal at once.

A journal survives a kill of its process: each line is handed to the operating system by itself, and what a
subscriber does is written before it does it.
"""

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from replay.alert_client import AlertClient
from replay.alert_news import Confirmed, Delivered, Missed, SubscriberParams, TooLate
from replay.history import Seen, Step


@dataclass(frozen=True, slots=True)
class Plan:
    """One subscriber: its durable name and share of the users, and how long it takes over an alert."""

    name: str
    users: tuple[int, int]
    pause_s: float = 0.0
    max_in_flight: int = 64
    heartbeat_s: float = 5.0

    def journal(self, folder: Path) -> Path:
        """Where it writes what it sees."""
        return folder / f"{self.name}.journal"


def arguments_of(plans: list[Plan], target: str, folder: Path) -> list[str]:
    """The command that runs these subscribers."""
    said = {"target": target, "folder": str(folder), "plans": [asdict(plan) for plan in plans]}
    return [sys.executable, "-m", "replay.drills.alert_subscriber", json.dumps(said)]


def read_journal(path: Path) -> list[Seen]:
    """What a subscriber saw, over all its lives."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").splitlines()
    return [Seen(Step(line[0]), line[2:]) for line in lines]


def run(plan: Plan, target: str, folder: Path) -> None:
    """Subscribe until the process ends."""
    journal = os.open(plan.journal(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(step: Step, *alert_ids: str) -> None:
        os.write(journal, "".join(f"{step} {alert_id}\n" for alert_id in alert_ids).encode())

    params = SubscriberParams(
        users=plan.users,
        name=plan.name,
        from_beginning=True,
        max_in_flight=plan.max_in_flight,
        heartbeat_s=plan.heartbeat_s,
        longest_pause_s=0.5,
    )
    with AlertClient(target) as client:
        subscription = client.subscribe(params)
        for news in subscription:
            if isinstance(news, Delivered):
                note(Step.DELIVERED, news.alert.alert_id)
                time.sleep(plan.pause_s)
                note(Step.ACKED, news.alert.alert_id)
                subscription.ack(news.alert.alert_id)
            elif isinstance(news, Confirmed):
                note(Step.CONFIRMED, *news.alert_ids)
            elif isinstance(news, TooLate):
                note(Step.EXPIRED, news.alert_id)
            elif isinstance(news, Missed):
                note(Step.GAP, "")


def main(said: dict[str, Any]) -> None:
    """Run all subscribers of the process."""
    plans = [Plan(**{**each, "users": tuple(each["users"])}) for each in said["plans"]]
    for plan in plans:
        work = (plan, said["target"], Path(said["folder"]))
        threading.Thread(target=run, args=work, name=plan.name, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
