"""The commands that look after durable subscriptions: subscriptions list, drop."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import ConfigOption, JsonOption, app, fail, settings_or_exit

if TYPE_CHECKING:
    from alerting.alert_source import AlertFilter, KeptSubscription

subscriptions_app = typer.Typer(help="Look after durable subscriptions to alerts.", no_args_is_help=True)
app.add_typer(subscriptions_app, name="subscriptions")
FolderOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the shard file.")]


@dataclass(frozen=True, slots=True)
class Row:
    """A durable subscription as it is shown.

    Attributes
    ----------
    tenant
        Whose name it is; None where it is a name of callers for all tenants.
    up_to, behind
        The log position up to which everything is done with, and how many records came since.
    """

    tenant: str | None
    name: str
    wants: str
    up_to: int
    behind: int

    def line(self) -> str:
        """The row in words."""
        whose = "all tenants" if self.tenant is None else f"tenant {self.tenant}"
        how_far = f"done up to {self.up_to:,}, {self.behind:,} records behind"
        return f"{self.name} ({whose}): {self.wants}; {how_far}"


@subscriptions_app.command("list")
def list_(data_dir: FolderOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the durable subscriptions, their filters and how far each is done. Works beside a running server.

    One that nobody uses any more falls ever further behind; `tapwatch subscriptions drop` forgets it.

    Example: `tapwatch subscriptions list --data-dir data`
    """
    from flows.shard_folder import shard_files
    from flows.sqlite_shard import SqliteShard
    from flows.subscription_file import SUBSCRIPTIONS_FILE, read_subscriptions

    folder = settings_or_exit(config, data_dir=data_dir).data_dir
    with _errors_in_words():
        with closing(SqliteShard.open_reader(shard_files(folder)[0])) as shard:
            end = shard.position
        rows = [_row(each, end) for each in read_subscriptions(folder / SUBSCRIPTIONS_FILE)]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print("\n".join(row.line() for row in rows) or "no durable subscription is kept")


@subscriptions_app.command("drop")
def drop(
    name: Annotated[str, typer.Argument(help="The name of the subscription.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Its tenant; none where it is for all.")
    ] = None,
    data_dir: FolderOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a durable subscription: what it acknowledged, and its filters. Works beside a running server.

    Who opens a stream under the name later begins a new subscription. End its stream first: one that is open
    keeps the name again with its next acknowledgement.

    Example: `tapwatch subscriptions drop desk --data-dir data`
    """
    from alerting.alert_source import SubscriptionName
    from flows.subscription_file import SUBSCRIPTIONS_FILE, drop_subscription

    folder = settings_or_exit(config, data_dir=data_dir).data_dir
    with _errors_in_words():
        known = drop_subscription(folder / SUBSCRIPTIONS_FILE, SubscriptionName(tenant, name))
    if not known:
        whose = "of all tenants" if tenant is None else f"of tenant {tenant}"
        raise fail(f"{name}: no subscription {whose} is kept under this name in {folder}")
    print(json.dumps({"dropped": name, "tenant": tenant}) if as_json else f"{name} is forgotten")


@contextmanager
def _errors_in_words() -> Iterator[None]:
    from flows.sqlite_shard import ShardFileError

    try:
        yield
    except (ShardFileError, sqlite3.Error) as error:
        raise fail(error) from None


def _row(kept: "KeptSubscription", end: int) -> Row:
    mark = kept.mark.position
    return Row(kept.name.tenant, kept.name.name, _words(kept.wanted), mark, max(0, end - mark))


def _words(wanted: "AlertFilter") -> str:
    from alerting.alerts import BUCKETS

    kinds = ", ".join(sorted(wanted.kinds)) or "all kinds"
    users = "" if (wanted.begin, wanted.end) == (0, BUCKETS) else f" of users {wanted.begin}..{wanted.end}"
    return kinds + users
