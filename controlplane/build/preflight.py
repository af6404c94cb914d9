"""Would a proxy accept this?  Asks the data plane's own compiler, before anything is stored.

Here: texts and encoded messages in, resources or every problem out.  The only file that knows the data plane, and only its façade.
Not here: references between resources (references), revisions.
Pure and slow for large input: callers run it in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from controlplane.base.errors import Problem
from controlplane.base.resource import Resource
from controlplane.build import messages
from dataplane import validation


@dataclass(frozen=True, slots=True)
class Document:
    """One text of YAML or JSON with any number of resources.  source: what problems call it."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class EncodedResource:
    """One resource as a client serialized it."""

    type_url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """resources: everything that could be read, in order.  problems: empty exactly when a proxy would accept all of it."""

    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...]


def check(documents: Sequence[Document], encoded: Sequence[EncodedResource]) -> Checked:
    """Read and compile everything; never stops at the first problem."""
    parsed: list[validation.ParsedResource] = []
    problems: list[Problem] = []
    for document in documents:
        found, unreadable = validation.parse_resources(document.text, document.source)
        parsed += found
        problems += map(_problem, unreadable)
    for position, resource in enumerate(encoded):
        try:
            parsed.append(validation.resource_from_message(messages.decode(resource.type_url, resource.body)))
        except (messages.UnknownType, DecodeError) as error:
            problems.append(Problem(str(error), document=position))
    problems += map(_problem, validation.check_resources(parsed, local=False))
    resources = [Resource.of(each.type_url, each.name, messages.encode(each.message)) for each in parsed]
    return Checked(tuple(resources), tuple(problems))


def _problem(found: validation.Problem) -> Problem:
    place = (found.document or 0, found.line or 0, found.column or 0)
    return Problem(found.reason, found.source, *place, found.resource, found.path)
