"""The importers: what becomes of each column, in which order, and which folders are refused."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
import pytest

from detectors.events import (
    Channel,
    EntryMode,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    Verdict,
)
from flows.codec import BadRecord
from replay.errors import SourceError
from replay.importers import SOURCES, Choices, import_dataset
from replay.streams import read_stream

WEEK = timedelta(days=7)
START = datetime(2018, 4, 1, 0, 0, 31)  # noqa: DTZ001  # the data sets' times have no zone
FDH = {
    "transaction_id": 7,
    "ts": START,
    "customer_id": 596,
    "terminal_id": 3156,
    "amount_cents": 5716,
    "is_fraud": 0,
}
SPARKOV = {
    "transaction_id": 3,
    "ts": START,
    "user_id": 40,
    "category": "shopping_net",
    "merchant": "Nitzsche, Kessler and Wolff",
    "merch_lat": 33.4,
    "merch_lon": -117.8,
    "is_fraud": 0,
    "amount_cents": 124,
}
TABFORMER = {
    "user_id": 0,
    "card": 2,
    "ts": START,
    "amount_cents": 13409,
    "entry_mode": "Swipe Transaction",
    "merchant_id": "3527213246127876953",
    "merchant_city": "La Verne",
    "merchant_state": "CA",
    "zip": "91750",
    "mcc": 5300,
    "errors": None,
    "is_fraud": 0,
}


def folder_of(folder: Path, *rows: dict[str, Any]) -> Path:
    table = pa.Table.from_pylist(list(rows))
    at = table.schema.get_field_index("ts")
    if at >= 0:
        table = table.set_column(at, "ts", table["ts"].cast(pa.timestamp("ms")))
    pq.write_table(table, folder / "transactions.parquet")
    return folder


def imported(kind: str, folder: Path, *rows: dict[str, Any], delay: timedelta = WEEK) -> list[Any]:
    return list(SOURCES[kind].events(folder_of(folder, *rows), Choices(delay), Counter()))


def test_a_handbook_row_becomes_a_payment_in_euros_at_a_terminal(tmp_path: Path) -> None:
    assert imported("fdh", tmp_path, FDH) == [
        Payment("fdh-7", "customer-596", 5716, "EUR", START.replace(tzinfo=UTC), "terminal-3156")
    ]


def test_a_handbook_amount_of_zero_is_a_check_of_the_card(tmp_path: Path) -> None:
    (payment,) = imported("fdh", tmp_path, {**FDH, "amount_cents": 0})
    assert payment.payment_type is PaymentType.ACCOUNT_VERIFICATION


def test_a_sparkov_row_becomes_a_payment_with_category_and_channel_but_no_position(tmp_path: Path) -> None:
    (payment,) = imported("sparkov", tmp_path, SPARKOV)
    assert payment == Payment(
        "sparkov-3",
        "user-40",
        124,
        "USD",
        START.replace(tzinfo=UTC),
        "Nitzsche, Kessler and Wolff",
        merchant_name="Nitzsche, Kessler and Wolff",
        mcc="5964",
        channel=Channel.ECOMMERCE,
    )


@pytest.mark.parametrize(
    ("category", "channel"), [("grocery_pos", Channel.POS), ("misc_net", Channel.ECOMMERCE), ("travel", None)]
)
def test_the_channel_is_what_the_sparkov_category_says(
    category: str, channel: Channel | None, tmp_path: Path
) -> None:
    (payment,) = imported("sparkov", tmp_path, {**SPARKOV, "category": category})
    assert payment.channel is channel


def test_a_tabformer_row_becomes_a_card_payment(tmp_path: Path) -> None:
    (payment,) = imported("tabformer", tmp_path, TABFORMER)
    assert payment == Payment(
        "tabformer-0",
        "user-0",
        13409,
        "USD",
        START.replace(tzinfo=UTC),
        "3527x2132x4612x7876x953",
        mcc="5300",
        merchant_country="US",
        channel=Channel.POS,
        entry_mode=EntryMode.MAGSTRIPE,
        card_token="user-0-card-2",
    )


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"amount_cents": -250}, "payment_type", PaymentType.REFUND),
        ({"amount_cents": -250}, "amount_minor", 250),
        ({"amount_cents": -250, "mcc": 6011}, "payment_type", PaymentType.REFUND),
        ({"amount_cents": 0}, "payment_type", PaymentType.ACCOUNT_VERIFICATION),
        ({"mcc": 6011}, "payment_type", PaymentType.CASH_WITHDRAWAL),
        ({"mcc": 6011}, "channel", Channel.ATM),
        ({"mcc": 742}, "mcc", "0742"),
        ({"entry_mode": "Chip Transaction"}, "entry_mode", EntryMode.CHIP),
        ({"entry_mode": "Online Transaction", "merchant_state": None}, "channel", Channel.ECOMMERCE),
        ({"entry_mode": "Online Transaction", "merchant_state": None}, "merchant_country", None),
        ({"merchant_state": "Dominican Republic"}, "merchant_country", "DO"),
        ({"merchant_state": "Atlantis"}, "merchant_country", None),
    ],
)
def test_tabformer_columns_are_mapped(
    change: dict[str, Any], field: str, value: object, tmp_path: Path
) -> None:
    # A second row keeps the type of a column that is otherwise null.
    payment, _ = imported("tabformer", tmp_path, {**TABFORMER, **change}, TABFORMER)
    assert getattr(payment, field) == value


@pytest.mark.parametrize(("kind", "row"), [("fdh", FDH), ("sparkov", SPARKOV), ("tabformer", TABFORMER)])
def test_frauds_are_reported_behind_the_delay_and_everything_is_in_time_order(
    kind: str, row: dict[str, Any], tmp_path: Path
) -> None:
    rows = [
        {**row, "ts": START + timedelta(days=day), "is_fraud": day in (0, 2), "transaction_id": day}
        for day in (0, 2, 1, 7, 8)
    ]
    events = imported(kind, tmp_path, *[{**row, "is_fraud": int(row["is_fraud"])} for row in rows])
    assert [type(event) for event in events] == [Payment] * 3 + [Outcome] + [Payment] * 2 + [Outcome]
    assert events == sorted(events, key=lambda event: event.event_time)
    report = events[3]
    assert report.transaction_id == events[0].transaction_id
    assert report.event_time == events[0].event_time + WEEK
    assert (report.outcome_kind, report.verdict) == (OutcomeKind.FRAUD_REPORT, Verdict.FRAUD)


def test_without_delay_a_report_follows_its_payment(tmp_path: Path) -> None:
    fraud = {**FDH, "is_fraud": 1}
    events = imported("fdh", tmp_path, fraud, {**fraud, "transaction_id": 8}, delay=timedelta(0))
    assert [event.event_id for event in events] == [
        "payment/default/fdh-7",
        "outcome/default/fdh-7-fraud",
        "payment/default/fdh-8",
        "outcome/default/fdh-8-fraud",
    ]


@pytest.mark.parametrize("suffix", [".jsonl.zst", ".parquet"])
def test_an_import_writes_a_stream_and_counts(suffix: str, tmp_path: Path) -> None:
    folder_of(tmp_path, FDH, {**FDH, "transaction_id": 8, "customer_id": 3, "is_fraud": 1})
    seen: list[tuple[int, int]] = []
    out = tmp_path / f"out{suffix}"
    summary = import_dataset("fdh", tmp_path, out, Choices(WEEK), lambda *at: seen.append(at))
    assert (summary.events, summary.users, summary.left_out) == ({"outcome": 1, "payment": 2}, 2, {})
    assert summary.first_time == START.replace(tzinfo=UTC)
    assert summary.last_time == START.replace(tzinfo=UTC) + WEEK
    assert seen == [(2, 2)]
    records = list(read_stream(out))
    assert len(records) == 3
    assert not any(isinstance(record, BadRecord) for record in records)


def test_an_empty_data_set_gives_an_empty_stream(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, FDH)
    table = pq.read_table(folder / "transactions.parquet")
    pq.write_table(table.slice(0, 0), folder / "transactions.parquet")
    assert import_dataset("fdh", folder, tmp_path / "out.jsonl", Choices()).events == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ts": None}, "column 'ts' "),
        ({"amount_cents": 1.5}, "column 'amount_cents' is double; needed: an integer"),
        ({"customer_id": None}, "column 'customer_id' "),
        ({"is_fraud": 2}, "row 1 in time order: is_fraud: 2 is no label; allowed: 0, 1"),
        ({"amount_cents": 10**16}, "row 1 in time order: amount_minor: .* is out of range"),
        (
            {"transaction_id": 4111111111111111},
            "row 1 in time order: transaction_id: looks like a card number",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        imported("fdh", tmp_path, {**FDH, **change})


def test_unknown_categories_and_entry_modes_are_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="category: 'space' is unknown; allowed: entertainment"):
        imported("sparkov", tmp_path, {**SPARKOV, "category": "space"})
    with pytest.raises(SourceError, match="entry_mode: 'Telepathy' is unknown; allowed: Swipe"):
        imported("tabformer", tmp_path, {**TABFORMER, "entry_mode": "Telepathy"})


@pytest.mark.parametrize("kind", ["fdh", "sparkov", "tabformer"])
def test_a_folder_of_another_kind_is_refused_by_what_it_lacks(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no file transactions\.parquet"):
        list(SOURCES[kind].events(tmp_path, Choices(), Counter()))
    pq.write_table(pa.table({"ts": [START]}), tmp_path / "transactions.parquet")
    with pytest.raises(SourceError, match=r"transactions\.parquet: lacks the columns .*amount_cents"):
        list(SOURCES[kind].events(tmp_path, Choices(), Counter()))
    (tmp_path / "transactions.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(SourceError, match=r"transactions\.parquet: can't be read as Parquet"):
        list(SOURCES[kind].events(tmp_path, Choices(), Counter()))


def test_an_unknown_kind_and_a_negative_delay_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="kind: 'paysim' is unknown; allowed: fdh, sparkov, tabformer"):
        import_dataset("paysim", tmp_path, tmp_path / "out.jsonl", Choices())
    with pytest.raises(SourceError, match=r"label_delay: .* is negative"):
        imported("fdh", tmp_path, FDH, delay=-WEEK)
