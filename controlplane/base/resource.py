"""xDS resources as the control plane keeps them: names and bytes, never messages.

Here: the values that travel from the store through delivery to the streams.  Not here: what is in them (sources), who gets them (delivery).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NewType

Revision = NewType("Revision", int)
GroupName = NewType("GroupName", str)

DEFAULT_GROUP = GroupName("default")


@dataclass(frozen=True, slots=True)
class Resource:
    """One Envoy v3 resource.  body: the message, serialized deterministically.  version: changes exactly when body does."""

    type_url: str
    name: str
    body: bytes
    version: str

    @classmethod
    def of(cls, type_url: str, name: str, body: bytes) -> Resource:
        return cls(type_url, name, body, hashlib.blake2b(body, digest_size=8).hexdigest())


@dataclass(frozen=True, slots=True)
class ResourceSet:
    """All resources of one group at one revision: by type URL, then by name.  Parts that did not change are the same objects."""

    revision: Revision
    by_type: Mapping[str, Mapping[str, Resource]]


EMPTY = ResourceSet(Revision(0), MappingProxyType({}))
