"""What the management of configuration refuses, and why.

Here: the errors every layer above may raise towards an operator.  Not here: how REST and gRPC spell them (admin).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or doubtful) in what was handed in.

    source: file name or other origin.  document: index in a multi-document text, from 0.  line, column: from 1; 0 where unknown.
    resource: `RouteConfiguration{edge}`.  path: the field in it.  reason: the rule that is broken.
    """

    reason: str
    source: str = ""
    document: int = 0
    line: int = 0
    column: int = 0
    resource: str = ""
    path: str = ""


class ManagementError(Exception):
    """Base of what an operator may be told."""


class Refused(ManagementError):
    """The change is invalid; nothing was stored.  problems: every one of them, never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems
        count = len(problems)
        super().__init__(f"refused: {count} problem{'s' if count > 1 else ''}; first: {problems[0].reason}")
        self.problems = tuple(problems)


class NotFound(ManagementError):
    """No such resource, group or revision."""


class Conflict(ManagementError):
    """The configuration is not at the revision the caller expected."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"expected revision {expected}, but the configuration is at revision {found}")
        self.expected = expected
        self.found = found
