"""Card transactions made by the Sparkov generator as an event stream.

Reads ``transactions.parquet`` with the columns ``transaction_id``, ``ts``, ``user_id``, ``category``,
``merchant``, ``is_fraud`` and ``amount_cents``.

====================  =========================================================================
field                 from
====================  =========================================================================
``transaction_id``    ``sparkov-<transaction_id>``
``user_id``           ``user-<user_id>``
``merchant_id``       ``merchant``, percent-encoded where it is not plain ASCII
``merchant_name``     ``merchant``
``event_time``        ``ts``, taken as UTC
``amount_minor``      ``amount_cents``
``currency``          ``USD``
``mcc``               ``category``, by the table below
``channel``           ``ECOMMERCE`` for ``..._net``, ``POS`` for ``..._pos``, else unknown
====================  =========================================================================

The generator's categories have no official codes; each gets a code of its own from ISO 18245, so that none
is lost:

==================  ======  =====================================
category            code    meaning of the code
==================  ======  =====================================
``entertainment``   7922    theatrical producers, ticket agencies
``food_dining``     5812    eating places and restaurants
``gas_transport``   5541    service stations
``grocery_net``     5499    miscellaneous food stores
``grocery_pos``     5411    grocery stores and supermarkets
``health_fitness``  7997    membership clubs
``home``            5200    home supply warehouse stores
``kids_pets``       5945    hobby, toy and game shops
``misc_net``        5969    direct marketing, other
``misc_pos``        5999    miscellaneous and specialty retail
``personal_care``   7230    beauty and barber shops
``shopping_net``    5964    direct marketing, catalogue
``shopping_pos``    5311    department stores
``travel``          4722    travel agencies and tour operators
==================  ======  =====================================

Left out: positions. The generator draws a merchant's position anew for each transaction around the user's
home, fraud or not, so travel between them would be noise that looks like a signal; and a home says nothing of
where the payer is. A fraud gives an :class:`~detectors.events.Outcome` (``FRAUD_REPORT``, ``FRAUD``) after
the label delay; a genuine payment gives none, since nobody reports those.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from detectors.events import Channel, Outcome, Payment
from replay.importers.source_table import rows_by_time, type_and_amount, with_fraud_reports

CATEGORY_MCC: Final = {
    "entertainment": "7922",
    "food_dining": "5812",
    "gas_transport": "5541",
    "grocery_net": "5499",
    "grocery_pos": "5411",
    "health_fitness": "7997",
    "home": "5200",
    "kids_pets": "5945",
    "misc_net": "5969",
    "misc_pos": "5999",
    "personal_care": "7230",
    "shopping_net": "5964",
    "shopping_pos": "5311",
    "travel": "4722",
}
_COLUMNS: Final[dict[str, type]] = {
    "transaction_id": int,
    "ts": datetime,
    "user_id": int,
    "category": str,
    "merchant": str,
    "is_fraud": int,
    "amount_cents": int,
}
_CHANNELS: Final = {"net": Channel.ECOMMERCE, "pos": Channel.POS}


def events(folder: Path, label_delay: timedelta) -> Iterator[Payment | Outcome]:
    """The payments and fraud reports of the folder in time order.

    Raises
    ------
    SourceError
        When the folder is not one of this data set, or has a category that the table lacks.
    """
    return with_fraud_reports(_payments(folder), label_delay, "sparkov")


def _payments(folder: Path) -> Iterator[tuple[Payment, int]]:
    for number, time, user, category, merchant, fraud, cents in rows_by_time(folder, _COLUMNS):
        if category not in CATEGORY_MCC:
            allowed = ", ".join(CATEGORY_MCC)
            raise ValueError(f"category: {category[:32]!r} is unknown; allowed: {allowed}")
        payment_type, amount = type_and_amount(cents)
        payment = Payment(
            transaction_id=f"sparkov-{number}",
            user_id=f"user-{user}",
            amount_minor=amount,
            currency="USD",
            event_time=time,
            merchant_id=quote(merchant, safe=" ,.&'()+"),
            merchant_name=merchant,
            payment_type=payment_type,
            mcc=CATEGORY_MCC[category],
            channel=_CHANNELS.get(category.rpartition("_")[2]),
        )
        yield payment, fraud
