"""The topics on the brokers against the topics as they must be: what differs, and how to put it right."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kafka import KafkaAdminClient, OffsetSpec, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidPartitionsError, NoError, TopicAlreadyExistsError, for_code

from flows.broker.connection import BrokerError, in_words, make_admin
from flows.broker.errors import TopicMissingError, broker_error
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import FOR_EVER, Growth, TopicSpec, topic_specs

_AT_LEAST: Final = frozenset({"retention.ms", "retention.bytes", "max.message.bytes", "min.insync.replicas"})
"""Settings that an operator may have set higher."""
_SETTLE_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.1
_TOPIC: Final = "topic"
_PARTITIONS: Final = "partitions"
_REPLICATION: Final = "replication"
_REASSIGN: Final = "copies are moved by whoever runs the brokers, with kafka-reassign-partitions"


class Difference(NamedTuple):
    """One setting of a topic that is not as it must be; ``by_hand`` says why it is not put right here."""

    topic: str
    setting: str
    found: str
    wanted: str
    by_hand: str = ""


class TopicFacts(NamedTuple):
    """What is to be known of a topic; None where it is not there."""

    name: str
    holds: str
    partitions: int | None
    replication: int | None
    records: int | None
    retention_ms: int | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was made, what was changed, and what is left to do by hand."""

    created: list[str] = field(default_factory=list)
    changed: list[Difference] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)


class _Found(NamedTuple):
    partitions: int
    replication: int
    settings: Mapping[str, str]


def compare_topics(params: KafkaParams) -> list[Difference]:
    """Everything that differs from what must be, topic by topic; changes nothing.

    Raises
    ------
    BrokerError
        When the brokers can't be asked.
    """
    with _admin(params, "look at the topics") as admin:
        return _differences(admin, topic_specs(params))


def apply_topics(params: KafkaParams) -> Applied:
    """Make what is missing and put right what can be without harm.

    A longer retention or a larger limit than asked for stays. No partition is ever taken away, the shard log
    never gets more, and an input only while it is empty.

    Raises
    ------
    BrokerError
        When the brokers can't be asked, or refuse a change.
    """
    specs = topic_specs(params)
    with _admin(params, "look at the topics") as admin:
        before = _differences(admin, specs)
    missing = {each.topic for each in before if each.setting == _TOPIC}
    wrong = [each for each in before if each.setting != _TOPIC and not each.by_hand]
    with _admin(params, "make topics") as admin:
        created = _create(params, admin, [spec for spec in specs if spec.name in missing])
    with _admin(params, "change the settings of topics") as admin:
        _change_settings(params, admin, [each for each in wrong if each.setting != _PARTITIONS])
        _add_partitions(
            params, admin, {each.topic: int(each.wanted) for each in wrong if each.setting == _PARTITIONS}
        )
        return Applied(created, wrong, _left(admin, specs, wrong))


def list_topics(params: KafkaParams) -> list[TopicFacts]:
    """All topics of the engine, also those that are not there yet.

    Raises
    ------
    BrokerError
        When the brokers can't be asked.
    """
    specs = topic_specs(params)
    with _admin(params, "look at the topics") as admin:
        found = _find(admin, [spec.name for spec in specs])
        records = _count_records(admin, {name: each.partitions for name, each in found.items()})
    return [_facts(spec, found.get(spec.name), records.get(spec.name)) for spec in specs]


def require_topics(params: KafkaParams) -> None:
    """Do nothing if an engine can work on these topics.

    Raises
    ------
    TopicMissingError
        When a topic is not there, the shard log has another number of partitions than ``shards``, or a topic
        has none for some shard.
    BrokerError
        When the brokers can't be asked.
    """
    specs = {spec.name: spec for spec in topic_specs(params)}
    found = compare_topics(params)
    missing = [each.topic for each in found if each.setting == _TOPIC]
    if missing:
        raise TopicMissingError(
            f"not on the Kafka brokers {', '.join(params.bootstrap)}: {', '.join(missing)};"
            " make them with `tapwatch topics apply`"
        )
    for each in found:
        if each.setting != _PARTITIONS or not specs[each.topic].by_shard:
            continue
        if specs[each.topic].exact:
            raise TopicMissingError(
                f"{each.topic} has {each.found} partitions, kafka.shards is {each.wanted}; set kafka.shards"
                f" to {each.found}, or see `tapwatch topics diff`"
            )
        raise TopicMissingError(
            f"{each.topic} has {each.found} partitions, needs one for each of {each.wanted} shards; add them"
            " with `tapwatch topics apply`"
        )


@contextmanager
def _admin(params: KafkaParams, doing: str) -> Iterator[KafkaAdminClient]:
    admin = make_admin(params)
    try:
        with in_words(params, doing):
            yield admin
    finally:
        admin.close()


def _differences(admin: KafkaAdminClient, specs: Sequence[TopicSpec]) -> list[Difference]:
    all_ = list(_each_difference(admin, specs))
    exact = {spec.name for spec in specs if spec.exact}
    # Where the shard log has another count, it is the setting that is wrong, and nothing is to grow after it.
    misled = any(each.topic in exact and each.setting == _PARTITIONS for each in all_)
    return [each for each in all_ if not misled or each.setting != _PARTITIONS or each.topic in exact]


def _each_difference(admin: KafkaAdminClient, specs: Sequence[TopicSpec]) -> Iterator[Difference]:
    found = _find(admin, [spec.name for spec in specs])
    for spec in specs:
        here = found.get(spec.name)
        if here is None:
            yield Difference(spec.name, _TOPIC, "missing", f"partitions: {spec.partitions}")
        else:
            yield from _partition_difference(admin, spec, here)
            yield from _setting_differences(spec, here)


def _left(
    admin: KafkaAdminClient, specs: Sequence[TopicSpec], changed: Sequence[Difference]
) -> list[Difference]:
    """What still differs, once every broker knows of the changes or some time has passed."""
    deadline = time.monotonic() + _SETTLE_S
    cured = {(each.topic, each.setting) for each in changed}
    while True:
        left = _differences(admin, specs)
        settled = cured.isdisjoint((each.topic, each.setting) for each in left)
        if settled or time.monotonic() > deadline:
            return left
        time.sleep(_LOOK_AGAIN_S)


def _partition_difference(admin: KafkaAdminClient, spec: TopicSpec, here: _Found) -> Iterator[Difference]:
    if here.partitions == spec.partitions or (here.partitions > spec.partitions and not spec.exact):
        return
    safe = spec.growth is Growth.ALWAYS or (
        spec.growth is Growth.WHILE_EMPTY
        and not _count_records(admin, {spec.name: here.partitions})[spec.name]
    )
    by_hand = "" if safe else spec.growth.value
    yield Difference(spec.name, _PARTITIONS, str(here.partitions), str(spec.partitions), by_hand)


def _setting_differences(spec: TopicSpec, here: _Found) -> Iterator[Difference]:
    if here.replication < spec.replication:
        yield Difference(spec.name, _REPLICATION, str(here.replication), str(spec.replication), _REASSIGN)
    for name, wanted in spec.settings.items():
        found = here.settings.get(name, "")
        if name == "min.insync.replicas" and int(wanted) > here.replication:
            # Nothing could be written; the missing copies are named above.
            continue
        if found != wanted and not (name in _AT_LEAST and _is_more(found, wanted)):
            yield Difference(spec.name, name, found, wanted)


def _is_more(found: str, wanted: str) -> bool:
    """Whether a number is larger, where -1 stands for no limit."""
    return int(found) == FOR_EVER or (int(wanted) != FOR_EVER and int(found) > int(wanted))


def _find(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, _Found]:
    present = sorted(set(names) & set(admin.list_topics()))
    if not present:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in present]
    settings = admin.describe_configs(asked, config_filter="all")["topic"]
    return {
        each["name"]: _Found(
            partitions=len(each["partitions"]),
            replication=min(len(part["replica_nodes"]) for part in each["partitions"]),
            settings={name: str(setting["value"]) for name, setting in settings[each["name"]].items()},
        )
        for each in admin.describe_topics(present)
        if each["partitions"]
    }


def _count_records(admin: KafkaAdminClient, partitions: Mapping[str, int]) -> dict[str, int]:
    """How many offsets each topic holds: its records, and the marks at the end of transactions."""
    places = [TopicPartition(name, number) for name, count in partitions.items() for number in range(count)]
    if not places:
        return {}
    first = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    end = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    counts = dict.fromkeys(partitions, 0)
    for place in places:
        counts[place.topic] += end[place].offset - first[place].offset
    return counts


def _facts(spec: TopicSpec, here: _Found | None, records: int | None) -> TopicFacts:
    if here is None:
        return TopicFacts(spec.name, spec.holds, None, None, None, None)
    retention = int(here.settings["retention.ms"])
    return TopicFacts(spec.name, spec.holds, here.partitions, here.replication, records, retention)


def _create(params: KafkaParams, admin: KafkaAdminClient, specs: Sequence[TopicSpec]) -> list[str]:
    if not specs:
        return []
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.settings),
        }
        for spec in specs
    }
    done = admin.create_topics(wanted, raise_errors=False)["topics"]
    for each in done:
        # Somebody else may have been quicker.
        _raise_if_failed(params, f"make {each['name']}", each, TopicAlreadyExistsError)
    admin.wait_for_topics(list(wanted))
    return [each["name"] for each in done if not each["error_code"]]


def _change_settings(params: KafkaParams, admin: KafkaAdminClient, wrong: Sequence[Difference]) -> None:
    changes: dict[str, dict[str, str]] = {}
    for each in wrong:
        changes.setdefault(each.topic, {})[each.setting] = each.wanted
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, values) for name, values in changes.items()]
    if not asked:
        return
    for name, result in admin.alter_configs(asked)["topic"].items():
        if result != "OK":
            raise BrokerError(f"Kafka at {', '.join(params.bootstrap)}: can't change {name}: {result}")


def _add_partitions(params: KafkaParams, admin: KafkaAdminClient, wanted: Mapping[str, int]) -> None:
    if not wanted:
        return
    for each in admin.create_partitions(dict(wanted), raise_errors=False).results:
        result = {"error_code": each.error_code, "error_message": each.error_message}
        _raise_if_failed(params, f"add partitions to {each.name}", result, InvalidPartitionsError)
    admin.wait_for_topics(list(wanted))


def _raise_if_failed(
    params: KafkaParams, doing: str, result: Mapping[str, object], harmless: type[Exception]
) -> None:
    kind = for_code(result["error_code"])  # type: ignore[no-untyped-call]
    if kind not in (NoError, harmless):
        raise broker_error(params, doing, kind(result["error_message"]))
