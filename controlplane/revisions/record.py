"""How a revision is written down: a small record, pieces of the table of contents, and bodies; each found by the hash of its content.

Here: encoding and decoding, pure.  Not here: reading and writing them (history).
A revision of 10,000 resources that changes one writes one body, one piece of about 160 entries and one record: bodies and pieces that
did not change are shared between revisions.  Nothing comes near etcd's limit of 1.5 MiB a value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from controlplane.base.group import Group, Selector
from controlplane.base.resource import GroupName, Resource, Revision
from controlplane.revisions.configuration import ResourceKey

FORMAT = 1
PIECES = 64
NO_REVISION = Revision(0)


class Corrupt(Exception):
    """What the store holds is not what was written."""


@dataclass(frozen=True, slots=True)
class RevisionInfo:
    """Who made a revision, when and why.  created: wall time.  restores: the revision it is a roll-back to, or 0."""

    revision: Revision
    author: str
    message: str
    created: float
    restores: Revision = NO_REVISION
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A revision as stored: about it, and the digests of what it consists of."""

    info: RevisionInfo
    groups: str
    pieces: tuple[str, ...]


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def encode_record(record: Record) -> bytes:
    return _json({"format": FORMAT, "info": asdict(record.info), "groups": record.groups, "pieces": record.pieces})


def decode_record(content: bytes) -> Record:
    fields = json.loads(content)
    if fields["format"] != FORMAT:
        raise Corrupt(f"revision has format {fields['format']}, this program reads format {FORMAT}")
    return Record(RevisionInfo(**fields["info"]), fields["groups"], tuple(fields["pieces"]))


def encode_pieces(resources: Mapping[ResourceKey, Resource]) -> list[bytes]:
    """The table of contents, cut by a hash of the key, so that a change touches one piece."""
    pieces: dict[int, list[tuple[str, str, str, str]]] = {}
    for key, resource in resources.items():
        pieces.setdefault(_piece_of(key), []).append((*key, digest(resource.body)))
    return [_json(sorted(pieces[index])) for index in sorted(pieces)]


def decode_piece(content: bytes) -> list[tuple[ResourceKey, str]]:
    """Resource keys and the digests of their bodies."""
    return [(ResourceKey(GroupName(group), type_url, name), body) for group, type_url, name, body in json.loads(content)]


def encode_groups(groups: Iterable[Group]) -> bytes:
    return _json([asdict(group) for group in sorted(groups, key=lambda group: group.name)])


def decode_groups(content: bytes) -> dict[GroupName, Group]:
    groups = [_group(**fields) for fields in json.loads(content)]
    return {group.name: group for group in groups}


def _group(name: str, selectors: list[dict[str, object]], priority: int, inherits: bool) -> Group:
    return Group(GroupName(name), tuple(_selector(**fields) for fields in selectors), priority, inherits)  # type: ignore[arg-type]  # JSON, our own


def _selector(
    node_ids: list[str], node_clusters: list[str], metadata: list[list[str]], region: str, zone: str, sub_zone: str
) -> Selector:
    pairs = tuple((path, pattern) for path, pattern in metadata)
    return Selector(tuple(node_ids), tuple(node_clusters), pairs, region, zone, sub_zone)


def _piece_of(key: ResourceKey) -> int:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=2).digest()[0] % PIECES


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
