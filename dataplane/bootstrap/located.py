"""An error of a resource that is part of a bootstrap: it is told with the resource's own path and looked up by the bootstrap's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dataplane.base.errors import ConfigError, FieldPath

Rule = Callable[[Any], Iterator[ConfigError]]
"""One check of a whole Bootstrap message; the paths begin at it."""


@dataclass(frozen=True, slots=True)
class Located:
    """at: the place in the bootstrap."""

    error: ConfigError
    at: FieldPath


def located(error: ConfigError, root: FieldPath, at: FieldPath) -> Located:
    """*error* of the resource *root* that stands *at* in the bootstrap."""
    inside = at
    told = root
    for step in error.at.steps:
        inside = inside / step
        told = told / step
    return Located(ConfigError(told, error.reason), inside)
