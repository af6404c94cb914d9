"""The names that are wanted of one resource type.

Here: the set and how it changes.  Not here: how a protocol says so (sotw, delta), what was had in answer (store).
Spec: xDS REST and gRPC protocol, "How the client specifies what resources to return".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

STAR: Final = "*"
# Everything the server has for this node.
WILDCARD: Final = frozenset((STAR,))


@dataclass(frozen=True, slots=True)
class Change:
    """What one replacement of the names did."""

    added: tuple[str, ...]
    dropped: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped)


class Subscription:
    """Wanted names, in the order in which they were first asked for; `*` among them is the wildcard."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, None] = dict.fromkeys(names)

    def replace(self, names: Collection[str]) -> Change:
        wanted = names if isinstance(names, (set, frozenset, dict)) else frozenset(names)
        dropped = tuple(name for name in self._names if name not in wanted)
        added = tuple(name for name in dict.fromkeys(names) if name not in self._names)
        for name in dropped:
            del self._names[name]
        self._names.update(dict.fromkeys(added))
        return Change(added, dropped)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def wildcard(self) -> bool:
        return STAR in self._names

    @property
    def wildcard_only(self) -> bool:
        """Nothing but the wildcard: the case that both protocols may say by naming nothing at all."""
        return len(self._names) == 1 and STAR in self._names

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def wants(self, name: str) -> bool:
        """By its name or by the wildcard."""
        return name in self._names or STAR in self._names

    def __bool__(self) -> bool:
        return bool(self._names)
