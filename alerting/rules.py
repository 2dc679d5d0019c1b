"""Hard rules: conditions written by people in the language of :mod:`alerting.rule_language`.

Names and types are checked when a rule is read, so a rule can hardly fail later; one that does (by dividing
by zero) counts as not matched and is reported.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan
from typing import Any, ClassVar, Final

from rule_engine import ast, errors  # type: ignore[import-untyped]  # the library ships no type marker

from alerting.checks import STRICTNESS, check_id, check_stricter
from alerting.decision import Action
from alerting.reasons import RULE_REASONS, Hit, policy_reason
from alerting.rule_language import Reader, Subject, parse_rule, readers_of
from detectors.assessment import Assessment
from detectors.events import STRICT, Payment

Precheck = Callable[[Payment, Assessment], bool | None]

_FAILURES: Final = (errors.EngineError, ArithmeticError, ValueError, TypeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Rule:
    """One hard rule: when ``when`` holds, ``action`` is due, with ``reason`` as its code."""

    __pydantic_config__: ClassVar = STRICT

    id: str
    when: str
    action: Action
    reason: str = "RULE"

    def __post_init__(self) -> None:
        check_id(self.id)
        check_stricter("action", self.action)
        if self.reason not in RULE_REASONS:
            raise ValueError(f"reason: {self.reason!r} is unknown; allowed: {', '.join(RULE_REASONS)}")


class RuleSet:
    """All rules, strictest first, ready to be asked."""

    __slots__ = ("_rules",)

    def __init__(self, rules: tuple[Rule, ...], names: tuple[str, ...]) -> None:
        readers = readers_of(names)
        ordered = sorted(rules, key=lambda rule: -STRICTNESS[rule.action])
        self._rules = tuple(_compile(rule, names, readers) for rule in ordered)

    def ask(self, payment: Payment, assessment: Assessment) -> tuple[list[Hit], list[str]]:
        """The rules that match, and the ids of those that failed."""
        hits: list[Hit] = []
        failed: list[str] = []
        for prechecks, matches, hit in self._rules:
            if not _may_match(prechecks, payment, assessment):
                continue
            try:
                if matches((payment, assessment)):
                    hits.append(hit)
            except _FAILURES:
                failed.append(hit.id)
        return hits, failed


def _compile(
    rule: Rule, names: tuple[str, ...], readers: dict[str, Reader]
) -> tuple[tuple[Precheck, ...], Callable[[Subject], bool], Hit]:
    parsed = parse_rule(rule.when, names, readers)
    prechecks = tuple(_prechecks(parsed.statement.expression, readers))
    return prechecks, parsed.matches, Hit(rule.id, rule.action, policy_reason(rule.reason, rule.id))


def _may_match(prechecks: tuple[Precheck, ...], payment: Payment, assessment: Assessment) -> bool:
    for precheck in prechecks:
        verdict = precheck(payment, assessment)
        if verdict is not True:
            return verdict is None
    return True


def _prechecks(node: Any, readers: dict[str, Reader]) -> Iterator[Precheck]:
    """Cheap tests from the start of a chain of ``and``: False when the rule can't match.

    They stop at the first part that is more than a name compared with a constant, and answer ``None`` to a
    number that is none: there the library must go on, so that a failure is never hidden by a later part.
    """
    for part in _and_chain(node):
        precheck = _precheck(part, readers)
        if precheck is None:
            return
        yield precheck


def _and_chain(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.LogicExpression) and node.type == "and":
        yield from _and_chain(node.left)
        yield from _and_chain(node.right)
    else:
        yield node


def _precheck(node: Any, readers: dict[str, Reader]) -> Precheck | None:
    if isinstance(node, ast.ContainsExpression):
        members = node.container.value
        if isinstance(node.member, ast.SymbolExpression) and _are_texts(members):
            return _is_one_of(readers[node.member.name], frozenset(member.value for member in members))
        return None
    if not (isinstance(node, ast.ComparisonExpression) and isinstance(node.left, ast.SymbolExpression)):
        return None
    left, right = node.left, node.right
    read = readers[left.name]
    if isinstance(right, ast.StringExpression) and node.type == "eq":
        return _is_one_of(read, frozenset({right.value}))
    if isinstance(right, ast.FloatExpression):
        return _number_precheck(read, node.type, float(right.value))
    return None


def _are_texts(members: Any) -> bool:
    return all(isinstance(member, ast.StringExpression) for member in members)


def _is_one_of(read: Reader, values: frozenset[str]) -> Precheck:
    return lambda payment, assessment: read(payment, assessment) in values


def _number_precheck(read: Reader, operator: str, bound: float) -> Precheck | None:
    # The bound is rounded and the library compares exact decimals, so a tie is left to the library.
    if operator in ("gt", "ge"):

        def is_above(payment: Payment, assessment: Assessment) -> bool | None:
            value = _number(read(payment, assessment))
            return True if value >= bound else False if value < bound else None

        return is_above
    if operator in ("lt", "le"):

        def is_below(payment: Payment, assessment: Assessment) -> bool | None:
            value = _number(read(payment, assessment))
            return True if value <= bound else False if value > bound else None

        return is_below
    return None


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int) else nan
