"""What the delivery policy knows of a user: consents, settings, open step-ups, and what was sent lately."""

import struct
from array import array
from typing import Final, NamedTuple

from detectors.events import Consent, ConsentPurpose, Preferences
from detectors.reading import seconds
from detectors.tokens import check_version

WEEK_S: Final = 7 * 86_400
_RECENT: Final = 32
_PURPOSES: Final = tuple(ConsentPurpose)
_UNSET: Final = 0xFFFF
_MAX_STEP_UPS: Final = 16
_END_S: Final = 2**32 - 1
_HEADER: Final = struct.Struct("<BBBBHHI")
_CONSENT: Final = struct.Struct("<BI")
_VERSION: Final = 1


class Quiet(NamedTuple):
    """Quiet hours in minutes of the local day: from ``from_min`` until before ``to_min``; none if equal."""

    from_min: int
    to_min: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the local day is quiet.

        >>> Quiet(1260, 480).holds(0), Quiet(1260, 480).holds(480), Quiet(600, 600).holds(600)
        (True, False, False)
        """
        if self.from_min <= self.to_min:
            return self.from_min <= minute < self.to_min
        return minute >= self.from_min or minute < self.to_min


class Sent(NamedTuple):
    """An alert that was sent at ``time_s`` about the merchant ``token``."""

    time_s: int
    token: int
    is_similar: bool


class Person:
    """One user, as the delivery policy sees them.

    Facts are dated: an older consent or setting that comes late changes nothing. What bears a date that has
    not come, as of a clock gone astray, must not stand in the way of what is said until then.

    Attributes
    ----------
    time_zone
        IANA name as the user gave it; empty where unknown.
    """

    __slots__ = (
        "_consents",
        "_offered_probability",
        "_offered_s",
        "_quiet_from",
        "_quiet_to",
        "_sent_s",
        "_sent_similar",
        "_sent_tokens",
        "_set_s",
        "_step_up_tokens",
        "_step_ups_until_s",
        "time_zone",
    )

    def __init__(self) -> None:
        self._consents: list[tuple[bool, int]] = [(False, 0)] * len(_PURPOSES)
        self.time_zone = ""
        self._quiet_from = self._quiet_to = _UNSET
        self._set_s = 0
        self._step_up_tokens, self._step_ups_until_s = array("I"), array("I")
        self._sent_s, self._sent_tokens, self._sent_similar = array("I"), array("I"), array("B")
        self._offered_s, self._offered_probability = array("I"), array("f")

    # Facts.

    def consent(self, event: Consent, now_s: int = _END_S) -> None:
        """Take note of a consent given or withdrawn; within one and the same second withdrawal counts.

        A withdrawal acts at once, whatever its date, also on what is allowed from a later day on only.
        """
        at, time_s = _PURPOSES.index(event.purpose), seconds(event.event_time)
        granted, since_s = self._consents[at]
        if event.granted and granted and since_s <= now_s < time_s:
            return  # it is allowed already
        begins = event.granted and _has_come_before(time_s, since_s, now_s)
        ends = not event.granted and granted and now_s < since_s
        if time_s > since_s or begins or ends:
            self._consents[at] = event.granted, time_s
        elif time_s == since_s:
            self._consents[at] = event.granted and granted, time_s

    def consents(self, purpose: ConsentPurpose, now_s: int) -> bool:
        """Whether the user allows a purpose; what they allow from a later day on is not allowed yet."""
        granted, since_s = self._consents[_PURPOSES.index(purpose)]
        return granted and since_s <= now_s

    def prefer(self, event: Preferences, now_s: int = _END_S) -> None:
        """Take over the user's settings; those of a later time hold from now on."""
        time_s = seconds(event.event_time)
        if time_s < self._set_s and not _has_come_before(time_s, self._set_s, now_s):
            return
        self._set_s = time_s
        self.time_zone = event.time_zone or ""
        self._quiet_from = _UNSET if event.quiet_from_min is None else event.quiet_from_min
        self._quiet_to = _UNSET if event.quiet_to_min is None else event.quiet_to_min

    def quiet(self, usual: Quiet) -> Quiet:
        """The user's quiet hours; an end that they left open is the usual one."""
        return Quiet(
            usual.from_min if self._quiet_from == _UNSET else self._quiet_from,
            usual.to_min if self._quiet_to == _UNSET else self._quiet_to,
        )

    # Step-ups.

    def step_up_asked(self, token: int, until_s: int) -> None:
        """The user is asked to authenticate a payment; the question stands until ``until_s``."""
        self.step_up_ended(token)
        self._step_up_tokens.append(token)
        self._step_ups_until_s.append(until_s)
        if len(self._step_up_tokens) > _MAX_STEP_UPS:
            first = self._step_ups_until_s.index(min(self._step_ups_until_s))
            del self._step_up_tokens[first], self._step_ups_until_s[first]

    def step_up_ended(self, token: int) -> None:
        """The user answered, or it was given up."""
        if token in self._step_up_tokens:
            at = self._step_up_tokens.index(token)
            del self._step_up_tokens[at], self._step_ups_until_s[at]

    def is_stepping_up(self, now_s: int) -> bool:
        """Whether a step-up is open."""
        return any(now_s < until_s for until_s in self._step_ups_until_s)

    # Alerts.

    def sent(self, alert: Sent) -> None:
        """An alert was sent; those of more than a week before are forgotten.

        So are those of later: the clock went astray then, and has returned.
        """
        recent = [each for each in self.sent_lately() if 0 <= alert.time_s - each.time_s < WEEK_S]
        times, tokens, similar = zip(*recent, alert, strict=True)
        self._sent_s, self._sent_tokens = array("I", times), array("I", tokens)
        self._sent_similar = array("B", similar)

    def sent_lately(self) -> list[Sent]:
        """What was sent within a week, oldest first."""
        columns = zip(self._sent_s, self._sent_tokens, self._sent_similar, strict=True)
        return [Sent(time_s, token, bool(similar)) for time_s, token, similar in columns]

    def offered(self, time_s: int, probability: float) -> None:
        """A candidate came up, sent or not."""
        self._offered_s.append(time_s)
        self._offered_probability.append(probability)
        if len(self._offered_s) > _RECENT:
            del self._offered_s[0], self._offered_probability[0]

    def offered_lately(self) -> list[tuple[int, float]]:
        """When the last candidates came up, and how probable they were."""
        return list(zip(self._offered_s, self._offered_probability, strict=True))

    def forget_places(self) -> None:
        """Forget which merchants alerts were about; that there were alerts still counts for the budgets."""
        self._sent_tokens = array("I", [0] * len(self._sent_tokens))
        self._offered_s, self._offered_probability = array("I"), array("f")

    def pack(self) -> bytes:
        """The person as bytes; the first one is the schema's version."""
        zone = self.time_zone.encode()
        columns = self._columns()
        counts = (len(columns[0]), len(columns[2]), len(columns[5]))
        return b"".join(
            (
                _HEADER.pack(_VERSION, *counts, self._quiet_from, self._quiet_to, self._set_s),
                *(_CONSENT.pack(granted, since_s) for granted, since_s in self._consents),
                *(column.tobytes() for column in columns),
                zone,
            )
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "Person":
        """The person that :meth:`pack` wrote."""
        self = cls()
        version, step_ups, sent, offered, self._quiet_from, self._quiet_to, self._set_s = _HEADER.unpack_from(
            packed
        )
        check_version("person", version, _VERSION)
        at = _HEADER.size
        for purpose in range(len(_PURPOSES)):
            granted, since_s = _CONSENT.unpack_from(packed, at)
            self._consents[purpose] = bool(granted), since_s
            at += _CONSENT.size
        counts = (step_ups, step_ups, sent, sent, sent, offered, offered)
        for column, count in zip(self._columns(), counts, strict=True):
            end = at + count * column.itemsize
            column.frombytes(packed[at:end])
            at = end
        self.time_zone = packed[at:].decode()
        return self

    def _columns(self) -> "tuple[array[int] | array[float], ...]":
        return (
            self._step_up_tokens,
            self._step_ups_until_s,
            self._sent_s,
            self._sent_tokens,
            self._sent_similar,
            self._offered_s,
            self._offered_probability,
        )


def _has_come_before(time_s: int, other_s: int, now_s: int) -> bool:
    """Whether one time has come, and another one has not."""
    return time_s <= now_s < other_s
