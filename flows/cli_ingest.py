"""Commands that bring input topics into the shard log: ingest, dead-letters list, dead-letters replay."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from flows.cli import ConfigOption, JsonOption, app, fail, policy_or_exit, settings_or_exit
from flows.cli_brokers import BootstrapOption, broker_errors, kafka_or_exit

if TYPE_CHECKING:
    from flows.broker.ingest.dead_letters import Letter
    from flows.broker.ingest.letter_box import Bound, Listing, Selection, SentAgain
    from flows.broker.params import KafkaParams

letters_app = typer.Typer(help="Look at records that could not be used, and send them again.")
app.add_typer(letters_app, name="dead-letters", no_args_is_help=True)

_SHOWN: Final = 160

TopicOption = Annotated[
    list[str] | None, typer.Option("--topic", help="Original topic, such as payments; may be repeated.")
]
ReasonOption = Annotated[
    str | None, typer.Option(help="A text within the reason, or the error: unreadable, invalid, kind, ...")
]
SinceOption = Annotated[
    str | None,
    typer.Option(help="First one: a time (2026-03-01T12:00Z), or an offset of the original topic."),
]
UntilOption = Annotated[str | None, typer.Option(help="Last one: a time, or an offset.")]


@app.command()
def ingest(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    operator_listen: Annotated[str | None, typer.Option(help="Address of /livez, /readyz, /metrics.")] = None,
) -> None:
    """Read the input topics into the shard log until SIGTERM or Ctrl-C.

    What can't be used becomes a dead letter. Too many of those in a row raise an alarm, then end the process
    with exit code 2. Several processes share the topics. A second signal ends at once, which loses nothing.
    Standard output gets one line of JSON with the operator's port, standard error the log.

    Example: `tapwatch ingest --bootstrap 127.0.0.1:9092`
    """
    from flows.process_log import configure_logging

    settings = settings_or_exit(config)
    configure_logging(settings.log_format)
    from flows.broker.first_policy import ensure_first_policy
    from flows.broker.ingest.ingest import BadRunError
    from flows.broker.ingest.ingest_command import run_ingest
    from flows.broker.ingest.log_writer import WriteError

    kafka = kafka_or_exit(settings.kafka, bootstrap)
    try:
        params = settings.ingest
        if operator_listen is not None:
            params = replace(params, operator_listen=operator_listen)
    except ValueError as error:
        raise fail(error) from None
    policy = policy_or_exit(settings.policy_file)
    with broker_errors():
        try:
            ensure_first_policy(kafka, policy)  # a payment must not be the first thing in a log
            run_ingest(kafka, params)
        except (BadRunError, WriteError) as error:
            raise fail(error) from None


@letters_app.command("list")
def list_command(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Show so many; all are counted.")] = 20,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show records that could not be used, the newest first, and how many there are of each sort.

    Example: `tapwatch dead-letters list --topic payments --reason invalid --limit 5`
    """
    from flows.broker.ingest.letter_box import list_letters

    kafka = kafka_or_exit(settings_or_exit(config).kafka, bootstrap)
    selection = _selection(kafka, topic, reason, since, until)
    with broker_errors():
        listing = list_letters(kafka, selection, limit)
    if as_json:
        print(json.dumps(_listing_json(listing), indent=2))
    else:
        print("\n".join(_listing_lines(listing)))


@letters_app.command("replay")
def replay_command(
    topic: TopicOption = None,
    reason: Annotated[str | None, typer.Option("--reason", "--only-reason", help="As in `list`.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    again: Annotated[bool, typer.Option("--again", help="Send also what was sent again before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send records that could not be used to the topics they came from, as they came.

    For when the fault is found and mended. Each is marked, so that the next replay passes it over; one that
    still can't be used comes back as a dead letter with its attempts counted. What was masked because it
    looked like a card number can't be sent.

    Example: `tapwatch dead-letters replay --reason ahead --dry-run`
    """
    from flows.broker.ingest.letter_box import send_again

    kafka = kafka_or_exit(settings_or_exit(config).kafka, bootstrap)
    selection = _selection(kafka, topic, reason, since, until)
    with broker_errors():
        report = send_again(kafka, selection, again=again, dry_run=dry_run)
    if as_json:
        print(json.dumps(asdict(report) | {"dry_run": dry_run}, indent=2))
    else:
        print("\n".join(_report_lines(report, dry_run)))


def _selection(
    kafka: "KafkaParams", topics: list[str] | None, reason: str | None, since: str | None, until: str | None
) -> "Selection":
    from flows.broker.connection import topic
    from flows.broker.ingest.inputs import InputReader
    from flows.broker.ingest.letter_box import Selection

    known = InputReader(kafka.prefix).topics
    names = [name if name in known else topic(kafka, name) for name in topics or ()]
    for given, name in zip(topics or (), names, strict=True):
        if name not in known:
            short = ", ".join(each.split(".")[-2] for each in known)
            raise fail(f"--topic: {given!r} is no input topic; allowed: {short}")
    return Selection(frozenset(names), reason, _bound("since", since), _bound("until", until))


def _bound(name: str, text: str | None) -> "Bound | None":
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"--{name}: {text!r}; allowed: a time such as 2026-03-01T12:00Z, or an offset") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _listing_lines(listing: "Listing") -> Iterator[str]:
    for letter in listing.letters:
        again = ", sent again" if letter.place in listing.sent_again else ""
        attempt = f", attempt {letter.attempt}" if letter.attempt > 1 else ""
        when = letter.refused_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        yield f"{when}  {letter.place}  {letter.trouble}{attempt}{again}"
        yield f"    {_plain(letter.reason)}"
        yield f"    {_value_text(letter)}"
    shown = f", the newest {len(listing.letters)} are shown" if len(listing.letters) < listing.total else ""
    yield f"{listing.total} dead letters{shown}"
    for (topic, error), number in listing.by_error.most_common():
        yield f"{number:9,d}  {topic}  {error}"


def _listing_json(listing: "Listing") -> dict[str, Any]:
    return {
        "total": listing.total,
        "counts": [
            {"topic": topic, "error": error, "count": number}
            for (topic, error), number in listing.by_error.most_common()
        ],
        "reasons": [
            {"reason": reason, "count": number} for reason, number in listing.by_reason.most_common(20)
        ],
        "letters": [
            {
                "topic": letter.place.topic,
                "partition": letter.place.partition,
                "offset": letter.place.offset,
                "refused_at": letter.refused_at.isoformat(),
                "error": letter.trouble,
                "reason": letter.reason,
                "content_type": letter.content_type,
                "attempt": letter.attempt,
                "whole": letter.whole,
                "sent_again": letter.place in listing.sent_again,
                "value": None if letter.value is None else _text(letter.value),
            }
            for letter in listing.letters
        ],
    }


def _value_text(letter: "Letter") -> str:
    if not letter.value:
        return "(no value)"
    text = _plain(_text(letter.value[: 4 * _SHOWN]))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(letter.value)} bytes)"


def _text(value: bytes) -> str:
    from flows.masking import mask_pans

    return mask_pans(value.decode("utf-8", "backslashreplace"))


def _plain(text: str) -> str:
    """Without what would do something to a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _report_lines(report: "SentAgain", dry_run: bool) -> Iterator[str]:
    yield f"{report.selected} dead letters selected"
    verb = "would be sent again" if dry_run else "sent again to where they came from"
    yield f"{report.sent:9,d}  {verb}"
    if report.sent_before:
        yield f"{report.sent_before:9,d}  passed over: sent again before (--again sends them once more)"
    if report.not_whole:
        yield f"{report.not_whole:9,d}  passed over: masked or cut when they were stored, or empty"
    if report.not_ours:
        yield f"{report.not_ours:9,d}  passed over: they name a topic that is no input topic"
