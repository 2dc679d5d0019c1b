"""The checker of deliveries lets every sound history pass and finds any single defect in one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from replay.history import Deliveries, Fault, Finding, Raised, Seen, Step, check_deliveries

D, A, K, X = Step.DELIVERED, Step.ACKED, Step.CONFIRMED, Step.EXPIRED


def steps(text: str) -> list[Seen]:
    """``D1 A1 K1``: alert 1 is delivered, acknowledged, confirmed."""
    return [Seen(Step(word[0]), f"a-{word[1:]}" if word[1:] else "") for word in text.split()]


def of_one_user(seen: str, count: int = 2) -> list[Finding]:
    raised = [Raised(f"a-{n}", "u", "s") for n in range(1, count + 1)]
    return check_deliveries(Deliveries(raised, {"s": steps(seen)}))


SOUND = [
    "D1 A1 K1 D2 A2 K2",
    "D1 A1 D2 K1 A2 K2",
    "D1 D1 A1 K1 D2 A2 K2",  # again after its lease
    "D1 A1 D1 A1 K1 D2 A2 K2",  # the acknowledgement was lost with the server
    "D1 A1 D2 A2 D1 A1 K1 D2 A2 K2",  # two of them were
    "D1 A1 D2 A2 K2",  # a confirmation was lost with the server
    "X1 D2 A2 K2",
    "D1 X1 X2",
]


@pytest.mark.parametrize("seen", SOUND)
def test_what_is_promised_passes(seen: str) -> None:
    assert of_one_user(seen) == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        ("D1 A1 K1", Fault.LOSS),
        ("D1 A1 K1 D2", Fault.LOSS),
        ("D1 A1 K1 A2 K2 D1", Fault.DOUBLE),
        ("D1 A1 K1 D1 D2 A2 K2", Fault.DOUBLE),
        ("X1 D1 D2 A2 K2", Fault.DOUBLE),
        ("D2 A2 K2 D1 A1 K1", Fault.REORDER),
        ("D1 D2 A1 K1 A2 K2", Fault.REORDER),
        ("D1 A1 D2 A2 K2 D1 A1 K1", Fault.REORDER),
        ("D1 A1 K1 D2 A2 K2 D3", Fault.STRAY),
        ("D1 A1 K1 G D2 A2 K2", Fault.GAP),
    ],
)
def test_what_is_not_is_found(seen: str, fault: Fault) -> None:
    assert fault in {finding.fault for finding in of_one_user(seen)}


def test_users_do_not_wait_for_each_other() -> None:
    raised = [Raised("a-1", "u-1", "s"), Raised("a-2", "u-2", "s")]
    assert check_deliveries(Deliveries(raised, {"s": steps("D2 D1 A2 K2 A1 K1")})) == []


def test_an_alert_that_reached_another_subscriber_is_lost_and_a_stray() -> None:
    raised = [Raised("a-1", "u-1", "s")]
    found = check_deliveries(Deliveries(raised, {"t": steps("D1 A1 K1")}))
    assert {finding.fault for finding in found} == {Fault.LOSS, Fault.STRAY}


def a_sound_history(random: Random) -> Deliveries:
    """What subscribers see whose server loses acknowledgements at times."""
    raised = [Raised(f"a-{n}", f"u-{random.randrange(9)}", "") for n in range(80)]
    raised = [each._replace(subscriber=f"s-{int(each.user[2:]) % 3}") for each in raised]
    seen: dict[str, list[Seen]] = {f"s-{n}": [] for n in range(3)}
    for each in raised:
        journal = seen[each.subscriber]
        for _ in range(random.choice([0, 0, 1, 2])):
            journal += [Seen(D, each.alert_id), *random.choice([[], [Seen(A, each.alert_id)]])]
        last = [Seen(X, each.alert_id)]
        if random.random() < 0.9:
            last = [Seen(D, each.alert_id), Seen(A, each.alert_id), Seen(K, each.alert_id)]
        journal += last
    return Deliveries(raised, seen)


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_history_passes(seed: int) -> None:
    assert check_deliveries(a_sound_history(Random(seed))) == []


def _lose(seen: Sequence[Seen], alert_id: str) -> list[Seen]:
    return [each for each in seen if each.alert_id != alert_id]


def _double(seen: Sequence[Seen], alert_id: str) -> list[Seen]:
    return [*seen, Seen(D, alert_id)]


def _bring_forward(seen: Sequence[Seen], alert_id: str) -> list[Seen]:
    return [Seen(D, alert_id), *seen]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("plant", "fault"), [(_lose, Fault.LOSS), (_double, Fault.DOUBLE), (_bring_forward, Fault.REORDER)]
)
def test_a_planted_defect_is_found(
    seed: int, plant: Callable[[Sequence[Seen], str], list[Seen]], fault: Fault
) -> None:
    random = Random(seed)
    history = a_sound_history(random)
    victim = random.choice(history.raised[40:])  # somebody of whom there was an alert before
    if not any(each.user == victim.user for each in history.raised[:40]):
        return
    seen = {**history.seen, victim.subscriber: plant(history.seen[victim.subscriber], victim.alert_id)}
    found = check_deliveries(replace(history, seen=seen))
    assert fault in {finding.fault for finding in found if victim.alert_id in finding.ids}
