"""Resources of one type as they were accepted: bytes, value, version, and the verdict on what came last.

Here: the entries and what may be asked of them.  Not here: how a response gets in (intake), what a protocol says (sotw, delta).
Good values are kept, bad ones leave the last good value in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that was not accepted.  wall: calendar time in seconds."""

    version: str
    body: bytes
    details: str
    wall: float


@dataclass(slots=True)
class Entry:
    """What is known of one resource.

    body: None until a value was accepted, and after the server said that there is none.  updated: calendar time of the last change.
    expires: monotonic time at which the value goes unless it is refreshed.  absent: known not to exist.
    """

    version: str = ""
    body: bytes | None = None
    value: object = None
    updated: float = 0.0
    expires: float | None = None
    absent: bool = False
    refused: Refused | None = None


class Store:
    """Entries by name."""

    __slots__ = ("_expiring", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._expiring: dict[str, float] = {}

    def values(self) -> dict[str, object]:
        """Accepted values by name."""
        return {name: entry.value for name, entry in self.accepted()}

    def versions(self) -> dict[str, str]:
        """Accepted versions by name: what a server need not send again."""
        return {name: entry.version for name, entry in self.accepted()}

    def accepted(self) -> Iterator[tuple[str, Entry]]:
        return ((name, entry) for name, entry in self.entries.items() if entry.body is not None)

    def get(self, name: str) -> Entry | None:
        """The entry of an accepted resource."""
        entry = self.entries.get(name)
        return entry if entry is not None and entry.body is not None else None

    def put_all(self, entries: Mapping[str, Entry]) -> None:
        self.entries.update(entries)
        for name in self._expiring.keys() & entries.keys():
            del self._expiring[name]
        self._expiring.update((name, entry.expires) for name, entry in entries.items() if entry.expires is not None)

    def refuse(self, name: str, refused: Refused) -> None:
        """Note a bad version; the value that is had stays."""
        self.entries.setdefault(name, Entry()).refused = refused

    def remove(self, name: str) -> bool:
        """Forget the resource.  True if there was a value."""
        self._expiring.pop(name, None)
        entry = self.entries.pop(name, None)
        return entry is not None and entry.body is not None

    def mark_absent(self, name: str) -> None:
        """It is wanted by name and known not to be there."""
        self.put_all({name: Entry(absent=True)})

    def next_expiry(self) -> float | None:
        return min(self._expiring.values(), default=None)

    def expired(self, now: float) -> tuple[str, ...]:
        """Names whose time to live is over; the caller removes them."""
        return tuple(name for name, expires in self._expiring.items() if expires <= now)
