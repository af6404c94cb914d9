"""What a walk over a message does at each place, and what it finds.

Here: the building blocks that constraints.py and deprecations.py make their plans of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dataplane.base.errors import ConfigError, FieldPath, Problems
from dataplane.compile.constraint_rules import Check


@dataclass(slots=True)
class Findings:
    """One check.  warnings: deprecated fields that are still honoured."""

    problems: Problems
    warnings: list[ConfigError] = field(default_factory=list)


Visit = Callable[[Any, FieldPath, Findings], None]
"""What to do with the value of a field that is set."""


def reporting(check: Check) -> Visit:
    """Report what *check* says of the value."""

    def visit(value: Any, at: FieldPath, findings: Findings) -> None:
        reason = check(value)
        if reason is not None:
            findings.problems.add(at, reason)

    return visit


def in_turn(visits: list[Visit]) -> Visit:
    """All of *visits*, one after the other."""
    if len(visits) == 1:
        return visits[0]

    def visit(value: Any, at: FieldPath, findings: Findings) -> None:
        for each in visits:
            each(value, at, findings)

    return visit


def each_item(visit: Visit) -> Visit:
    def visit_all(values: Any, at: FieldPath, findings: Findings) -> None:
        for index, value in enumerate(values):
            visit(value, at / index, findings)

    return visit_all


def each_key(visit: Visit) -> Visit:
    def visit_all(values: Any, at: FieldPath, findings: Findings) -> None:
        for key in values:
            visit(key, at / str(key), findings)

    return visit_all


def each_value(visit: Visit) -> Visit:
    def visit_all(values: Any, at: FieldPath, findings: Findings) -> None:
        for key, value in values.items():
            visit(value, at / str(key), findings)

    return visit_all


def when_missing(is_there: Callable[[Any], bool], name: str, reason: str) -> Visit:
    """For a message: report *reason* at field *name* unless it *is_there*."""

    def visit(message: Any, at: FieldPath, findings: Findings) -> None:
        if not is_there(message):
            findings.problems.add(at / name, reason)

    return visit
