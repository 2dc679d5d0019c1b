"""The names of stored state. They are schema: a change needs a migration."""

from typing import Final

POPULATION: Final = "population"
POLICY: Final = "policy"
JOINT: Final = "joint/"
FRESH: Final = "fresh/"
SHARED: Final = "shared/"
CLOCK: Final = "clock"
DIRECTORY: Final = "directory/"


NEXT_PLACE: Final = "habits/next-place"
INTENT: Final = "habits/intent"
DEFERRED: Final = "habits/deferred"


def person(tenant: str, user_id: str) -> str:
    """What a user allows, wants and was sent."""
    return f"person/{tenant}/{user_id}"


OUTINGS: Final = "outing/"


def outing(tenant: str, user_id: str) -> str:
    """Where a user is on their way."""
    return f"{OUTINGS}{tenant}/{user_id}"


def habits(tenant: str, user_id: str) -> str:
    """Where a user tends to go."""
    return f"habit/{tenant}/{user_id}"


def user(tenant: str, user_id: str) -> str:
    """A user's profile."""
    return f"user/{tenant}/{user_id}"


def merchant(tenant: str, merchant_id: str) -> str:
    """A merchant's or terminal's profile."""
    return f"merchant/{tenant}/{merchant_id}"


def card(tenant: str, card_token: str) -> str:
    """A card's profile."""
    return f"card/{tenant}/{card_token}"


def device(tenant: str, device_id: str) -> str:
    """A device's profile."""
    return f"device/{tenant}/{device_id}"


def category(tenant: str, mcc: str) -> str:
    """A merchant category's profile."""
    return f"category/{tenant}/{mcc}"


def quarantine(tenant: str, transaction_id: str) -> str:
    """A payment that waits for an outcome before the norms learn it."""
    return f"quarantine/{tenant}/{transaction_id}"


def early(tenant: str, transaction_id: str) -> str:
    """An outcome that came before its payment."""
    return f"early/{tenant}/{transaction_id}"


def accusation(tenant: str, transaction_id: str) -> str:
    """A payment that was reported as a fraud, so that no authentication releases it."""
    return f"accusation/{tenant}/{transaction_id}"


def listed(tenant: str, merchant_id: str) -> str:
    """A merchant's row of the directory."""
    return f"{DIRECTORY}{tenant}/{merchant_id}"
