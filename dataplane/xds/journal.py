"""The journal: every discovered resource that is in use, as one blob that a later process can continue from.

Here: values to bytes and back, and what makes bytes unusable.  Not here: files (server.journal), what is recalled when (client).

    pointsman journal 1 <LF> sha256 of the rest <LF> length of the index <LF> index (JSON) bodies, one behind the other

The index names type, name, version and length of each body, and the types of which there is none.  Bodies stay what the management server
sent: they are compiled again by whoever reads them, so a journal of another version of this program is as good as one of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MAGIC: Final = b"pointsman journal 1"


class UnusableJournalError(Exception):
    """These bytes are no journal of this proxy; the text says why."""


@dataclass(frozen=True, slots=True)
class JournaledResource:
    """One resource as it was accepted."""

    name: str
    version: str
    body: bytes


# By type URL.  A type without resources was answered as well: there are none.
Journaled = Mapping[str, Iterable[JournaledResource]]


@dataclass(frozen=True, slots=True)
class Journal:
    """written: calendar time in seconds.  resources: by type URL."""

    written: float = 0.0
    resources: Mapping[str, tuple[JournaledResource, ...]] = field(default_factory=dict)


def encode(node: str, written: float, resources: Journaled) -> bytes:
    """node: who may continue from it."""
    rows: dict[str, list[tuple[str, str, int]]] = {}
    bodies: list[bytes] = []
    for type_url, each in sorted(resources.items()):
        kept = sorted(each, key=lambda resource: resource.name)
        rows[type_url] = [(resource.name, resource.version, len(resource.body)) for resource in kept]
        bodies += [resource.body for resource in kept]
    index = json.dumps({"node": node, "written": written, "resources": rows}).encode()
    rest = b"%d\n%b%b" % (len(index), index, b"".join(bodies))
    return b"\n".join((_MAGIC, hashlib.sha256(rest).hexdigest().encode(), rest))


def decode(data: bytes, node: str) -> Journal:
    """Raises UnusableJournalError."""
    magic, _, behind = data.partition(b"\n")
    checksum, _, rest = behind.partition(b"\n")
    if magic != _MAGIC:
        raise UnusableJournalError("it is no journal of this version")
    if hashlib.sha256(rest).hexdigest().encode() != checksum:
        raise UnusableJournalError("its checksum is wrong")
    length, _, behind = rest.partition(b"\n")
    index: dict[str, Any] = json.loads(behind[: int(length)])
    if index["node"] != node:
        raise UnusableJournalError(f"it is that of node {index['node']}")
    return Journal(index["written"], _resources(index["resources"], behind[int(length) :]))


def _resources(rows: dict[str, list[list[Any]]], bodies: bytes) -> dict[str, tuple[JournaledResource, ...]]:
    found: dict[str, tuple[JournaledResource, ...]] = {}
    at = 0
    for type_url, each in rows.items():
        resources = []
        for name, version, length in each:
            resources.append(JournaledResource(name, version, bodies[at : at + length]))
            at += length
        found[type_url] = tuple(resources)
    return found
