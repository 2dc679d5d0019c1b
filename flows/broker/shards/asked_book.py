"""What the edge can look up where shards are shared out: by asking whoever owns them."""

from collections.abc import Callable
from pathlib import Path

from alerting.decision import Decision
from alerting.engine import Explanation, UnknownTransactionError
from detectors.events import Payment
from flows.book import ShardReaders
from flows.broker.files import shard_file
from flows.broker.shards.questions import Question, decode_explanation
from flows.log import NewRecord
from flows.on_record import known_decision
from flows.sharding import shard_of


class AskedBook:
    """Implements :class:`flows.book.Book` over all shards.

    Parameters
    ----------
    folder, shards
        Where this process keeps shard files, and how many shards there are.
    ask
        Puts a question to the shards and gives the answer, empty where none of them knows one; raises
        EngineUnavailableError when they did not all answer.
    """

    def __init__(self, folder: Path, shards: int, ask: Callable[[bytes], bytes]) -> None:
        self._folder = folder
        self._shards = shards
        self._ask = ask
        self._readers = ShardReaders()

    def known(self, record: NewRecord, payment: Payment) -> Decision | None:
        """See :meth:`flows.book.Book.known`; only what is in a file of this process."""
        file = shard_file(self._folder, shard_of(payment.tenant, payment.user_id, self._shards))
        return known_decision(self._readers.reader(file), record, payment) if file.exists() else None

    def find(self, tenant: str, transaction_id: str) -> Decision | None:
        """See :meth:`flows.book.Book.find`."""
        try:
            return self.explain(tenant, transaction_id, 0).decision
        except UnknownTransactionError:
            return None

    def explain(self, tenant: str, transaction_id: str, position: int) -> Explanation:  # noqa: ARG002
        """See :meth:`flows.book.Book.explain`; the owner waits for what its log holds by now."""
        found = self._ask(Question(tenant, transaction_id).encode())
        if not found:
            raise UnknownTransactionError(transaction_id)
        return decode_explanation(found)

    def policy_text(self) -> str:
        """See :meth:`flows.book.Book.policy_text`: the shard process tells the edge of each policy."""
        return ""
