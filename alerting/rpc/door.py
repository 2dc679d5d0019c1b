"""Who may come in: callers that are known, each with no more than its share of the calls and streams."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from ipaddress import IPv6Address, IPv6Network
from urllib.parse import unquote

from alerting.rpc.callers import Callers, Context, Tenants, shown_identities, tenants_of
from alerting.rpc.errors import TooManyCallsError, TooManyStreamsError
from alerting.rpc.params import EdgeParams


class Door:
    """Counts the open calls of each caller.

    Parameters
    ----------
    by_certificate
        Whether callers must show a certificate; its owner is then the caller, otherwise the address is.
    """

    def __init__(self, params: EdgeParams, callers: Callers | None, *, by_certificate: bool) -> None:
        self._callers = callers
        self._by_certificate = by_certificate
        self._most = params.max_calls_per_caller
        self._open: dict[str, int] = {}

    def open_calls(self) -> int:
        """Calls that are open now."""
        return sum(list(self._open.values()))

    def enter(self, context: Context) -> str:
        """The name of the caller, whose call is counted until its last byte is sent.

        Raises
        ------
        TooManyCallsError
            When the caller has its share open already.
        """
        caller = self._name_of(context)
        count = self._open.get(caller, 0) + 1
        self._open[caller] = count
        # Not before: a caller that never reads its replies would otherwise hold calls that nobody counts.
        left = partial(self._leave, caller)
        context.add_done_callback(left)  # type: ignore[arg-type]  # published as a class that no callback has
        if count > self._most:
            raise TooManyCallsError
        return caller

    def tenants(self, context: Context) -> Tenants:
        """The tenants that the caller may act for; raises :class:`CallerUnknownError`."""
        return tenants_of(self._callers, context)

    def _leave(self, caller: str, _context: object) -> None:
        count = self._open[caller] - 1
        if count:
            self._open[caller] = count
        else:
            del self._open[caller]

    def _name_of(self, context: Context) -> str:
        if self._by_certificate:
            for identity in shown_identities(context):
                return identity
        return address_of(context.peer())


class Places:
    """The streams of one kind (``streams`` or ``subscribers``) that may be open at a time."""

    def __init__(self, params: EdgeParams, kind: str = "streams") -> None:
        self._names = (f"max_{kind}", f"max_{kind}_per_caller")
        self._most, self._most_of_one = (int(getattr(params, name)) for name in self._names)
        self._held: dict[str, int] = {}
        self.open = 0

    @contextmanager
    def taken_by(self, caller: str) -> Iterator[None]:
        """A place while it lasts; raises :class:`TooManyStreamsError` when there is none for the caller."""
        held = self._held.get(caller, 0)
        if held >= self._most_of_one:
            raise TooManyStreamsError(self._names[1])
        if self.open >= self._most:
            raise TooManyStreamsError(self._names[0])
        self._held[caller] = held + 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]


@lru_cache(maxsize=4_096)
def address_of(peer: str) -> str:
    """The address of a gRPC peer, without the port; of IPv6 the 64 bits that its owner can't choose.

    Examples
    --------
    >>> address_of("ipv4:10.1.2.3:40112"), address_of("ipv6:%5B2001:db8::7:1%5D:40112"), address_of("unix:")
    ('ipv4:10.1.2.3', 'ipv6:2001:db8::/64', 'unix')
    """
    address = unquote(peer.rpartition(":")[0])
    if not address.startswith("ipv6:["):
        return address
    number = IPv6Address(address.removeprefix("ipv6:[").removesuffix("]"))
    if number.ipv4_mapped is not None:
        return f"ipv4:{number.ipv4_mapped}"
    return f"ipv6:{IPv6Network((int(number), 64), strict=False)}"
