"""The stage that learns where users tend to go: each visit is foreseen first, then learned."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from alerting.proximity.meeting import Moment
from detectors.events import Payment, Visit
from detectors.habits.habits import Habits
from detectors.habits.history import Place
from detectors.habits.measures import measure
from detectors.habits.next_place import Foreseen, NextPlaceModel, foreseen
from detectors.habits.places import place_of
from detectors.reading import seconds
from flows import keys
from flows.outputs import VisitNoted
from flows.person_stage import PersonStage
from flows.state import State
from geo import is_zone, offset_quarters

SAME_VISIT_MIN: Final = 60
"""Who pays where they were seen within so many minutes is on the same visit."""

WatchVisits = Callable[[VisitNoted], None]


class HabitStage:
    """Learns visits of users who allow it.

    Parameters
    ----------
    state
        The shard's state.
    people
        Who allows it, and where they live by the clock.
    find_place
        A merchant as a place, with what the directory knows of it.
    came
        Told of each visit that is learned: the tenant, the user, the place, and the time in seconds.
    watch
        Told of it as well, and how it had been foreseen.
    """

    def __init__(
        self,
        state: State,
        people: PersonStage,
        find_place: Callable[[str, str], Place | None],
        came: Callable[[str, str, Place, int], None],
        watch: WatchVisits | None = None,
    ) -> None:
        self._state = state
        self._people = people
        self._find_place = find_place
        self._came = came
        self._watch = watch
        self._moment: tuple[tuple[str, str, int, int], Moment] | None = None
        self._next_place = state.find(keys.NEXT_PLACE, NextPlaceModel) or NextPlaceModel()

    def visit(self, position: int, visit: Visit) -> None:
        """Learn a visit that was reported."""
        if not self._is_allowed(visit):
            return
        place = self._place(visit.tenant, visit.merchant_id, None)
        self._learn(position, visit, place, visit.event_time, visit.source or visit.kind)

    def payment(self, position: int, payment: Payment) -> None:
        """Learn the visit that a payment at the merchant's tells of, unless it is part of the last one."""
        if not self._is_allowed(payment):
            return
        place = self._place(payment.tenant, payment.merchant_id, payment.mcc)
        if not self._is_same_visit(payment.tenant, payment.user_id, place, payment.event_time):
            self._learn(position, payment, place, payment.event_time, payment.kind)

    def moment(self, tenant: str, user_id: str, time_s: int) -> Moment:
        """What the user's habits say at a time in seconds since 1970."""
        minute = time_s // 60
        offset = self._offset(tenant, user_id, datetime.fromtimestamp(60 * minute, UTC))
        about = (tenant, user_id, minute, offset)
        if self._moment is None or self._moment[0] != about:
            habits = self.habits(tenant, user_id)
            measures = measure(habits.history, minute, offset)
            self._moment = about, Moment(habits, measures, self._next_place.predict(measures))
        return self._moment[1]

    def chance_ended(self, tenant: str, user_id: str, token: int, came: bool, alerted: bool) -> None:
        """A user's chance at a place has ended."""
        habits = self.habits(tenant, user_id)
        habits.chance_ended(token, came, alerted)
        self._state.put(keys.habits(tenant, user_id), habits)
        self._moment = None

    def forget(self, tenant: str, user_id: str) -> None:
        """The user withdrew the consent: nothing of their habits stays."""
        self._state.delete(keys.habits(tenant, user_id))
        self._moment = None

    def _learn(self, position: int, seen: Visit | Payment, place: Place, at: datetime, source: str) -> None:
        tenant, user_id = seen.tenant, seen.user_id
        moment = self.moment(tenant, user_id, seconds(at))
        number = moment.habits.history.find(place.token)
        said: Foreseen = foreseen(moment.predicted, number)
        self._next_place.learn(moment.measures, moment.predicted, number)
        self._state.put(keys.NEXT_PLACE, self._next_place)
        moment.habits.visit(place, seconds(at) // 60, self._offset(tenant, user_id, at))
        self._state.put(keys.habits(tenant, user_id), moment.habits)
        self._moment = None
        self._came(tenant, user_id, place, seconds(at))
        if self._watch is not None:
            self._watch(VisitNoted(position, tenant, user_id, seen.merchant_id, at, source, *said))

    def _is_allowed(self, seen: Visit | Payment) -> bool:
        return self._people.allows_places(seen.tenant, seen.user_id, seconds(seen.event_time))

    def _is_same_visit(self, tenant: str, user_id: str, place: Place, at: datetime) -> bool:
        history = self.habits(tenant, user_id).history
        number = history.find(place.token)
        minute = seconds(at) // 60
        return number is not None and any(
            history.place_of(visit) == number and abs(minute - history.minutes[visit]) < SAME_VISIT_MIN
            for visit in range(max(0, len(history) - 8), len(history))
        )

    def _place(self, tenant: str, merchant_id: str, mcc: str | None) -> Place:
        """The merchant as the directory knows it, and its category as a payment does."""
        told = place_of(merchant_id, mcc)
        known = self._find_place(tenant, merchant_id)
        return told if known is None else known._replace(mcc=known.mcc or told.mcc)

    def habits(self, tenant: str, user_id: str) -> Habits:
        """The user's habits; none where nothing is known."""
        return self._state.find(keys.habits(tenant, user_id), Habits) or Habits()

    def _offset(self, tenant: str, user_id: str, at: datetime) -> int:
        person = self._people.find(tenant, user_id)
        return offset_quarters(at, person.time_zone) if person and is_zone(person.time_zone) else 0
