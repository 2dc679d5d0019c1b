"""What is kept of a user's way: where they are, chances that are open, and alerts that wait."""

import struct
from typing import Final, NamedTuple

from detectors.habits.chances import OpenChances
from detectors.shard_clock import TOLERANCE_S
from detectors.tokens import check_version
from geo import Presence, PresenceParams

_HEADER: Final = struct.Struct("<BIIIIBBHH")
_WAITING: Final = struct.Struct("<IIIHBB")
_VERSION: Final = 1
DUE_AT: Final = struct.Struct("<xI")
"""Where a packed outing says when something falls due, so that it need not be unpacked for that."""
MAX_WAITING: Final = 4


class Waiting(NamedTuple):
    """An alert about a merchant, waiting since ``since_s``: it may go out ``until_s`` to ``not_after_s``.

    ``ten_thousandths`` is the probability that it had, ``is_similar`` whether the merchant is none of theirs.
    """

    merchant_id: str
    since_s: int
    until_s: int
    not_after_s: int
    ten_thousandths: int = 0
    is_similar: bool = False


class Outing:
    """One user's way.

    Attributes
    ----------
    presence
        Where the user is, and what that means for the merchants that are theirs.
    chances
        What they may do next, and were maybe told of.
    waiting
        Alerts that may not go out yet, in the order in which they may.
    look_s
        When to look again at what is near; 0 for never.
    scout_s
        When to look again for places like the user's; 0 for at once.
    last_alert, last_not_after_s
        The id of the last alert that was sent, and until when it holds; empty and 0 before the first.
    """

    __slots__ = ("chances", "last_alert", "last_not_after_s", "look_s", "presence", "scout_s", "waiting")

    def __init__(self, params: PresenceParams | None = None) -> None:
        self.presence = Presence() if params is None else Presence(params)
        self.chances = OpenChances()
        self.waiting: list[Waiting] = []
        self.look_s = 0
        self.scout_s = 0
        self.last_alert = ""
        self.last_not_after_s = 0

    @property
    def due_s(self) -> int:
        """When something falls due without another position; 0 for never."""
        found = [self.presence.due_s or 0, self.chances.due_s or 0, self.look_s]
        found += [each.until_s for each in self.waiting]
        return min((due_s for due_s in found if due_s), default=0)

    def is_ahead(self, now_s: int) -> bool:
        """Whether all this was so far ahead that the clock must have gone astray, and has returned."""
        last = self.presence.last
        return last is not None and last.time_s - now_s > TOLERANCE_S

    def anew(self, now_s: int) -> "Outing":
        """A way that begins now; what waited on this one is to be decided on."""
        fresh = Outing()
        fresh.waiting = [each._replace(until_s=now_s) for each in self.waiting]
        return fresh

    def wait(self, alert: Waiting) -> Waiting | None:
        """Let an alert wait; which one gives way, if there are too many: the one that may go out last."""
        self.waiting.append(alert)
        self.waiting.sort(key=lambda each: (each.until_s, each.merchant_id))
        return self.waiting.pop() if len(self.waiting) > MAX_WAITING else None

    def ready(self, now_s: int) -> list[Waiting]:
        """The alerts whose time to go out has come; they wait no more."""
        found = [each for each in self.waiting if each.until_s <= now_s]
        self.waiting = self.waiting[len(found) :]
        return found

    def pack(self) -> bytes:
        """The outing as bytes; the first one is the schema's version."""
        presence, chances = self.presence.pack(), self.chances.pack()
        last = self.last_alert.encode()
        sizes = (len(last), len(self.waiting), len(presence), len(chances))
        times = (self.due_s, self.look_s, self.scout_s, self.last_not_after_s)
        parts = [_HEADER.pack(_VERSION, *times, *sizes), last, presence, chances]
        for each in self.waiting:
            name = each.merchant_id.encode()
            numbers = (*each[1:5], each.is_similar)
            parts += [_WAITING.pack(*numbers, len(name)), name]
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> "Outing":
        """The outing that :meth:`pack` wrote."""
        version, _, *times, last, waiting, presence, chances = _HEADER.unpack_from(packed)
        check_version("outing", version, _VERSION)
        self = cls()
        self.look_s, self.scout_s, self.last_not_after_s = times
        at = _HEADER.size + last
        self.last_alert = packed[_HEADER.size : at].decode()
        self.presence = Presence.unpack(packed[at : at + presence])
        at += presence
        self.chances = OpenChances.unpack(packed[at : at + chances])
        at += chances
        for _ in range(waiting):
            since_s, until_s, not_after_s, had, is_similar, length = _WAITING.unpack_from(packed, at)
            at += _WAITING.size
            name = packed[at : at + length].decode()
            at += length
            self.waiting.append(Waiting(name, since_s, until_s, not_after_s, had, bool(is_similar)))
        return self
