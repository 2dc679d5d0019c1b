"""A policy file (TOML) as a policy, or everything that is wrong with it."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from importlib.resources import files
from re import compile as compile_pattern
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from alerting.limits import feature_problem
from alerting.policy import Policy, PolicyError, policy_problems, policy_version
from alerting.rule_language import rule_problem
from detectors.features import NAMES
from detectors.pan import contains_pan

__all__ = ["MAX_POLICY_CHARACTERS", "PolicyError", "default_policy_text", "parse_policy"]

MAX_POLICY_CHARACTERS: Final = 48_000
"""A policy travels as one record of the log."""

_POLICY: Final = TypeAdapter(Policy)
_SET_BY_READER: Final = "version"
_QUOTES: Final = compile_pattern("[\"']")
_Where = tuple[int | str, ...]


def default_policy_text() -> str:
    """The text of the policy that Tapwatch ships with."""
    return files("alerting").joinpath("policies/default.toml").read_text(encoding="utf-8")


def parse_policy(text: str) -> Policy:
    """The policy that ``text`` describes.

    Raises
    ------
    PolicyError
        With one line for each problem: the key, the value and what is allowed.
    """
    if len(text) > MAX_POLICY_CHARACTERS:
        raise PolicyError([f"the policy has {len(text)} characters; allowed: {MAX_POLICY_CHARACTERS}"])
    if suspects := list(_card_numbers(text)):
        raise PolicyError(suspects)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"the policy is no TOML: {error}"]) from None
    if _SET_BY_READER in document:
        raise PolicyError([_unknown_key((_SET_BY_READER,), document[_SET_BY_READER])])
    unknown_names = list(_name_problems(document))
    try:
        policy = _validated(document | {_SET_BY_READER: policy_version(text)})
    except ValidationError as error:
        malformed = map(_describe, error.errors(include_url=False))
        raise PolicyError([*malformed, *unknown_names]) from None
    if problems := [*policy_problems(policy), *unknown_names]:
        raise PolicyError(problems)
    return policy


def _card_numbers(text: str) -> Iterator[str]:
    # First of all, and without the text: no message may repeat a card number.
    for number, line in enumerate(text.splitlines(), start=1):
        if any(contains_pan(piece) for piece in _QUOTES.split(line)):
            yield f"line {number}: looks like a card number; allowed: tokens only"


def _validated(document: dict[str, Any]) -> Policy:
    _spell_out_entries(document)
    # Only from JSON does pydantic read strictly and still take lists for tuples and texts for enumerations.
    raw = json.dumps(document, default=_time_text)
    return _POLICY.validate_json(raw)


def _name_problems(document: dict[str, Any]) -> Iterator[str]:
    """Rules and limits that can't be read; asked of the raw file, to go with its other problems."""
    for place, text in _texts(document, "rules", "when"):
        if problem := rule_problem(text, NAMES):
            yield f"{place}: {text[:200]!r}: {problem}"
    for place, text in _texts(document, "limits", "feature"):
        if problem := feature_problem(text, NAMES):
            yield f"{place}: {problem}"


def _texts(document: dict[str, Any], section: str, key: str) -> Iterator[tuple[str, str]]:
    parts = document.get(section)
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        text = part.get(key) if isinstance(part, dict) else None
        if isinstance(text, str):
            yield f"{section}.{index}.{key}", text


def _spell_out_entries(document: dict[str, Any]) -> None:
    """Let a list's entry be a plain text where nothing but its value is said."""
    listings = document.get("lists")
    for listing in listings if isinstance(listings, list) else ():
        entries = listing.get("entries") if isinstance(listing, dict) else None
        if isinstance(entries, list):
            listing["entries"] = [{"value": entry} if isinstance(entry, str) else entry for entry in entries]


def _time_text(value: datetime | date | time) -> str:
    return value.isoformat()


def _describe(problem: ErrorDetails) -> str:
    where = problem["loc"]
    kind = problem["type"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown_key(where, problem["input"])
    if kind in ("missing", "missing_argument"):
        return f"{_dotted(where)}: missing; allowed: {_wanted(where)}"
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        return f"{_dotted(where)}.{message}" if where else message
    return f"{_dotted(where)}: {_shown(problem['input'])}; allowed: {_wanted(where)}"


def _unknown_key(where: _Where, value: object) -> str:
    keys = ", ".join(_keys(_type_at(where[:-1])))
    return f"{_dotted(where)}: unknown key with the value {_shown(value)}; allowed: {keys}"


def _dotted(where: _Where) -> str:
    return ".".join(str(part) for part in where)


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _wanted(where: _Where) -> str:
    """What stands at a place of the policy, in words."""
    wanted = _type_at(where)
    if values := getattr(wanted, "__members__", None):
        return ", ".join(str(member.value) for member in values.values())
    if is_dataclass(wanted):
        return f"a table with {', '.join(_keys(wanted))}"
    if get_origin(wanted) is tuple:
        return "a list"
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}
    return (
        "a time in UTC, such as 2030-01-01T00:00:00Z" if wanted is datetime else words.get(wanted, "a table")
    )


def _keys(part: Any) -> list[str]:
    return [each.name for each in fields(part) if each.name != _SET_BY_READER] if is_dataclass(part) else []


def _type_at(where: _Where) -> Any:
    """The type that the policy's dataclasses declare at a place."""
    current: Any = Policy
    for part in where:
        if get_origin(current) is tuple:
            current = get_args(current)[0]
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        elif is_dataclass(current):
            current = _without_none(get_type_hints(current).get(str(part), str))
    return current


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return hint
