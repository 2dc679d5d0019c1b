"""The delivery policy: one reason for each alert that is not sent, and none sent that must not be."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from alerting.delivery.params import DeliveryParams
from alerting.delivery.person import Person, Sent
from alerting.delivery.policy import SEND, Offer, Verdict, judge, last_loud_s
from alerting.delivery.reasons import TITLES, Suppression
from detectors.events import Consent, ConsentPurpose, Preferences

DAY_S = 86_400
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_S = int(NOON.timestamp())
PARAMS = DeliveryParams()
GOOD = Offer(1, 0.6, False, NOW_S + 1_800)


def someone(zone: str | None = "UTC", granted: bool = True) -> Person:
    person = Person()
    long_ago = NOON - timedelta(days=300)
    person.consent(Consent("u", ConsentPurpose.LOCATION_ALERTS, granted, "v1", long_ago))
    person.prefer(Preferences("u", long_ago, time_zone=zone))
    return person


def reason(offer: Offer, person: Person, now_s: int = NOW_S) -> Suppression | None:
    return judge(offer, person, now_s, PARAMS).reason


def test_good_offer_at_noon_is_sent() -> None:
    assert judge(GOOD, someone(), NOW_S, PARAMS) == SEND


def test_every_reason_has_words() -> None:
    assert list(TITLES) == list(Suppression)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"is_trusted": False}, Suppression.POSITION_DOUBTED),
        ({"is_near": False}, Suppression.LEFT),
        ({"probability": 0.19}, Suppression.UNLIKELY),
        ({"probability": 0.29, "is_similar": True}, Suppression.UNLIKELY),
        ({"not_after_s": NOW_S - 1}, Suppression.EXPIRED),
        ({"opens_s": NOW_S + 1_801}, Suppression.CLOSED),
    ],
)
def test_offer_with_one_fault_is_suppressed_for_it(changed: dict[str, object], expected: Suppression) -> None:
    assert judge(GOOD._replace(**changed), someone(), NOW_S, PARAMS) == Verdict(expected)  # type: ignore[arg-type]


def test_who_has_not_consented_or_whose_zone_is_unknown_gets_nothing() -> None:
    assert reason(GOOD, someone(granted=False)) is Suppression.NO_CONSENT
    for zone in (None, "Mars/Olympus", ""):
        assert reason(GOOD, someone(zone)) is Suppression.ZONE_UNKNOWN


def test_open_step_up_silences_until_it_ends() -> None:
    person = someone()
    person.step_up_asked(5, NOW_S + 600)
    assert reason(GOOD, person) is Suppression.STEP_UP_OPEN
    person.step_up_ended(5)
    assert reason(GOOD, person) is None


def test_before_opening_it_waits_if_there_is_time() -> None:
    opens = GOOD._replace(opens_s=NOW_S + 900)
    assert judge(opens, someone(), NOW_S, PARAMS) == Verdict(Suppression.CLOSED, NOW_S + 900)
    assert judge(opens, someone(), NOW_S + 900, PARAMS) == SEND


def test_in_quiet_hours_it_waits_if_they_end_in_time() -> None:
    seven_50 = NOW_S - 4 * 3_600 - 600
    late, early = GOOD._replace(not_after_s=seven_50 + 1_800), GOOD._replace(not_after_s=seven_50 + 500)
    assert judge(late, someone(), seven_50, PARAMS) == Verdict(Suppression.QUIET_HOURS, seven_50 + 600)
    assert judge(late, someone(), seven_50 + 600, PARAMS) == SEND
    assert judge(early, someone(), seven_50, PARAMS) == Verdict(Suppression.QUIET_HOURS)


def test_quiet_hours_are_those_of_the_local_clock() -> None:
    assert reason(GOOD, someone("Asia/Tokyo")) is Suppression.QUIET_HOURS  # nine in the evening
    assert reason(GOOD, someone("America/New_York")) is Suppression.QUIET_HOURS  # seven in the morning
    assert reason(GOOD, someone("Europe/Brussels")) is None


@pytest.mark.parametrize(
    ("sent", "offer", "expected"),
    [
        ([Sent(NOW_S - 14_399, 1, False)], GOOD, Suppression.COOLDOWN),
        ([Sent(NOW_S - 14_400, 1, False)], GOOD, None),
        ([Sent(NOW_S - 1_799, 2, False)], GOOD, Suppression.TOO_SOON),
        ([Sent(NOW_S - 9_000, 2, False), Sent(NOW_S - 7_000, 3, False)], GOOD, Suppression.DAY_BUDGET),
        (
            [Sent(NOW_S - days * DAY_S, 9, False) for days in (6, 6, 5, 5, 4, 4, 3, 3)],
            GOOD,
            Suppression.WEEK_BUDGET,
        ),
        ([Sent(NOW_S - days * DAY_S, 9, False) for days in (7, 6, 5, 5, 4, 4, 3, 3)], GOOD, None),
        ([Sent(NOW_S - 9_000, 2, True)], GOOD._replace(is_similar=True), Suppression.SIMILAR_BUDGET),
        ([Sent(NOW_S - 9_000, 2, True)], GOOD, None),
    ],
)
def test_budgets(sent: list[Sent], offer: Offer, expected: Suppression | None) -> None:
    person = someone()
    for each in sent:
        person.sent(each)
    assert reason(offer, person) is expected


def test_budget_is_kept_for_the_better_chances_that_most_days_bring() -> None:
    person = someone()
    for days in range(1, 8):
        for hours in (4, 5):
            person.offered(NOW_S - days * DAY_S + hours * 3_600, 0.9)
    assert reason(GOOD, person) is Suppression.BETTER_EXPECTED
    assert reason(GOOD._replace(probability=0.95), person) is None
    evening = NOW_S + 6 * 3_600
    assert reason(GOOD._replace(not_after_s=evening), person, evening) is None


ZONES = (
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "",
    "No/Where",
)


def _play(seed: int) -> tuple[list[tuple[int, Offer, str]], list[str]]:
    """A random history around a change of clocks; what was sent, and every law that was broken."""
    dice = Random(seed)
    person, broken, sent = Person(), [], []
    zone, granted, since, step_up_until = "", False, 0, 0
    now_s = int(datetime(2026, *dice.choice(((3, 6), (3, 27), (10, 23), (10, 30))), tzinfo=UTC).timestamp())
    waiting: list[tuple[int, Offer]] = []
    quiet = (PARAMS.quiet_from_min, PARAMS.quiet_to_min)
    for _ in range(300):
        now_s += dice.choice((1, 60, 600, 1_800, 3_600))
        at = datetime.fromtimestamp(now_s, UTC)
        match dice.randrange(8):
            case 0 if now_s > since:
                granted, since = dice.random() < 0.8, now_s
                person.consent(Consent("u", ConsentPurpose.LOCATION_ALERTS, granted, "v", at))
            case 1 if dice.random() < 0.3:
                zone = dice.choice(ZONES)
                chosen = dice.choice((None, (0, 0), (600, 660), (1_300, 100)))
                quiet = chosen or (PARAMS.quiet_from_min, PARAMS.quiet_to_min)
                low, high = chosen or (None, None)
                person.prefer(
                    Preferences("u", at, time_zone=zone or None, quiet_from_min=low, quiet_to_min=high)
                )
            case 2 if dice.random() < 0.3:
                step_up_until = now_s + 600
                person.step_up_asked(1, step_up_until)
            case _:
                offer = Offer(
                    dice.randrange(6),
                    dice.random(),
                    dice.random() < 0.3,
                    now_s + dice.choice((0, 900, 7_200)),
                )
                waiting.append((now_s, offer))
        ready = [offer for when, offer in waiting if when <= now_s]
        waiting = [(when, offer) for when, offer in waiting if when > now_s]
        for offer in ready:
            verdict = judge(offer, person, now_s, PARAMS)
            if verdict.wait_until_s is not None:
                if not now_s < verdict.wait_until_s <= offer.not_after_s:
                    broken.append("waits for nothing")
                waiting.append((verdict.wait_until_s, offer))
            elif verdict == SEND:
                local = None if zone not in ZONES[:5] else at.astimezone(ZoneInfo(zone))
                minute = -1 if local is None else local.hour * 60 + local.minute
                low, high = quiet
                is_quiet = low <= minute < high if low <= high else minute >= low or minute < high
                broken += [
                    law
                    for law, holds in (
                        ("no consent", not granted),
                        ("unknown zone", local is None),
                        ("quiet", is_quiet),
                        ("step-up", now_s < step_up_until),
                        ("expired", now_s > offer.not_after_s),
                    )
                    if holds
                ]
                person.sent(Sent(now_s, offer.token, offer.is_similar))
                sent.append((now_s, offer, zone))
    return sent, broken


@pytest.mark.parametrize("seed", range(150))
def test_nothing_is_ever_sent_that_must_not_be(seed: int) -> None:
    _, broken = _play(seed)
    assert broken == []


def test_random_histories_send_enough_to_mean_something() -> None:
    assert sum(len(_play(seed)[0]) for seed in range(150)) > 300


@pytest.mark.parametrize("seed", range(150))
def test_no_local_day_and_no_week_ever_has_too_many(seed: int) -> None:
    sent, _ = _play(seed)
    for at_s, _, zone in sent:
        day = datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(zone)).date()
        before = [
            datetime.fromtimestamp(s, UTC).astimezone(ZoneInfo(zone)).date() for s, _, _ in sent if s <= at_s
        ]
        assert before.count(day) <= PARAMS.max_per_day
        assert sum(at_s - 7 * DAY_S < s <= at_s for s, _, _ in sent) <= PARAMS.max_per_week


@pytest.mark.parametrize("zone", ["UTC", "Europe/Brussels", "Australia/Lord_Howe", "America/St_Johns"])
@pytest.mark.parametrize("day", [(3, 2), (3, 29), (4, 5)])
def test_last_loud_second_is_the_last_before_quiet_hours(zone: str, day: tuple[int, int]) -> None:
    person, where = someone(zone), ZoneInfo(zone)
    person.prefer(
        Preferences("u", NOON - timedelta(days=1), time_zone=zone, quiet_from_min=4 * 60, quiet_to_min=9 * 60)
    )
    begins_s = int(datetime(2026, *day, 4, tzinfo=where).timestamp())
    now_s = begins_s - 25 * 60 - 7
    assert last_loud_s(person, now_s, begins_s + 300, PARAMS) == begins_s - 1
    assert last_loud_s(person, now_s, begins_s - 60, PARAMS) == begins_s - 60
