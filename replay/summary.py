"""The summary of a run: the file ``summary.json`` in its folder, written last."""

import json
from pathlib import Path
from typing import Any, Final

from alerting.currencies import Currencies
from flows.policy_file import default_policy_text, parse_policy
from replay.errors import RunError

SUMMARY_FILE: Final = "summary.json"


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Put the summary into the run's folder."""
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n")


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of the run in ``folder``; empty if there is none.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    path = folder / SUMMARY_FILE
    try:
        summary = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: is damaged: {error}") from error
    if not isinstance(summary, dict):
        raise RunError(f"{path}: is damaged: it holds no JSON object")
    return summary


def reference_rates(folder: Path) -> Currencies:
    """The reference rates of the policy in force at the run's end, or of the shipped policy if unknown.

    Raises
    ------
    RunError
        When the summary is damaged.
    """
    rates = read_summary(folder).get("currencies")
    if rates is None:
        return parse_policy(default_policy_text()).currencies
    try:
        return Currencies(**rates)
    except (TypeError, ValueError) as error:
        raise RunError(f"{folder / SUMMARY_FILE}: currencies: {error}") from error
