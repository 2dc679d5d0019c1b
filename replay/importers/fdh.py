"""The Fraud Detection Handbook's card transactions as an event stream.

Reads ``transactions.parquet`` with the columns ``transaction_id``, ``ts``, ``customer_id``, ``terminal_id``,
``amount_cents`` and ``is_fraud``.

====================  =========================================================================
field                 from
====================  =========================================================================
``transaction_id``    ``fdh-<transaction_id>``
``user_id``           ``customer-<customer_id>``
``merchant_id``       ``terminal-<terminal_id>``: the data knows terminals, not merchants
``event_time``        ``ts``, taken as UTC
``amount_minor``      ``amount_cents``
``currency``          ``EUR``: the data names none
``payment_type``      ``PURCHASE``; ``ACCOUNT_VERIFICATION`` for the few amounts of zero
====================  =========================================================================

Left out: the positions of customers and terminals, which lie on a grid without any geographic meaning.
A fraud gives an :class:`~detectors.events.Outcome` (``FRAUD_REPORT``, ``FRAUD``) after the label delay; a
genuine payment gives none, since nobody reports those.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from detectors.events import Outcome, Payment
from replay.importers.source_table import rows_by_time, type_and_amount, with_fraud_reports

_COLUMNS: Final[dict[str, type]] = {
    "transaction_id": int,
    "ts": datetime,
    "customer_id": int,
    "terminal_id": int,
    "amount_cents": int,
    "is_fraud": int,
}


def events(folder: Path, label_delay: timedelta) -> Iterator[Payment | Outcome]:
    """The payments and fraud reports of the folder in time order.

    Raises
    ------
    SourceError
        When the folder is not one of this data set.
    """
    return with_fraud_reports(_payments(folder), label_delay, "fdh")


def _payments(folder: Path) -> Iterator[tuple[Payment, int]]:
    for number, time, customer, terminal, cents, fraud in rows_by_time(folder, _COLUMNS):
        payment_type, amount = type_and_amount(cents)
        payment = Payment(
            transaction_id=f"fdh-{number}",
            user_id=f"customer-{customer}",
            amount_minor=amount,
            currency="EUR",
            event_time=time,
            merchant_id=f"terminal-{terminal}",
            payment_type=payment_type,
        )
        yield payment, fraud
