"""IBM's TabFormer card transactions as an event stream.

Reads ``transactions.parquet`` with the columns ``user_id``, ``card``, ``ts``, ``amount_cents``,
``entry_mode``, ``merchant_id``, ``merchant_state``, ``mcc`` and ``is_fraud``.

====================  =========================================================================
field                 from
====================  =========================================================================
``transaction_id``    ``tabformer-<n>``: the data has no ids, so rows are counted in time order
``user_id``           ``user-<user_id>``
``card_token``        ``user-<user_id>-card-<card>``
``merchant_id``       ``merchant_id`` in groups of four characters, joined by x: the plain
                      hash has up to 19 digits and may pass for a card number
``event_time``        ``ts``; the data has local times, taken as UTC as they stand
``payment_type``      ``REFUND`` with the positive amount where ``amount_cents`` is below zero,
                      ``ACCOUNT_VERIFICATION`` where it is zero, ``CASH_WITHDRAWAL`` for the
                      codes 6010 and 6011, else ``PURCHASE``
``amount_minor``      ``amount_cents`` without its sign
``currency``          ``USD``
``mcc``               ``mcc``, four digits
``entry_mode``        swipe ``MAGSTRIPE``, chip ``CHIP``, online ``ECOMMERCE``
``channel``           online ``ECOMMERCE``, code 6011 ``ATM``, else ``POS``
``merchant_country``  ``merchant_state``: two letters are a state of the US; a country's name
                      goes through :mod:`replay.importers.countries`, an unknown one is left
                      out; online there is none
====================  =========================================================================

Left out: city and zip code (there are no positions), and the issuer's errors such as a wrong PIN, which
no field of a payment can hold; the attempts themselves are kept as payments. A fraud gives an
:class:`~detectors.events.Outcome` (``FRAUD_REPORT``, ``FRAUD``) after the label delay; a genuine payment
gives none, since nobody reports those.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from detectors.events import Channel, EntryMode, Outcome, Payment, PaymentType
from replay.importers.countries import ISO_BY_NAME
from replay.importers.source_table import rows_by_time, type_and_amount, with_fraud_reports

_COLUMNS: Final[dict[str, type]] = {
    "user_id": int,
    "card": int,
    "ts": datetime,
    "amount_cents": int,
    "entry_mode": str,
    "merchant_id": str,
    "merchant_state": str,
    "mcc": int,
    "is_fraud": int,
}
_ENTRY_MODES: Final = {
    "Swipe Transaction": EntryMode.MAGSTRIPE,
    "Chip Transaction": EntryMode.CHIP,
    "Online Transaction": EntryMode.ECOMMERCE,
}
_CASH_CODES: Final = (6010, 6011)
_ATM_CODE: Final = 6011


def events(folder: Path, label_delay: timedelta) -> Iterator[Payment | Outcome]:
    """The payments and fraud reports of the folder in time order.

    Raises
    ------
    SourceError
        When the folder is not one of this data set, or has an entry mode that the table lacks.
    """
    return with_fraud_reports(_payments(folder), label_delay, "tabformer")


def _payments(folder: Path) -> Iterator[tuple[Payment, int]]:
    rows = rows_by_time(folder, _COLUMNS, nullable=("merchant_state",))
    for number, (user, card, time, cents, entry, merchant, state, mcc, fraud) in enumerate(rows):
        if entry not in _ENTRY_MODES:
            raise ValueError(f"entry_mode: {entry[:32]!r} is unknown; allowed: {', '.join(_ENTRY_MODES)}")
        payment_type, amount = type_and_amount(cents)
        if payment_type is PaymentType.PURCHASE and mcc in _CASH_CODES:
            payment_type = PaymentType.CASH_WITHDRAWAL
        payment = Payment(
            transaction_id=f"tabformer-{number}",
            user_id=f"user-{user}",
            amount_minor=amount,
            currency="USD",
            event_time=time,
            merchant_id=grouped(merchant),
            payment_type=payment_type,
            mcc=f"{mcc:04d}",
            merchant_country=_country(state),
            channel=_channel(entry, mcc),
            entry_mode=_ENTRY_MODES[entry],
            card_token=f"user-{user}-card-{card}",
        )
        yield payment, fraud


def grouped(merchant: str) -> str:
    """The id in groups of four characters.

    >>> grouped("-727612092139916043")
    '-727x6120x9213x9916x043'
    """
    return "x".join(merchant[start : start + 4] for start in range(0, len(merchant), 4))


def _country(state: str | None) -> str | None:
    if state is None:
        return None
    if len(state) == 2 and state.isascii() and state.isupper():
        return "US"
    return ISO_BY_NAME.get(state)


def _channel(entry: str, mcc: int) -> Channel:
    if _ENTRY_MODES[entry] is EntryMode.ECOMMERCE:
        return Channel.ECOMMERCE
    return Channel.ATM if mcc == _ATM_CODE else Channel.POS
