"""The history checker lets every sound history pass and finds any single defect in one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.history import (
    Answer,
    Fault,
    Finding,
    History,
    Logged,
    Output,
    Published,
    Sent,
    check_history,
    compare_outputs,
)
from tests.replay.histories_made import LOCATION, PAYMENT, SHARDS, Entry, Plan, decision, plans

NAMES = st.integers(0, 1_000)


def entry(number: int, user: int = 0, kind: str = PAYMENT) -> Entry:
    return Entry(kind, number, user, user % SHARDS)


def plan(*entries: Entry) -> Plan:
    return Plan(entries, entries)


def faults_about(name: str, findings: Sequence[Finding]) -> set[Fault]:
    return {finding.fault for finding in findings if name in finding.ids}


def another_shard(shard: int) -> int:
    return (shard + 1) % SHARDS


def only(findings: Sequence[Finding]) -> Finding:
    assert len(findings) == 1, [finding.sentence for finding in findings]
    return findings[0]


@given(plans())
def test_a_sound_history_passes(made: Plan) -> None:
    assert check_history(made.history()) == []


@given(plans(), st.data())
def test_republished_bytes_pass_only_where_they_are_allowed(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    again = history.published[data.draw(st.integers(0, len(history.published) - 1)) :]
    repeated = replace(history, published=[*history.published, *again])
    findings = check_history(repeated)
    assert [finding.fault for finding in findings] == [Fault.DOUBLE] * len(again)
    assert faults_about(again[0].transaction, findings) == {Fault.DOUBLE}
    assert check_history(replace(repeated, repeats_allowed=True)) == []


@given(plans())
def test_what_is_sent_again_is_the_same_event(made: Plan) -> None:
    history = made.history()
    assert check_history(replace(history, sent=[*history.sent, *history.sent])) == []


@given(plans())
def test_without_a_producer_no_order_is_promised(made: Plan) -> None:
    history = made.history()
    backwards = [sent._replace(producer=None) for sent in reversed(history.sent)]
    assert check_history(replace(history, sent=backwards)) == []


# Defects of the logs.


@given(plans(), st.data())
def test_a_lost_event_is_found(made: Plan, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(made.sent))
    left = [each for each in made.logged if each.number != lost.number]
    findings = check_history(made.with_logged(left).history())
    wanted = {Fault.LOSS, Fault.UNANSWERED} if lost.kind == PAYMENT else {Fault.LOSS}
    assert {finding.fault for finding in findings} == wanted
    assert faults_about(lost.event_id, findings) == wanted


@given(plans(), st.data())
def test_an_event_that_stands_twice_is_found(made: Plan, data: st.DataObject) -> None:
    doubled = data.draw(st.sampled_from(made.logged))
    findings = check_history(made.with_logged([*made.logged, doubled]).history())
    assert Fault.DOUBLE in faults_about(doubled.event_id, findings)


@given(plans(payments=2), st.data())
def test_two_events_of_a_user_that_changed_places_are_found(made: Plan, data: st.DataObject) -> None:
    first, second = (
        entry(101, user=2),
        entry(102, user=2, kind=data.draw(st.sampled_from((PAYMENT, LOCATION)))),
    )
    logged = list(made.logged)
    at = data.draw(st.integers(0, len(logged)))
    logged[at:at] = [second, first]
    findings = check_history(Plan((*made.sent, first, second), tuple(logged)).history())
    found = faults_about(first.event_id, findings) & faults_about(second.event_id, findings)
    assert found == {Fault.REORDER}


@given(plans(), st.data())
def test_an_event_in_another_shard_is_found(made: Plan, data: st.DataObject) -> None:
    moved = data.draw(st.sampled_from([each for each in made.sent if each.shard is not None]))
    assert moved.shard is not None
    away = replace(moved, shard=another_shard(moved.shard))
    logged = [away if each == moved else each for each in made.logged]
    findings = check_history(made.with_logged(logged).history())
    assert Fault.MISPLACED in faults_about(moved.event_id, findings)


@given(plans(), st.data())
def test_a_payment_in_two_shards_is_found(made: Plan, data: st.DataObject) -> None:
    doubled = data.draw(st.sampled_from([each for each in made.sent if each.kind == PAYMENT]))
    assert doubled.shard is not None
    away = replace(doubled, shard=another_shard(doubled.shard))
    findings = check_history(made.with_logged([*made.logged, away]).history())
    assert {Fault.MISPLACED, Fault.DOUBLE} <= faults_about(doubled.event_id, findings)


@given(plans(), st.booleans())
def test_a_record_that_nobody_sent_is_found(made: Plan, fallback: bool) -> None:
    stray = replace(entry(999), fallback=fallback)
    findings = check_history(made.with_logged([*made.logged, stray]).history())
    assert Fault.STRAY in faults_about(stray.event_id, findings)


@given(plans(), st.data())
def test_another_content_in_the_log_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    at = data.draw(st.integers(0, len(history.logged) - 1).filter(lambda at: not history.logged[at].is_own))
    logged = list(history.logged)
    logged[at] = logged[at]._replace(content=b"other")
    finding = only(check_history(replace(history, logged=logged)))
    assert finding[:2] == (Fault.CHANGED, (logged[at].event_id,))


@given(plans(), st.data())
def test_a_tick_that_one_shard_lacks_is_found(made: Plan, data: st.DataObject) -> None:
    shard = data.draw(st.integers(0, SHARDS - 1))
    sent = (*made.sent, Entry("tick", 500, 0, None))
    elsewhere = [Entry("tick", 500, 0, other) for other in range(SHARDS) if other != shard]
    finding = only(check_history(Plan(sent, (*made.logged, *elsewhere)).history()))
    assert finding[:2] == (Fault.LOSS, ("tick/default/500",))
    assert f"shard {shard}" in finding.sentence


def test_log_positions_with_a_gap_are_found() -> None:
    history = plan(entry(1)).history()
    logged = [record._replace(position=2) for record in history.logged]
    published = [each._replace(position=2) for each in history.published]
    finding = only(check_history(replace(history, logged=logged, published=published)))
    assert finding.fault is Fault.GAP
    assert finding.sentence == "payment/default/1 (shard 0, position 2): stands where position 1 is due"


# Defects of what was published.


def without(history: History, gone: Published) -> list[Published]:
    return [each for each in history.published if each is not gone]


@given(plans(), st.data())
def test_a_decision_that_was_not_published_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    gone = data.draw(st.sampled_from(history.published))
    findings = check_history(replace(history, published=without(history, gone)))
    assert [f.sentence for f in findings if "no decision on it was published" in f.sentence]
    assert {f.fault for f in findings} <= {Fault.LOSS, Fault.CHANGED}  # another answer may now be in force


@given(plans(), st.data())
def test_other_bytes_under_one_id_are_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    first = data.draw(st.sampled_from(history.published))
    published = [*history.published, first._replace(content=b"other")]
    for allowed in (False, True):
        found = check_history(replace(history, published=published, repeats_allowed=allowed))
        assert Fault.CHANGED in faults_about(first.transaction, found)


@given(plans())
def test_decisions_out_of_order_are_found(made: Plan) -> None:
    first, second = entry(101, user=2), entry(102, user=2)
    history = Plan((*made.sent, first, second), (*made.logged, first, second)).history()
    published = list(history.published)
    published[-2:] = reversed(published[-2:])
    finding = only(check_history(replace(history, published=published)))
    assert finding.fault is Fault.REORDER
    assert first.transaction in finding.ids


@given(plans(), st.data())
def test_a_decision_in_the_wrong_shard_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    moved = data.draw(st.sampled_from(history.published))
    away = moved._replace(shard=another_shard(moved.shard))
    published = [away if each is moved else each for each in history.published]
    found = faults_about(moved.transaction, check_history(replace(history, published=published)))
    assert Fault.MISPLACED in found


@given(plans())
def test_a_stray_decision_is_found(made: Plan) -> None:
    history = made.history()
    stray = decision(Logged(0, len(history.logged) + 1, "payment/default/999", "payment/default/999"))
    findings = check_history(replace(history, published=[*history.published, stray]))
    assert faults_about("payment/default/999", findings) == {Fault.STRAY}


@given(plans(payments=2), st.data())
def test_one_id_for_two_payments_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    one, other = data.draw(st.permutations(sorted({each.transaction for each in history.published})))[:2]
    published = [
        each._replace(decision_id=f"d-{other}") if each.transaction == one else each
        for each in history.published
    ]
    assert {f.fault for f in check_history(replace(history, published=published))} == {Fault.CHANGED}


def test_an_engines_decision_behind_that_of_the_fallback_is_found() -> None:
    late = entry(1)
    findings = check_history(Plan((late,), (replace(late, fallback=True), late)).history())
    assert only(findings).sentence == "payment/default/1: the engine's decision comes behind the fallback's"
    assert only(findings).fault is Fault.CHANGED


def test_an_engines_decision_that_is_published_again_behind_that_of_the_fallback_is_found() -> None:
    asked = entry(1)
    history = Plan((asked,), (asked, replace(asked, fallback=True))).history()
    published = [*history.published, history.published[0]]
    finding = only(check_history(replace(history, published=published, repeats_allowed=True)))
    assert finding.fault is Fault.REORDER
    assert "the last one published is not that in force" in finding.sentence


def test_an_engines_decision_where_the_fallback_answered_is_found() -> None:
    asked = entry(1)
    history = Plan((asked,), (asked, replace(asked, fallback=True))).history()
    published = [each._replace(source="ENGINE") for each in history.published]
    assert only(check_history(replace(history, published=published))).fault is Fault.STRAY


def test_a_fallback_may_stand_in_for_a_payment_that_the_log_never_got() -> None:
    name = "payment/default/1"
    record = Logged(0, 1, name, name, is_own=True)
    made = decision(record)
    answer = Answer(name, made.source, made.action, made.content)
    assert check_history(History(1, [Sent(name, "u", 0, asked=True)], [record], [made], [answer])) == []


def test_what_stands_in_for_a_payment_may_come_late() -> None:
    first, second = Sent("payment/default/1", "u", 0, "feed"), Sent("payment/default/2", "u", 0, "feed")
    for stands_in in (True, False):
        records = [
            Logged(0, 1, second.event_id, second.event_id),
            Logged(0, 2, first.event_id, first.event_id, is_own=stands_in),
        ]
        findings = check_history(History(1, [first, second], records, list(map(decision, records))))
        assert [finding.fault for finding in findings] == ([] if stands_in else [Fault.REORDER])


def test_a_policy_in_the_log_was_sent_by_nobody_and_is_sound() -> None:
    assert check_history(History(1, [], [Logged(0, 1, "policy/1", is_own=True)], [])) == []


# Defects of what callers were told.


@given(plans(), st.data())
def test_a_changed_answer_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    at = data.draw(st.integers(0, len(history.answers) - 1))
    answers = list(history.answers)
    answers[at] = answers[at]._replace(content=b"other")
    finding = only(check_history(replace(history, answers=answers)))
    assert finding.fault is Fault.CHANGED
    assert answers[at].transaction in finding.ids


def test_a_caller_who_was_told_the_engines_answer_before_the_fallbacks_is_found() -> None:
    asked = entry(1)
    history = Plan((asked,), (asked, replace(asked, fallback=True))).history()
    name, engine = asked.transaction, history.published[0]
    answers = [*history.answers, Answer(name, engine.source, engine.action, engine.content)]
    assert only(check_history(replace(history, answers=answers))).sentence == (
        "payment/default/1: a caller was told ENGINE APPROVE, which is not the decision in force"
        " (FALLBACK STEP_UP)"
    )


def answered(told: Published) -> Answer:
    return Answer(told.transaction, told.source, told.action, told.content)


def asked_twice() -> tuple[History, Answer, Answer]:
    """One process told the engine's answer, another one the fallback's, which counts."""
    asked = entry(1)
    history = Plan((asked,), (asked, replace(asked, fallback=True))).history()
    engine, fallback = map(answered, history.published)
    told = replace(history, answers=[engine, fallback], asked_elsewhere=frozenset([asked.transaction]))
    return told, engine, fallback


def test_of_two_processes_asked_one_may_tell_what_does_not_count() -> None:
    history, _, fallback = asked_twice()
    assert check_history(replace(history, last_answers=[fallback])) == []


def test_what_no_caller_was_told_does_not_count() -> None:
    history, engine, _ = asked_twice()
    assert only(check_history(replace(history, answers=[engine]))).fault is Fault.CHANGED


def test_one_process_contradicts_itself_never() -> None:
    history, _, _ = asked_twice()
    assert only(check_history(replace(history, asked_elsewhere=frozenset()))).fault is Fault.CHANGED


def test_who_asks_when_all_has_settled_is_told_what_counts() -> None:
    history, engine, _ = asked_twice()
    assert only(check_history(replace(history, last_answers=[engine]))).fault is Fault.CHANGED


def test_two_answers_of_the_engine_are_one_too_many() -> None:
    asked = entry(1)
    history = Plan((asked,), (asked,)).history()
    told = answered(history.published[0])
    twice = replace(
        history, answers=[told, told._replace(content=b"x")], asked_elsewhere=frozenset([asked.transaction])
    )
    assert only(check_history(twice)).fault is Fault.CHANGED


@given(plans(), st.data())
def test_a_caller_who_was_told_nothing_is_found(made: Plan, data: st.DataObject) -> None:
    history = made.history()
    silent = data.draw(st.sampled_from(history.answers)).transaction
    answers = [answer for answer in history.answers if answer.transaction != silent]
    finding = only(check_history(replace(history, answers=answers)))
    assert finding[:2] == (Fault.UNANSWERED, (silent,))


@given(plans())
def test_an_answer_that_nobody_asked_for_is_found(made: Plan) -> None:
    history = made.history()
    stray = Answer("payment/default/999", "ENGINE", "APPROVE", b"")
    finding = only(check_history(replace(history, answers=[*history.answers, stray])))
    assert finding[:2] == (Fault.STRAY, ("payment/default/999",))


# What went out beside an uninterrupted run.

OUTPUTS = st.lists(st.builds(Output, NAMES.map(str), st.binary(max_size=2)), unique_by=lambda o: o.output_id)


@given(OUTPUTS, st.data())
def test_the_same_outputs_in_any_order_pass(outputs: list[Output], data: st.DataObject) -> None:
    assert compare_outputs(outputs, data.draw(st.permutations(outputs))) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda _: [], Fault.LOSS),
        (lambda output: [output, output], Fault.DOUBLE),
        (lambda output: [output._replace(content=b"other")], Fault.CHANGED),
        (lambda output: [output, output._replace(output_id="stray")], Fault.STRAY),
    ],
)
@given(outputs=OUTPUTS.filter(bool), data=st.data())
def test_a_difference_of_outputs_is_found(
    damage: Callable[[Output], list[Output]], fault: Fault, outputs: list[Output], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(outputs) - 1))
    found = [*outputs[:at], *damage(outputs[at]), *outputs[at + 1 :]]
    assert only(compare_outputs(outputs, found)).fault is fault
    if fault is Fault.DOUBLE:
        assert compare_outputs(outputs, found, repeats_allowed=True) == []
