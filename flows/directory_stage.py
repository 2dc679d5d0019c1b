"""The stage that keeps the merchant directory: what merchants say of themselves, in state row by row."""

import structlog

from detectors.directory import DirectoryParams, MerchantDirectory
from detectors.edge_checks import edge_problems
from detectors.events import Merchant
from flows import keys
from flows.state import State

_log = structlog.get_logger(__name__)


class DirectoryStage:
    """Owns the directory, which is in memory whole: it is read from the state when a shard starts.

    Parameters
    ----------
    state
        The shard's state.
    params
        How merchants are placed.
    """

    def __init__(self, state: State, params: DirectoryParams | None = None) -> None:
        self._state = state
        self.directory = MerchantDirectory(params)
        for key, row in state.scan_raw(keys.DIRECTORY):
            tenant, _, merchant_id = key.removeprefix(keys.DIRECTORY).partition("/")
            self.directory.load(tenant, merchant_id, row)

    def learn(self, event: Merchant) -> None:
        """Act on what a merchant says of itself."""
        row = self.directory.put(event)
        if row is None:
            return
        self._state.put_raw(keys.listed(event.tenant, event.merchant_id), row)
        # What comes in is refused for this; an older log may hold it.
        for name, problem in edge_problems(event).items():
            _log.warning("merchant_not_understood", event_id=event.event_id, reason=f"{name}: {problem}")
