"""What is believed of where a user is: no teleports, no over-confident fixes, no two devices at once."""

from typing import Any

from geo import Distrust, Fix, Refused
from tests.geo.fixes_made import START_S, Walker, fix


def at(walker: Walker) -> tuple[int, int]:
    """Where the user is believed to be, in metres to the east, and since when."""
    last = walker.presence.last
    assert last is not None
    return round((last.lon - 4.3528) * 111_195.0 * 0.6315), last.time_s - START_S


def resting(until_s: int, east_m: float = 0.0, step_s: int = 10, **more: Any) -> list[Fix]:
    return [fix(at_s, east_m, **more) for at_s in range(0, until_s, step_s)]


def test_a_teleport_there_and_back_is_refused() -> None:
    walker = Walker().see(*resting(60), fix(60, 80_000.0), fix(70, 0.0)).wait_until(100)
    assert at(walker) == (0, 70)
    assert walker.distrusted() == [Distrust.JUMP]
    assert walker.presence.distrusted_s == START_S + 60


def test_two_wrong_fixes_of_an_impossible_jump_are_not_enough() -> None:
    walker = Walker().see(*resting(60), fix(60, 80_000.0), fix(70, 80_010.0), fix(80, 0.0)).wait_until(100)
    assert at(walker) == (0, 80)


def test_a_real_new_place_is_believed_after_three_fixes() -> None:
    walker = Walker().see(*resting(60), fix(60, 80_000.0), fix(70, 80_010.0), fix(80, 80_020.0))
    walker.wait_until(100)
    assert at(walker)[1] == 80
    assert walker.distrusted() == [Distrust.JUMP, Distrust.JUMP]


def test_fixes_that_jump_about_do_not_confirm_each_other() -> None:
    there = [fix(60 + 10 * number, 80_000.0 * (-1.0) ** number) for number in range(6)]
    walker = Walker().see(*resting(60), *there).wait_until(200)
    assert at(walker) == (0, 50)


def test_an_over_confident_fix_is_held_back_until_a_second_one_agrees() -> None:
    walker = Walker().see(*resting(60), fix(60, 300.0, accuracy_m=2.0), fix(70, 0.0)).wait_until(100)
    assert walker.distrusted() == [Distrust.SUDDEN]
    assert walker.presence.distrusted_s == 0  # an error, not a fraud
    walker.see(fix(110, 0.0), fix(120, 300.0), fix(125, 310.0)).wait_until(140)
    assert at(walker)[1] == 125


def test_a_flight_after_a_silence_is_believed_at_once() -> None:
    walker = Walker().see(*resting(60), fix(7_200, 900_000.0)).wait_until(7_300)
    assert walker.distrusted() == []
    assert at(walker)[1] == 7_200


def test_who_is_fast_already_may_go_on() -> None:
    drive = [fix(at_s, 25.0 * at_s) for at_s in range(0, 100, 5)]
    assert Walker().see(*resting(1), *drive[1:]).wait_until(200).distrusted() == [Distrust.SUDDEN]


def test_coarse_circles_excuse_a_jump() -> None:
    walker = Walker().see(*resting(60), fix(60, 700.0, accuracy_m=800.0)).wait_until(100)
    assert walker.distrusted() == []


def test_a_tablet_at_home_does_not_pull_the_user_back() -> None:
    walk = [fix(at_s, 1.3 * at_s, device="phone") for at_s in range(0, 600, 10)]
    tablet = [fix(at_s + 5, 0.0, device="tablet") for at_s in range(0, 600, 10)]
    both = [each for pair in zip(walk, tablet, strict=True) for each in pair]
    walker = Walker().see(*both).wait_until(700)
    assert at(walker)[1] == 590
    assert set(walker.distrusted()) == {Distrust.OTHER_DEVICE}
    assert "Exit" not in walker.names() or walker.names().count("Exit") == 1


def test_the_phone_that_goes_out_takes_over_from_the_tablet_that_was_followed() -> None:
    tablet = [fix(at_s, 0.0, device="tablet") for at_s in range(0, 900, 10)]
    walk = [fix(at_s + 5, 1.3 * at_s, device="phone") for at_s in range(0, 900, 10)]
    both = [each for pair in zip(tablet, walk, strict=True) for each in pair]
    walker = Walker().see(*both).wait_until(1_000)
    assert at(walker)[0] > 1_000


def test_one_wrong_fix_of_the_tablet_at_home_makes_nobody_follow_it() -> None:
    phone = resting(900, device="phone", step_s=60)
    tablet = [fix(at_s + 5, 600.0 if at_s == 600 else 3.0, device="tablet") for at_s in range(0, 900, 60)]
    walker = Walker().see(*sorted([*phone, *tablet], key=lambda each: each.time_s)).wait_until(1_000)
    assert at(walker) == (0, 840)
    assert set(walker.distrusted()) == {Distrust.OTHER_DEVICE}


def test_another_device_takes_over_after_a_silence() -> None:
    walker = Walker().see(*resting(60, device="phone"), fix(600, 30.0, device="watch"))
    walker.see(fix(970, 40.0, device="watch")).wait_until(1_000)
    assert at(walker) == (40, 970)


def test_another_device_is_no_way_around_an_impossible_jump() -> None:
    walker = Walker().see(*resting(60, device="phone"), fix(1_000, 900_000.0, device="tablet"))
    walker.see(fix(1_030, 0.0, device="phone")).wait_until(1_100)
    assert walker.distrusted() == [Distrust.JUMP]
    assert at(walker) == (0, 1_030)
    walker.see(*(fix(at_s, 900_000.0, device="tablet") for at_s in (2_000, 2_010, 2_020))).wait_until(2_100)
    assert at(walker)[1] == 2_020


def test_what_is_refused_says_when_and_why() -> None:
    walker = Walker().see(fix(0, 0.0, mocked=True))
    assert walker.said == [Refused(START_S, Distrust.MOCKED)]
    assert walker.presence.last is None
