"""The rhythm detector: hours and days in the user's local time."""

from datetime import timedelta

from tests.detectors.builders import START, World, a_full_payment, a_settled_world

NIGHT = START + timedelta(hours=15)  # 3 o'clock


def a_user_who_pays_at_noon(days: int = 90) -> World:
    return a_settled_world(payments=days, every=timedelta(hours=24))


def test_payment_at_three_in_the_night_of_a_noon_user_fires() -> None:
    evidence = a_user_who_pays_at_noon().found(a_full_payment(event_time=NIGHT))["RARE_HOUR"]
    assert evidence.value == 3.0
    assert evidence.surprise > 1.0


def test_payment_at_the_usual_hour_is_silent() -> None:
    assert "RARE_HOUR" not in a_user_who_pays_at_noon().found(a_full_payment())


def test_hour_is_read_in_the_users_time_zone() -> None:
    world = a_user_who_pays_at_noon()
    world.users["u-1"].time_zone = "Asia/Tokyo"  # noon UTC was learned as noon, now it is 21 o'clock
    assert world.found(a_full_payment())["RARE_HOUR"].value == 21.0


def test_weekday_on_which_the_user_never_pays_fires() -> None:
    world = a_settled_world(payments=40, every=timedelta(days=7))
    friday = a_full_payment(event_time=START + timedelta(days=4))
    assert world.found(friday)["RARE_WEEKDAY"].value == 4.0


def test_unseen_user_has_no_unusual_hour() -> None:
    assert "RARE_HOUR" not in World().found(a_full_payment(event_time=NIGHT))
