"""The herald: what becomes of a meeting with a merchant, and the alert that says so."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from alerting.alerts import Alert, Basis, Candidate, Sent, Suppressed
from alerting.delivery import person as people
from alerting.delivery.params import DeliveryParams
from alerting.delivery.policy import Offer, judge, last_loud_s
from alerting.delivery.reasons import Suppression
from alerting.proximity.announcement import Announcement
from alerting.proximity.meeting import Guided, Meeting
from alerting.proximity.outing import Waiting
from alerting.proximity.own_merchants import Directory
from alerting.proximity.params import ProximityParams
from detectors.directory import KnownMerchant
from detectors.habits import intent
from detectors.habits.chances import Phase
from detectors.habits.history import History, week_minute
from detectors.habits.usual import usual_time
from geo import is_zone, offset_quarters

_BASES: Final = {intent.Basis.HABIT: Basis.HABIT, intent.Basis.SIMILAR: Basis.SIMILAR}
_NEVER_S: Final = 2**32 - 1


class Herald:
    """Gives each meeting that it is to decide on one candidate, unless it has to wait.

    Parameters
    ----------
    directory
        The merchants.
    history_of
        Where a user (tenant and id) was.
    """

    def __init__(
        self,
        directory: Directory,
        history_of: Callable[[str, str], History],
        params: ProximityParams,
        delivery: DeliveryParams,
    ) -> None:
        self._directory = directory
        self._history_of = history_of
        self._params = params
        self._delivery = delivery

    def is_likely(self, meeting: Meeting) -> bool:
        """Whether a meeting is worth an alert, if nothing else speaks against it."""
        return meeting.probability >= self._delivery.least_probability(meeting.is_similar)

    def judge(self, who: Guided, meetings: Iterable[Meeting]) -> list[Candidate]:
        """Decide on meetings of one moment, the likeliest first; none that the user was told of already."""
        found: list[Candidate] = []
        ranked = sorted(meetings, key=lambda each: (-each.probability, each.merchant.merchant_id))
        for meeting in ranked:
            if any(each.alerted for each in who.outing.chances.at(meeting.place.token)):
                continue
            if any(each.merchant_id == meeting.merchant.merchant_id for each in who.outing.waiting):
                continue
            found += self._decide(who, meeting, self._offer(who, meeting, None), who.now_s)
            if meeting.phase is not Phase.ALMOST_THERE:  # which was offered when it began
                who.person.offered(who.now_s, meeting.probability)
        return found

    def judge_again(self, who: Guided, waiting: Waiting, meeting: Meeting) -> list[Candidate]:
        """Decide on an alert that waited until now: is all still as it must be?"""
        last = who.outing.presence.last
        fresh = last is not None and who.now_s - last.time_s <= self._params.position_age_s
        offer = self._offer(who, meeting, waiting.not_after_s)
        offer = offer._replace(is_near=fresh and meeting.distance_m <= self._params.near_m)
        return list(self._decide(who, meeting, offer, waiting.since_s))

    def give_up(self, who: Guided, waiting: Waiting, reason: Suppression) -> Suppressed:
        """The end of an alert that waited in vain."""
        merchant = self._directory.get(who.tenant, waiting.merchant_id)
        announced = Announcement(
            tenant=who.tenant,
            user_id=who.user_id,
            merchant_id=waiting.merchant_id,
            merchant=merchant,
            since_s=waiting.since_s,
            now_s=who.now_s,
            not_after_s=waiting.not_after_s,
            position=who.position,
            probability=waiting.ten_thousandths / 10_000.0,
            basis=Basis.SIMILAR if waiting.is_similar else Basis.HABIT,
            distance_m=0.0,
            eta_s=None,
        )
        return Suppressed(announced.alert(), reason)

    def _offer(self, who: Guided, meeting: Meeting, not_after_s: int | None) -> Offer:
        distrusted_s = who.outing.presence.distrusted_s
        return Offer(
            token=meeting.place.token,
            probability=meeting.probability,
            is_similar=meeting.is_similar,
            not_after_s=min(not_after_s or self._not_after_s(who, meeting), self._closes_s(who, meeting)),
            opens_s=self._opens_s(who, meeting),
            is_trusted=not distrusted_s or who.now_s - distrusted_s > self._params.doubt_s,
        )

    def _decide(self, who: Guided, meeting: Meeting, offer: Offer, since_s: int) -> Iterator[Candidate]:
        verdict = judge(offer, who.person, who.now_s, self._delivery)
        announced = self._announce(who, meeting, offer.not_after_s, since_s)
        if verdict.wait_until_s is not None:
            until_s = max(verdict.wait_until_s, who.now_s + 1)
            crowded_out = who.outing.wait(
                Waiting(
                    meeting.merchant.merchant_id,
                    since_s,
                    until_s,
                    offer.not_after_s,
                    round(10_000.0 * meeting.probability),
                    meeting.is_similar,
                )
            )
            if crowded_out is not None:
                yield self.give_up(who, crowded_out, Suppression.CROWDED_OUT)
        elif verdict.reason is not None:
            yield Suppressed(announced.alert(), verdict.reason)
        else:
            yield Sent(self._send(who, announced, offer))

    def _send(self, who: Guided, announced: Announcement, offer: Offer) -> Alert:
        outing = who.outing
        not_after_s = last_loud_s(who.person, who.now_s, offer.not_after_s, self._delivery)
        supersedes = outing.last_alert if outing.last_not_after_s >= who.now_s else None
        alert = announced._replace(not_after_s=not_after_s, supersedes=supersedes).alert()
        who.person.sent(people.Sent(who.now_s, offer.token, offer.is_similar))
        outing.chances.told(offer.token)
        outing.last_alert, outing.last_not_after_s = alert.alert_id, not_after_s
        return alert

    def _announce(self, who: Guided, meeting: Meeting, not_after_s: int, since_s: int) -> Announcement:
        history = self._history_of(who.tenant, who.user_id)
        number = history.find(meeting.place.token)
        local = week_minute(who.now_s // 60, self._quarters(who))
        usual = None if number is None else usual_time(history, number, local)
        return Announcement(
            tenant=who.tenant,
            user_id=who.user_id,
            merchant_id=meeting.merchant.merchant_id,
            merchant=meeting.merchant,
            since_s=since_s,
            now_s=who.now_s,
            not_after_s=not_after_s,
            position=who.position,
            probability=meeting.probability,
            basis=_BASES[meeting.chance.basis],
            distance_m=meeting.distance_m,
            eta_s=60.0 * meeting.met.eta_min,
            usual=usual,
        )

    def _not_after_s(self, who: Guided, meeting: Meeting) -> int:
        """Until when it is worth telling: about twice the way."""
        params = self._params
        span_s = min(max(2 * int(60.0 * meeting.met.eta_min), params.least_time_s), params.window_s)
        return who.now_s + span_s

    def _closes_s(self, who: Guided, meeting: Meeting) -> int:
        """The last second at which a merchant is open that is so now, or when the user is there."""
        zone, hours = self._zone(who, meeting.merchant), meeting.merchant.opening_hours
        if hours is None or zone is None:
            return _NEVER_S
        now = _time(who.now_s)
        for at in (now, now + timedelta(minutes=meeting.met.eta_min)):
            if hours.is_open(at, zone):
                closes = hours.opens_or_closes_after(at, zone)
                return _NEVER_S if closes is None else int(closes.timestamp()) - 1
        return _NEVER_S

    def _opens_s(self, who: Guided, meeting: Meeting) -> int | None:
        """When a merchant opens that would be closed when the user is there."""
        zone, hours = self._zone(who, meeting.merchant), meeting.merchant.opening_hours
        there = _time(who.now_s) + timedelta(minutes=meeting.met.eta_min)
        if hours is None or zone is None or hours.is_open(there, zone):
            return None
        opens = hours.opens_or_closes_after(there, zone)
        return _NEVER_S if opens is None else int(opens.timestamp())

    def _zone(self, who: Guided, merchant: KnownMerchant) -> str | None:
        zone = merchant.time_zone or who.person.time_zone
        return zone if is_zone(zone) else None

    def _quarters(self, who: Guided) -> int:
        zone = who.person.time_zone
        return offset_quarters(_time(who.now_s), zone) if is_zone(zone) else 0


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
