"""Asking servers on a broker, and checking what they published against what they answered."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

from alerting.decision import Decision, Source
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import DECISIONS
from flows.codec import decode_decision
from flows.sqlite_shard import SqliteShard
from replay.drills.kafka_oracle import decide_again
from replay.drills.kafka_rig import KafkaRig
from replay.gateway import GatewayClient, GatewayError
from replay.server_process import ServerProcess
from tests.flows.broker.engines_made import SHARDS, payment
from tests.flows.broker.outboxes_made import published, wait_until

EVERY_SHARD = range(SHARDS)
PATIENT_S = 30.0
SHORT_S = 0.5


class Asking:
    """Asks servers, and keeps what was answered."""

    def __init__(self) -> None:
        self.answers: dict[str, Decision] = {}

    def ask(self, server: ServerProcess, name: str, shard: int, budget_s: float = PATIENT_S) -> Decision:
        with GatewayClient(server.target) as client:
            found = client.decide(payment(name, shard), 2 * PATIENT_S, budget_s)
        assert self.answers.setdefault(name, found) == found, "another answer than before"
        return found

    def until_engine(self, server: ServerProcess, name: str) -> None:
        """Until the engine answers for every shard; the fallback does so meanwhile."""
        for shard in EVERY_SHARD:
            names = (f"{name}-{shard}-{number}" for number in count())

            def by_engine(shard: int = shard, names: Iterator[str] = names) -> bool:
                return self.ask(server, next(names), shard, SHORT_S).source is Source.ENGINE

            wait_until(by_engine, f"the engine answers for shard {shard}")

    def repeat_all(self, server: ServerProcess) -> None:
        """Ask for everything that was answered: it is on record, the same."""
        with GatewayClient(server.target) as client:
            wait_until(
                lambda: {name: self._found(client, name) for name in self.answers} == self.answers,
                "all answers are on record",
            )

    def _found(self, client: GatewayClient, name: str) -> Decision | None:
        try:
            return client.get_decision(name, timeout_s=PATIENT_S)
        except GatewayError:
            return None


def _is_out(params: KafkaParams, shard: int, decided: list[bytes]) -> bool:
    return [record.value for record in published(params, DECISIONS, shard)] == decided


def check_published(rig: KafkaRig, params: KafkaParams, asking: Asking, folder: Path) -> None:
    """Each shard's decisions are out once, in order, as a fresh look at its partition decides them."""
    rig.wait_until_idle(params)
    in_force: dict[str, Decision] = {}
    for shard in EVERY_SHARD:
        with closing(SqliteShard.open_reader(decide_again(params, shard, folder))) as again:
            decided = [row.decision for row in again.ledger_after(0, 100_000)]
        # The end of a transaction reaches one topic after the other.
        wait_until(partial(_is_out, params, shard, decided), f"shard {shard} is published, and nothing else")
        in_force |= {each.transaction_id: each for each in map(decode_decision, decided)}
    assert in_force == asking.answers
