"""What every worker has to know, as facts by key, and what each of them does not know yet.

Here: no I/O.  A fact is replaced or taken away; whoever is behind is told the newest and never what was between, so a worker that stands
still costs one key for each fact that changed meanwhile, however often it did.
Not here: sending (member), what a worker does with a fact (replica).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dataplane.base.address import Address

GENERATION: Final = "generation"

Kind = Literal["generation", "resource", "socket", "names", "checks", "drain", "levels", "counts", "ejections", "failures"]
"""What a fact is about: the number of the generation that the resources make; a resource; a listening socket; the answers of DNS for a
cluster; the results of a cluster's active health checks; a drain that is under way; levels of the process's log, by component; the
block of shared counts that belongs to a name; the hosts of a cluster that are ejected; the blocks in which failures of a cluster's hosts
are counted."""


@dataclass(frozen=True, slots=True)
class Key:
    """kind, and the rest of the name: of a resource its type URL and its key in a snapshot, of a socket its listener, of others a cluster.

    address: of a socket; a listener may have several.
    """

    kind: Kind
    name: str = ""
    type_url: str = ""
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class ResourceFact:
    """A resource as bytes, which the main process has accepted."""

    body: bytes
    added_via_api: bool


class Behind:
    """One worker's backlog.  `take` empties it."""

    __slots__ = ("_board", "_keys")

    def __init__(self, board: Board) -> None:
        self._board = board
        self._keys: dict[Key, None] = dict.fromkeys(board.facts)

    def add(self, key: Key) -> None:
        self._keys[key] = None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def take(self) -> tuple[dict[Key, object], Sequence[Key]]:
        """Facts that are new or changed, and keys whose fact is gone."""
        facts = self._board.facts
        keys, self._keys = self._keys, {}
        return {key: facts[key] for key in keys if key in facts}, [key for key in keys if key not in facts]


class Board:
    """All facts.  Several changes of one step of the loop are seen together: nobody takes in between."""

    def __init__(self) -> None:
        self._facts: dict[Key, object] = {}
        self._readers: list[Behind] = []

    @property
    def facts(self) -> Mapping[Key, object]:
        return self._facts

    def put(self, key: Key, fact: object) -> None:
        self._facts[key] = fact
        for reader in self._readers:
            reader.add(key)

    def drop(self, key: Key) -> None:
        if self._facts.pop(key, None) is not None:
            for reader in self._readers:
                reader.add(key)

    def reader(self) -> Behind:
        """A worker that knows nothing."""
        reader = Behind(self)
        self._readers.append(reader)
        return reader

    def forget(self, reader: Behind) -> None:
        self._readers.remove(reader)
