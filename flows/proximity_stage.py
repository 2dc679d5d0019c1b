"""The stage that follows users on their way: positions and the passing of time in, candidate alerts out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alerting.alerts import Candidate
from alerting.delivery.params import DeliveryParams
from alerting.delivery.person import Person
from alerting.delivery.reasons import Suppression
from alerting.proximity.guide import Guide
from alerting.proximity.herald import Herald
from alerting.proximity.meeting import Guided
from alerting.proximity.outing import DUE_AT, Outing
from alerting.proximity.own_merchants import OwnMerchants
from alerting.proximity.params import ProximityParams
from detectors.directory import MerchantDirectory
from detectors.events import Location
from detectors.habits.history import Place
from detectors.habits.intent import IntentModel
from detectors.reading import seconds
from flows import keys
from flows.due_times import DueTimes
from flows.habit_stage import HabitStage
from flows.person_stage import PersonStage
from flows.state import State
from geo import Fix

DUE_AT_ONCE: Final = 8
"""So many users whose time has come are looked at with one record."""
_STEPS: Final = 16


class ProximityStage:
    """Owns where users are, for as long as they allow it.

    Parameters
    ----------
    state
        The shard's state.
    people, habits, directory
        Who they are, what they tend to do, and where.
    """

    def __init__(
        self,
        state: State,
        people: PersonStage,
        habits: HabitStage,
        directory: MerchantDirectory,
        params: ProximityParams | None = None,
        delivery: DeliveryParams | None = None,
    ) -> None:
        self._state = state
        self._people = people
        self._habits = habits
        self._directory = directory
        self._params = params or ProximityParams()
        self._model = state.find(keys.INTENT, IntentModel) or IntentModel()
        herald = Herald(
            directory,
            lambda tenant, user_id: habits.habits(tenant, user_id).history,
            self._params,
            delivery or DeliveryParams(),
        )
        self._guide = Guide(directory, self._model, habits.moment, habits.chance_ended, herald, self._params)
        self._due = DueTimes()
        for key, raw in state.scan_raw(keys.OUTINGS):
            self._due.put(key, DUE_AT.unpack_from(raw)[0])

    def located(self, position: int, location: Location, now_s: int) -> list[Candidate]:
        """What follows from a position, at the shard's time ``now_s``."""
        tenant, user_id = location.tenant, location.user_id
        person = self._people.find(tenant, user_id)
        fix = _fix(location)
        # A position of before the consent says what the user did not allow to be known.
        if person is None or not self._people.allows_places(tenant, user_id, min(fix.time_s, now_s)):
            return []
        with self._guided(tenant, user_id, person, now_s, position) as who:
            own = self._own(tenant, user_id)
            found = self._catch_up(who, own)
            found += self._guide.met(who, who.outing.presence.see(fix, own))
            found += self._guide.scout(who, own)
            who.outing.look_s = who.outing.look_s or now_s + self._params.look_every_s
        return found

    def time_passed(
        self,
        position: int,
        now_s: int,
        found: list[Candidate],
        at_once: int = DUE_AT_ONCE,
        but: tuple[str, str] | None = None,
    ) -> None:
        """Add to ``found`` what falls due without anything new of its user, for so many users at once.

        Not for the user ``but`` (tenant and id): of them the record says more than that time has passed.
        """
        waits = "" if but is None else keys.outing(*but)
        for _ in range(at_once):
            # One by one: a fault with one of them makes nobody else miss their time, or lose what was found.
            for key in self._due.take(now_s - self._params.timers_behind_s, 1, waits):
                tenant, _, user_id = key.removeprefix(keys.OUTINGS).partition("/")
                person = self._people.find(tenant, user_id) or Person()
                with self._guided(tenant, user_id, person, now_s, position) as who:
                    found += self._catch_up(who, self._own(tenant, user_id))

    def doubted(self, location: Location) -> None:
        """A position of the user is made up."""
        key = keys.outing(location.tenant, location.user_id)
        outing = self._state.find(key, Outing)
        if outing is not None:
            outing.presence.doubt(seconds(location.event_time))
            self._keep(key, outing)

    def came(self, tenant: str, user_id: str, place: Place, time_s: int) -> None:
        """The user was seen at a place at that time."""
        outing = self._state.find(keys.outing(tenant, user_id), Outing)
        if outing is not None and self._guide.came(tenant, user_id, outing, place, time_s):
            self._keep(keys.outing(tenant, user_id), outing)
            self._state.put(keys.INTENT, self._model)

    def forget(self, tenant: str, user_id: str, position: int, now_s: int) -> list[Candidate]:
        """The user withdrew the consent: what waits is not sent, and nothing of where they were stays."""
        key = keys.outing(tenant, user_id)
        outing = self._state.find(key, Outing)
        if outing is None:
            return []
        person = self._people.find(tenant, user_id) or Person()
        who = Guided(tenant, user_id, outing, person, now_s, position)
        found = self._guide.give_up(who, Suppression.NO_CONSENT)
        self._state.delete(key)
        self._due.put(key, 0)
        return found

    def _catch_up(self, who: Guided, own: OwnMerchants) -> list[Candidate]:
        """Do what has fallen due for a user."""
        outing, late_s = who.outing, self._params.timers_behind_s
        found: list[Candidate] = []
        for _ in range(_STEPS):
            due_s = outing.presence.due_s
            if due_s is None or due_s + late_s > who.now_s:
                break
            found += self._guide.met(who, outing.presence.advance(due_s, own))
        self._guide.expire(who)
        found += self._guide.release(who)
        if 0 < outing.look_s <= who.now_s:
            found += self._guide.look(who, own)
        return found

    def _own(self, tenant: str, user_id: str) -> OwnMerchants:
        return OwnMerchants(self._directory, tenant, self._habits.habits(tenant, user_id).history.tokens)

    @contextmanager
    def _guided(
        self, tenant: str, user_id: str, person: Person, now_s: int, position: int
    ) -> Iterator[Guided]:
        """A user to guide, who is stored in the end."""
        key = keys.outing(tenant, user_id)
        outing = self._state.find(key, Outing) or Outing()
        if outing.is_ahead(now_s):
            outing = outing.anew(now_s)
        try:
            yield Guided(tenant, user_id, outing, person, now_s, position)
            self._keep(key, outing)
        except BaseException:
            # Half a step is worse than none: the way begins anew, in memory as in the store.
            self._state.delete(key)
            self._due.put(key, 0)
            raise
        finally:
            self._people.store(tenant, user_id, person)
            self._state.put(keys.INTENT, self._model)

    def _keep(self, key: str, outing: Outing) -> None:
        self._state.put(key, outing)
        self._due.put(key, outing.due_s)


def _fix(location: Location) -> Fix:
    return Fix(
        location.position,
        seconds(location.event_time),
        location.speed_mps,
        location.heading_deg,
        location.mocked,
        location.device_id or "",
    )
