"""An evaluation's text fits a terminal, however many currencies a run has."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.currencies import Currencies
from alerting.decision import Action
from replay.decisions import DecisionWriter
from replay.errors import RunError
from replay.evaluate import evaluate
from replay.evaluation import Evaluation
from replay.evaluation_text import format_evaluation
from replay.summary import reference_rates, write_summary
from tests.replay.runs_made import a_decision, a_run, an_outcome, payment_of

TWELVE = ("CAD", "CHE", "CHF", "CZK", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD")


def evaluated(folder: Path, currencies: tuple[str, ...], amount_minor: int = 12_345_678_901) -> Evaluation:
    """A run with one stopped fraud and one challenged genuine payment in each currency."""
    made = [a_decision(n, action=Action.STEP_UP) for n in range(2 * len(currencies))]
    a_run(folder, [], [an_outcome(2 * n) for n in range(len(currencies))])
    with DecisionWriter(folder) as writer:
        for n, decision in enumerate(made):
            writer.write(decision, payment_of(decision, amount_minor, currencies[n // 2]))
    return evaluate(folder)


def test_no_line_is_wider_than_a_terminal_and_no_header_says_the_same_twice(tmp_path: Path) -> None:
    lines = format_evaluation(evaluated(tmp_path, TWELVE)).splitlines()
    assert max(map(len, lines)) <= 80
    for line in lines:
        if line.startswith(("week of", "currency")):
            headers = line.split("  ")
            assert len([h for h in headers if h]) == len({h for h in headers if h})


def test_the_biggest_currencies_have_a_row_each_and_the_json_has_all(tmp_path: Path) -> None:
    found = evaluated(tmp_path, TWELVE)
    text = format_evaluation(found)
    assert "4 smaller ones are left out; --json has all" in text
    # Without a rate nobody knows how much it is worth, so it is shown.
    assert "(CHE: no rate, not in this table)" in text
    assert "\nCHE       123,456,789.01" in text
    assert "\nCZK  " not in text
    assert set(json.loads(found.as_json())["policy"]["fraud_value"]) == set(TWELVE)


def test_weeks_add_up_in_the_base_currency_of_the_runs_policy(tmp_path: Path) -> None:
    rates = {"base": "USD", "rates": {"EUR": 2.0}}
    write_summary(tmp_path, {"currencies": rates})
    found = evaluated(tmp_path, ("EUR", "USD"), amount_minor=10_000)
    assert found.currencies == Currencies("USD", {"EUR": 2.0})
    text = format_evaluation(found)
    assert "Value by week in USD" in text
    assert "all           300      300                 300" in text


def test_a_run_without_a_summary_is_told_at_the_shipped_rates(tmp_path: Path) -> None:
    assert reference_rates(tmp_path).rates["USD"] > 0


@pytest.mark.parametrize("summary", ["{", "[]", '{"currencies": 7}', '{"currencies": {"base": "XXQ"}}'])
def test_a_damaged_summary_is_named(summary: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(summary)
    with pytest.raises(RunError, match=r"summary\.json"):
        reference_rates(tmp_path)


def test_a_run_without_any_amount_has_no_table_by_currency(tmp_path: Path) -> None:
    a_run(tmp_path, [])
    with DecisionWriter(tmp_path) as writer:
        writer.write(replace(a_decision(1), action=Action.STEP_UP))
    assert "Value by currency" not in format_evaluation(evaluate(tmp_path))
