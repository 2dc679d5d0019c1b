"""Short names of ids, and the check of a stored schema version."""

from functools import lru_cache
from zlib import crc32


@lru_cache(maxsize=4096)
def common_token(kind: int, value: str) -> int:
    """:func:`token` of a value of which there are few, such as a country."""
    return token(kind, value)


def token(kind: int, value: str) -> int:
    """A 32-bit name of ``value`` that is the same in every process; ``kind`` keeps unlike things apart.

    >>> token(0, "m-1") == token(0, "m-1"), token(0, "m-1") == token(1, "m-1")
    (True, False)
    """
    return crc32(value.encode(), kind)


def check_version(what: str, version: int, *known: int) -> None:
    """Refuse state that another version of the code wrote."""
    if version not in known:
        allowed = ", ".join(map(str, known))
        raise ValueError(f"{what}: schema version {version} is unknown; allowed: {allowed}")
