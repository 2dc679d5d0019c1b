"""``AlertService`` of a server that delivers no alerts: says so, as clearly as any other error."""

from collections.abc import Mapping

from alerting.rpc.callers import Context, Tenants
from alerting.rpc.errors import AlertsElsewhereError
from alerting.rpc.serve import Serve


class AlertsElsewhere:
    """Refuses every call."""

    def methods(self) -> Mapping[str, Serve]:
        """The coroutines that refuse, by the names of their methods."""
        return {"Subscribe": self._refuse, "ListAlerts": self._refuse}

    async def _refuse(self, _request: bytes, _context: Context, _tenants: Tenants) -> None:
        raise AlertsElsewhereError
