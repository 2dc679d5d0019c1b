"""What the demo prints of a payment fits a terminal and has the payment's own currency."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from alerting.decision import Action
from replay.demo import _Seen, _show, _summarise
from tests.replay.runs_made import REASON, a_decision, payment_of

LONG = replace(REASON, value=1_124_700.25, usual_low=2.85, usual_high=83_610.5)


def shown(amount_minor: int, currency: str) -> list[str]:
    """The lines for a payment, on a terminal that is wider than they may be."""
    said = StringIO()
    decision = a_decision(1, action=Action.STEP_UP, score=56.6, reasons=(LONG,))
    _show(payment_of(decision, amount_minor, currency), decision, True, Console(file=said, width=200))
    return said.getvalue().splitlines()


@pytest.mark.parametrize(
    ("amount_minor", "currency", "says"),
    [(154_693, "BRL", "1,546.93 BRL"), (75_400, "JPY", "75,400 JPY"), (75_400, "KWD", "75.400 KWD")],
)
def test_an_amount_has_its_own_currency_with_its_own_digits(
    amount_minor: int, currency: str, says: str
) -> None:
    assert f" {says} " in shown(amount_minor, currency)[0]


def test_a_payment_and_its_reason_stay_within_80_columns() -> None:
    lines = shown(10**15, "BRL")
    assert max(map(len, lines)) <= 80
    assert lines[2].strip().startswith("usually")


def test_the_end_counts_all_payments_within_80_columns() -> None:
    said = StringIO()
    decisions = [a_decision(n, action=Action.DECLINE if n == 3 else Action.APPROVE) for n in range(5)]
    by_id = {decision.transaction_id: decision for decision in decisions}
    seen = _Seen(decisions=by_id, latencies_ms=[1.0, 2.0, 3.0], published=1_808)
    _summarise(seen, {"t-3"}, Console(file=said, width=200))
    lines = said.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines if line.startswith(("DECLINE", "all"))] == [
        ["DECLINE", "0", "1"],
        ["all", "4", "1"],
    ]
