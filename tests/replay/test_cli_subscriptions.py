"""Durable subscriptions can be looked at and forgotten, beside the server that writes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerting.alert_source import AlertFilter, KeptSubscription, Place, SubscriptionName
from alerting.alerts import AlertKind
from flows.cli import Exit
from flows.sqlite_shard import SqliteShard
from flows.store import Slice
from flows.subscription_file import SUBSCRIPTIONS_FILE, SubscriptionFile
from replay.cli import app

SHARED = SubscriptionName(None, "desk")
OF_SHOP = SubscriptionName("shop", "desk")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SubscriptionFile]:
    shard = SqliteShard(tmp_path / "shard.db")
    shard.commit(Slice(50))
    shard.close()
    file = SubscriptionFile(tmp_path / SUBSCRIPTIONS_FILE)
    fraud = AlertFilter("shop", frozenset({AlertKind.FRAUD_ALERT}), 0, 32_768)
    file.keep(
        [KeptSubscription(SHARED, AlertFilter(), Place(50, 0)), KeptSubscription(OF_SHOP, fraud, Place(8, 0))]
    )
    yield file
    file.close()


def subscriptions(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["subscriptions", *map(str, arguments)])


@pytest.mark.usefixtures("kept")
def test_names_filters_and_how_far_they_are_is_shown(tmp_path: Path) -> None:
    told = subscriptions("list", "--data-dir", tmp_path)
    assert told.exit_code == Exit.DONE, told.output
    assert told.stdout.splitlines() == [
        "desk (all tenants): all kinds; done up to 50, 0 records behind",
        "desk (tenant shop): FRAUD_ALERT of users 0..32768; done up to 8, 42 records behind",
    ]
    rows = json.loads(subscriptions("list", "--data-dir", tmp_path, "--json").stdout)
    assert [(row["tenant"], row["behind"]) for row in rows] == [(None, 0), ("shop", 42)]


def test_the_one_that_is_named_is_forgotten_and_no_other(tmp_path: Path, kept: SubscriptionFile) -> None:
    told = subscriptions("drop", "desk", "--tenant", "shop", "--data-dir", tmp_path)
    assert (told.exit_code, told.stdout) == (Exit.DONE, "desk is forgotten\n")
    assert kept.load(OF_SHOP) is None
    assert kept.load(SHARED) is not None
    again = subscriptions("drop", "desk", "--tenant", "shop", "--data-dir", tmp_path)
    assert (again.exit_code, "of tenant shop" in again.stderr) == (Exit.BAD_INPUT, True)


def test_a_folder_without_a_shard_or_with_a_damaged_file_is_named(tmp_path: Path) -> None:
    assert "shard.db" in subscriptions("list", "--data-dir", tmp_path).stderr
    assert subscriptions("drop", "desk", "--data-dir", tmp_path).exit_code == Exit.BAD_INPUT
    SqliteShard(tmp_path / "shard.db").close()
    assert "no durable" in subscriptions("list", "--data-dir", tmp_path).stdout
    (tmp_path / SUBSCRIPTIONS_FILE).write_bytes(b"no database at all, but long enough to be looked at")
    for command in (("list",), ("drop", "desk")):
        told = subscriptions(*command, "--data-dir", tmp_path)
        assert (told.exit_code, SUBSCRIPTIONS_FILE in told.stderr) == (Exit.BAD_INPUT, True)
