"""Addresses to listen on: ``host:port``, with brackets around an IPv6 host."""

import os
import socket
from dataclasses import dataclass
from typing import Final

ALLOWED: Final = "host:port with a port of 0..65535 (0 picks a free one), such as 127.0.0.1:50551"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        """IPv6 for a host in numbers with colons, IPv4 for all others."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def parse_address(text: str) -> Address:
    """The address that ``text`` names.

    Raises
    ------
    ValueError
        When it names none; the message says what is allowed.

    Examples
    --------
    >>> parse_address("[::1]:50551")
    Address(host='::1', port=50551)
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    sound = name.strip() == name != "" and (":" in name) == bracketed
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not (colon and sound and digits and int(port) <= 65_535):
        raise ValueError(f"{text!r}; allowed: {ALLOWED}")
    return Address(name, int(port))


def listening_problem(address: Address) -> str | None:
    """Why nobody could listen on ``address`` now; None when somebody could."""
    try:
        socket.create_server((address.host, address.port), family=address.family).close()
    except OSError as error:
        return system_words(error)
    return None


def system_words(error: OSError) -> str:
    """What the system says went wrong, without numbers and places."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
