"""The guide: from a user's way and habits to candidate alerts, each of which ends as sent or suppressed.

A chance begins when the user is on the way to a merchant of theirs, comes in unannounced, or is near while
the hour of a habit comes. Its probability is said then, the delivery policy judges it, and the model learns
whether the user came, whether they were told or not. On foot, a merchant like theirs may be a chance, too.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from alerting.alerts import Candidate
from alerting.delivery.reasons import Suppression
from alerting.proximity.herald import Herald
from alerting.proximity.meeting import Guided, Meeting, Moment
from alerting.proximity.outing import Outing, Waiting
from alerting.proximity.own_merchants import Directory, OwnMerchants
from alerting.proximity.params import ProximityParams
from detectors.directory import PlacedMerchant
from detectors.habits.chances import OpenChance, Phase
from detectors.habits.history import Place
from detectors.habits.intent import Encounter, IntentModel
from geo import Approach, Enter, Near, Transition, distance_km
from geo.approach import ApproachParams

_WALKING_MPS: Final = 1.2
_FASTEST_WALKER_MPS: Final = 3.0
_DRIVING_MPS: Final = ApproachParams().max_speed_mps
"""Who is faster drives past."""


class Guide:
    """Looks at what a user meets.

    Parameters
    ----------
    directory
        The merchants.
    model
        Says how probably a chance is taken.
    moment_of
        What the habits of a user (tenant and id) say at a time in seconds.
    chance_ended
        Told of the end of a user's chance at a place (its token): whether they came, and had been told.
    herald
        Decides on what is met.
    params
        When a merchant is thought of.
    """

    def __init__(
        self,
        directory: Directory,
        model: IntentModel,
        moment_of: Callable[[str, str, int], Moment],
        chance_ended: Callable[[str, str, int, bool, bool], None],
        herald: Herald,
        params: ProximityParams,
    ) -> None:
        self._directory = directory
        self._model = model
        self._moment_of = moment_of
        self._chance_ended = chance_ended
        self._herald = herald
        self._params = params

    def met(self, who: Guided, transitions: Iterable[Transition]) -> list[Candidate]:
        """What follows from what happened to a user on their way."""
        found: list[Meeting] = []
        for each in transitions:
            if who.now_s - each.time_s > self._params.occasion_s:
                continue
            if isinstance(each, Approach):
                met = Encounter(each.eta_s / 60.0, who.outing.presence.motion.speed_mps, each.confidence)
                phase = Phase.ALMOST_THERE if each.near else Phase.APPROACHING
                found += self._meet(who, each.fence_id, each.distance_m, met, phase)
            elif isinstance(each, Enter) and not (self._is_open(who, each.fence_id) or _drives(who)):
                found += self._meet(who, each.fence_id, 0.0, Encounter(0.0, is_inside=True), Phase.INSIDE)
        return self._herald.judge(who, found)

    def look(self, who: Guided, own: OwnMerchants) -> list[Candidate]:
        """Whether the hour of a habit has come while the user is near, without any new position."""
        outing, params = who.outing, self._params
        last = outing.presence.last
        outing.look_s = 0
        if last is None or who.now_s - last.time_s > params.position_age_s:
            return []
        outing.look_s = who.now_s + params.look_every_s
        if _drives(who):
            return []
        inside = {state.fence_id for state in outing.presence.inside()}
        found = [
            meeting
            for near in own.near(last.position, float(params.near_m))
            if near.fence.merchant_id not in inside and not self._is_open(who, near.fence.merchant_id)
            for meeting in self._pass_by(who, near, Phase.NEAR_BY)
        ]
        return self._herald.judge(who, [each for each in found if self._herald.is_likely(each)])

    def scout(self, who: Guided, own: OwnMerchants) -> list[Candidate]:
        """Whether a merchant is near that is like those of the user: the likeliest one is a chance."""
        outing, params = who.outing, self._params
        last = outing.presence.last
        if last is None or who.now_s < outing.scout_s or not params.scout_at_most:
            return []
        if who.now_s - last.time_s > params.occasion_s or _pace(who) > _FASTEST_WALKER_MPS:
            return []
        outing.scout_s = who.now_s + params.scout_every_s
        found: list[Meeting] = []
        history = self._moment_of(who.tenant, who.user_id, who.now_s).habits.history
        if not history.has_kinds:
            return []
        for near in self._directory.near(who.tenant, last.position, float(params.near_m)):
            if history.has_like(near.fence.place) and near.fence.merchant_id not in own:
                found += self._pass_by(who, near, Phase.SCOUTED, opens=False)
            if len(found) == params.scout_at_most:
                break
        if not found:
            return []
        best = max(found, key=lambda each: (each.probability, -each.distance_m, each.merchant.merchant_id))
        self._open(who, best)
        return self._herald.judge(who, [best] if self._herald.is_likely(best) else [])

    def release(self, who: Guided) -> list[Candidate]:
        """Decide again on alerts that had to wait until now, the likeliest first."""
        found: list[Candidate] = []
        again: list[tuple[Waiting, Meeting]] = []
        for waiting in who.outing.ready(who.now_s):
            meeting = self._again(who, waiting)
            if isinstance(meeting, Suppression):
                found.append(self._herald.give_up(who, waiting, meeting))
            else:
                again.append((waiting, meeting))
        for waiting, meeting in sorted(again, key=lambda each: (-each[1].probability, each[0].merchant_id)):
            found += self._herald.judge_again(who, waiting, meeting)
        return found

    def give_up(self, who: Guided, reason: Suppression) -> list[Candidate]:
        """No alert waits any more."""
        waiting, who.outing.waiting = who.outing.waiting, []
        return [self._herald.give_up(who, each, reason) for each in waiting]

    def came(self, tenant: str, user_id: str, outing: Outing, place: Place, time_s: int) -> bool:
        """The user was at a place at that time: the chances that it had then were taken. Were there any?

        A chance that came up soon after the visit would not have, had that been known: it counts as taken.
        """
        params = self._params
        taken = outing.chances.take(place.token, time_s, time_s + params.window_s + params.after_visit_s)
        for each in taken:
            self._learn(tenant, user_id, each, came=True)
        return bool(taken)

    def expire(self, who: Guided) -> None:
        """Chances whose time is over were not taken."""
        for each in who.outing.chances.ended(who.now_s):
            self._learn(who.tenant, who.user_id, each, came=False)

    def _learn(self, tenant: str, user_id: str, ended: OpenChance, came: bool) -> None:
        self._model.learn(ended.chance, came)
        if ended.is_first:
            self._chance_ended(tenant, user_id, ended.token, came, ended.alerted)

    # Meetings.

    def _meet(
        self,
        who: Guided,
        merchant_id: str,
        distance_m: float,
        met: Encounter,
        phase: Phase,
        opens: bool = True,
    ) -> Iterator[Meeting]:
        """A meeting with a merchant, if that is a chance, which is open from now on."""
        merchant = self._directory.get(who.tenant, merchant_id)
        if merchant is None:
            return
        place = merchant.place
        moment = self._moment_of(who.tenant, who.user_id, who.now_s)
        if self._was_just_there(moment, place, who.now_s) or (opens and self._was_just_met(who, place)):
            return
        chance = self._model.chance(moment.habits, place, moment.measures, moment.predicted, met)
        if chance is None:
            return
        probability = self._model.probability(chance)
        meeting = Meeting(merchant, place, distance_m, met, phase, chance, probability)
        if opens:
            self._open(who, meeting)
        yield meeting

    def _was_just_there(self, moment: Moment, place: Place, now_s: int) -> bool:
        history = moment.habits.history
        number = history.find(place.token)
        last = None if number is None else history.last_minute(number)
        return last is not None and now_s - 60 * last < self._params.after_visit_s

    def _was_just_met(self, who: Guided, place: Place) -> bool:
        """Whether a chance there came up at this very second: one moment is one chance, with one alert."""
        until_s = who.now_s + self._params.window_s
        return any(each.until_s == until_s for each in who.outing.chances.at(place.token))

    def _pass_by(
        self, who: Guided, near: Near[PlacedMerchant], phase: Phase, opens: bool = True
    ) -> Iterator[Meeting]:
        distance_m = max(0.0, near.outside_m)
        speed = who.outing.presence.motion.speed_mps
        met = Encounter(distance_m / _WALKING_MPS / 60.0, speed, is_waiting=phase is Phase.NEAR_BY)
        return self._meet(who, near.fence.merchant_id, distance_m, met, phase, opens)

    def _open(self, who: Guided, meeting: Meeting) -> None:
        chances, token = who.outing.chances, meeting.place.token
        before = chances.at(token)
        until_s = who.now_s + self._params.window_s
        alerted = any(each.alerted for each in before)
        is_first = not any(each.phase is not meeting.phase for each in before)
        crowded_out = chances.begin(
            OpenChance(token, meeting.phase, until_s, meeting.chance, alerted, is_first)
        )
        if crowded_out is not None:
            self._learn(who.tenant, who.user_id, crowded_out, came=False)

    def _is_open(self, who: Guided, merchant_id: str) -> bool:
        merchant = self._directory.get(who.tenant, merchant_id)
        return merchant is not None and bool(who.outing.chances.at(merchant.place.token))

    def _again(self, who: Guided, waiting: Waiting) -> Meeting | Suppression:
        """The meeting with a merchant whose alert waited, as it is now; or why there is none."""
        merchant = self._directory.get(who.tenant, waiting.merchant_id)
        last = who.outing.presence.last
        if not isinstance(merchant, PlacedMerchant):
            return Suppression.MERCHANT_GONE
        if last is None:
            return Suppression.LEFT
        moment = self._moment_of(who.tenant, who.user_id, who.now_s)
        if self._was_just_there(moment, merchant.place, who.now_s):
            return Suppression.VISITED
        near = Near(1e3 * distance_km(last.position, merchant.position), merchant)
        return next(self._pass_by(who, near, Phase.NEAR_BY, opens=False), Suppression.UNLIKELY)


def _pace(who: Guided) -> float:
    return who.outing.presence.motion.pace_now_mps


def _drives(who: Guided) -> bool:
    return _pace(who) > _DRIVING_MPS
