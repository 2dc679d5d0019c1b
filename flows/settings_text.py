"""Settings as the text of a settings file."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def settings_text(values: Mapping[str, Any]) -> str:
    """Plain values as TOML; what is None is left out, as TOML has no word for it.

    >>> print(settings_text({"listen": "h:1", "policy_file": None, "tls": {}, "engine": {"max_batch": 64}}))
    listen = "h:1"
    <BLANKLINE>
    [tls]
    <BLANKLINE>
    [engine]
    max_batch = 64
    """
    return "\n".join(_lines(values, ()))


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in values.items() if name not in tables and value is not None}
    if path and (plain or not tables):
        yield ""
        yield f"[{'.'.join(path)}]"
    for name, value in plain.items():
        yield f"{_key(name)} = {json.dumps(value, default=str)}"
    for name, value in tables.items():
        yield from _lines(value, (*path, _key(name)))


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name)
